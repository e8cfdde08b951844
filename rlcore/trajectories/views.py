"""The fast way to write plain transitions into NumPy columns: a small one, or a row of them.

A memory view is written in half the time that NumPy needs, and refuses a value of another shape or type. A row is
written to the same place of all lanes.
"""

from math import isfinite
from typing import Any, NamedTuple

import numpy as np

from rlcore.trajectories.columns import LARGEST, NARROW, PLAIN, are_plain


class Views(NamedTuple):
    """Memory views of the columns; a width is that of a state or action, 0: a single number, -1: stored elsewhere."""

    reward_column: Any  # to see that the columns are still the ones that were viewed
    state_width: int
    state: Any
    action_width: int
    action: Any
    reward: Any
    next_state: Any
    terminated: Any
    truncated: Any


def views_of(columns: dict[str, Any], values: dict[str, Any]) -> Views | None:
    """Views of `columns`, if `values` as they came can be written through them: numbers and vectors, no more.

    Where states are stored elsewhere, there are no columns of them.
    """
    names = PLAIN if columns["state"] is not None else ("action", "reward", "terminated", "truncated")
    if any(columns[name] is not None for name in columns if name not in names):
        return None
    if not all(_is_viewable(columns[name], values[name]) for name in names):
        return None
    flat: dict[str, Any] = dict.fromkeys(PLAIN) | {name: memoryview(columns[name].reshape(-1)) for name in names}
    return Views(columns["reward"], _width(columns["state"]), action_width=_width(columns["action"]), **flat)


def write_views(
    views: Views, at: int, state: Any, action: Any, reward: Any, next_state: Any, terminated: Any, truncated: Any
) -> bool:
    """Writes a transition to slot `at`.

    Returns:
        Whether it fitted and the reward is finite; if not, the slot may hold a part of it.
    """
    _, n, states, m, actions, rewards, next_states, terminations, truncations = views
    try:
        if not -LARGEST <= reward <= LARGEST:  # also where it is NaN
            return False
        if n > 0:
            states[at * n : at * n + n] = state
            next_states[at * n : at * n + n] = next_state
        elif not n:
            states[at] = state
            next_states[at] = next_state
        if m:
            actions[at * m : at * m + m] = action
        else:
            actions[at] = action
        rewards[at] = reward
        terminations[at] = terminated
        truncations[at] = truncated
    except (TypeError, ValueError, OverflowError):
        return False
    return True


class RowViews(NamedTuple):
    """The columns by lane, in the order of `PLAIN`."""

    reward_column: Any
    lanes: tuple[np.ndarray, ...]  # [lanes, slots, ...]
    shapes: tuple[tuple[int, ...], ...]  # of a row, [lanes, ...]


def row_views_of(columns: dict[str, Any], lanes: int) -> RowViews | None:
    """Views of `columns` by lane, if each is one NumPy array, and there are no others."""
    if not are_plain(columns) or not lanes:
        return None
    views = tuple(columns[name].reshape(lanes, -1, *columns[name].shape[1:]) for name in PLAIN)
    return RowViews(columns["reward"], views, tuple((lanes, *view.shape[2:]) for view in views))


def write_rows(views: RowViews, at: int, rows: tuple[Any, ...]) -> bool:
    """Writes a row to slot `at` of every lane.

    Returns:
        Whether it fitted and the rewards are finite; if not, nothing is written.
    """
    ready = []
    for view, shape, row in zip(views.lanes, views.shapes, rows, strict=True):
        if type(row) is not np.ndarray or row.shape != shape:
            return False
        if row.dtype != view.dtype:
            row = _narrowed(row, view.dtype)
            if row is None:
                return False
        ready.append(row)
    if not isfinite(ready[2].dot(ready[2])):  # or very large: looked at more closely
        return False
    for view, row in zip(views.lanes, ready, strict=True):
        view[:, at] = row
    return True


def _narrowed(row: np.ndarray, dtype: np.dtype) -> np.ndarray | None:
    """A row of 64-bit numbers as `dtype`; `None` if that is not its narrow type, or too narrow."""
    if NARROW.get(row.dtype) != dtype:
        return None
    narrow = row.astype(dtype)
    return narrow if dtype.kind == "f" or (narrow == row).all() else None


def _width(column: Any) -> int:
    if column is None:
        return -1
    return column[0].size if column.ndim > 1 else 0


def _is_viewable(column: Any, value: Any) -> bool:
    if not isinstance(column, np.ndarray) or column.dtype.char not in "?bBhHiIlLf" or column.ndim > 2:
        return False
    return column.ndim == 1 or (column[0].size > 0 and getattr(value, "dtype", None) == column.dtype)
