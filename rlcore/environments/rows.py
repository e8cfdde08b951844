"""States of several environments side by side: an array `[rows, ...]`, or a dict or tuple of such arrays."""

from collections.abc import Callable
from typing import Any

import numpy as np


def copy_rows(states: Any) -> Any:
    """A copy of states and of every array in them."""
    return _map(lambda part: part.copy(), states)


def row_of(states: Any, row: int) -> Any:
    """One row of states; of an array of objects, the object."""
    return _map(lambda part: part[row], states)


def chosen_rows(rows: np.ndarray, states: Any, others: Any) -> Any:
    """`states` where the bool array `rows` is true, else `others`."""

    def choose(part: np.ndarray, other: np.ndarray) -> np.ndarray:
        return np.where(rows.reshape(rows.shape + (1,) * (part.ndim - 1)), part, other)

    return _map(choose, states, others)


def write_row(states: Any, row: int, state: Any) -> None:
    """Writes one environment's state into the states of all, in place."""

    def write(part: np.ndarray, value: Any) -> None:
        part[row] = value

    _map(write, states, state)


def share_arrays(state: Any, other: Any) -> bool:
    """Whether an array in one state lies in the memory of its counterpart in the other."""
    if isinstance(state, dict) and isinstance(other, dict):
        return any(share_arrays(part, other.get(key)) for key, part in state.items())
    if isinstance(state, tuple) and isinstance(other, tuple):
        return any(map(share_arrays, state, other))
    return isinstance(state, np.ndarray) and isinstance(other, np.ndarray) and np.may_share_memory(state, other)


def _map(function: Callable[..., Any], first: Any, *others: Any) -> Any:
    if isinstance(first, dict):
        return {key: _map(function, part, *(other[key] for other in others)) for key, part in first.items()}
    if isinstance(first, tuple):
        return tuple(_map(function, *parts) for parts in zip(first, *others, strict=True))
    return function(first, *others)
