"""What containers of many transitions share: columns with one slot per transition, one ring per environment."""

from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from rlcore.arguments import check_whole
from rlcore.errors import ConfigError, EnvContractError
from rlcore.struct import cached, is_traced, namespace, put, static, struct
from rlcore.trajectories.base import Container
from rlcore.trajectories.batch import Batch
from rlcore.trajectories.columns import NAMES, bytes_of, check_reward, describe, read, shapes_like, zeros_like
from rlcore.trajectories.frames import Frames, is_stored_once
from rlcore.trajectories.frames_alone import is_stored_alone, push_alone
from rlcore.trajectories.memory import check_memory
from rlcore.trajectories.pattern import Pattern, pattern_of
from rlcore.trajectories.slots import at_most, count_kept, first_offset, indices_at, next_slots, oldest_first, slots_at
from rlcore.trajectories.views import row_views_of, views_of, write_rows, write_views
from rlcore.trajectories.windows import episodes_of, following


@struct
class Traces(Container):
    """Keeps transitions, each with its true next state, in a ring; of several environments, one ring (lane) for each.

    The first push fixes what is stored: shapes and types, whether there are masks and extras, and whether one
    transition comes at a time or a row of them. Lane i has the slots `i * size` to `(i + 1) * size - 1`.

    Attributes:
        n_frames: How many frames make a state; 1: it is one itself.
        states_once: Whether states are stored once; `None`: not yet decided.
        lanes: How many environments push side by side; `None` for a single one.
        size: How many transitions fit into a lane; 0 before the first push.
        state: `[slots, ...]` or a tree of such arrays, like the other columns that are named as in `Batch`; `None`
            where states are stored once.
        frames: The states that are stored once, else `None`.
        head: The next slot of each lane, counted from the lane's first one; `[lanes]` if there are lanes.
        filled: How many slots of each lane hold a transition; `[lanes]` if there are lanes.

    Raises:
        ConfigError: `n_frames` is not a whole number of at least 1, `states_once` is no bool, or they contradict.
    """

    n_frames: int = static(1)
    states_once: bool | None = static(None)
    lanes: int | None = static(None)
    size: int = static(0)
    _views: Any = cached()
    _pattern: Any = cached()
    state: Any = None
    action: Any = None
    reward: Any = None
    next_state: Any = None
    terminated: Any = None
    truncated: Any = None
    mask: Any = None
    next_mask: Any = None
    extras: Any = None
    frames: Frames | None = None
    head: Any = 0
    filled: Any = 0

    def __init__(self, n_frames: int = 1, states_once: bool | None = None) -> None:
        self.n_frames = check_whole("n_frames", n_frames)
        if states_once is not None and not isinstance(states_once, bool):
            raise ConfigError(f"states_once is {states_once!r}, expected True, False, or None: if they are large")
        if n_frames > 1 and states_once is False:
            raise ConfigError(f"n_frames is {n_frames}, but states_once is False; leave one of the two away")
        self.states_once = True if n_frames > 1 else states_once

    def push(
        self,
        state: Any,
        action: Any,
        reward: Any,
        next_state: Any,
        terminated: Any,
        truncated: Any,
        valid: Any = None,
        extras: Any = None,
        mask: Any = None,
        next_mask: Any = None,
    ) -> Any:
        """Keeps a transition, or of a row of them those that are `valid` (a bool, or `[lanes]` bool; default: all).

        Returns:
            How many were kept.

        Raises:
            EnvContractError: Other fields, keys, shapes or types than at the first push, or a reward that is not
                finite.
            ConfigError: At the first push, if the columns don't fit into memory or there is no room for the rows.
        """
        views = self._views
        if views is not None and views[0] is self.reward and not extras and mask is None and next_mask is None:
            if self.lanes is not None:
                kept = self._push_rows(views, valid, (state, action, reward, next_state, terminated, truncated))
                if kept:
                    return kept
            elif valid is None or valid is True:
                at, frames = self.head, self.frames
                is_known = frames is None or is_stored_alone(frames, state, next_state)
                if is_known and write_views(views, at, state, action, reward, next_state, terminated, truncated):
                    if frames is not None:
                        self.filled = push_alone(frames, state, next_state, at, self.filled)
                    self.head = at + 1 if at + 1 < self.size else 0
                    if self.filled < self.size:
                        self.filled += 1
                    return 1
        values = (state, action, reward, next_state, terminated, truncated, mask, next_mask, extras or None)
        return self._push_checked(dict(zip(NAMES, values, strict=True)), valid)

    def allocate(self, **example: Any) -> None:
        """Fixes all shapes from the arguments of a push without storing them; a second time they must be alike.

        Inside a trace the columns are JAX arrays, else NumPy arrays.

        Raises:
            ConfigError: The columns don't fit into memory, or there is no room for the rows.
            EnvContractError: No numbers, rows of unequal length, or unlike the columns there are.
        """
        values: dict[str, Any] = {name: example.get(name) for name in NAMES} | {"extras": example.get("extras") or None}
        if self.reward is not None:
            self._known().conform(values, self.lanes)
            return
        rows = np.shape(values["reward"])
        if len(rows) > 1:
            raise EnvContractError(f"reward has shape {rows}, expected one number, or one per environment")
        lanes = rows[0] if rows else None
        size, shapes = self._first_size(lanes), shapes_like(values, lanes)
        self._make(shapes, lanes, size, jnp if any(map(is_traced, jax.tree.leaves(values))) else np)
        if lanes is not None:
            self.head, self.filled = np.zeros(lanes, np.int32), np.zeros(lanes, np.int32)

    def cut(self) -> None:
        """Ends the episode of each lane where it stands: the newest transition is truncated, if nothing ended it.

        For what follows is not its continuation, as when a run was stopped within an episode.
        """
        if self.reward is None or is_traced(self.filled):
            return
        lanes = np.flatnonzero(self.filled)
        slots = lanes * self.size + (np.atleast_1d(self.head)[lanes] - 1) % self.size
        self.truncated = put(self.truncated, slots, self.truncated[slots] | ~self.terminated[slots])

    @property
    def n_stored(self) -> Any:
        """How many transitions are stored; a JAX number when traced."""
        if self.lanes is None or is_traced(self.filled):
            return self.filled if self.lanes is None else self.filled.sum()
        return int(self.filled.sum())

    @property
    def n_pushed(self) -> Any:
        """How many were pushed, at most `n_slots`: more than are stored where short episodes took the room of others.

        Unlike `n_stored` it does not depend on what was pushed, so a program can be compiled for it.
        """
        if self.frames is None:
            return self.n_stored
        has_begun_anew = self.frames.is_used(next_slots(self.size - 1, self.lanes, self.size))
        n = namespace(has_begun_anew, self.head).where(has_begun_anew, self.size, self.head).sum()
        return n if is_traced(n) else int(n)

    def take(self, indices: Any) -> Batch:
        """The transitions at `indices`, in the order of their slots, not of their age.

        Args:
            indices: `[...]` whole numbers from 0 to `n_stored - 1`. Index k is the k-th slot that holds a transition,
                counted over all lanes.

        Returns:
            A batch `[..., ...]`.

        Raises:
            IndexError: An index is out of range (on the host; compiled code reads the nearest slot).
        """
        is_quick = self.lanes is None and self.frames is None and self.filled.__class__ is int
        if is_quick and indices.__class__ is np.ndarray and indices.size and indices.item(indices.argmin()) >= 0:
            return self._at(indices, None if self.filled == self.size else self.filled)  # NumPy looks at the other end
        return self._at(self._slots(indices))

    def window(self, indices: Any, n: int) -> tuple[Any, Any]:
        """The `n` consecutive transitions of one lane and one episode from each of `indices` `[batch]` on.

        Returns:
            Their indices `[batch, n]`, to give to `take`; and `[batch, n]` bool, false after the window met the end of
            its episode or the newest transition of its lane, where the last one that is in it is repeated.

        Raises:
            ConfigError: `n` is not a whole number of at least 1.
            IndexError: An index is out of range (on the host).
        """
        slots = self._slots(indices)
        newest = self.head - 1 if self.lanes is None else (self.head - 1)[slots // self.size]
        slots, valid = following(slots, newest, self.size, check_whole("n", n), self._is_last)
        return self._indices(slots), valid

    def episodes(self) -> list[np.ndarray]:
        """The indices of each episode's transitions, lane after lane, each oldest first (on the host).

        Of the oldest episode of a lane only the end may be left, of the newest one more may follow.

        Raises:
            ConfigError: In compiled code, where their number is not known.
        """
        self._refuse_trace("episodes")
        lanes = [episodes_of(slots, np.asarray(self._is_last(slots))) for slots in self._oldest_first() if len(slots)]
        return [self._indices(slots) for episodes in lanes for slots in episodes]

    def whole(self) -> Batch | None:
        """All that is stored, lane after lane, oldest first; `None` if nothing is.

        Raises:
            ConfigError: In compiled code, where a length must be known beforehand.
        """
        self._refuse_trace("transitions")
        return self._at(np.concatenate(self._oldest_first())) if self.n_stored else None

    def _slots(self, indices: Any) -> Any:
        """The slots of `indices`, checked on the host."""
        first = 0 if self.frames is None else first_offset(self.head, self.filled, self.size)
        if self.lanes is not None:
            return slots_at(indices, self.filled, self.size, first)
        if not is_traced(indices) and not is_traced(self.filled):
            indices = np.asarray(indices)
            if indices.size and not 0 <= indices.min() <= indices.max() < self.filled:
                raise IndexError(f"indices from {indices.min()} to {indices.max()}, expected 0 to {self.filled - 1}")
        return indices if type(first) is int and first == 0 else (indices + first) % self.size

    def _indices(self, slots: Any) -> Any:
        """The inverse of `_slots`."""
        first = 0 if self.frames is None else first_offset(self.head, self.filled, self.size)
        if self.lanes is not None:
            return indices_at(slots, self.filled, self.size, first)
        return slots if type(first) is int and first == 0 else (slots - first) % self.size

    def _at(self, slots: Any, stop: int | None = None) -> Batch:
        """The transitions at `slots`, each below `stop`."""
        pattern = self._pattern
        if pattern is not None and pattern.reward is self.reward and pattern.plain and type(slots) is np.ndarray:
            if stop is None:
                return Batch(*[column.take(slots, axis=0) for column in pattern.plain])
            return Batch(*[column[:stop].take(slots, axis=0) for column in pattern.plain])
        batch = Batch(*[read(getattr(self, name), slots, stop) for name in NAMES])
        if self.frames is not None:
            batch.state, batch.next_state = self.frames.read(slots)
        return batch

    def _is_last(self, slots: Any) -> Any:
        return read(self.terminated, slots) | read(self.truncated, slots)

    def _oldest_first(self) -> list[np.ndarray]:
        return oldest_first(self.head, self.filled, self.size)

    def _push_rows(self, views: Any, valid: Any, rows: tuple) -> int:
        """Keeps plain rows, fast; 0 where it takes a closer look: some are not valid, or lanes stand apart."""
        if valid is not None and valid is not True and not count_kept(valid, self.lanes).all():
            return 0
        heads, size = self.head.tolist(), self.size
        at = heads[0]
        if heads.count(at) < len(heads) or not write_rows(views, at, rows):
            return 0
        self.head = (self.head + 1) % size
        if min(self.filled.tolist()) < size:
            self.filled = at_most(self.filled + 1, size)
        return len(heads)

    def _push_checked(self, values: dict[str, Any], valid: Any) -> Any:
        if self.reward is None:
            self.allocate(**values)
        if self._pattern is None or self._pattern.reward is not self.reward:
            self._pattern, self._views = self._known(), None
            if not is_traced(self.filled):
                columns = self._columns()
                self._views = views_of(columns, values) if self.lanes is None else row_views_of(columns, self.lanes)
        pattern = self._pattern
        try:
            leaves = pattern.conform(values, self.lanes)
            kept = count_kept(valid, self.lanes)
            check_reward(values["reward"], kept)
        except EnvContractError:
            self._heal(pattern.columns)
            raise
        return self._store(pattern, leaves, kept)

    def _store(self, pattern: Pattern, leaves: list[Any], kept: Any) -> Any:
        is_host, filled = isinstance(self.reward, np.ndarray), self.filled
        if self.frames is not None:
            filled = self._store_states(pattern.of(leaves, "state"), pattern.of(leaves, "next_state"), kept)
            leaves = pattern.of(leaves, *set(NAMES) - {"state", "next_state"})
        slots = next_slots(self.head, self.lanes, self.size)
        if not is_host:
            slots = jnp.where(kept == 1, slots, len(self.reward))  # past the end: dropped
        elif self.lanes is not None:
            if not kept.all():
                rows = np.flatnonzero(kept)
                slots, leaves = slots[rows], [leaf[rows] for leaf in leaves]
        elif not kept:
            return 0
        written = [put(column, slots, leaf) for column, leaf in zip(pattern.columns, leaves, strict=True)]
        if not is_host:
            self._assign(jax.tree.unflatten(pattern.structure, written))
        self.head = (self.head + kept) % self.size
        self.filled = at_most(filled + kept, self.size)
        if self.lanes is None:
            return kept
        return kept.sum() if is_traced(kept) else int(kept.sum())

    def _store_states(self, states: list[Any], next_states: list[Any], kept: Any) -> Any:
        """Stores the states of a push once; answers how many older transitions are left."""
        assert self.frames is not None
        if self.lanes is not None:
            return self.frames.push(states, next_states, kept, self.head, self.filled)
        left = self.frames.push(*jax.tree.map(_alone, (states, next_states, kept, self.head, self.filled)))[0]
        return left if is_traced(left) else int(left)

    def _make(self, shapes: dict[str, Any], lanes: int | None, size: int, xp: Any) -> None:
        """Fixes what is stored, with no transition in it."""
        once = is_stored_once(shapes, self.n_frames, self.states_once)
        plain = shapes | ({"state": None, "next_state": None} if once else {})
        n_slots = size * (lanes or 1)
        if xp is np:
            n_bytes = bytes_of(plain, n_slots)
            n_bytes += Frames.n_bytes(shapes["state"], lanes or 1, size, self.n_frames) if once else 0
            check_memory(
                n_bytes, f"{n_slots:,} transitions of {describe({k: v for k, v in shapes.items() if v is not None})}"
            )
        if once:
            self.frames = Frames(shapes["state"], lanes or 1, size, self.n_frames, xp)
        self._assign(zeros_like(plain, n_slots, xp))
        self.lanes, self.size = lanes, size

    def _known(self) -> Pattern:
        """What the columns look like."""
        return pattern_of(self._columns(), None if self.frames is None else self.frames.shapes())

    def _columns(self) -> dict[str, Any]:
        return {name: getattr(self, name) for name in NAMES}

    def _first_size(self, lanes: int | None) -> int:
        """How many transitions fit into each of `lanes` lanes at first."""
        raise NotImplementedError

    def _heal(self, columns: list[Any]) -> None:
        """After a refused push: the oldest slot of a full ring may hold parts of two transitions; copy the newest."""
        if self.lanes is not None or self._views is None or self.filled < self.size:
            return
        if self.size == 1 or self.frames is not None:  # then the oldest may be left out
            self.filled -= 1
            return
        for column in columns:
            put(column, self.head, column[self.head - 1])

    def _assign(self, columns: dict[str, Any]) -> None:
        for name, column in columns.items():
            setattr(self, name, column)

    def _refuse_trace(self, what: str) -> None:
        if is_traced(self.filled):
            raise ConfigError(
                f"how many {what} {type(self).__name__} holds is not known in compiled code; sample with "
                "BatchSampler(batch_size), run with engine='eager', or keep only the last one in LatestTransition()"
            )

    def __getstate__(self) -> Any:
        """What copying and pickling keep: everything but the memory views, which are made anew."""
        state: Any = object.__getstate__(self)
        return state[0], state[1] | {"_views": None, "_pattern": None}


def _alone(value: Any) -> Any:
    """A number or an array as the only row."""
    return namespace(value).asarray(value)[None]
