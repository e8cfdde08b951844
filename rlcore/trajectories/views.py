"""The fast way to write plain transitions into NumPy columns: a small one, or a row of them.

A memory view is written in half the time that NumPy needs, and refuses a value of another shape or type. A row is
written to the same place of all lanes.
"""

from typing import Any, NamedTuple

import numpy as np

from rlcore.trajectories.columns import NARROW

PLAIN = ("state", "action", "reward", "next_state", "terminated", "truncated")


class Views(NamedTuple):
    """Memory views of the columns; a width is that of a state or action, 0 if it is a single number."""

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
    """Views of `columns`, if `values` as they came can be written through them: numbers and vectors, no more."""
    if not _are_plain(columns) or not all(_is_viewable(columns[name], values[name]) for name in PLAIN):
        return None
    flat: dict[str, Any] = {name: memoryview(columns[name].reshape(-1)) for name in PLAIN}
    widths = {f"{name}_width": columns[name][0].size if columns[name].ndim > 1 else 0 for name in ("state", "action")}
    return Views(reward_column=columns["reward"], **widths, **flat)


def write_views(
    views: Views, at: int, state: Any, action: Any, reward: Any, next_state: Any, terminated: Any, truncated: Any
) -> bool:
    """Writes a transition to slot `at`.

    Returns:
        Whether it fitted; if not, the slot may hold a part of it.
    """
    _, n, states, m, actions, rewards, next_states, terminations, truncations = views
    try:
        if n:
            states[at * n : at * n + n] = state
            next_states[at * n : at * n + n] = next_state
        else:
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
    if not _are_plain(columns) or not lanes:
        return None
    views = tuple(columns[name].reshape(lanes, -1, *columns[name].shape[1:]) for name in PLAIN)
    return RowViews(columns["reward"], views, tuple((lanes, *view.shape[2:]) for view in views))


def write_rows(views: RowViews, at: int, rows: tuple[Any, ...]) -> bool:
    """Writes a row to slot `at` of every lane; returns whether it fitted, else nothing is written."""
    ready = []
    for view, shape, row in zip(views.lanes, views.shapes, rows, strict=True):
        if type(row) is not np.ndarray or row.shape != shape:
            return False
        if row.dtype != view.dtype:
            row = _narrowed(row, view.dtype)
            if row is None:
                return False
        ready.append(row)
    for view, row in zip(views.lanes, ready, strict=True):
        view[:, at] = row
    return True


def _narrowed(row: np.ndarray, dtype: np.dtype) -> np.ndarray | None:
    """A row of 64-bit numbers as `dtype`; `None` if that is not its narrow type, or too narrow."""
    if NARROW.get(row.dtype) != dtype:
        return None
    narrow = row.astype(dtype)
    return narrow if dtype.kind == "f" or (narrow == row).all() else None


def _are_plain(columns: dict[str, Any]) -> bool:
    others = (columns[name] for name in ("mask", "next_mask", "extras"))
    return all(other is None for other in others) and all(isinstance(columns[name], np.ndarray) for name in PLAIN)


def _is_viewable(column: Any, value: Any) -> bool:
    if not isinstance(column, np.ndarray) or column.dtype.char not in "?bBhHiIlLf" or column.ndim > 2:
        return False
    return column.ndim == 1 or (column[0].size > 0 and getattr(value, "dtype", None) == column.dtype)
