"""The fast way to store the states of one environment once, where a state is one NumPy array."""

from typing import Any

import numpy as np

from rlcore.trajectories.frames import Frames
from rlcore.trajectories.stacks import bits, split, state_shape


def is_stored_alone(frames: Frames, state: Any, next_state: Any) -> bool:
    """Whether both states can be given to `push_alone`: arrays of the type and shape that are stored."""
    rows = frames.rows
    if type(rows) is not np.ndarray or type(state) is not np.ndarray or type(next_state) is not np.ndarray:
        return False
    if not state.dtype == next_state.dtype == rows.dtype:
        return False
    return state.shape == next_state.shape == state_shape(rows.shape[1:], frames.axes[0], frames.n_frames)


def push_alone(frames: Frames, state: np.ndarray, next_state: np.ndarray, head: int, filled: int) -> int:
    """Stores the states of the transition at slot `head`, as `Frames.push` does.

    Returns:
        How many of `filled` transitions are still held, without the new one.
    """
    rows, n, n_rows, newest = frames.rows, frames.n_frames, frames.n_rows, int(frames.newest[0])
    now, then = split(state[None], frames.axes[0], n)[0], split(next_state[None], frames.axes[0], n)[0]
    goes_on = filled > 0 and _are_alike(_last(rows, newest, n), now)
    moves = n == 1 or _are_alike(now[1:], then[:-1])
    first = newest + (0 if goes_on else n)
    last = first + (1 if moves else n)
    left = min(filled, len(frames.row) - 1)
    while left and (newest - int(frames.row[head - left])) % n_rows + n + last - newest > n_rows:
        left -= 1
    if not goes_on:
        _write(rows, first, now)
    _write(rows, last, then[-1:] if moves else then)
    frames.row[head], frames.next_row[head] = first % n_rows, last % n_rows
    frames.newest[0] = last % n_rows
    return left


def _last(rows: np.ndarray, newest: int, n: int) -> np.ndarray:
    """The `n` frames up to the row `newest`."""
    if newest >= n - 1:
        return rows[newest - n + 1 : newest + 1]
    return rows[np.arange(newest - n + 1, newest + 1)]


def _write(rows: np.ndarray, last: int, frames: np.ndarray) -> None:
    """Writes `frames` to the rows up to `last`, of which those past the end stand at the beginning."""
    for at, frame in enumerate(frames, last - len(frames) + 1):
        rows[at % len(rows)] = frame


def _are_alike(one: np.ndarray, other: np.ndarray) -> bool:
    return bool((bits(one) == bits(other)).all())
