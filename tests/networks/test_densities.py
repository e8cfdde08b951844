"""Log-densities, against SciPy, integrals and finite differences. Tolerances: 1e-12 in float64, 1e-5 in float32."""

import warnings

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from scipy import integrate, stats

from rlcore.errors import ConfigError
from rlcore.networks import diag_norm_log_pdf, log_det_cholesky, mv_norm_log_pdf, norm_log_pdf, tanh_log_det

RANDOM = np.random.default_rng(0)


def factors(*shape):
    """Lower triangular matrices with a positive diagonal, noise above it that nothing may read."""
    matrix = RANDOM.normal(size=(*shape, shape[-1]))
    size = shape[-1]
    matrix[..., np.arange(size), np.arange(size)] = np.exp(RANDOM.normal(size=shape))
    return matrix


MEAN, STD, X = RANDOM.normal(size=(5, 3)), np.exp(RANDOM.normal(size=(5, 3))), RANDOM.normal(size=(5, 3))
CHOLESKY = factors(5, 3)
SMALL = {
    norm_log_pdf: (MEAN, STD, X),
    diag_norm_log_pdf: (MEAN, STD, X),
    mv_norm_log_pdf: (MEAN, CHOLESKY, X),
    log_det_cholesky: (CHOLESKY,),
    tanh_log_det: (X,),
}
each_function = pytest.mark.parametrize("function", SMALL, ids=lambda function: function.__name__)


def mv_reference(mean, cholesky, x):
    return stats.multivariate_normal.logpdf(x, mean, np.tril(cholesky) @ np.tril(cholesky).T)


def test_norm_is_that_of_scipy_with_epsilon_added_to_std():
    np.testing.assert_allclose(norm_log_pdf(MEAN, STD, X), stats.norm.logpdf(X, MEAN, STD + 1e-8), rtol=1e-12)
    np.testing.assert_allclose(norm_log_pdf(1.0, 2.0, 0.5, epsilon=0.5), stats.norm.logpdf(0.5, 1.0, 2.5), rtol=1e-12)


def test_diag_sums_the_last_axis():
    expected = stats.norm.logpdf(X, MEAN, STD + 1e-8).sum(-1)
    np.testing.assert_allclose(diag_norm_log_pdf(MEAN, STD, X), expected, rtol=1e-12)


def test_mv_is_that_of_scipy_and_reads_the_lower_triangle_only():
    expected = [mv_reference(*row) for row in zip(MEAN, CHOLESKY, X, strict=True)]
    np.testing.assert_allclose(mv_norm_log_pdf(MEAN, CHOLESKY, X), expected, rtol=1e-12)
    jitted = jax.jit(mv_norm_log_pdf)(MEAN, np.where(np.tri(3), CHOLESKY, np.nan), X)
    np.testing.assert_allclose(jitted, expected, rtol=1e-5)


@pytest.mark.parametrize("convert", [np.asarray, jnp.asarray], ids=["numpy", "jax"])
@pytest.mark.parametrize(
    ("mean", "cholesky", "x"),
    [
        ((), (), ()),
        ((), (), (4,)),
        ((), (), (2, 4)),
        ((2, 1), (2, 1), (2, 4)),
        ((4,), (2, 4), ()),
        ((2, 1), (4,), (4,)),
    ],
)
def test_mv_broadcasts_leading_axes(convert, mean, cholesky, x):
    values = RANDOM.normal(size=(*mean, 3)), factors(*cholesky, 3), RANDOM.normal(size=(*x, 3))
    shape = np.broadcast_shapes(mean, cholesky, x)
    expected = np.empty(shape)
    for place in np.ndindex(shape):
        trailing = ((3,), (3, 3), (3,))
        whole = (np.broadcast_to(value, (*shape, *end)) for value, end in zip(values, trailing, strict=True))
        expected[place] = mv_reference(*(each[place] for each in whole))
    log_prob = mv_norm_log_pdf(*map(convert, values))
    assert log_prob.shape == shape
    np.testing.assert_allclose(log_prob, expected, rtol=1e-5)


def test_diag_broadcasts_samples():
    samples = RANDOM.normal(size=(5, 7, 3))
    log_prob = jax.jit(diag_norm_log_pdf)(MEAN[:, None], STD[:, None], samples)
    assert log_prob.shape == (5, 7)
    np.testing.assert_allclose(log_prob, stats.norm.logpdf(samples, MEAN[:, None], STD[:, None]).sum(-1), rtol=1e-5)


def test_log_det_is_that_of_the_product():
    lower = np.tril(CHOLESKY)
    expected = np.linalg.slogdet(lower @ lower.swapaxes(-1, -2)).logabsdet
    np.testing.assert_allclose(log_det_cholesky(CHOLESKY), expected, rtol=1e-12)
    np.testing.assert_allclose(log_det_cholesky(lower.swapaxes(-1, -2)), expected, rtol=1e-12)


def test_densities_of_two_dimensions_integrate_to_one():
    grid = np.linspace(-12, 12, 400)
    points = np.stack(np.meshgrid(grid, grid, indexing="ij"), -1)
    cell = (grid[1] - grid[0]) ** 2
    mv = mv_norm_log_pdf(np.array([0.5, -1.0]), np.array([[1.5, 0.0], [0.7, 0.6]]), points)
    diag = diag_norm_log_pdf(np.array([0.5, -1.0]), np.array([1.5, 0.6]), points)
    np.testing.assert_allclose([np.exp(mv).sum() * cell, np.exp(diag).sum() * cell], 1, rtol=1e-9)


@pytest.mark.parametrize(("mean", "std"), [(0.0, 0.3), (0.5, 1.0), (-2.0, 1.5)])
def test_squashed_density_integrates_to_one_and_has_the_mean_of_its_samples(mean, std):
    def density(action):
        u = np.arctanh(np.array([action]))
        return np.exp(norm_log_pdf(mean, std, u).sum(-1) - tanh_log_det(u))

    assert integrate.quad(density, -1, 1, limit=200)[0] == pytest.approx(1, abs=1e-6)
    expected = integrate.quad(lambda u: np.tanh(u) * stats.norm.pdf(u, mean, std), -20, 20)[0]
    assert integrate.quad(lambda a: a * density(a), -1, 1, limit=200)[0] == pytest.approx(expected, abs=1e-6)


def test_tanh_log_det_is_finite_at_saturation_with_its_gradient():
    u = np.array([0.0, 0.3, 9.0, 20.0, 100.0, -100.0, 1e4])
    values, gradients = jax.jit(jax.vmap(jax.value_and_grad(tanh_log_det)))(u[:, None])
    exact = 2 * (np.log(2.0) - abs(u) - np.log1p(np.exp(-2 * abs(u))))
    np.testing.assert_allclose(values, exact, rtol=1e-6, atol=2e-7)
    np.testing.assert_allclose(gradients[:, 0], -2 * np.tanh(u), rtol=1e-6)
    curvature = jax.jit(jax.hessian(tanh_log_det))(jnp.array([0.0, 0.5]))
    np.testing.assert_allclose(curvature, np.diag(-2 / np.cosh([0.0, 0.5]) ** 2), rtol=1e-5)


def test_a_deviation_of_zero_has_a_finite_density_and_gradient():
    value, gradients = jax.value_and_grad(norm_log_pdf, (0, 1, 2))(0.5, 0.0, 0.25)
    assert np.isfinite([value, *gradients]).all()
    assert norm_log_pdf(0.5, 0.0, 0.5) == pytest.approx(-np.log(1e-8) - 0.5 * np.log(2 * np.pi))
    at_mean = jax.grad(norm_log_pdf, 1)(0.5, 0.0, 0.5)
    assert at_mean == pytest.approx(-1e8)


@pytest.mark.parametrize("std", [1e-6, 1e-2, 1.0, 1e6])
def test_a_hundred_dimensions_stay_finite_in_float32(std):
    x = RANDOM.normal(size=100).astype(np.float32) * np.float32(std)
    mean, stds = np.zeros(100, np.float32), np.full(100, std, np.float32)
    exact = stats.norm.logpdf(x.astype(float), 0, stds.astype(float)).sum()
    diag, gradient = jax.jit(jax.value_and_grad(lambda std: diag_norm_log_pdf(mean, std, x, epsilon=0)))(stds)
    np.testing.assert_allclose(diag, exact, rtol=1e-5)
    assert np.isfinite(gradient).all()
    mv, gradient = jax.jit(jax.value_and_grad(mv_norm_log_pdf, 1))(mean, np.diag(stds), x)
    np.testing.assert_allclose(mv, exact, rtol=1e-5)
    assert np.isfinite(gradient).all()
    u = np.full(100, 50 * std, np.float32)
    assert np.isfinite(tanh_log_det(u)), std


@each_function
def test_numpy_in_numpy_out_jax_in_jax_out_and_the_same_under_jit_and_vmap(function):
    arguments = SMALL[function]
    plain = function(*arguments)
    assert isinstance(plain, np.ndarray) and plain.dtype == np.float64
    single = [argument.astype(np.float32) for argument in arguments]
    assert function(*single).dtype == np.float32
    for result in (
        function(*map(jnp.asarray, single)),
        jax.jit(function)(*single),
        jax.vmap(function)(*single),
        jax.jit(jax.vmap(function))(*single),
    ):
        assert isinstance(result, jax.Array) and result.dtype == jnp.float32
        np.testing.assert_allclose(result, plain, rtol=1e-5, atol=1e-5)


@each_function
def test_gradients_are_those_of_finite_differences(function):
    with jax.enable_x64(True):
        arguments = [np.tril(value) if value.shape[-2:] == (3, 3) else value for value in SMALL[function]]
        direction = [
            np.tril(RANDOM.normal(size=v.shape)) if v.ndim > 2 else RANDOM.normal(size=v.shape) for v in arguments
        ]
        interleaved = [each for pair in zip(arguments, direction, strict=True) for each in pair]
        value, slope = jax.jit(lambda *given: jax.jvp(function, given[::2], given[1::2]))(*interleaved)
        assert value.dtype == jnp.float64
        ahead, behind = (
            function(*(a + sign * 1e-6 * d for a, d in zip(arguments, direction, strict=True))) for sign in (1, -1)
        )
        np.testing.assert_allclose(slope, (ahead - behind) / 2e-6, rtol=1e-6, atol=1e-6)
        gradient = jax.grad(lambda *given: function(*given).sum(), tuple(range(len(arguments))))
        reverse = jax.jit(gradient)(*arguments)
        total = sum((each * d).sum() for each, d in zip(reverse, direction, strict=True))
        np.testing.assert_allclose(total, slope.sum(), rtol=1e-9)


def test_numbers_and_whole_numbers_are_floats():
    assert norm_log_pdf(0, 1, 0) == pytest.approx(-0.9189385332046727)
    assert norm_log_pdf(np.array([0, 1]), 1, np.array([0, 1])).dtype == np.float64
    assert norm_log_pdf(np.float32([0, 1]), 1, 0.5).dtype == np.float32
    assert norm_log_pdf([0.0, 1.0], [1.0, 1.0], [0.0, 1.0]).shape == (2,)


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda: norm_log_pdf(0.0, -0.5, 0.0), r"std holds -0\.5, expected at least 0"),
        (lambda: norm_log_pdf(jnp.zeros(2), jnp.array([1.0, jnp.nan]), jnp.zeros(2)), "std holds nan"),
        (lambda: norm_log_pdf(np.zeros(2), np.ones(3), np.zeros(2)), r"mean has shape \(2,\), std has shape \(3,\)"),
        (lambda: diag_norm_log_pdf(MEAN, STD, X[:, :1]), r"x has shape \(5, 1\): expected \[\.\.\., size\]"),
        (lambda: diag_norm_log_pdf(MEAN, STD[:, :1], X), r"std has shape \(5, 1\)"),
        (lambda: diag_norm_log_pdf(0.0, 1.0, 0.0), r"mean has shape \(\)"),
        (lambda: mv_norm_log_pdf(MEAN, CHOLESKY[:, :2], X), r"cholesky has shape \(5, 2, 3\), expected .*vec_to_tril"),
        (lambda: mv_norm_log_pdf(MEAN, factors(5, 2), X), r"the diagonal of cholesky has shape \(5, 2\)"),
        (lambda: mv_norm_log_pdf(MEAN, factors(4, 3), X), "broadcast"),
        (lambda: mv_norm_log_pdf(MEAN, np.diag([1.0, 0.0, 1.0]), X), r"cholesky has 0\.0 on its diagonal"),
        (lambda: log_det_cholesky(np.diag([1.0, -2.0])), r"cholesky has -2\.0 on its diagonal"),
        (lambda: log_det_cholesky(np.ones(3)), r"cholesky has shape \(3,\)"),
    ],
)
def test_wrong_arguments_are_named(call, message):
    with pytest.raises(ConfigError, match=message):
        call()


def test_what_is_refused_is_nan_in_a_trace_also_its_gradient():
    value, gradients = jax.value_and_grad(norm_log_pdf, (0, 1))(0.0, -0.5, 1.0)
    assert np.isnan([value, *gradients]).all()
    both = jax.jit(norm_log_pdf)(jnp.zeros(2), jnp.array([-1e-9, 1.0]), jnp.zeros(2))
    np.testing.assert_array_equal(np.isnan(both), [True, False])  # also where std + epsilon is above 0
    for wrong in (0.0, -1.0):
        matrices = jnp.stack([jnp.diag(jnp.array([1.0, wrong])), jnp.eye(2)])
        assert np.isnan(jax.jit(mv_norm_log_pdf)(jnp.zeros(2), matrices, jnp.zeros(2))).tolist() == [True, False]
        assert np.isnan(jax.grad(lambda matrices: log_det_cholesky(matrices)[0])(matrices)[0, 1, 1])


def test_no_warnings_at_the_extremes():
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        tanh_log_det(np.array([1e30, -1e30]))
        norm_log_pdf(0.0, 0.0, 0.0)
