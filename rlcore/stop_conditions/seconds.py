"""A stop condition that reads the clock."""

import math
import time
from typing import Any

import numpy as np

from rlcore.arguments import check_number
from rlcore.block import Block
from rlcore.stop_conditions.base import StopCondition


class StopAfterNSeconds(StopCondition):
    """Stops at the first step that ends `seconds` or more after the start of the run, on a monotonic clock.

    Steps that are recorded before they are shown stop the run only after the latest one.

    Raises:
        ConfigError: `seconds` is not a positive finite number.

    Source: Julia `StopAfterNSeconds`.
    """

    reads_policy = False

    def __init__(self, seconds: float) -> None:
        self._seconds = check_number("seconds", seconds, 0.0, above=True)
        self._deadline = math.inf

    def pre_experiment(self, policy: Any, env: Any) -> None:
        """Starts the clock."""
        self._deadline = time.monotonic() + self._seconds

    def check(self, policy: Any, env: Any) -> bool:
        """Reads the clock."""
        return time.monotonic() >= self._deadline and getattr(env, "is_latest", True)

    def answers(self, policy: Any, block: Block) -> np.ndarray:
        """Never: the step that ends the run is a single one."""
        return np.zeros(len(block), bool)

    def push_block(self, policy: Any, block: Block) -> None:
        """Keeps nothing."""

    def reason(self) -> str:
        """The class and its limit."""
        return f"StopAfterNSeconds({self._seconds:g})"

    __repr__ = reason
