"""All distributions beside those of NumPyro, in float32 (to 1e-4) and in float64 (to 1e-9)."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from rlcore import networks
from rlcore.networks import CategoricalNetwork, CovGaussianNetwork, GaussianNetwork, SoftGaussianNetwork

distributions = pytest.importorskip("numpyro.distributions")

RANDOM = np.random.default_rng(0)
MEAN, OTHER_MEAN, X = RANDOM.normal(size=(3, 5, 2))
STD, OTHER_STD = np.exp(RANDOM.normal(size=(2, 5, 2)) / 2)
LOWER = RANDOM.normal(size=(2, 5))


def triangle(std, low):
    """Lower triangular matrices `[5, 2, 2]`."""
    rows = np.stack([std[:, 0], np.zeros(5)], -1), np.stack([low, std[:, 1]], -1)
    return np.stack(rows, 1)


CHOLESKY, OTHER = triangle(STD, LOWER[0]), triangle(OTHER_STD, LOWER[1])


@pytest.fixture(params=[False, True], ids=["float32", "float64"])
def assert_same(request):
    """Compares what a function, compiled, answers in pairs: ours and NumPyro's, in one of the two precisions."""

    def compare(function, *arguments):
        dtype, tolerance = (jnp.float64, 1e-9) if request.param else (jnp.float32, 1e-4)
        for ours, theirs in jax.jit(function)(*arguments):
            assert ours.dtype == theirs.dtype == dtype
            np.testing.assert_allclose(ours, theirs, rtol=tolerance, atol=tolerance)

    with jax.enable_x64(request.param):
        yield compare


def normal(mean, std):
    return distributions.Normal(mean, std + 1e-8)  # as ours do by default


def diagonal(mean, std):
    return normal(mean, std).to_event(1)


def full(mean, cholesky):
    return distributions.MultivariateNormal(mean, scale_tril=cholesky)


def squashing():
    """tanh(u) = 2 sigmoid(2u) - 1."""
    steps = distributions.transforms.AffineTransform, distributions.transforms.SigmoidTransform
    return [steps[0](0.0, 2.0), steps[1](), steps[0](-1.0, 2.0)]


FAMILIES = {
    "norm": (normal, (MEAN, STD), (OTHER_MEAN, OTHER_STD)),
    "diag_norm": (diagonal, (MEAN, STD), (OTHER_MEAN, OTHER_STD)),
    "mv_norm": (full, (MEAN, CHOLESKY), (OTHER_MEAN, OTHER)),
}


@pytest.mark.parametrize("name", FAMILIES)
def test_densities_and_divergences(name, assert_same):
    family, one, other = FAMILIES[name]
    log_pdf, divergence = getattr(networks, f"{name}_log_pdf"), getattr(networks, f"{name}_kl_divergence")

    def pairs(one, other, x):
        yield log_pdf(*one, x), family(*one).log_prob(x)
        yield divergence(*one, *other), distributions.kl_divergence(family(*one), family(*other))

    assert_same(lambda *given: list(pairs(*given)), one, other, X)


def halves(kind, **arguments):
    """The first half of a state is the mean, the second the deviation."""
    return kind(lambda state: state[..., :2], lambda state: state[..., 2:], **arguments)


@pytest.mark.parametrize("kind", [GaussianNetwork, SoftGaussianNetwork])
def test_squashed_gaussians(kind, assert_same):
    net = halves(kind, squash=jnp.tanh) if kind is GaussianNetwork else halves(kind)

    def pairs(mean, std, u):
        state, action = jnp.concatenate([mean, std], -1), jnp.tanh(u)
        theirs = distributions.TransformedDistribution(normal(mean, std), squashing()).to_event(1)
        drawn, log_prob = net.sample(state, jax.random.key(0))
        return [(net.log_prob(state, action), theirs.log_prob(action)), (log_prob, theirs.log_prob(drawn))]

    assert_same(pairs, MEAN, STD, X)


def test_plain_gaussians(assert_same):
    net = halves(GaussianNetwork)

    def pairs(mean, std, x):
        state, theirs = jnp.concatenate([mean, std], -1), diagonal(mean, std)
        return [(net.log_prob(state, x), theirs.log_prob(x)), (net.entropy(state), theirs.entropy())]

    assert_same(pairs, MEAN, STD, X)


def test_full_covariances(assert_same):
    net = CovGaussianNetwork(lambda state: state[..., :2], lambda state: state[..., 2:])

    def pairs(state, x):
        theirs = full(*net(state))
        return [(net.log_prob(state, x), theirs.log_prob(x)), (net.entropy(state), theirs.entropy())]

    assert_same(pairs, np.concatenate([MEAN, STD, LOWER[0][:, None]], -1), X)


def test_categories_among_the_legal_ones(assert_same):
    net, mask = CategoricalNetwork(lambda state: state), np.array([[True, True, False, True]] * 6)
    every, legal = np.array([0, 1, 2, 3, 0, 1]), np.array([0, 1, 3, 3, 0, 1])

    def pairs(logits):
        among_all = distributions.Categorical(logits=logits)
        among_legal = distributions.Categorical(logits=logits[:, [0, 1, 3]])
        yield net.log_prob(logits, every), among_all.log_prob(every)
        yield net.log_prob(logits, legal, mask), among_legal.log_prob(np.minimum(legal, 2))
        yield net.entropy(logits), among_all.entropy()
        yield net.entropy(logits, mask), among_legal.entropy()

    assert_same(lambda logits: list(pairs(logits)), RANDOM.normal(size=(6, 4)))
