"""States that are stored once: the next state of a transition is the state of the one after it."""

from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from rlcore.errors import ConfigError, EnvContractError
from rlcore.struct import namespace, static, struct
from rlcore.trajectories.columns import bytes_of, describe, doubled, zeros_like
from rlcore.trajectories.stacks import are_alike, frame_shape, joined, split, stack_axis, state_shape

LARGE = 1024  # bytes of a state, from which on it is stored once


@struct
class Frames:
    """The states of the transitions of a ring, or of one ring per lane; stacks of frames frame by frame.

    Row r + 1 holds the true next state of row r; the end of an episode takes one row more. Of a stack of n frames a
    row holds the newest one, and the n rows up to r are the stack. A state that is not the next state before it, bit
    for bit, is stored anew, in n rows; so is a next state that does not continue its stack. Where rows run out, the
    oldest transitions of the lane are given up.

    Args:
        shapes: Those of one state, and its types.
        lanes: How many lanes there are.
        size: How many transitions each of them has.
        n_frames: How many frames make a state; 1: it is one itself.
        xp: `numpy` or `jax.numpy`.

    Attributes:
        axes: Along which axis the frames of each leaf stand, 0 or -1; `None`: the leaf is no stack.
        n_rows: How many rows each lane has.
        rows: `[lanes * n_rows, ...]`, for each leaf of a state; of a stack one frame.
        row: `[slots]` int32, the row of each transition's state, counted from the first one of its lane.
        next_row: `[slots]` int32, that of its next state.
        newest: `[lanes]` int32, the row that was written last.
    """

    n_frames: int = static()
    axes: tuple[int | None, ...] = static()
    n_rows: int = static()
    lanes: int = static()
    rows: Any
    row: Any
    next_row: Any
    newest: Any

    def __init__(self, shapes: Any, lanes: int, size: int, n_frames: int, xp: Any) -> None:
        self.n_frames, self.lanes, self.n_rows = n_frames, lanes, rows_for(size, n_frames)
        self.axes = tuple(stack_axis(one.shape, n_frames) for one in jax.tree.leaves(shapes))
        self.rows = zeros_like(_of_frames(shapes, n_frames), lanes * self.n_rows, xp)
        self.row, self.next_row = xp.zeros(lanes * size, np.int32), xp.zeros(lanes * size, np.int32)
        self.newest = np.full(lanes, -1, np.int32)

    @staticmethod
    def n_bytes(shapes: Any, lanes: int, size: int, n_frames: int) -> int:
        """How many bytes one takes that is made of these arguments."""
        return bytes_of(_of_frames(shapes, n_frames), lanes * rows_for(size, n_frames)) + 8 * lanes * size

    def shapes(self) -> Any:
        """Those of one state, and its types."""
        columns, structure = jax.tree.flatten(self.rows)
        return jax.tree.unflatten(
            structure,
            [
                jax.ShapeDtypeStruct(state_shape(column.shape[1:], axis, self.n_frames), column.dtype)
                for column, axis in zip(columns, self.axes, strict=True)
            ],
        )

    def push(self, states: list[Any], next_states: list[Any], kept: Any, head: Any, filled: Any) -> Any:
        """Stores the states of one transition in each lane that is `kept`.

        Args:
            states: The leaves of the states, `[lanes, ...]`, in the types of the rows.
            next_states: Those of the next states.
            kept: `[lanes]`, 1 or 0: whether the transition is stored.
            head: `[lanes]`: the slot that it takes, counted from the first one of the lane.
            filled: `[lanes]`: how many transitions the lane holds.

        Returns:
            `[lanes]`: how many of these it still holds, without the new one.
        """
        n, xp, kept = self.n_frames, namespace(self.row, kept), kept > 0
        columns, structure = jax.tree.flatten(self.rows)
        now = [split(leaf, axis, n) for leaf, axis in zip(states, self.axes, strict=True)]
        then = [split(leaf, axis, n) for leaf, axis in zip(next_states, self.axes, strict=True)]
        before = [column[self._places(self.newest, one.shape[1])] for column, one in zip(columns, now, strict=True)]
        goes_on = (filled > 0) & are_alike(list(zip(before, now, strict=True)))
        moves = are_alike([(one[:, 1:], two[:, :-1]) for one, two in zip(now, then, strict=True)])
        first = self.newest + xp.where(goes_on, 0, n)
        last = first + xp.where(moves, 1, n)
        left = self._left(last - self.newest, goes_on, head, filled)
        for at, (one, two) in enumerate(zip(now, then, strict=True)):
            starts, ends = self._places(first, one.shape[1]), self._places(last, one.shape[1])
            column = _written(columns[at], starts, one, kept & ~goes_on)
            if one.shape[1] > 1:
                column = _written(column, ends[:, :-1], two[:, :-1], kept & ~moves)
            columns[at] = _written(column, ends[:, -1:], two[:, -1:], kept)
        slots = np.arange(self.lanes) * self._size() + head
        self.rows = jax.tree.unflatten(structure, columns)
        self.row = _written(self.row, slots, first % self.n_rows, kept)
        self.next_row = _written(self.next_row, slots, last % self.n_rows, kept)
        self.newest = xp.where(kept, last % self.n_rows, self.newest).astype(np.int32)
        return xp.where(kept, left, filled).astype(np.int32)

    def read(self, slots: Any) -> tuple[Any, Any]:
        """The states and the next states of the transitions at `slots`, of any shape."""
        n, row, next_row = self.n_frames, self.row[slots], self.next_row[slots]
        base = slots // self._size() * self.n_rows
        columns, structure = jax.tree.flatten(self.rows)
        both = namespace(row).stack([row, next_row])  # one array for both is quicker than two
        is_side_by_side = isinstance(row, np.ndarray) and n > 1 and ((row + 1) % self.n_rows == next_row).all()
        pairs = []
        for column, axis in zip(columns, self.axes, strict=True):
            if axis is not None and is_side_by_side:  # both stacks are views of n + 1 frames
                frames, front = self._frames(column, row + 1, base, n + 1), (slice(None),) * row.ndim
                pair = frames[(*front, slice(0, n))], frames[(*front, slice(1, n + 1))]
                pairs.append([joined(each, axis, row.ndim) for each in pair])
            else:
                pairs.append(joined(self._frames(column, both, base, 1 if axis is None else n), axis, both.ndim))
        state, next_state = (jax.tree.unflatten(structure, [pair[at] for pair in pairs]) for at in (0, 1))
        return state, next_state

    def is_used(self, slots: Any) -> Any:
        """Whether transitions were ever stored in `slots`: then two rows belong to each."""
        return self.row[slots] != self.next_row[slots]

    def is_full(self) -> bool:
        """Whether another transition in every lane might not fit, if no lane has begun anew (on the host)."""
        return bool(self.newest.max() + 2 * self.n_frames >= self.n_rows)

    def double(self) -> None:
        """Doubles the room of each lane, if no lane has begun anew (on the host)."""
        self.rows, self.row, self.next_row = jax.tree.map(
            lambda column: doubled(column, self.lanes), (self.rows, self.row, self.next_row)
        )
        self.n_rows *= 2

    def _frames(self, column: Any, row: Any, base: Any, k: int) -> Any:
        """The `k` frames up to `row`, `[..., k, ...]`."""
        places = (row[..., None] + np.arange(1 - k, 1)) % self.n_rows + base[..., None]
        return column.take(places, axis=0) if isinstance(column, np.ndarray) else column[places]

    def _places(self, row: Any, k: int) -> Any:
        """Where the `k` rows up to `row` `[lanes]` stand, `[lanes, k]`."""
        return (row[:, None] + np.arange(1 - k, 1)) % self.n_rows + np.arange(self.lanes)[:, None] * self.n_rows

    def _left(self, n_needed: Any, goes_on: Any, head: Any, filled: Any) -> Any:
        """How many of its transitions each lane can keep, so that `n_needed` rows and one slot are free."""
        n, size, xp = self.n_frames, self._size(), namespace(self.row, filled)
        given_up = np.arange(2 * n + 1)  # each frees at least one row, and no more than 2 n are needed
        oldest = ((head - filled)[:, None] + given_up) % size + np.arange(self.lanes)[:, None] * size
        n_used = (self.newest[:, None] - self.row[oldest]) % self.n_rows + n
        n_used = xp.where(given_up < filled[:, None], n_used, xp.where(goes_on, n, 0)[:, None])
        is_enough = (n_used + n_needed[:, None] <= self.n_rows) & (filled[:, None] - given_up < size)
        return filled - is_enough.argmax(axis=1)

    def _size(self) -> int:
        return len(self.row) // self.lanes


def is_stored_once(shapes: dict[str, Any], n_frames: int, asked: bool | None) -> bool:
    """Whether the states of transitions of `shapes` are stored once: if `asked`, or large and nobody asked.

    Raises:
        ConfigError: `n_frames` is above 1, but no state is a stack of so many.
        EnvContractError: It is asked for, but next states are unlike states.
    """
    state, next_state = shapes["state"], shapes["next_state"]
    stacks = [stack_axis(one.shape, n_frames) for one in jax.tree.leaves(state)]
    if n_frames > 1 and all(axis is None for axis in stacks):
        raise ConfigError(
            f"n_frames is {n_frames}, but state came as {describe(state)}: neither its first axis nor its last one has "
            f"{n_frames} frames; leave n_frames away, or stack the frames as Gymnasium's FrameStackObservation does"
        )
    structure: Any = jax.tree.structure(state)
    are_one_kind = structure == jax.tree.structure(next_state) and all(
        one.shape == two.shape and one.dtype == two.dtype
        for one, two in zip(jax.tree.leaves(state), jax.tree.leaves(next_state), strict=True)
    )
    if asked and not are_one_kind:
        raise EnvContractError(
            f"state came as {describe(state)}, next_state as {describe(next_state)}; expected one shape and type, "
            "because states are stored once"
        )
    return are_one_kind and (bytes_of(state, 1) >= LARGE if asked is None else asked)


def rows_for(size: int, n_frames: int) -> int:
    """How many rows `size` transitions are given: any that are 64 or fewer fit, others if episodes are long enough.

    With one row more for every 64 transitions, that is at least 64 steps per episode for each frame of a stack.
    """
    return max(size + size // 64, 2 * n_frames * min(size, 64))


def slots_for(n_rows: int) -> int:
    """How many transitions are given at least `n_rows` rows."""
    return -(-n_rows * 64 // 65)


def _of_frames(shapes: Any, n_frames: int) -> Any:
    return jax.tree.map(lambda one: jax.ShapeDtypeStruct(frame_shape(one.shape, n_frames), one.dtype), shapes)


def _written(column: Any, places: Any, values: Any, kept: Any) -> Any:
    """`column` with `values` `[lanes, ...]` at `places` `[lanes, ...]`, for the lanes that are `kept`."""
    if isinstance(column, np.ndarray):
        if kept.all():
            column[places] = values
        elif kept.any():
            column[places[kept]] = values[kept]
        return column
    kept = kept.reshape(kept.shape + (1,) * (places.ndim - 1))
    return column.at[jnp.where(kept, places, len(column))].set(values)  # past the end: dropped
