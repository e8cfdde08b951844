"""Distributions over indices, with masks."""

import math

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import special, stats

from rlcore.errors import ConfigError, EnvContractError
from rlcore.networks import CategoricalNetwork

NET = CategoricalNetwork(lambda x: x)  # a state is its logits
NAN, INF = math.nan, math.inf

sample, log_prob_of, entropy, mode = map(jax.jit, (NET.sample, NET.log_prob, NET.entropy, NET.mode))


def logits(*values):
    return np.array(values, np.float32)


@pytest.mark.parametrize("leading", [(), (2, 3)])
def test_log_prob_and_entropy_are_those_of_scipy(leading):
    rng = np.random.default_rng(0)
    state, mask = rng.normal(size=(*leading, 5)).astype(np.float32), rng.random((*leading, 5)) < 0.6
    mask[..., 2] = True
    for given_mask, legal in ((None, np.ones_like(mask)), (mask, mask)):
        probability = special.softmax(np.where(legal, state.astype(float), -np.inf), -1)
        np.testing.assert_allclose(entropy(state, given_mask), stats.entropy(probability, axis=-1), atol=1e-5)
        every = np.broadcast_to(np.arange(5), (*leading, 5))
        np.testing.assert_allclose(np.exp(log_prob_of(state, every, given_mask)), probability, atol=1e-6)
        one = np.full(leading, 2)
        np.testing.assert_allclose(np.exp(log_prob_of(state, one, given_mask)), probability[..., 2], atol=1e-6)
        np.testing.assert_array_equal(mode(state, given_mask), probability.argmax(-1))


@pytest.mark.parametrize("mask", [None, [True, False, True, True]])
def test_samples_follow_the_probabilities(mask):
    """Chi-square, false alarm once in 10,000."""
    state = logits(0.0, 3.0, 1.0, -1.0)
    action, log_prob = NET.sample(state, jax.random.key(0), mask, 20_000)
    legal = np.ones(4, bool) if mask is None else np.array(mask)
    counts = np.bincount(action, minlength=4)
    assert not counts[~legal].any()
    expected = special.softmax(state[legal].astype(float)) * 20_000
    assert stats.chisquare(counts[legal], expected).pvalue > 1e-4
    np.testing.assert_allclose(log_prob, NET.log_prob(state, action, mask), atol=1e-6)
    assert abs(np.corrcoef(action[:-1], action[1:])[0, 1]) < 4 / math.sqrt(20_000)  # 4 standard errors


def test_shapes_and_types():
    state = np.zeros((2, 3, 4), np.float32)
    action, log_prob = NET.sample(state, jax.random.key(0))
    assert (action.shape, log_prob.shape, action.dtype) == ((2, 3), (2, 3), jnp.int32)
    action, log_prob = jax.jit(lambda s: NET.sample(s, jax.random.key(0), n_samples=50))(state)
    assert (action.shape, log_prob.shape) == ((2, 3, 50), (2, 3, 50))
    assert len({tuple(row.tolist()) for row in np.asarray(action).reshape(6, 50)}) == 6
    assert log_prob_of(state, action).shape == (2, 3, 50)
    assert NET(logits(1.0, 2.0), [True, False]).tolist() == [1.0, -INF]


values = st.lists(st.sampled_from([-INF, -3e38, -1.0, 0.0, 2.0, 88.0, 3e38]), min_size=4, max_size=4)


@settings(deadline=None)
@given(values, st.lists(st.booleans(), min_size=4, max_size=4).filter(any), st.integers(0, 1000))
def test_an_illegal_action_is_never_chosen(values, mask, seed):
    state, legal = logits(*values), np.array(mask)
    state[~legal] = np.where(seed % 2, NAN, 3e38)  # what is illegal has no influence
    if (state[legal] == -INF).all():
        with pytest.raises(ConfigError, match="largest legal logit is not finite"):
            NET.sample(state, jax.random.key(seed), legal)
        return
    action, log_prob = NET.sample(state, jax.random.key(seed), legal, 20)
    assert legal[np.asarray(action)].all()
    assert np.isfinite(log_prob).all()
    assert legal[int(NET.mode(state, legal))]
    assert 0 <= float(NET.entropy(state, legal)) <= math.log(legal.sum()) + 1e-5


@pytest.mark.parametrize("mask", [[True, False, True], [True, False, False], [True, True, True]])
def test_gradients_of_masked_distributions_are_finite_and_right(mask):
    state = jnp.array([0.5, 1.0, -INF if mask == [True, True, True] else -1.0])
    for f in (
        lambda s: NET.entropy(s, np.array(mask)),
        lambda s: NET.log_prob(s, 0, np.array(mask)),
        lambda s: NET.sample(s, jax.random.key(0), np.array(mask))[1],
    ):
        f = jax.jit(f)
        gradient = jax.jit(jax.grad(f))(state)
        assert np.isfinite(gradient).all()
        for place in range(2):
            step = jnp.zeros(3).at[place].set(0.01)
            assert float(gradient[place]) == pytest.approx(float(f(state + step) - f(state - step)) / 0.02, abs=1e-3)
        assert float(gradient[1]) == 0 or mask[1]


BAD = [
    (logits(NAN, 1.0), None, ConfigError, "largest legal logit is not finite"),
    (logits(INF, 1.0), None, ConfigError, "largest legal logit is not finite"),
    (logits(-INF, -INF), None, ConfigError, "largest legal logit is not finite"),
    (logits(0.0, 1.0), np.array([False, False]), EnvContractError, "the mask allows no action"),
]


@pytest.mark.parametrize(("state", "mask", "error", "message"), BAD)
def test_what_makes_no_distribution_is_refused_and_poisoned_in_a_trace(state, mask, error, message):
    for ask in (NET, NET.mode, NET.entropy):
        with pytest.raises(error, match=message):
            ask(state, mask)
    with pytest.raises(error, match=message):
        NET.sample(state, jax.random.key(0), mask)
    states = np.stack([state, logits(0.0, 1.0)])
    masks = None if mask is None else np.stack([mask, [True, True]])
    action, log_prob = sample(states, jax.random.key(0), masks)
    assert action[0] == -1 != action[1]
    assert np.isnan([log_prob[0], entropy(states, masks)[0]]).all()
    assert np.isfinite(log_prob[1])
    assert mode(states, masks).tolist() == [-1, 1]
    assert np.isnan(log_prob_of(states, np.array([0, 0]), masks)).tolist() == [True, False]


def test_log_prob_of_what_is_no_action():
    state = logits(0.0, 1.0, 2.0)
    assert NET.log_prob(state, 1, [True, False, True]) == -INF
    for action in (3, -1):
        with pytest.raises(ConfigError, match=f"an action is {action}, expected an index from 0 to 2"):
            NET.log_prob(state, action)
        assert np.isnan(log_prob_of(state, action))
    with pytest.raises(ConfigError, match="actions have dtype float32, expected whole numbers"):
        NET.log_prob(state, 1.0)
    with pytest.raises(ConfigError, match=r"actions have shape \(3, 2\), expected \(2,\), or \[2, n_samples\]"):
        NET.log_prob(np.zeros((2, 3), np.float32), np.zeros((3, 2), int))


@pytest.mark.parametrize(
    ("mask", "message"),
    [
        (np.ones(2, bool), r"mask has shape \(2,\), expected \(3,\)"),
        (np.ones((1, 3), bool), r"mask has shape \(1, 3\), expected \(3,\)"),
        (np.ones(3), "mask has dtype float64, expected bool"),
    ],
)
def test_refuses_masks_of_another_shape_or_type(mask, message):
    with pytest.raises(ConfigError, match=message):
        NET(logits(0.0, 1.0, 2.0), mask)


def test_refuses_a_model_that_gives_no_logits():
    with pytest.raises(ConfigError, match=r"output of shape \(\), expected \[..., actions\]"):
        CategoricalNetwork(lambda x: x.sum())(logits(1.0, 2.0))
    with pytest.raises(ConfigError, match="model is 2, expected"):
        CategoricalNetwork(2)
