"""A container of the last few pushes, for learners that look at several steps in a row."""

from typing import Any

import jax
import numpy as np

from rlcore.arguments import check_whole
from rlcore.errors import EnvContractError
from rlcore.struct import is_traced, static, struct
from rlcore.trajectories.base import Container
from rlcore.trajectories.batch import Batch
from rlcore.trajectories.columns import NAMES, check_reward, zero_of
from rlcore.trajectories.memory import check_memory


@struct
class LatestTransitions(Container):
    """Keeps the last `capacity` pushes as they came, and is itself what the learner is shown.

    For `TDLearner` with several steps, or with the next action: it looks at transitions of one lane in a row, so rows
    that are not valid are kept as gaps. A controller counts a push as one.

    Attributes:
        capacity: How many pushes are kept, at least 1.
        transitions: `capacity` batches, oldest first, each of one push: a transition of plain numbers, or `[rows]`.
        valid: As many flags, each a bool or `[rows]` bool: false where nothing was pushed yet, or no transition.

    Raises:
        ConfigError: `capacity` is no whole number of at least 1, or so many don't fit into memory.

    Source: Julia's `CircularArraySARTSATraces` with a small capacity and a `DummySampler`.
    """

    capacity: int = static()
    transitions: Any
    valid: Any

    def __init__(self, capacity: int) -> None:
        self.capacity = check_whole("capacity", capacity)
        check_memory(self.capacity * Batch().__sizeof__(), f"{self.capacity:,} pushes")
        self.transitions = [Batch() for _ in range(self.capacity)]
        self.valid = [False] * self.capacity

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
    ) -> int:
        """Keeps a transition, or a row of them, in place of the oldest one.

        Returns:
            1 if anything was valid, else 0.

        Raises:
            EnvContractError: `valid` has another length than the row, or a reward is no finite number.
        """
        if reward.__class__ is not float or reward - reward != 0.0:
            check_reward(reward, valid)
        newest, *others = self.transitions
        newest.state = state
        newest.action = action
        newest.reward = reward
        newest.next_state = next_state
        newest.terminated = terminated
        newest.truncated = truncated
        newest.mask = mask
        newest.next_mask = next_mask
        newest.extras = extras or None
        self.transitions = [*others, newest]
        if valid is None and reward.__class__ is float and self.valid[-1].__class__ is bool:  # mostly, and quicker
            self.valid = [*self.valid[1:], True]
            return 1
        shape = np.shape(reward)
        valid = np.ones(shape, bool) if valid is None else valid
        if np.shape(valid) != shape:
            raise EnvContractError(
                f"valid has shape {np.shape(valid)}, expected {shape}: one flag per transition; push as many as there "
                "are rows"
            )
        if not shape and not is_traced(valid):
            valid = bool(valid)
        if np.shape(self.valid[-1]) != shape:  # other environments than before
            self.valid = [np.zeros(shape, bool)] * self.capacity
        self.valid = [*self.valid[1:], valid]
        return 1 if is_traced(valid) else int(np.any(valid))

    def allocate(self, **example: Any) -> None:
        """Fixes all shapes and types from the arguments of a push, without storing them; what is kept stays."""
        rows = np.shape(example["reward"])
        for at, transition in enumerate(self.transitions):
            is_kept = np.shape(self.valid[at]) == rows and transition.reward is not None
            for name in NAMES:
                value = getattr(transition, name) if is_kept else example.get(name)
                setattr(
                    transition,
                    name,
                    jax.tree.map(_own if is_kept else zero_of, value or None if name == "extras" else value),
                )
            self.valid[at] = self.valid[at] if is_kept else np.zeros(rows, bool)

    @property
    def n_stored(self) -> Any:
        """How many transitions are kept; a JAX number when traced."""
        return sum(valid.sum() if hasattr(valid, "sum") else int(valid) for valid in self.valid)

    def whole(self) -> Any:
        """Itself; `None` if the last push kept nothing."""
        return self if is_traced(self.valid[-1]) or np.any(self.valid[-1]) else None


def _own(value: Any) -> Any:
    """A copy: the next state of one push and the state of the following one may be the same array."""
    return value.copy() if isinstance(value, np.ndarray) else value
