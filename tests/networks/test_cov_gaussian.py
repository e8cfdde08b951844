"""Multivariate normal distributions, against SciPy and sampling."""

import math

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from flax import nnx
from scipy import stats

from rlcore.errors import ConfigError
from rlcore.networks import CovGaussianNetwork, vec_to_tril


def fixed(size):
    """A state is the mean and then the triangle."""
    return CovGaussianNetwork(lambda x: x[..., :size], lambda x: x[..., size:])


def states(leading, size, seed=0):
    shape = (*leading, size + size * (size + 1) // 2)
    return np.random.default_rng(seed).normal(size=shape).astype(np.float32)


def test_the_factor_is_triangular_and_its_diagonal_positive():
    state = states((2, 3), 3)
    mean, cholesky = fixed(3)(state)
    raw = vec_to_tril(state[..., 3:].astype(float), 3)
    diagonal = 10 * np.log1p(np.exp(np.einsum("...ii->...i", raw) / 10)) + 1e-5
    expected = np.tril(raw, -1) + diagonal[..., None] * np.eye(3)
    np.testing.assert_allclose(cholesky, expected, rtol=1e-5, atol=1e-6)
    np.testing.assert_array_equal(mean, state[..., :3])


def test_the_diagonal_stays_above_0():
    states = np.array([[0.0, 0.0, extreme, 1.0, extreme] for extreme in (-1e30, -1e4, 0.0, 1e4)], np.float32)
    _, cholesky = fixed(2)(states)
    assert (np.einsum("bii->bi", cholesky) >= 1e-5).all()
    gradient = jax.jit(jax.grad(lambda s: fixed(2).log_prob(s, jnp.full((4, 2), 0.1)).sum()))(states)
    assert np.isfinite(gradient).all()


@pytest.mark.parametrize(("leading", "n_samples"), [((), None), ((2, 3), None), ((2, 3), 4)])
def test_log_prob_and_entropy_are_those_of_scipy(leading, n_samples):
    net, state = fixed(3), states(leading, 3)

    @jax.jit
    def ask(state):
        action, log_prob = net.sample(state, jax.random.key(0), n_samples)
        return action, log_prob, net.log_prob(state, action), net.entropy(state), net.mode(state), net(state)

    action, log_prob, again, entropy, mode, (mean, cholesky) = ask(state)
    assert action.shape == (*leading, *(() if n_samples is None else (n_samples,)), 3)
    np.testing.assert_allclose(again, log_prob, rtol=1e-5)
    mean, cholesky = np.asarray(mean, float), np.asarray(cholesky, float)
    for row in np.ndindex(*leading):
        normal = stats.multivariate_normal(mean[row], cholesky[row] @ cholesky[row].T)
        np.testing.assert_allclose(log_prob[row], normal.logpdf(np.asarray(action)[row]), rtol=1e-3, atol=1e-3)
        np.testing.assert_allclose(entropy[row], normal.entropy(), rtol=1e-5)
    np.testing.assert_array_equal(mode, mean)


def test_samples_have_the_mean_and_the_covariance():
    """The squared distance from the mean is chi-square; Kolmogorov-Smirnov, false alarm once in 10,000."""
    net, state = fixed(3), states((), 3, seed=1)
    action = np.asarray(jax.jit(lambda s: net.sample(s, jax.random.key(1), 20_000))(state)[0], float)
    mean, cholesky = (np.asarray(each, float) for each in net(state))
    white = np.linalg.solve(cholesky, (action - mean).T)
    assert stats.kstest((white**2).sum(0), stats.chi2(3).cdf).pvalue > 1e-4
    for component in white:
        assert stats.kstest(component, stats.norm.cdf).pvalue > 1e-4
    np.testing.assert_allclose(np.cov(white), np.eye(3), atol=4 * math.sqrt(2 / 20_000))  # 4 standard errors


def test_100_dimensions_of_tiny_deviations_stay_finite():
    size = 100
    state = np.full(size + size * (size + 1) // 2, 0.0, np.float32)
    state[size:] = vec_to_tril_inverse(np.diag(np.full(size, -100.0)))  # a deviation of about 5e-4
    net = fixed(size)
    _, log_prob = net.sample(state, jax.random.key(0), 20)
    std = 10 * math.log1p(math.exp(-10)) + 1e-5
    assert float(net.entropy(state)) == pytest.approx(size * stats.norm.entropy(scale=std), rel=1e-5)
    error = math.sqrt(size / 2 / 20)  # of the mean of log p: half a chi-square
    assert -np.mean(log_prob) == pytest.approx(float(net.entropy(state)), abs=4 * error)


def vec_to_tril_inverse(matrix):
    """The lower triangle, column by column."""
    return np.concatenate([matrix[column:, column] for column in range(len(matrix))])


def test_plain_samples_carry_no_gradient_and_log_probs_do():
    state = jnp.asarray(states((), 2))
    action, _ = fixed(2).sample(state, jax.random.key(0))
    jacobian, gradient = jax.jit(jax.jacobian(lambda s: fixed(2).sample(s, jax.random.key(0))))(state)
    assert not jacobian.any()
    log_prob = jax.jit(fixed(2).log_prob)
    for place in range(5):
        step = jnp.zeros(5).at[place].set(0.02)
        slope = (log_prob(state + step, action) - log_prob(state - step, action)) / 0.04
        assert float(gradient[place]) == pytest.approx(float(slope), abs=2e-3)


def test_what_makes_no_distribution_is_refused_and_nan_in_a_trace():
    for place, name in ((0, "mean"), (3, "cholesky")):
        state = states((), 2)
        state[place] = math.nan
        with pytest.raises(ConfigError, match=f"{name} gives a number that is not finite: nan"):
            fixed(2)(state)
        action, log_prob = jax.jit(lambda s: fixed(2).sample(s, jax.random.key(0)))(state)
        assert np.isnan(action).any()
        assert np.isnan(log_prob)


def test_refuses_heads_of_the_wrong_size():
    rngs = nnx.Rngs(0)
    with pytest.raises(ConfigError, match=r"\(2, 3\) and cholesky one of shape \(2, 5\).*here 6: the lower triangle"):
        CovGaussianNetwork(nnx.Linear(4, 3, rngs=rngs), nnx.Linear(4, 5, rngs=rngs))
    with pytest.raises(ConfigError, match="cholesky is None"):
        CovGaussianNetwork(nnx.Linear(4, 3, rngs=rngs), None)
    with pytest.raises(ConfigError, match=r"expected \(2,\), or \[n_samples, 2\]"):
        fixed(2).log_prob(states((), 2), np.zeros(3))
