"""Divergences, against integrals and the formulas with inverses in float64. Tolerance in float32: 1e-4."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from scipy import integrate, stats

from rlcore.errors import ConfigError
from rlcore.networks import diag_norm_kl_divergence, mv_norm_kl_divergence, norm_kl_divergence

RANDOM = np.random.default_rng(1)
MEANS = RANDOM.normal(size=(2, 5, 3))
STDS = np.exp(RANDOM.normal(size=(2, 5, 3)))
FACTORS = np.tril(RANDOM.normal(size=(2, 5, 3, 3)), -1) + np.exp(RANDOM.normal(size=(2, 5, 3, 1))) * np.eye(3)
SMALL = {
    norm_kl_divergence: (MEANS[0], STDS[0], MEANS[1], STDS[1]),
    diag_norm_kl_divergence: (MEANS[0], STDS[0], MEANS[1], STDS[1]),
    mv_norm_kl_divergence: (MEANS[0], FACTORS[0], MEANS[1], FACTORS[1]),
}
EXTREME = jax.jit(jax.value_and_grad(norm_kl_divergence, (0, 1, 2, 3)))
each_function = pytest.mark.parametrize("function", SMALL, ids=lambda function: function.__name__)


def textbook(mean1, covariance1, mean2, covariance2):
    inverse, distance = np.linalg.inv(covariance2), mean2 - mean1
    log_det = np.linalg.slogdet(covariance2).logabsdet - np.linalg.slogdet(covariance1).logabsdet
    return 0.5 * (log_det - len(mean1) + np.trace(inverse @ covariance1) + distance @ inverse @ distance)


@pytest.mark.parametrize(("mean1", "std1", "mean2", "std2"), [(0, 1, 0, 1), (0.5, 0.3, -0.2, 2), (1, 2, 3, 0.7)])
def test_norm_is_the_integral(mean1, std1, mean2, std2):
    first, second = stats.norm(mean1, std1), stats.norm(mean2, std2)
    integral = integrate.quad(lambda x: first.pdf(x) * (first.logpdf(x) - second.logpdf(x)), -30, 30, limit=200)[0]
    assert norm_kl_divergence(mean1, std1, mean2, std2, epsilon=0) == pytest.approx(integral, abs=1e-7)


def test_diag_and_mv_are_the_textbook_formula():
    cases = zip(*SMALL[mv_norm_kl_divergence], strict=True)
    expected = [textbook(mean1, l1 @ l1.T, mean2, l2 @ l2.T) for mean1, l1, mean2, l2 in cases]
    np.testing.assert_allclose(mv_norm_kl_divergence(*SMALL[mv_norm_kl_divergence]), expected, rtol=1e-9)
    cases = zip(*SMALL[diag_norm_kl_divergence], strict=True)
    expected = [textbook(mean1, np.diag(s1**2), mean2, np.diag(s2**2)) for mean1, s1, mean2, s2 in cases]
    np.testing.assert_allclose(diag_norm_kl_divergence(*SMALL[diag_norm_kl_divergence]), expected, rtol=1e-6)
    np.testing.assert_allclose(norm_kl_divergence(*SMALL[norm_kl_divergence]).sum(-1), expected, rtol=1e-6)


@each_function
def test_numpy_jax_jit_and_vmap_agree(function):
    arguments = SMALL[function]
    plain = function(*arguments)
    assert isinstance(plain, np.ndarray) and plain.dtype == np.float64 and (plain > 0).all()
    single = [argument.astype(np.float32) for argument in arguments]
    assert function(*single).dtype == np.float32
    for result in (
        function(*map(jnp.asarray, single)),
        jax.jit(function)(*single),
        jax.jit(jax.vmap(function))(*single),
    ):
        assert isinstance(result, jax.Array) and result.dtype == jnp.float32
        np.testing.assert_allclose(result, plain, rtol=1e-4)


def test_mv_broadcasts_leading_axes():
    mean, factor = MEANS[0, :2, None], FACTORS[0, :2, None]  # [2, 1, ...]
    others, other_factor = MEANS[1, :4], FACTORS[1, 0]  # [4, ...] and none
    expected = [
        [float(mv_norm_kl_divergence(m[0], f[0], other, other_factor)) for other in others]
        for m, f in zip(mean, factor, strict=True)
    ]
    np.testing.assert_allclose(mv_norm_kl_divergence(mean, factor, others, other_factor), expected, rtol=1e-12)
    given = map(jnp.asarray, (mean, factor, others, other_factor))
    np.testing.assert_allclose(mv_norm_kl_divergence(*given), expected, rtol=1e-4)


@each_function
def test_a_distribution_is_zero_from_itself_with_a_gradient_of_zero(function):
    first = [argument.astype(np.float32) for argument in SMALL[function][:2]]
    np.testing.assert_allclose(jax.jit(function)(*first, *first), 0, atol=1e-12)
    for gradient in jax.jit(jax.grad(lambda mean, scale: function(mean, scale, *first).sum(), (0, 1)))(*first):
        np.testing.assert_allclose(gradient, 0, atol=1e-6)


@pytest.mark.parametrize("change", [1e-4, 1e-3, 1e-2])
def test_small_divergences_are_accurate_in_float32(change):
    std1, std2 = np.float32(1 + change), np.float32(1)
    exact = (np.float64(std1) ** 2 - 1) / 2 - np.log(np.float64(std1))
    np.testing.assert_allclose(
        norm_kl_divergence(np.float32(0), std1, np.float32(0), std2, epsilon=0), exact, rtol=2e-3
    )
    factor = jnp.diag(jnp.array([std1, std1]))
    both = mv_norm_kl_divergence(jnp.zeros(2), factor, jnp.zeros(2), jnp.eye(2))
    np.testing.assert_allclose(both, 2 * exact, rtol=2e-3)


@pytest.mark.parametrize(("std1", "std2"), [(0.0, 0.0), (0.0, 1.0), (1.0, 0.0), (0.01, 3.0), (1e4, 1e-4), (1.0, 1e8)])
def test_extreme_deviations_have_finite_values_and_gradients(std1, std2):
    value, gradients = EXTREME(0.0, std1, 0.0, std2)
    assert np.isfinite([value, *gradients]).all()
    exact_1, exact_2 = std1 + 1e-8, std2 + 1e-8
    exact = ((exact_1 / exact_2) ** 2 - 1) / 2 - np.log(exact_1 / exact_2)
    np.testing.assert_allclose(value, exact, rtol=1e-5)


@each_function
def test_gradients_are_those_of_finite_differences(function):
    with jax.enable_x64(True):
        arguments = SMALL[function]
        direction = [
            np.tril(RANDOM.normal(size=each.shape)) if each.ndim > 2 else np.ones_like(each) for each in arguments
        ]
        interleaved = [each for pair in zip(arguments, direction, strict=True) for each in pair]
        _, slope = jax.jit(lambda *given: jax.jvp(function, given[::2], given[1::2]))(*interleaved)
        ahead, behind = (
            function(*(a + sign * 1e-6 * d for a, d in zip(arguments, direction, strict=True))) for sign in (1, -1)
        )
        assert slope.dtype == jnp.float64
        np.testing.assert_allclose(slope, (ahead - behind) / 2e-6, rtol=1e-5, atol=1e-6)


def test_a_hundred_dimensions_stay_finite_in_float32():
    mean, std1, std2 = np.zeros(100, np.float32), np.full(100, 1e-3, np.float32), np.full(100, 2e-3, np.float32)
    exact = 100 * ((0.25 - 1) / 2 + np.log(2))
    np.testing.assert_allclose(diag_norm_kl_divergence(mean, std1, mean, std2), exact, rtol=1e-4)
    np.testing.assert_allclose(
        jax.jit(mv_norm_kl_divergence)(mean, np.diag(std1), mean, np.diag(std2)), exact, rtol=1e-5
    )


def test_many_matrices_at_once_come_to_an_end():
    """Two solves by LAPACK in one program waited for each other for ever."""
    factor = jnp.broadcast_to(jnp.eye(6), (8192, 6, 6))
    mean = jnp.ones((8192, 6))

    @jax.jit
    def gradient(mean):
        return jax.grad(lambda mean: mv_norm_kl_divergence(mean, factor, 0 * mean, 2 * factor).sum())(mean)

    for _ in range(5):
        np.testing.assert_allclose(gradient(mean), 0.25)


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda: norm_kl_divergence(0.0, -1.0, 0.0, 1.0), r"std1 holds -1\.0, expected at least 0"),
        (lambda: norm_kl_divergence(0.0, 1.0, 0.0, -1.0), r"std2 holds -1\.0"),
        (lambda: norm_kl_divergence(np.zeros(2), 1.0, np.zeros(3), 1.0), r"mean2 has shape \(3,\)"),
        (lambda: diag_norm_kl_divergence(MEANS[0], STDS[0], MEANS[0][:, :2], STDS[0]), r"mean2 has shape \(5, 2\)"),
        (lambda: mv_norm_kl_divergence(MEANS[0], -FACTORS[0], MEANS[0], FACTORS[0]), "cholesky1 has -"),
        (lambda: mv_norm_kl_divergence(MEANS[0], FACTORS[0], MEANS[0], FACTORS[0, :, :2]), r"cholesky2 has shape"),
        (lambda: mv_norm_kl_divergence(np.zeros(2), FACTORS[0], np.zeros(2), FACTORS[0]), "diagonal of cholesky1"),
    ],
)
def test_wrong_arguments_are_named(call, message):
    with pytest.raises(ConfigError, match=message):
        call()


def test_what_is_refused_is_nan_in_a_trace():
    assert np.isnan(jax.jit(norm_kl_divergence)(0.0, 1.0, 0.0, -1.0))
    assert np.isnan(
        jax.jit(mv_norm_kl_divergence)(jnp.zeros(2), jnp.diag(jnp.array([1.0, -1.0])), jnp.zeros(2), jnp.eye(2))
    )
