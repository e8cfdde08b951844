"""A stop condition that watches whether a number still gets better."""

import math
from collections.abc import Callable
from typing import Any

import numpy as np

from rlcore.arguments import check_function, check_number, check_whole
from rlcore.block import Block
from rlcore.errors import ConfigError
from rlcore.stop_conditions.base import StopCondition


class StopAfterNoImprovement(StopCondition):
    """Stops when a number has not improved for `patience` episodes in a row.

    Args:
        fn: Called without arguments once per ended episode; the higher its answer the better.
        patience: Episodes without improvement before the run stops.
        delta: The least rise above the best answer so far that counts as an improvement.

    Raises:
        ConfigError: `fn` can't be called without arguments, `patience` is not a whole number of at least 1, or `delta`
            is negative or not finite; during the run, `fn` answered NaN or no number.

    Source: Julia `StopAfterNoImprovement`.
    """

    def __init__(self, fn: Callable[[], float], patience: int, delta: float = 0.0) -> None:
        self._fn = check_function("fn", fn)
        self._patience = check_whole("patience", patience)
        self._delta = check_number("delta", delta, 0.0)
        self._best, self._waited = -math.inf, 0

    def pre_experiment(self, policy: Any, env: Any) -> None:
        """Forgets the best answer."""
        self._best, self._waited = -math.inf, 0

    def check(self, policy: Any, env: Any) -> bool:
        """Asks `fn` once per episode that ended with this step.

        Raises:
            ConfigError: It answered NaN, or no number.
        """
        for _ in env.ended():
            answer = self._fn()
            try:
                value = float(answer)
            except (TypeError, ValueError):
                value = math.nan
            if math.isnan(value):
                raise ConfigError(f"fn of StopAfterNoImprovement returned {answer!r}, expected a number")
            if value > self._best and value - self._best >= self._delta:
                self._best, self._waited = value, 0
            else:
                self._waited += 1
        return self._waited >= self._patience

    def answers(self, policy: Any, block: Block) -> np.ndarray:
        """The latest answer, which stands until an episode ends."""
        return np.full(len(block), self._waited >= self._patience)

    def push_block(self, policy: Any, block: Block) -> None:
        """Keeps nothing."""

    def breaks(self, block: Block) -> np.ndarray:
        """The steps that end an episode: `fn` may read hooks, which know of no later step then."""
        return block.end_steps

    def reason(self) -> str:
        """The class, its patience and the best answer."""
        return f"{self!r}: best {self._best:g}"

    def __repr__(self) -> str:
        return f"StopAfterNoImprovement(patience={self._patience})"
