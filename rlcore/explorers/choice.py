"""Choosing among legal actions: the maxima, the n-th of them, one by weight. The last axis holds the actions.

All of it obeys two rules. A mask selects; it never turns an illegal value into a very small one, which would be
chosen when the legal values are smaller still. And a NaN is never a maximum.
"""

from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from rlcore.arguments import checked_mask, rows_in_words
from rlcore.errors import ConfigError
from rlcore.interfaces import Array
from rlcore.struct import is_traced, namespace


def find_all_max(values: Array, mask: Array | None = None) -> tuple[Any, Array]:
    """The largest legal value and where it stands; NaNs are left out.

    Args:
        values: `[..., actions]`.
        mask: Bool `[..., actions]`, true where legal; `None`: all are.

    Returns:
        For values without leading axes the maximum and the indices `[maxima]` of all that equal it. With leading axes,
        where rows differ in how many there are, and in a trace, the maxima `[...]` and a bool array `[..., actions]`.
        Where every legal value is NaN the maximum is NaN and there is no index.

    Raises:
        ConfigError: `values` or `mask` has the wrong shape or type.
        EnvContractError: Nothing is legal (in a trace: NaN and no index).

    Source: Julia `find_all_max`, `findmax_masked`.
    """
    numbers, legal = checked(values, mask)
    usable = usable_values(numbers, legal)
    xp = namespace(numbers)
    top = xp.max(xp.where(usable, numbers, -np.inf), axis=-1, keepdims=True)
    is_maximum = usable & (numbers == top)
    maximum = xp.where(usable.any(-1), top[..., 0], np.nan)
    if is_traced(numbers):
        return maximum, is_maximum
    if numbers.ndim == 1:
        maximum, is_maximum = maximum[()], np.flatnonzero(is_maximum)
    return (jnp.asarray(maximum), jnp.asarray(is_maximum)) if isinstance(values, jax.Array) else (maximum, is_maximum)


def checked(values: Any, mask: Any, *others: Any) -> tuple[Any, Any]:
    """`values` as floats and `mask` as bools, or `None`: JAX arrays if anything is traced, else NumPy arrays.

    Args:
        values: `[..., actions]`, anything that NumPy makes an array of.
        mask: `None`, or bools (or 0 and 1) of the same shape.
        others: What else enters the computation, such as a random number that may be traced.

    Raises:
        ConfigError: A wrong shape or type.
        EnvContractError: A row of a mask that is known allows nothing.
    """
    xp = jnp if is_traced(values) or is_traced(mask) or any(map(is_traced, others)) else np
    values = xp.asarray(values)
    if values.ndim == 0 or values.shape[-1] == 0:
        raise ConfigError(
            f"values has shape {values.shape}, expected [..., actions] with at least one action; pass one value each"
        )
    if values.dtype.kind != "f" and not xp.issubdtype(values.dtype, np.floating):
        values = _as_floats(values, xp)
    return values, None if mask is None else checked_mask(mask, values.shape, xp)


def legal_indices(mask: Any, n_actions: int) -> np.ndarray:
    """Where a mask of one row, known on the host, is true; raises what `checked_mask` raises."""
    if type(mask) is not np.ndarray or mask.shape != (n_actions,) or mask.dtype.char != "?":
        mask = checked_mask(mask, (n_actions,))
    indices = mask.nonzero()[0]
    return indices if len(indices) else checked_mask(mask, (n_actions,))


def legal_ranks(mask: Any, shape: tuple[int, ...]) -> np.ndarray:
    """How many are true in a mask of `shape`, known on the host, up to each index; raises as `checked_mask`."""
    if type(mask) is not np.ndarray or mask.shape != shape or mask.dtype.char != "?":
        mask = checked_mask(mask, shape)
    ranks = mask.cumsum(-1)
    return ranks if ranks[..., -1].all() else checked_mask(mask, shape)


def refuse_rows(wrong: np.ndarray, values: np.ndarray, what: str, do: str) -> None:
    """Raises `ConfigError` if any of `wrong` `[...]` is true, naming the rows and showing the first one's values."""
    if wrong.any():
        row = values[tuple(np.argwhere(wrong)[0])]
        raise ConfigError(f"{what}{rows_in_words(wrong)}: {np.array2string(row, threshold=10)}; {do}")


def usable_values(values: Any, legal: Any) -> Any:
    """Which actions may be the best: those that are legal and not NaN.

    Args:
        values: `[..., actions]`, as `checked` gives them.
        legal: Bool `[..., actions]`, or `None`: all are.

    Returns:
        Bool `[..., actions]`.
    """
    number = ~namespace(values).isnan(values)
    return number if legal is None else number & legal


def candidates(values: Any, legal: Any) -> Any:
    """Bool `[..., actions]`: the maxima among the legal values; where all of these are NaN, all that are legal."""
    xp = namespace(values, legal)
    usable = usable_values(values, legal)
    top = xp.max(xp.where(usable, values, -np.inf), axis=-1, keepdims=True)
    allowed = xp.ones_like(usable) if legal is None else legal
    return xp.where(usable.any(-1, keepdims=True), usable & (values == top), allowed)


def evenly(among: Any) -> Any:
    """The probabilities of an even choice: 1 / n at each of the n true indices of a row, 0 elsewhere.

    Args:
        among: Bool `[..., actions]`.

    Returns:
        `[..., actions]`; NaN where a row has no true index.
    """
    n = among.sum(-1, keepdims=True)
    # explicit, because XLA divides a bool as if it multiplied
    return namespace(among).where(n > 0, among / n.clip(1), np.nan)


def first_of(among: Any) -> Any:
    """The first true index of each row `[...]`, -1 where there is none."""
    xp = namespace(among)
    return xp.where(among.any(-1), xp.argmax(among, axis=-1), -1)


def nth_of(among: Any, n: Any) -> Any:
    """The `n`-th true index of each row, counted from 0.

    Args:
        among: Bool `[..., actions]`.
        n: Whole numbers `[...]`, an array also without leading axes.

    Returns:
        `[...]`; -1 where there is none.
    """
    xp = namespace(among, n)
    ranks = xp.cumsum(among, axis=-1)
    return xp.where(ranks[..., -1] > n, xp.argmax(ranks > n[..., None], axis=-1), -1)


def by_weight(uniform: Any, weights: Any) -> Any:
    """The index at which the running sum of `weights` passes `uniform` times their total.

    Args:
        uniform: `[...]` in [0, 1).
        weights: `[..., actions]`, at least 0; those that are 0 are never chosen, also where sums are rounded.

    Returns:
        `[...]`; -1 where no weight is positive.
    """
    xp = namespace(uniform, weights)
    sums = xp.cumsum(weights, axis=-1)
    possible = weights > 0
    passed = possible & (sums > xp.asarray(uniform, weights.dtype)[..., None] * sums[..., -1:])
    last = weights.shape[-1] - 1 - xp.argmax(possible[..., ::-1], axis=-1)
    return xp.where(passed.any(-1), xp.argmax(passed, axis=-1), xp.where(possible.any(-1), last, -1))


def answer(action: Any, asked: Any) -> Any:
    """An action in the form of the values it was asked for.

    Args:
        action: `[...]` whole numbers.
        asked: The values as they came.

    Returns:
        `[...]` int32 in JAX if either is a JAX array, else int64; without axes a Python int.
    """
    if isinstance(action, jax.Array):
        return action.astype(jnp.int32)
    if isinstance(asked, jax.Array):
        return jnp.asarray(action, jnp.int32)
    return np.asarray(action, np.int64) if np.ndim(action) else int(action)


def answer_prob(prob: Any, asked: Any) -> Array:
    """Probabilities in the form of the values they were asked for.

    Args:
        prob: `[..., actions]`.
        asked: The values as they came.

    Returns:
        `[..., actions]` float32: a JAX array if `asked` is one, else as it came.
    """
    return jnp.asarray(prob, jnp.float32) if isinstance(asked, jax.Array) else prob.astype(np.float32)


def _as_floats(values: Any, xp: Any) -> Any:
    if values.dtype.kind not in "biu":
        raise ConfigError(f"values has dtype {values.dtype}, expected real numbers; pass one value for each action")
    return values.astype(xp.float32 if xp is jnp else xp.float64)
