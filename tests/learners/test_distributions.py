"""Distributions of the return: projections and losses against loops, SciPy and numbers by hand."""

import dataclasses

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import special, stats

from rlcore.errors import ConfigError
from rlcore.learners import CategoricalSupport, Distribution, Quantiles

rng = np.random.default_rng(0)


def projection_loop(support, probabilities, reward, gamma, terminated):
    """Algorithm 1 of Bellemare et al. 2017, atom by atom."""
    atoms = np.linspace(support.v_min, support.v_max, support.n_atoms)
    distance = (support.v_max - support.v_min) / (support.n_atoms - 1)
    rows = np.zeros((len(reward), support.n_atoms))
    for row in range(len(reward)):
        for atom, probability in zip(atoms, probabilities[row], strict=True):
            moved = reward[row] + (0 if terminated[row] else gamma[row] * atom)
            place = (min(max(moved, support.v_min), support.v_max) - support.v_min) / distance
            low, high = int(np.floor(place)), int(np.ceil(place))
            if low == high:
                rows[row, low] += probability
            else:
                rows[row, low] += probability * (high - place)
                rows[row, high] += probability * (place - low)
    return rows


@settings(max_examples=60, deadline=None)
@given(
    st.floats(-20, 19),
    st.floats(0.5, 30),
    st.sampled_from([2, 3, 11]),
    st.lists(st.tuples(st.floats(-40, 40), st.floats(0, 1), st.booleans()), min_size=4, max_size=4),
    st.integers(0, 1000),
)
def test_the_projection_is_that_of_a_loop(v_min, width, n_atoms, rows, seed):
    support = CategoricalSupport(v_min, v_min + width, n_atoms)
    outputs = np.random.default_rng(seed).normal(size=(4, n_atoms)).astype(np.float32)
    reward, gamma, terminated = (np.array(column) for column in zip(*rows, strict=True))
    target = support.target(outputs, reward.astype(np.float32), gamma.astype(np.float32), terminated)
    expected = projection_loop(support, special.softmax(outputs, -1), reward, gamma, terminated)
    np.testing.assert_allclose(target, expected, atol=1e-4)
    np.testing.assert_allclose(np.sum(target, -1), 1, atol=1e-4)


def test_the_projection_keeps_the_mean_inside_the_support():
    support = CategoricalSupport(-10, 10, 21)
    outputs = rng.normal(size=(50, 21)).astype(np.float32)
    reward, gamma = rng.uniform(-3, 3, 50).astype(np.float32), 0.6
    target = support.target(outputs, reward, gamma, np.zeros(50, bool))
    np.testing.assert_allclose(target @ support.atoms, reward + gamma * support.expected(outputs), atol=1e-4)


def test_the_projection_by_hand():
    support = CategoricalSupport(0, 2, 3)
    certain = np.array([[-50.0, 50.0, -50.0]] * 3, np.float32)  # the return is 1
    target = support.target(certain, np.array([0.25, 0.5, 9.0], np.float32), 0.5, np.array([False, True, False]))
    np.testing.assert_allclose(target, [[0.25, 0.75, 0.0], [0.5, 0.5, 0.0], [0.0, 0.0, 1.0]], atol=1e-6)


def test_the_loss_is_the_divergence_of_scipy():
    support = CategoricalSupport(-1, 1, 5)
    prediction = rng.normal(size=(6, 5)).astype(np.float32)
    target = rng.dirichlet(np.ones(5), 6).astype(np.float32)
    target[0] = [0, 0, 1, 0, 0]
    expected = [stats.entropy(p, special.softmax(q)) for p, q in zip(target, prediction, strict=True)]
    np.testing.assert_allclose(support.loss(prediction, target), expected, rtol=1e-4, atol=1e-6)
    np.testing.assert_allclose(support.loss(prediction, special.softmax(prediction, -1)), 0, atol=1e-6)


def test_the_gradient_of_the_divergence_is_probabilities_minus_target():
    support = CategoricalSupport(-1, 1, 5)
    prediction, target = rng.normal(size=(2, 5)), rng.dirichlet(np.ones(5), 2)
    target[0] = [0, 1, 0, 0, 0]
    gradient = jax.grad(lambda outputs: support.loss(outputs, jnp.asarray(target)).sum())(jnp.asarray(prediction))
    np.testing.assert_allclose(gradient, special.softmax(prediction, -1) - target, atol=1e-6)


def quantile_loss_loop(quantiles, prediction, target):
    """Equations 9 and 10 of Dabney et al. 2018, pair by pair."""
    losses = np.zeros(len(prediction))
    for row in range(len(prediction)):
        for i in range(quantiles.n):
            share = (2 * i + 1) / (2 * quantiles.n)
            for j in range(quantiles.n):
                u = target[row, j] - prediction[row, i]
                inside = abs(u) <= quantiles.kappa
                huber = 0.5 * u**2 if inside else quantiles.kappa * (abs(u) - 0.5 * quantiles.kappa)
                size = abs(u) if quantiles.kappa == 0 else huber
                losses[row] += abs(share - (u < 0)) * size / quantiles.n
    return losses


@pytest.mark.parametrize("n", [1, 2, 7])
@pytest.mark.parametrize("kappa", [0, 0.5, 1.0, 3])
def test_the_quantile_loss_is_that_of_a_loop(n, kappa):
    quantiles = Quantiles(n, kappa)
    prediction, target = (2 * rng.normal(size=(2, 5, n))).astype(np.float32)
    expected = quantile_loss_loop(quantiles, prediction, target)
    np.testing.assert_allclose(quantiles.loss(prediction, target), expected, rtol=1e-5)


def test_the_quantile_loss_by_hand():
    """Of two quantiles, shares 1/4 and 3/4: errors 2 and -0.5 with Huber losses 1.5 and 0.125."""
    loss = Quantiles(2).loss(np.array([[0.0, 0.0]]), np.array([[2.0, -0.5]]))
    first, second = (0.25 * 1.5 + 0.75 * 0.125) / 2, (0.75 * 1.5 + 0.25 * 0.125) / 2
    assert float(loss[0]) == pytest.approx(first + second)


def test_the_quantile_loss_is_least_at_the_quantiles_of_what_was_seen():
    seen = np.random.default_rng(1).exponential(size=4000).astype(np.float32)
    quantiles = Quantiles(4, kappa=0.0)

    def step(estimate, sample):
        gradient = jax.grad(lambda theta: quantiles.loss(theta[None], jnp.full((1, 4), sample))[0])(estimate)
        return estimate - 0.02 * gradient, estimate

    _, path = jax.lax.scan(step, jnp.zeros(4), jnp.asarray(np.tile(seen, 5)))
    np.testing.assert_allclose(path[10_000:].mean(0), np.quantile(seen, [0.125, 0.375, 0.625, 0.875]), rtol=0.1)


def test_quantiles_of_the_target():
    target = Quantiles(2).target(
        np.array([[1.0, 3.0], [np.nan, np.inf], [2.0, 4.0]]),
        np.array([1.0, 2.0, 3.0]),
        np.array([0.5, 0.5, 0.0]),
        np.array([False, True, True]),
    )
    np.testing.assert_allclose(target, [[1.5, 2.5], [2, 2], [3, 3]])


def test_the_support_after_an_end_is_the_reward_whatever_the_network_gives():
    support = CategoricalSupport(0, 4, 5)
    target = support.target(np.full((2, 5), np.nan), np.array([1.0, 2.5]), 0.9, np.array([True, True]))
    np.testing.assert_allclose(target, [[0, 1, 0, 0, 0], [0, 0, 0.5, 0.5, 0]], atol=1e-6)


@pytest.mark.parametrize("distribution", [CategoricalSupport(-2, 5, 8), Quantiles(8)])
def test_expected_values_are_means_in_numpy_and_jax(distribution):
    outputs = (20 * rng.normal(size=(3, 2, 8))).astype(np.float32)
    expected = outputs.mean(-1)
    if isinstance(distribution, CategoricalSupport):
        expected = special.softmax(outputs, -1) @ np.linspace(-2, 5, 8)
    for values in (distribution.expected(outputs), distribution.expected(jnp.asarray(outputs))):
        assert values.shape == (3, 2)
        np.testing.assert_allclose(values, expected, rtol=1e-4)
    assert type(distribution.expected(outputs)) is np.ndarray
    assert distribution.expected(outputs).dtype == np.float32


def test_compared_by_value():
    assert CategoricalSupport(0, 1, 5) == CategoricalSupport(0.0, 1.0, 5)
    assert hash(Quantiles(3)) == hash(Quantiles(3, 1.0))
    assert Quantiles(3) != Quantiles(4)
    with pytest.raises(dataclasses.FrozenInstanceError):
        Quantiles(3).n = 4
    assert Quantiles(3).shares.tolist() == pytest.approx([1 / 6, 0.5, 5 / 6])
    assert CategoricalSupport(-1, 1, 3).atoms.tolist() == [-1, 0, 1]


@pytest.mark.parametrize(
    ("build", "message"),
    [
        (lambda: CategoricalSupport(1, 1), "v_min is 1 and v_max 1, expected v_min below v_max"),
        (lambda: CategoricalSupport(2, -1), "v_min is 2 and v_max -1"),
        (lambda: CategoricalSupport(0, np.inf), "v_max is inf"),
        (lambda: CategoricalSupport("0", 1), "v_min is '0'"),
        (lambda: CategoricalSupport(0, 1, 1), "n_atoms is 1, expected a whole number of at least 2"),
        (lambda: Quantiles(0), "n is 0"),
        (lambda: Quantiles(3, -1), "kappa is -1"),
    ],
)
def test_refuses_wrong_arguments(build, message):
    with pytest.raises(ConfigError, match=message):
        build()


def test_the_base_says_what_to_write():
    for method, arguments in (("expected", (0,)), ("target", (0, 0, 0, 0)), ("loss", (0, 0))):
        with pytest.raises(NotImplementedError, match=f"Distribution has not written {method}"):
            getattr(Distribution(), method)(*arguments)
