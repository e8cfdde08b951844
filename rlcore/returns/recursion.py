"""The recursion behind all returns: what comes later, discounted, added to what comes now."""

from itertools import accumulate
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from rlcore.interfaces import Array
from rlcore.struct import is_traced, namespace

_TOLERANCE = 2.0**-16  # of what is lost when numbers are added up one by one
_BLOCK = 64
_LONG = 4096  # from so many steps for each row on, blocks are quicker


def accumulate_backwards(x: Array, factor: Any, cut: Array) -> Array:
    """y[t] = x[t] + factor y[t + 1], and y[t] = x[t] where `cut[t]` and at the last step.

    What lies behind a cut is selected away, never multiplied by 0: an infinite number there changes neither y nor its
    gradient. Where so many numbers are added up that the sum would lose digits, it keeps what rounding takes from it:
    then a million steps with a factor of 0.9999 are as accurate in float32 as ten, unless the factor is traced. For
    0.9999 itself rounds to another number, and 10,000 + 1 - 0.9999 to 10,000.

    Args:
        x: `[time, ...]`, floats.
        factor: One number from 0 to 1.
        cut: Bool `[time, ...]`.

    Returns:
        `[time, ...]`, of the dtype of `x`.
    """
    if namespace(x, cut, factor) is not np:
        return _in_jax(jnp.asarray(x), jnp.asarray(cut), factor)
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


def _in_jax(x: Any, cut: Any, factor: Any) -> Any:
    if is_traced(factor) or factor < 0.5:
        return _one_by_one(x, cut, factor)
    powers = np.float64(factor) ** np.arange(_BLOCK, 0, -1)
    if len(x) >= _LONG * max(1, x[0].size) and powers[0] >= 0.5:
        return _in_blocks(x, cut, powers, 1 - powers[0])
    n_added = len(x) if factor == 1 else min(len(x), 1 / (1 - factor))
    if n_added * jnp.finfo(x.dtype).eps <= _TOLERANCE:
        return _one_by_one(x, cut, factor)
    return _compensated(x, cut, 1 - factor)


@jax.jit
def _one_by_one(x: Any, cut: Any, factor: Any) -> Any:
    factor = jnp.asarray(factor, x.dtype)

    def step(later: Any, now: tuple) -> tuple:
        number, is_cut = now
        total = number + jnp.where(is_cut, 0, factor * later)
        return total, total

    return jax.lax.scan(step, jnp.zeros_like(x[0]), (x, cut), reverse=True)[1]


@jax.jit
def _compensated(x: Any, cut: Any, loss: Any) -> Any:
    """The factor is `1 - loss`: a loss of 1e-4 has more digits than a factor of 0.9999."""
    loss = jnp.asarray(loss, x.dtype)

    def step(carry: tuple, now: tuple) -> tuple:
        number, is_cut = now
        later, lost = (jnp.where(is_cut, 0, each) for each in carry)
        change = number - loss * later + lost
        total = later + change
        lost = change - (total - later)  # what the sum was rounded by, exact where `later` is the larger one (Dekker)
        return (total, jax.lax.stop_gradient(lost)), total

    nothing = jnp.zeros_like(x[0])
    return jax.lax.scan(step, (nothing, nothing), (x, cut), reverse=True)[1]


@jax.jit
def _in_blocks(x: Any, cut: Any, powers: Any, loss: Any) -> Any:
    """Blocks of steps, all at the same time; then what follows each block.

    Args:
        x: `[time, ...]`.
        cut: Bool `[time, ...]`.
        powers: `[size]`, the factor to the powers of `size` to 1, where `size` is the length of a block.
        loss: 1 minus the first of them.
    """
    size = len(powers)
    n_missing = -len(x) % size
    padding = [(n_missing, 0)] + [(0, 0)] * (x.ndim - 1)
    x, cut = (jnp.pad(each, padding).reshape(-1, size, *x.shape[1:]).swapaxes(0, 1) for each in (x, cut))
    powers = jnp.asarray(powers, x.dtype)

    def step(later: tuple, now: tuple) -> tuple:
        (total, is_over), (number, is_cut) = later, now
        now = number + jnp.where(is_cut, 0, powers[-1] * total), is_over | is_cut
        return now, now

    nothing = jnp.zeros_like(x[0]), jnp.zeros_like(cut[0])
    results: Any = jax.lax.scan(step, nothing, (x, cut), reverse=True)[1]
    inside, is_over = results  # [size, blocks, ...]
    follows = jnp.concatenate([_compensated(inside[0], is_over[0], loss)[1:], nothing[0][:1]])
    total = inside + jnp.where(is_over, 0, powers.reshape(-1, *[1] * (x.ndim - 1)) * follows)
    return total.swapaxes(0, 1).reshape(-1, *x.shape[2:])[n_missing:]
