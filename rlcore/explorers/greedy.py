"""Greedy: always the best action."""

from collections.abc import Sequence
from itertools import compress
from typing import Any

import numpy as np
from numpy import ndarray

from rlcore.explorers.choice import answer, answer_prob, candidates, checked, first_of
from rlcore.interfaces import Array, Explorer
from rlcore.legal import legal_of
from rlcore.struct import namespace, struct

SMALL = 16  # up to so many actions Python's own max is faster than NumPy's


@struct
class GreedyExplorer(Explorer):
    """Takes the first of the best legal actions; draws nothing.

    A NaN is never the best; where all legal values are NaN it takes the first legal action.

    Source: Julia `GreedyExplorer`.
    """

    def plan(self, values: Array, mask: Array | None = None) -> Any:
        """The first of the best legal actions.

        Args:
            values: `[..., actions]`.
            mask: Bool `[..., actions]`, true where legal; `None`: all are.

        Returns:
            `[...]` int64, a Python int without leading axes; int32 for JAX arrays.

        Raises:
            ConfigError: A wrong shape.
            EnvContractError: The mask allows nothing (in a trace: -1).
        """
        best = best_of_row(values, mask)
        if best >= 0:
            return best
        bests = best_of_rows(values, mask)
        if bests is not None:
            return answer(bests, values)
        return answer(first_of(candidates(*checked(values, mask))), values)

    def prob(self, values: Array, mask: Array | None = None) -> Array:
        """1 for the action that `plan` takes, `[..., actions]` float32; NaN in a trace where nothing is legal."""
        numbers, legal = checked(values, mask)
        xp = namespace(numbers)
        chosen = first_of(candidates(numbers, legal))[..., None]
        return answer_prob(xp.where(chosen < 0, np.nan, xp.arange(numbers.shape[-1]) == chosen), values)


def best_of_row(values: Any, mask: Any = None, only: bool = False) -> int:
    """The first of the largest legal values of a NumPy row `[actions]`, fast.

    Returns:
        The index; -1 where it takes a closer look: no such row, a NaN, several maxima if there must be one `only`.
    """
    if values.__class__ is not ndarray or values.ndim != 1:
        return -1
    if mask is None and len(values) > SMALL:
        best = int(values.argmax())
        return best if not only and values[best] == values[best] else -1
    return best_of_numbers(values.tolist(), mask, only)


def best_of_numbers(row: Sequence[float], mask: Any = None, only: bool = False) -> int:
    """The same for Python's floats, one for each action."""
    legal: Any = row
    if mask is not None:
        known = legal_of(mask)
        if known is not None and len(mask) == len(row):
            legal = known.pick(row)
            top = max(legal)
            return -1 if top != top or (only and legal.count(top) > 1) else known.indices[legal.index(top)]
        if mask.__class__ is not ndarray or mask.dtype is not _BOOL or mask.shape != (len(row),):
            return -1
        flags = mask.tolist()
        legal = compress(row, flags)
    try:
        top = max(legal)  # passes over NaNs, unless the first one is
    except ValueError:  # nothing is legal
        return -1
    if top != top or (only and row.count(top) > 1):
        return -1
    best = row.index(top)
    while mask is not None and not flags[best]:
        best = row.index(top, best + 1)
    return best


def best_of_rows(values: Any, mask: Any) -> Any:
    """The first of the largest legal values of each NumPy row, fast.

    Returns:
        `[...]` int64; `None` where it takes a closer look: no such rows, a NaN, nothing legal above -infinity.
    """
    if type(values) is not np.ndarray or values.dtype.kind != "f" or not values.size:
        return None
    if mask is not None:
        if type(mask) is not np.ndarray or mask.shape != values.shape or mask.dtype.char != "?":
            return None
        values = np.where(mask, values, -np.inf)
    return values.argmax(-1) if (values.max(-1) > -np.inf).all() else None  # a NaN is the largest


_BOOL = np.dtype(bool)
