"""Normal and squashed normal distributions, against SciPy, numerical integration and sampling."""

import math

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from flax import nnx
from scipy import integrate, stats

from rlcore.errors import ConfigError
from rlcore.networks import MLP, GaussianNetwork, SoftGaussianNetwork

STATES = np.random.default_rng(0).normal(size=(3, 4)).astype(np.float32)


def fixed(squash=jnp.tanh, **bounds):
    """The first half of a state is the mean, the second the deviation."""
    return GaussianNetwork(
        lambda x: x[..., : x.shape[-1] // 2], lambda x: x[..., x.shape[-1] // 2 :], squash=squash, **bounds
    )


def learning(kind=GaussianNetwork, size=2, **arguments):
    rngs = nnx.Rngs(0)
    std = nnx.Sequential(nnx.Linear(8, size, rngs=rngs), nnx.softplus)
    return kind(nnx.Linear(8, size, rngs=rngs), std, nnx.Sequential(nnx.Linear(4, 8, rngs=rngs), nnx.tanh), **arguments)


def test_moments_are_the_heads_on_the_features_and_clipped():
    net = learning(min_std=0.4, max_std=0.9)
    mean, std = net(STATES)
    features = net.pre(STATES)
    np.testing.assert_allclose(mean, net.mean(features))
    np.testing.assert_allclose(std, np.clip(net.std(features), 0.4, 0.9))
    assert {0.4, 0.9} & set(np.round(np.asarray(std, float), 6).ravel())
    assert len(np.unique(std)) > 2
    assert fixed(min_std=0.5)(np.array([0.0, -1.0], np.float32))[1].tolist() == [0.5]


def test_a_deviation_for_all_states_is_repeated():
    net = GaussianNetwork(lambda x: x, lambda x: jnp.array([0.5, 2.0]), squash=jnp.tanh)
    assert net(np.zeros((3, 2), np.float32))[1].tolist() == [[0.5, 2.0]] * 3


@pytest.mark.parametrize(("leading", "n_samples"), [((), None), ((), 5), ((2, 3), None), ((2, 3), 5)])
def test_log_prob_is_that_of_scipy(leading, n_samples):
    rng = np.random.default_rng(0)
    mean, std = rng.normal(size=(*leading, 2)), rng.uniform(0.2, 3, size=(*leading, 2))
    state = np.concatenate([mean, std], -1).astype(np.float32)
    shape = leading if n_samples is None else (*leading, n_samples)
    action = rng.uniform(-0.99, 0.99, size=(*shape, 2)).astype(np.float32)
    if n_samples is not None:
        mean, std = mean[..., None, :], std[..., None, :]
    plain = stats.norm.logpdf(action, mean, std).sum(-1)
    squashed = (stats.norm.logpdf(np.arctanh(action), mean, std) - np.log(1 - action.astype(float) ** 2)).sum(-1)
    for squash, expected in ((jax.nn.identity, plain), (jnp.tanh, squashed)):
        log_prob = jax.jit(fixed(squash).log_prob)(state, action)
        np.testing.assert_allclose(log_prob, expected, rtol=1e-4, atol=1e-4)


@pytest.mark.parametrize(("mean", "std"), [(0.0, 1.0), (-0.5, 0.3), (1.0, 2.0), (0.2, 4.0)])
def test_squashed_density_integrates_to_one_and_its_entropy_is_the_integral(mean, std):
    net, state = fixed(), np.array([mean, std], np.float32)
    u = np.linspace(mean - 8 * std, mean + 8 * std, 20001)
    u = u[np.abs(u) < 7]  # beyond, float32 can't tell an action from 1; less than 10 % of the widest lies there
    y = np.tanh(u)
    log_prob = np.asarray(net.log_prob(state, y[:, None].astype(np.float32)), float)
    inside = stats.norm.cdf(7, mean, std) - stats.norm.cdf(-7, mean, std)
    assert integrate.trapezoid(np.exp(log_prob), y) == pytest.approx(inside, abs=2e-3)

    def integrand(x):
        log_det = 2 * (math.log(2) - abs(x) - math.log1p(math.exp(-2 * abs(x))))
        return stats.norm.pdf(x, mean, std) * (log_det - stats.norm.logpdf(x, mean, std))

    expected = integrate.quad(integrand, mean - 12 * std, mean + 12 * std, limit=500, points=[0.0])[0]
    assert float(net.entropy(state)) == pytest.approx(expected, abs=1e-4)


def test_entropy_of_a_normal_is_that_of_scipy_also_in_100_dimensions():
    std = np.random.default_rng(0).uniform(1e-3, 2, 100)
    state = np.concatenate([np.zeros(100), std]).astype(np.float32)
    expected = stats.norm.entropy(scale=std).sum()
    assert float(fixed(jax.nn.identity).entropy(state)) == pytest.approx(expected, rel=1e-5)


@pytest.mark.parametrize("squash", [jnp.tanh, jax.nn.identity])
def test_100_dimensions_of_tiny_deviations_stay_finite(squash):
    state = np.concatenate([np.full(100, 0.3), np.full(100, 1e-3)]).astype(np.float32)
    action, log_prob = fixed(squash).sample(state, jax.random.key(0), 50)
    assert action.shape == (50, 100)
    expected = stats.norm.logpdf(np.arctanh(action) if squash is jnp.tanh else action, np.float32(0.3), 1e-3)
    if squash is jnp.tanh:
        expected = expected - np.log(1 - np.asarray(action, float) ** 2)
    np.testing.assert_allclose(log_prob, expected.sum(-1), rtol=1e-2)


@pytest.mark.parametrize("squash", [jnp.tanh, jax.nn.identity])
def test_samples_follow_the_distribution(squash):
    """Kolmogorov-Smirnov on each component, false alarm once in 10,000; the mean of -log p is the entropy."""
    state = np.array([0.4, -1.0, 0.5, 1.5], np.float32)
    action, log_prob = fixed(squash).sample(state, jax.random.key(1), 20_000)
    drawn = (
        np.arctanh(np.asarray(action, float).clip(-1 + 1e-7, 1 - 1e-7)) if squash is jnp.tanh else np.asarray(action)
    )
    for place in range(2):
        assert stats.kstest(drawn[:, place], stats.norm(state[place], state[2 + place]).cdf).pvalue > 1e-4
    assert abs(np.corrcoef(drawn.T)[0, 1]) < 4 / math.sqrt(20_000)  # 4 standard errors
    error = float(np.std(log_prob)) / math.sqrt(len(log_prob))
    assert -np.mean(log_prob) == pytest.approx(float(fixed(squash).entropy(state)), abs=4 * error)


@pytest.mark.parametrize("kind", [GaussianNetwork, SoftGaussianNetwork])
@pytest.mark.parametrize("n_samples", [None, 5])
def test_log_prob_of_a_sample_is_the_one_it_came_with(kind, n_samples):
    net = learning(kind)
    action, log_prob = net.sample(STATES, jax.random.key(0), n_samples)
    assert action.shape == ((3, 2) if n_samples is None else (3, 5, 2))
    np.testing.assert_allclose(net.log_prob(STATES, action), log_prob, atol=1e-4)


def test_samples_of_states_and_of_one_state_differ():
    action, _ = fixed().sample(np.array([[0.0, 1.0]] * 4, np.float32), jax.random.key(0), 8)
    assert len(np.unique(action)) == 32


def test_plain_samples_carry_no_gradient_and_soft_ones_do():
    def total(kind, place):
        def of(scale):
            net = kind(
                lambda x: scale * x,
                lambda x: jnp.exp(0.3 * scale * x),
                **({} if kind is SoftGaussianNetwork else {"squash": jnp.tanh}),
            )
            return net.sample(STATES[:, :2], jax.random.key(0))[place].sum()

        return of

    assert float(jax.jit(jax.grad(total(GaussianNetwork, 0)))(0.7)) == 0
    for place in (0, 1):
        soft = jax.jit(total(SoftGaussianNetwork, place))
        slope = (soft(0.705) - soft(0.695)) / 0.01
        assert float(jax.jit(jax.grad(soft))(0.7)) == pytest.approx(float(slope), rel=1e-2)


def test_the_gradient_of_a_log_prob_is_the_score_of_the_action():
    state = jnp.array([0.3, 0.8])

    def log_prob_of_sample(state):
        return fixed().sample(state, jax.random.key(2))[1]

    action, _ = fixed().sample(state, jax.random.key(2))
    z = (np.arctanh(float(action[0])) - 0.3) / 0.8
    expected = [z / 0.8, (z * z - 1) / 0.8]  # of log N(u; mean, std²)
    np.testing.assert_allclose(jax.jit(jax.grad(log_prob_of_sample))(state), expected, rtol=1e-3)


def test_mode_is_the_mean_or_the_median_of_squashed_actions():
    state = np.array([0.4, 0.5], np.float32)
    assert fixed(jax.nn.identity).mode(state).tolist() == pytest.approx([0.4])
    mode = fixed().mode(state)
    assert mode.tolist() == pytest.approx([math.tanh(0.4)])
    below = np.mean(fixed().sample(state, jax.random.key(3), 10_000)[0] < mode)
    assert below == pytest.approx(0.5, abs=0.02)  # 4 standard errors
    narrow, grid = np.array([0.4, 0.01], np.float32), np.linspace(-0.99, 0.99, 9901, dtype=np.float32)
    densest = grid[np.argmax(fixed().log_prob(narrow, grid[:, None]))]
    assert densest == pytest.approx(math.tanh(0.4), abs=1e-3)


@pytest.mark.parametrize("mean", [0.0, 10.0, -50.0, 1e4])
def test_saturated_actions_have_finite_log_probs_and_gradients(mean):
    state = jnp.array([mean, 0.5])
    for network in (fixed(), SoftGaussianNetwork(lambda x: x[..., :1], lambda x: x[..., 1:])):
        for edge in (1.0, -1.0):
            values = jax.jit(jax.value_and_grad(lambda s: network.log_prob(s, jnp.array([edge]))))(state)  # noqa: B023
            assert np.isfinite(np.hstack(jax.tree.leaves(values))).all()
        values = jax.jit(jax.value_and_grad(lambda s: network.sample(s, jax.random.key(0))[1]))(state)  # noqa: B023
        assert np.isfinite(np.hstack(jax.tree.leaves(values))).all()
        assert np.isfinite(float(network.entropy(state)))


def test_a_squashed_action_beyond_the_edge_is_impossible():
    state = np.array([0.0, 1.0], np.float32)
    assert fixed().log_prob(state, np.array([[1.5], [0.5], [-1.01]])).tolist()[::2] == [-math.inf] * 2
    assert math.isnan(fixed().log_prob(state, np.array([math.nan])))


@pytest.mark.parametrize(
    ("state", "message"),
    [
        ([0.0, -0.5], "std gives a number that is not finite or below 0: -0.5; let it end in nnx.softplus"),
        ([0.0, math.nan], "std gives a number"),
        ([math.inf, 1.0], "mean gives a number that is not finite: inf"),
    ],
)
def test_what_makes_no_distribution_is_refused_and_nan_in_a_trace(state, message):
    net, state = fixed(), np.array(state, np.float32)
    for ask in (
        net,
        net.mode,
        net.entropy,
        lambda s: net.sample(s, jax.random.key(0)),
        lambda s: net.log_prob(s, np.zeros(1)),
    ):
        with pytest.raises(ConfigError, match=message):
            ask(state)
    action, log_prob = jax.jit(lambda s: net.sample(s, jax.random.key(0)))(state)
    assert np.isnan([action[0], log_prob, jax.jit(net.entropy)(state)]).all()
    assert np.isnan(jax.jit(lambda s: net.log_prob(s, jnp.zeros(1)))(state))


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"squash": nnx.sigmoid}, "squash is .*expected jnp.tanh or jax.nn.identity"),
        ({"min_std": -1.0}, "min_std is -1.0"),
        ({"min_std": 1.0, "max_std": 0.5}, "max_std is 0.5"),
        ({"max_std": 0.0}, "max_std is 0.0"),
        ({"max_std": math.nan}, "max_std is nan"),
        ({"mean": 3}, "mean is 3, expected a flax.nnx.Module or a function"),
        ({"std": nnx.Linear}, "std is the class Linear"),
        ({"std": MLP(5, (), 2, rngs=nnx.Rngs(0))}, r"parts of GaussianNetwork don't fit.*\(4,\) and \(5,\)"),
        ({"std": MLP(4, (), 3, rngs=nnx.Rngs(0))}, r"shape \(2, 2\) and std one of shape \(2, 3\).*same size"),
    ],
)
def test_refuses_wrong_arguments(arguments, message):
    head = MLP(4, (8,), 2, rngs=nnx.Rngs(0))
    with pytest.raises(ConfigError, match=message):
        GaussianNetwork(**{"mean": head, "std": head} | arguments)


def test_refuses_actions_of_another_shape():
    with pytest.raises(ConfigError, match=r"actions have shape \(4, 2\), expected \(3, 2\), or \[3, n_samples, 2\]"):
        learning().log_prob(STATES, np.zeros((4, 2)))
