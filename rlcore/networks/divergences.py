"""How far one normal distribution is from another: the Kullback-Leibler divergences, in nats.

The last axis holds the dimensions of one sample; leading axes broadcast. NumPy arrays give NumPy arrays, JAX arrays
(and traced ones) JAX arrays.
"""

from typing import Any

from rlcore.interfaces import Array
from rlcore.networks.operands import as_floats, broadcasting, check_last_axis, with_epsilon
from rlcore.networks.triangular import checked_diagonal, whitened
from rlcore.struct import namespace


def norm_kl_divergence(
    mean1: Array | float, std1: Array | float, mean2: Array | float, std2: Array | float, epsilon: float = 1e-8
) -> Array:
    """KL(N(mean1, std1²) ‖ N(mean2, std2²)), number by number; `epsilon` is added to both deviations.

    Args:
        mean1: `[...]`.
        std1: `[...]` standard deviation, at least 0.
        mean2: `[...]`.
        std2: `[...]` standard deviation, at least 0.
        epsilon: Added to both deviations, as `norm_log_pdf` does.

    Returns:
        `[...]`, in nats. Accurate also where the two are nearly the same, as between updates of a policy.

    Raises:
        ConfigError: The shapes don't broadcast, or a deviation is negative or NaN (in a trace: NaN there).

    Source: Julia `normkldivergence`.
    """
    mean1, std1, mean2, std2 = broadcasting(mean1=mean1, std1=std1, mean2=mean2, std2=std2)
    std1, std2 = with_epsilon(std1, "std1", epsilon), with_epsilon(std2, "std2", epsilon)
    distance = (mean1 - mean2) / std2
    return _scale_divergence(std1, std2) + 0.5 * distance * distance


def diag_norm_kl_divergence(mean1: Array, std1: Array, mean2: Array, std2: Array, epsilon: float = 1e-8) -> Array:
    """The divergence between vectors of independent normal numbers: `norm_kl_divergence` summed over the last axis.

    Args:
        mean1: `[..., size]`.
        std1: `[..., size]` standard deviations, at least 0.
        mean2: `[..., size]`.
        std2: `[..., size]` standard deviations, at least 0.
        epsilon: Added to all deviations.

    Returns:
        `[...]`, in nats.

    Raises:
        ConfigError: The shapes don't fit, or a deviation is negative or NaN (in a trace: NaN there).

    Source: Julia `diagnormkldivergence`.
    """
    check_last_axis(mean1=mean1, std1=std1, mean2=mean2, std2=std2)
    return norm_kl_divergence(mean1, std1, mean2, std2, epsilon).sum(-1)


def mv_norm_kl_divergence(mean1: Array, cholesky1: Array, mean2: Array, cholesky2: Array) -> Array:
    """KL(N(mean1, L₁L₁ᵀ) ‖ N(mean2, L₂L₂ᵀ)).

    Args:
        mean1: `[..., size]`.
        cholesky1: `[..., size, size]`, L₁: lower triangular, the diagonal above 0.
        mean2: `[..., size]`.
        cholesky2: `[..., size, size]`, L₂, likewise.

    Returns:
        `[...]`, in nats.

    Raises:
        ConfigError: The shapes don't fit, or a diagonal is not above 0 somewhere (in a trace: NaN there).

    Source: `(|L₂⁻¹L₁|² + |L₂⁻¹(mean2 - mean1)|² - size)/2 - Σ log(L₁ᵢᵢ/L₂ᵢᵢ)`; Julia `mvnormkldivergence`.
    """
    mean1, cholesky1, mean2, cholesky2 = as_floats(mean1, cholesky1, mean2, cholesky2)
    scale1, scale2 = checked_diagonal(cholesky1, "cholesky1"), checked_diagonal(cholesky2, "cholesky2")
    diagonals = {"the diagonal of cholesky1": scale1, "that of cholesky2": scale2}
    check_last_axis(mean1=mean1, mean2=mean2, **diagonals)
    xp = namespace(cholesky1)
    columns = xp.tril(cholesky1).mT
    skew = xp.triu(whitened(cholesky2[..., None, :, :], columns), 1)  # row j is column j of L₂⁻¹L₁
    distance = whitened(cholesky2, mean2 - mean1)
    squares = (skew * skew).sum((-1, -2)) + (distance * distance).sum(-1)
    return _scale_divergence(scale1, scale2).sum(-1) + 0.5 * squares


def _scale_divergence(scale1: Any, scale2: Any) -> Any:
    """(r² - 1)/2 - log r for r = scale1 / scale2; in r - 1, which is exact near 1, where the terms cancel."""
    ratio = scale1 / scale2
    excess = ratio - 1
    return excess + 0.5 * excess * excess - namespace(ratio).log(ratio)
