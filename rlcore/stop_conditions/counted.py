"""Stop conditions that count up to a number."""

import sys
from collections.abc import Callable
from typing import Any

import numpy as np
from tqdm.auto import tqdm

from rlcore.arguments import check_flag, check_whole
from rlcore.block import Block
from rlcore.stages import speaks_for_steps
from rlcore.stop_conditions.base import StopCondition


class _Counted(StopCondition):
    """Counts something up to `n`, with a progress bar."""

    _unit: str

    def __init__(self, n: int, show_progress: bool = True) -> None:
        self._n = check_whole("n", n)
        self._show_progress = check_flag("show_progress", show_progress)
        self._count = 0
        self._bar: Any = None
        self._advance: Callable[[int], Any] | None = None

    def pre_experiment(self, policy: Any, env: Any) -> None:
        """Starts the count and the bar; the bar shows in terminals and notebooks only."""
        self._count = 0
        is_off = not self._show_progress or sys.stderr is None or getattr(sys.stderr, "closed", False)
        self._bar = tqdm(total=self._n, unit=self._unit, disable=True if is_off else None)
        self._advance = None if getattr(self._bar, "disable", False) else self._bar.update

    def post_experiment(self, policy: Any, env: Any) -> None:
        """Closes the bar."""
        if self._bar is not None:
            self._bar.close()
            self._bar = self._advance = None

    def _push(self, n: int) -> None:
        self._count += n
        if self._advance is not None:
            self._advance(n)

    def reason(self) -> str:
        """The class and its limit."""
        return f"{type(self).__name__}({self._n})"

    __repr__ = reason


class StopAfterNSteps(_Counted):
    """Stops at the `n`-th step, counted over all episodes.

    Several environments count one per row that made a transition; the run stops at the first step that reaches `n`.

    Raises:
        ConfigError: `n` is not a whole number of at least 1, or `show_progress` no bool.

    Source: Julia `StopAfterNSteps`.
    """

    reads_policy = False
    _unit = "step"
    _moved: Any = None  # which rows made a transition with the last step
    _n_moved = 0  # and how many they are

    def check(self, policy: Any, env: Any) -> bool:
        """Counts the step."""
        n_moved = 1
        if env.num_envs is not None:
            moved = env.is_transition()
            if moved is not self._moved:  # mostly it is the same array, and never written to
                self._moved, self._n_moved = moved, np.asarray(moved).tobytes().count(1)
            n_moved = self._n_moved
        self._count = count = self._count + n_moved
        if self._advance is not None:
            self._advance(n_moved)
        return count >= self._n

    def answers(self, policy: Any, block: Block) -> np.ndarray:
        """Whether `n` is reached."""
        n_rows = block.num_envs or 1
        return np.arange(1, len(block) + 1) * n_rows >= self._n - self._count

    def push_block(self, policy: Any, block: Block) -> None:
        """Counts the steps."""
        self._push(len(block) * (block.num_envs or 1))

    def limit(self) -> Any:
        """The steps that are left."""
        return ("steps", self._n - self._count) if speaks_for_steps(self, "limit") else None


class StopAfterNEpisodes(_Counted):
    """Stops when the `n`-th episode has ended, whatever ended it.

    Several environments count every row that ended; the run stops at the first step that reaches `n`.

    Raises:
        ConfigError: `n` is not a whole number of at least 1, or `show_progress` no bool.

    Source: Julia `StopAfterNEpisodes`.
    """

    reads_policy = False
    _unit = "episode"

    def check(self, policy: Any, env: Any) -> bool:
        """Counts the episodes that ended with this step."""
        episodes = len(env.ended())
        if episodes:
            self._push(episodes)
        return self._count >= self._n

    def answers(self, policy: Any, block: Block) -> np.ndarray:
        """Whether `n` is reached."""
        left, ends = self._n - self._count, block.ends[0]
        if left > len(ends):
            return np.zeros(len(block), bool)
        return np.arange(len(block)) >= (ends[left - 1] if left > 0 else 0)

    def push_block(self, policy: Any, block: Block) -> None:
        """Counts the episodes that ended."""
        self._push(len(block.ends[0]))

    def limit(self) -> Any:
        """The episodes that are left."""
        return ("episodes", self._n - self._count) if speaks_for_steps(self, "limit") else None
