"""A ring of transitions."""

from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from rlcore.arguments import check_whole
from rlcore.errors import ConfigError, EnvContractError
from rlcore.struct import cached, is_traced, put, static, struct
from rlcore.trajectories.base import Container
from rlcore.trajectories.batch import Batch
from rlcore.trajectories.columns import NAMES, columns_like, conform, read
from rlcore.trajectories.slots import at_most, count_kept, next_slots, oldest_first, slots_at
from rlcore.trajectories.views import row_views_of, views_of, write_rows, write_views


@struct
class CircularTraces(Container):
    """Keeps the last `capacity` transitions, each with its true next state.

    The first push fixes what is stored: shapes and types, whether there are masks and extras, and whether one
    transition comes at a time or a row of them. A row has one lane (ring) per environment, of `capacity // lanes`
    transitions each; lane i has the slots `i * (capacity // lanes)` to `(i + 1) * (capacity // lanes) - 1`.

    Attributes:
        capacity: How many transitions fit, over all lanes; at least 1.
        lanes: How many environments push side by side; `None` for a single one.
        state: `[slots, ...]` or a tree of such arrays, like the other columns that are named as in `Batch`.
        head: The next slot of each lane, counted from the lane's first one; `[lanes]` if there are lanes.
        filled: How many slots of each lane hold a transition; `[lanes]` if there are lanes.

    Raises:
        ConfigError: `capacity` is not a whole number of at least 1; later, if it does not fit into memory.

    Source: Julia `CircularArraySARTSTraces`.
    """

    capacity: int = static()
    lanes: int | None = static(None)
    _views: Any = cached()
    _leaves: Any = cached()
    state: Any = None
    action: Any = None
    reward: Any = None
    next_state: Any = None
    terminated: Any = None
    truncated: Any = None
    mask: Any = None
    next_mask: Any = None
    extras: Any = None
    head: Any = 0
    filled: Any = 0

    def __init__(self, capacity: int) -> None:
        self.capacity = check_whole("capacity", capacity)

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
            EnvContractError: Other fields, keys, shapes or types than at the first push.
            ConfigError: At the first push, if the columns don't fit into memory or `capacity` is below the rows.
        """
        views = self._views
        if views is not None and views[0] is self.reward and not extras and mask is None and next_mask is None:
            if self.lanes is not None:
                kept = self._push_rows(views, valid, (state, action, reward, next_state, terminated, truncated))
                if kept:
                    return kept
            elif valid is None or valid is True:
                at = self.head
                if write_views(views, at, state, action, reward, next_state, terminated, truncated):
                    self.head = at + 1 if at + 1 < self.capacity else 0
                    if self.filled < self.capacity:
                        self.filled += 1
                    return 1
        values = (state, action, reward, next_state, terminated, truncated, mask, next_mask, extras or None)
        return self._push_checked(dict(zip(NAMES, values, strict=True)), valid)

    def allocate(self, **example: Any) -> None:
        """Fixes all shapes from the arguments of a push without storing them; a second time they must be alike.

        Inside a trace the columns are JAX arrays, else NumPy arrays.

        Raises:
            ConfigError: The columns don't fit into memory, or `capacity` is below the rows.
            EnvContractError: No numbers, rows of unequal length, or unlike the columns there are.
        """
        values: dict[str, Any] = {name: example.get(name) for name in NAMES} | {"extras": example.get("extras") or None}
        if self.reward is not None:
            conform(values, *jax.tree.flatten(self._columns()), self.lanes)
            return
        rows = np.shape(values["reward"])
        if len(rows) > 1:
            raise EnvContractError(f"reward has shape {rows}, expected one number, or one per environment")
        lanes = rows[0] if rows else None
        if lanes is not None and self.capacity < lanes:
            raise ConfigError(
                f"capacity is {self.capacity}, but {lanes} environments push at once; expected at least {lanes}, "
                "better many times as much"
            )
        n_slots = self.capacity if lanes is None else self.capacity // lanes * lanes
        self._assign(columns_like(values, lanes, n_slots))
        self.lanes = lanes
        if lanes is not None:
            self.head, self.filled = np.zeros(lanes, np.int32), np.zeros(lanes, np.int32)

    @property
    def n_stored(self) -> Any:
        """How many transitions are stored; a JAX number when traced."""
        if self.lanes is None or is_traced(self.filled):
            return self.filled if self.lanes is None else self.filled.sum()
        return int(self.filled.sum())

    @property
    def n_slots(self) -> int:
        """How many transitions fit: `capacity`, rounded down to a multiple of the lanes."""
        return self._lane_size() * (self.lanes or 1)

    def take(self, indices: Any) -> Batch:
        """The transitions at `indices`, in the order of their slots, not of their age.

        Args:
            indices: `[batch]` whole numbers from 0 to `n_stored - 1`. Index k is the k-th slot that holds a
                transition, counted over all lanes.

        Raises:
            IndexError: An index is out of range (on the host; compiled code reads the nearest slot).
        """
        stop = None
        if self.lanes is not None:
            indices = slots_at(indices, self.filled, self._lane_size())
        elif not is_traced(self.filled):
            stop = self.filled
        return Batch(*[read(getattr(self, name), indices, stop) for name in NAMES])

    def whole(self) -> Batch | None:
        """All that is stored, lane after lane, oldest first; `None` if nothing is.

        Raises:
            ConfigError: In compiled code, where a length must be known beforehand.
        """
        if is_traced(self.filled):
            raise ConfigError(
                "how many transitions CircularTraces holds is not known in compiled code; sample with "
                "BatchSampler(batch_size), or keep only the last one in LatestTransition()"
            )
        if not self.n_stored:
            return None
        slots = oldest_first(self.head, self.filled, self._lane_size())
        return Batch(**{name: read(getattr(self, name), slots) for name in NAMES})

    def _push_rows(self, views: Any, valid: Any, rows: tuple) -> int:
        """Keeps plain rows, fast; 0 where it takes a closer look: some are not valid, or lanes stand apart."""
        if valid is not None and valid is not True and not count_kept(valid, self.lanes).all():
            return 0
        heads, size = self.head.tolist(), self._lane_size()
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
        if self._leaves is None or self._leaves[0] is not self.reward:
            columns = self._columns()
            self._leaves = (self.reward, *jax.tree.flatten(columns))
            self._views = views_of(columns, values) if self.lanes is None else row_views_of(columns, self.lanes)
        _, columns, structure = self._leaves
        try:
            leaves = conform(values, columns, structure, self.lanes)
        except EnvContractError:
            self._heal(columns)
            raise
        return self._store(columns, structure, leaves, count_kept(valid, self.lanes))

    def _store(self, columns: list[Any], structure: Any, leaves: list[Any], kept: Any) -> Any:
        size = self._lane_size()
        slots = next_slots(self.head, self.lanes, size)
        if not isinstance(self.reward, np.ndarray):
            slots = jnp.where(kept == 1, slots, self.n_slots)  # past the end: dropped
        elif self.lanes is not None:
            if not kept.all():
                rows = np.flatnonzero(kept)
                slots, leaves = slots[rows], [leaf[rows] for leaf in leaves]
        elif not kept:
            return 0
        written = [put(column, slots, leaf) for column, leaf in zip(columns, leaves, strict=True)]
        if not isinstance(self.reward, np.ndarray):
            self._assign(jax.tree.unflatten(structure, written))
        self.head = (self.head + kept) % size
        self.filled = at_most(self.filled + kept, size)
        if self.lanes is None:
            return kept
        return kept.sum() if is_traced(kept) else int(kept.sum())

    def _lane_size(self) -> int:
        return self.capacity // (self.lanes or 1)

    def _heal(self, columns: list[Any]) -> None:
        """After a refused push: the oldest slot of a full ring may hold parts of two transitions; copy the newest."""
        if self.lanes is not None or is_traced(self.filled) or self.filled < self.capacity:
            return
        if self.capacity == 1:
            self.filled = 0
        for column in columns:
            put(column, self.head, column[self.head - 1])

    def _columns(self) -> dict[str, Any]:
        return {name: getattr(self, name) for name in NAMES}

    def _assign(self, columns: dict[str, Any]) -> None:
        for name, column in columns.items():
            setattr(self, name, column)

    def __getstate__(self) -> Any:
        """What copying and pickling keep: everything but the memory views, which are made anew."""
        state: Any = object.__getstate__(self)
        return state[0], state[1] | {"_views": None, "_leaves": None}
