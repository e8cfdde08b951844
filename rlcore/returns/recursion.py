"""The recursion behind all returns: what comes later, discounted, added to what comes now."""

from itertools import accumulate
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from rlcore.interfaces import Array
from rlcore.struct import namespace


def accumulate_backwards(x: Array, factor: Any, cut: Array) -> Array:
    """y[t] = x[t] + factor y[t + 1], and y[t] = x[t] where `cut[t]` and at the last step.

    What lies behind a cut is selected away, never multiplied by 0: an infinite number there changes neither y nor its
    gradient. The sum keeps what rounding takes from it, so that in float32 a million steps with a factor of 0.9999 are
    as accurate as ten: the factor itself rounds to another one, and 10,000 + 1 - 0.9999 to 10,000.

    Args:
        x: `[time, ...]`, floats.
        factor: One number from 0 to 1.
        cut: Bool `[time, ...]`.

    Returns:
        `[time, ...]`, of the dtype of `x`.
    """
    if namespace(x, cut, factor) is not np:
        keep = jnp.where(factor >= 0.5, 1.0, 0.0) if isinstance(factor, jax.Array) else float(factor >= 0.5)
        return _scan(jnp.asarray(x), jnp.asarray(cut), keep, keep - factor)
    if x.ndim == 1:
        steps = zip(x[::-1].tolist(), cut[::-1].tolist(), strict=True)
        sums = accumulate(steps, lambda later, step: step[0] + (0.0 if step[1] else factor * later), initial=0.0)
        return np.array(list(sums)[:0:-1], x.dtype)
    result, later = np.empty_like(x), np.zeros(x.shape[1:])  # the running sum is in float64
    for time in range(len(x) - 1, -1, -1):
        later[cut[time]] = 0.0
        later *= factor
        later += x[time]
        result[time] = later
    return result


@jax.jit
def _scan(x: Any, cut: Any, keep: Any, loss: Any) -> Any:
    """The factor is `keep - loss`, with `keep` 0 or 1: `loss` of 1e-4 has more digits than a factor of 0.9999."""
    keep, loss = jnp.asarray(keep, x.dtype), jnp.asarray(loss, x.dtype)

    def step(carry: tuple, now: tuple) -> tuple:
        number, is_cut = now
        later, lost = (jnp.where(is_cut, 0, each) for each in carry)
        kept, change = keep * later, number - loss * later + keep * lost
        total = kept + change
        rounded = total - kept
        lost = (kept - (total - rounded)) + (change - rounded)  # exactly what the sum was rounded by (Knuth's TwoSum)
        return (total, jax.lax.stop_gradient(lost)), total

    nothing = jnp.zeros_like(x[0])
    return jax.lax.scan(step, (nothing, nothing), (x, cut), reverse=True)[1]
