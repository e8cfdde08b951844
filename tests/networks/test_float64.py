"""With `jax_enable_x64` the distributions are exact to 1e-9, beside SciPy."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from scipy import special, stats

from rlcore.networks import CategoricalNetwork, CovGaussianNetwork, GaussianNetwork, SoftGaussianNetwork

RANDOM = np.random.default_rng(0)
MEAN, STD, ACTION = RANDOM.normal(size=(5, 2)), RANDOM.uniform(0.2, 2, (5, 2)), RANDOM.uniform(-0.99, 0.99, (5, 2))


@pytest.fixture(autouse=True)
def _float64():
    with jax.enable_x64(True):
        yield


def assert_exact(result, expected):
    assert result.dtype == jnp.float64
    np.testing.assert_allclose(result, expected, rtol=1e-9, atol=1e-9)


@pytest.mark.parametrize("kind", [GaussianNetwork, SoftGaussianNetwork])
def test_gaussians(kind):
    net = kind(lambda state: state[..., :2], lambda state: state[..., 2:])
    state, plain = np.concatenate([MEAN, STD], -1), stats.norm(MEAN, STD + 1e-8)
    expected = plain.logpdf(ACTION).sum(-1)
    if kind is SoftGaussianNetwork:
        expected = (plain.logpdf(np.arctanh(ACTION)) - np.log(1 - ACTION**2)).sum(-1)
    assert_exact(net.log_prob(state, ACTION), expected)
    action, log_prob = net.sample(state, jax.random.key(0))
    assert action.dtype == jnp.float64
    assert_exact(net.log_prob(state, action), log_prob)


def test_full_covariances():
    net = CovGaussianNetwork(lambda state: state[..., :2], lambda state: state[..., 2:])
    state = RANDOM.normal(size=(5, 5))
    mean, factor = map(np.asarray, net(state))
    normals = [stats.multivariate_normal(m, f @ f.T) for m, f in zip(mean, factor, strict=True)]
    assert_exact(net.log_prob(state, ACTION), [one.logpdf(x) for one, x in zip(normals, ACTION, strict=True)])
    assert_exact(net.entropy(state), [one.entropy() for one in normals])


def test_categories():
    logits, net = RANDOM.normal(size=(5, 4)), CategoricalNetwork(lambda state: state)
    expected = special.log_softmax(logits, axis=-1)
    assert_exact(net.log_prob(logits, np.full(5, 2)), expected[:, 2])
    assert_exact(net.entropy(logits), stats.entropy(np.exp(expected), axis=-1))
