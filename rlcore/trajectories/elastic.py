"""A container that grows."""

import math
from typing import Any, ClassVar

import jax
import numpy as np

from rlcore.errors import ConfigError
from rlcore.struct import is_traced, struct
from rlcore.trajectories.columns import doubled
from rlcore.trajectories.memory import check_memory
from rlcore.trajectories.traces import Traces

FIRST = 1024  # transitions that each lane has room for at first; doubled whenever they are full


@struct
class ElasticTraces(Traces):
    """Keeps all transitions, each with its true next state; in NumPy arrays that grow, so on the host alone.

    States are stored once under the same conditions as in `CircularTraces`.

    Args:
        n_frames: How many frames a state is a stack of; see `CircularTraces`.
        states_once: Whether states are stored once; see `CircularTraces`.

    Raises:
        ConfigError: `n_frames` is not a whole number of at least 1; later, if there is no more memory, or in compiled
            code.

    Source: Julia `ElasticArraySARTSTraces`.
    """

    capacity: ClassVar[float] = math.inf
    n_slots: ClassVar[float] = math.inf
    why_untraced: ClassVar[str] = (
        "ElasticTraces grows, and compiled code can't lengthen its arrays; use CircularTraces(capacity) with room for "
        "all steps of the run, or run with engine='eager'"
    )

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
            ConfigError: The columns don't fit into memory, or the code is compiled.
        """
        if self.size and self._is_full():
            self._grow()
        return Traces.push(
            self, state, action, reward, next_state, terminated, truncated, valid, extras, mask, next_mask
        )

    def _is_full(self) -> bool:
        """Whether another push might not fit."""
        most = self.filled if self.lanes is None else self.filled.max()
        if is_traced(most):
            raise ConfigError(self.why_untraced)
        return most == self.size or (self.frames is not None and self.frames.is_full())

    def _grow(self) -> None:
        """Doubles the room of each lane."""
        lanes, columns = self.lanes or 1, self._columns()
        n_bytes = 2 * sum(column.nbytes for column in jax.tree.leaves((columns, self.frames)))
        check_memory(n_bytes, f"{2 * self.size * lanes:,} transitions")
        self._assign(jax.tree.map(lambda column: doubled(column, lanes), columns))
        if self.frames is not None:
            self.frames.double()
        self.size *= 2
        self.head = self.filled if self.lanes is None else self.filled.copy()

    def _make(self, shapes: dict[str, Any], lanes: int | None, size: int, xp: Any) -> None:
        if xp is not np:
            raise ConfigError(self.why_untraced)
        Traces._make(self, shapes, lanes, size, xp)

    def _first_size(self, lanes: int | None) -> int:
        return FIRST
