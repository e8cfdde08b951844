"""Consecutive transitions in a ring, or in several rings (lanes) one after the other."""

from collections.abc import Callable
from typing import Any

import numpy as np

from rlcore.struct import namespace


def following(slots: Any, newest: Any, size: int, n: int, is_last: Callable[[Any], Any]) -> tuple[Any, Any]:
    """The `n` slots from each of `slots` on, as far as its episode goes.

    Args:
        slots: `[batch]`, where each window starts.
        newest: `[batch]`, or one for all: the newest slot of that lane, counted from the lane's first one.
        size: How many slots a lane has.
        n: The length of the windows.
        is_last: Says of slots whether an episode ended there.

    Returns:
        The slots `[batch, n]`, and `[batch, n]` bool: false after an end or the newest slot, where the last slot that
        is in the window is repeated.
    """
    xp, steps = namespace(slots, newest), np.arange(n)
    offset = slots % size
    n_newer = (newest - offset) % size
    window = (slots - offset)[:, None] + (offset[:, None] + steps) % size
    last = is_last(window)
    n_ends_before = xp.cumsum(last, axis=1) - last
    valid = (n_ends_before == 0) & (steps <= n_newer[:, None])
    return xp.take_along_axis(window, xp.minimum(steps, valid.sum(axis=1)[:, None] - 1), axis=1), valid


def episodes_of(slots: np.ndarray, is_last: np.ndarray) -> list[np.ndarray]:
    """Cuts the `slots` of a lane, oldest first, after each that `is_last` `[slots]`; on the host."""
    pieces = np.split(slots, np.flatnonzero(is_last) + 1)
    return pieces if pieces[-1].size else pieces[:-1]
