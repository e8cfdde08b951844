"""Log-densities of normal distributions, in nats, and what squashing by tanh changes in them.

The last axis holds the dimensions of one sample; leading axes broadcast, so that parameters `[batch, 1, size]` and
samples `[batch, n, size]` give `[batch, n]`. NumPy arrays give NumPy arrays, JAX arrays (and traced ones) JAX arrays.
All sums are sums of logarithms: a product of a hundred small deviations is 0 in float32, and its logarithm -inf.
"""

import math
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from rlcore.interfaces import Array
from rlcore.networks.operands import as_floats, broadcasting, check_last_axis, with_epsilon
from rlcore.networks.triangular import checked_diagonal, whitened
from rlcore.struct import namespace

HALF_LOG_2PI = 0.5 * math.log(2 * math.pi)


def norm_log_pdf(mean: Array | float, std: Array | float, x: Array | float, epsilon: float = 1e-8) -> Array:
    """The logarithm of the normal density, number by number: log N(x; mean, (std + epsilon)²).

    Args:
        mean: `[...]`.
        std: `[...]` standard deviation, at least 0.
        x: `[...]` where to evaluate it.
        epsilon: Added to `std`, so that a deviation of 0 (the output of a ReLU) has a finite density and gradient.

    Returns:
        `[...]`, the three broadcast, in nats.

    Raises:
        ConfigError: The shapes don't broadcast, or `std` is negative or NaN somewhere (in a trace: NaN there).

    Source: Julia `normlogpdf`.
    """
    mean, std, x = broadcasting(mean=mean, std=std, x=x)
    std = with_epsilon(std, "std", epsilon)
    deviation = (x - mean) * (1 / std)  # its gradient costs less than that of a quotient
    return -0.5 * deviation * deviation - namespace(std).log(std) - HALF_LOG_2PI


def diag_norm_log_pdf(mean: Array, std: Array, x: Array, epsilon: float = 1e-8) -> Array:
    """The logarithm of the density of independent normal numbers: `norm_log_pdf` summed over the last axis.

    Args:
        mean: `[..., size]`.
        std: `[..., size]` standard deviations, at least 0.
        x: `[..., size]` where to evaluate it.
        epsilon: Added to `std`.

    Returns:
        `[...]`, in nats.

    Raises:
        ConfigError: The shapes don't fit, or `std` is negative or NaN somewhere (in a trace: NaN there).

    Source: Julia `diagnormlogpdf`.
    """
    check_last_axis(mean=mean, std=std, x=x)
    return norm_log_pdf(mean, std, x, epsilon).sum(-1)


def mv_norm_log_pdf(mean: Array, cholesky: Array, x: Array) -> Array:
    """The logarithm of the density of a multivariate normal: log N(x; mean, L Lᵀ).

    Args:
        mean: `[..., size]`.
        cholesky: `[..., size, size]`, L: lower triangular (what stands above the diagonal is not read), the diagonal
            above 0.
        x: `[..., size]` where to evaluate it. Many samples of one distribution, with parameters `[..., 1, size]` and
            `[..., 1, size, size]`, share one solve.

    Returns:
        `[...]`, in nats.

    Raises:
        ConfigError: The shapes don't fit, or the diagonal is not above 0 somewhere (in a trace: NaN there).

    Source: `-|L⁻¹(x - mean)|²/2 - Σ log Lᵢᵢ - size/2 log 2π`; Julia `mvnormlogpdf`.
    """
    mean, cholesky, x = as_floats(mean, cholesky, x)
    diagonal = checked_diagonal(cholesky, "cholesky")
    check_last_axis(mean=mean, x=x, **{"the diagonal of cholesky": diagonal})
    deviation = whitened(cholesky, x - mean)
    log_scale = namespace(diagonal).log(diagonal).sum(-1)
    return -0.5 * (deviation * deviation).sum(-1) - log_scale - x.shape[-1] * HALF_LOG_2PI


def tanh_log_det(pre_tanh: Array) -> Array:
    """What squashing by tanh adds to the volume: `log |det ∂tanh(u)/∂u|`, to be subtracted from the log-density of u.

    Args:
        pre_tanh: `[..., size]`, u: the sample before it was squashed.

    Returns:
        `[...]`: Σ log(1 - tanh²(u)), finite also where tanh(u) is rounded to ±1.

    Source: Σ 2 (log 2 - u - softplus(-2u)); Haarnoja et al. 2018 (arXiv 1801.01290), appendix C, eq. 21.
    """
    (u,) = as_floats(pre_tanh)
    return (_log_slope(u) if namespace(u) is np else _derivable_log_slope(u)).sum(-1)


def _log_slope(u: Any) -> Any:
    """The logarithm of the slope of tanh, in |u|, so that what is exponentiated is never large."""
    size, xp = abs(u), namespace(u)
    return 2 * (math.log(2) - size - xp.log(1 + xp.exp(-2 * size)))


_derivable_log_slope = jax.custom_jvp(_log_slope)
# written out: cheaper, and |u| has no second derivative at 0
_derivable_log_slope.defjvp(lambda u, change: (_derivable_log_slope(*u), -2 * jnp.tanh(u[0]) * change[0]))
