"""Hooks that count the steps of episodes."""

from typing import Any

import numpy as np

from rlcore.arguments import check_whole
from rlcore.block import Block
from rlcore.hooks.base import Hook
from rlcore.hooks.rows import RowSteps, check_batchsize, check_keep, record, record_by_row


class StepsPerEpisode(Hook):
    """Counts the steps of every episode; of several environments side by side too, in the order of their ends.

    Args:
        keep: How many episodes to keep, the latest ones; `None`: all.

    Attributes:
        steps: One count per finished episode, an int; an episode that the run's end cut short is none.

    Raises:
        ConfigError: `keep` is not a whole number of at least 1.

    Source: Julia `StepsPerEpisode`.
    """

    reads_policy = False

    def __init__(self, keep: int | None = None) -> None:
        self._keep = check_keep(keep)
        self._rows: RowSteps | None = None
        self._count = 0
        self.steps: list[int] = []

    def pre_experiment(self, policy: Any, env: Any) -> None:
        """Starts a new list."""
        self._rows = None if env.num_envs is None else RowSteps(env.num_envs)
        self._count = 0
        self.steps = []

    def pre_episode(self, policy: Any, env: Any) -> None:
        """Starts the episode's count."""
        self._count = 0

    def post_act(self, policy: Any, env: Any) -> None:
        """Counts the step, and records the count where the episode ended."""
        if self._rows is None:
            self._count += 1
            if env.is_over():
                record(self.steps, (self._count,), self._keep)
            return
        for row in self._rows.step(env):
            record(self.steps, (self._rows.of(row),), self._keep)

    def push_block(self, policy: Any, block: Block) -> None:
        """Records the lengths of the episodes that ended."""
        if self._rows is not None:
            lengths = self._rows.push_block(block)
        else:
            bounds = np.concatenate(([-1 - self._count], block.ends[0], [len(block) - 1]))
            *lengths, self._count = np.diff(bounds).tolist()
        record(self.steps, lengths, self._keep)

    def result(self) -> list[int]:
        return self.steps

    def __repr__(self) -> str:
        return f"{type(self).__name__}({len(self.steps)} episodes)"


class BatchStepsPerEpisode(Hook):
    """Counts the steps of every episode, for each environment side by side apart.

    Args:
        batchsize: The number of environments.
        keep: How many episodes of each environment to keep, the latest ones; `None`: all.

    Attributes:
        steps: `batchsize` lists, each with one count per finished episode of that environment.

    Raises:
        ConfigError: `batchsize` or `keep` is not a whole number of at least 1.

    Source: Julia `BatchStepsPerEpisode`.
    """

    reads_policy = False

    def __init__(self, batchsize: int, keep: int | None = None) -> None:
        self._batchsize = check_whole("batchsize", batchsize)
        self._keep = check_keep(keep)
        self._rows = RowSteps(self._batchsize)
        self.steps: list[list[int]] = [[] for _ in range(self._batchsize)]

    def pre_experiment(self, policy: Any, env: Any) -> None:
        """Starts new lists.

        Raises:
            ConfigError: The run has not `batchsize` environments.
        """
        check_batchsize(self._batchsize, env, "BatchStepsPerEpisode")
        self._rows = RowSteps(self._batchsize)
        self.steps = [[] for _ in range(self._batchsize)]

    def post_act(self, policy: Any, env: Any) -> None:
        """Counts the step, and records the counts of the episodes that ended."""
        for row in self._rows.step(env):
            record(self.steps[row], (self._rows.of(row),), self._keep)

    def push_block(self, policy: Any, block: Block) -> None:
        """Records the lengths of the episodes that ended."""
        record_by_row(self.steps, block.ends[1], self._rows.push_block(block), self._keep)

    def result(self) -> list[list[int]]:
        return self.steps

    def __repr__(self) -> str:
        return f"{type(self).__name__}({sum(map(len, self.steps))} episodes)"
