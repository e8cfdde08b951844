"""A stop condition that somebody else triggers."""

from typing import Any

import numpy as np

from rlcore.block import Block
from rlcore.stop_conditions.base import StopCondition


class StopSignal(StopCondition):
    """Stops at the end of the step in which somebody calls `set`: a hook, another thread.

    Source: Julia `StopSignal`, `s[] = true`.
    """

    reads_policy = False

    def __init__(self) -> None:
        self._is_set = False
        self._reason = ""

    def set(self, reason: str = "") -> None:
        """Asks the run to end, with the reason to report."""
        self._is_set, self._reason = True, reason

    def is_set(self) -> bool:
        """Whether `set` was called since the run began."""
        return self._is_set

    def pre_experiment(self, policy: Any, env: Any) -> None:
        """Clears the signal of an earlier run."""
        self._is_set, self._reason = False, ""

    def check(self, policy: Any, env: Any) -> bool:
        """Whether somebody asked."""
        return self._is_set

    def answers(self, policy: Any, block: Block) -> np.ndarray:
        """Whether somebody asked before these steps; a hook that asks is shown single steps."""
        return np.full(len(block), self._is_set)

    def push_block(self, policy: Any, block: Block) -> None:
        """Keeps nothing."""

    def reason(self) -> str:
        """The class, and what `set` was told."""
        return f"StopSignal: {self._reason}" if self._reason else "StopSignal"
