"""A stop condition that waits for the end of an episode."""

from typing import Any

import numpy as np

from rlcore.block import Block
from rlcore.stop_conditions.base import StopCondition


class StopIfEnvTerminated(StopCondition):
    """Stops when an episode has ended: of several environments, the first one that does.

    Source: Julia `StopIfEnvTerminated`.
    """

    reads_policy = False

    def check(self, policy: Any, env: Any) -> bool:
        """Whether the environment (any of several) is over."""
        return len(env.ended()) > 0

    def answers(self, policy: Any, block: Block) -> np.ndarray:
        """Whether an episode ended."""
        answers = np.zeros(len(block), bool)
        answers[block.end_steps] = True
        return answers

    def push_block(self, policy: Any, block: Block) -> None:
        """Keeps nothing."""
