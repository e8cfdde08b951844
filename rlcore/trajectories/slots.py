"""Where transitions stand in a ring, or in several rings (lanes) one after the other."""

from typing import Any

import numpy as np

from rlcore.errors import EnvContractError
from rlcore.struct import is_traced, namespace


def count_kept(valid: Any, lanes: int | None) -> Any:
    """How many transitions of a push each lane keeps: 0 or 1, an int without lanes, else `[lanes]` int32.

    Raises:
        EnvContractError: `valid` is not one flag per row.
    """
    if valid is None or valid is True:
        return 1 if lanes is None else np.ones(lanes, np.int32)
    expected = () if lanes is None else (lanes,)
    if np.shape(valid) != expected:
        raise EnvContractError(
            f"valid has shape {np.shape(valid)}, expected {expected}: one flag per transition that is pushed"
        )
    if is_traced(valid):
        return valid.astype(bool).astype(np.int32)
    return int(bool(valid)) if lanes is None else np.asarray(valid, bool).astype(np.int32)


def next_slots(head: Any, lanes: int | None, size: int) -> Any:
    """The slot that each lane of `size` writes next: `head` without lanes, else `[lanes]`."""
    return head if lanes is None else np.arange(lanes, dtype=np.int32) * np.int32(size) + head


def first_offset(head: Any, filled: Any, size: int) -> Any:
    """The slot of index 0 of each lane, counted from the lane's first one: that of a full lane, else the oldest.

    Only lanes that gave up transitions begin elsewhere than at 0.
    """
    if isinstance(filled, int):
        return 0 if filled == size else (head - filled) % size
    xp = namespace(filled)
    return xp.where(filled == size, 0, (head - filled) % size)


def slots_at(indices: Any, filled: Any, size: int, first: Any = 0) -> Any:
    """The slots of `indices` of any shape, counted over the filled slots of all lanes, `filled` `[lanes]`.

    `first` is that of `first_offset`.

    Raises:
        IndexError: On the host: an index is below 0, or there are fewer transitions.
    """
    if not is_traced(indices):
        indices = np.asarray(indices)
        if indices.size and indices.min() < 0:
            raise IndexError(f"index {indices.min()} is below 0, expected 0 to the number of stored transitions - 1")
        if not is_traced(filled) and min(filled.tolist()) == size:  # the lanes are full: no gaps
            return indices
    end = filled.cumsum()
    lane = namespace(end, indices).searchsorted(end, indices, side="right")
    offset = indices - (end - filled)[lane]
    return lane * size + (offset if type(first) is int else (offset + first[lane]) % size)


def indices_at(slots: Any, filled: Any, size: int, first: Any = 0) -> Any:
    """The inverse of `slots_at`, for slots that hold a transition."""
    lane = slots // size
    offset = slots - lane * size if type(first) is int else (slots - lane * size - first[lane]) % size
    return (filled.cumsum() - filled)[lane] + offset


def oldest_first(head: Any, filled: Any, size: int) -> list[np.ndarray]:
    """The filled slots of each lane, from its oldest transition to its newest (host only)."""
    lanes = zip(np.atleast_1d(head).tolist(), np.atleast_1d(filled).tolist(), strict=True)
    return [lane * size + (at - n + np.arange(n)) % size for lane, (at, n) in enumerate(lanes)]


def at_most(n: Any, limit: int) -> Any:
    """The smaller of `n` and `limit`; a Python int stays one."""
    return min(n, limit) if isinstance(n, int) else namespace(n).minimum(n, limit)
