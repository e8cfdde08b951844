"""Hooks that keep the rewards of episodes, or their sums."""

from collections.abc import Sequence
from typing import Any

import numpy as np

from rlcore.arguments import check_flag, check_whole
from rlcore.block import Block
from rlcore.hooks.base import Hook
from rlcore.hooks.plot import show_plot
from rlcore.hooks.rows import (
    RowSums,
    add_rewards,
    check_batchsize,
    check_keep,
    record,
    record_by_row,
    rows_begun,
    rows_skipped,
)


class RewardsPerEpisode(Hook):
    """Keeps every reward of every episode; of several environments side by side too, in the order of their ends.

    Args:
        keep: How many episodes to keep, the latest ones; `None`: all.

    Attributes:
        rewards: One list of rewards per finished episode; an episode that the run's end cut short is none.

    Raises:
        ConfigError: `keep` is not a whole number of at least 1.

    Source: Julia `RewardsPerEpisode`.
    """

    reads_reward = True
    reads_policy = False

    def __init__(self, keep: int | None = None) -> None:
        self._keep = check_keep(keep)
        self._is_single = True
        self._ended: Sequence[int] = ()
        self._open: list[list[float]] = [[]]
        self.rewards: list[list[float]] = []

    def pre_experiment(self, policy: Any, env: Any) -> None:
        """Starts a new list."""
        self._is_single = env.num_envs is None
        self._ended = ()
        self._open = [[] for _ in range(env.num_envs or 1)]
        self.rewards = []

    def pre_episode(self, policy: Any, env: Any) -> None:
        """Starts the lists of the episodes that begin."""
        for row in rows_begun(env):
            self._open[row] = []

    def post_act(self, policy: Any, env: Any) -> None:
        """Keeps the reward, and records the list where the episode ended."""
        if self._is_single:
            self._open[0].append(float(env.reward()))
            if env.is_over():
                record(self.rewards, (self._open[0],), self._keep)
            return
        skipped = rows_skipped(env, self._ended)
        for row, reward in enumerate(np.asarray(env.reward(), float).tolist()):
            if row not in skipped:
                self._open[row].append(reward)
        self._ended = env.ended()
        for row in self._ended:
            record(self.rewards, (self._open[row],), self._keep)

    def push_block(self, policy: Any, block: Block) -> None:
        """Keeps the rewards, and records the lists of the episodes that ended."""
        columns = block.reward.reshape(len(block), -1).T.tolist()
        begins = [0] * len(columns)
        finished = []
        for step, row in zip(*(places.tolist() for places in block.ends), strict=True):
            self._open[row] += columns[row][begins[row] : step + 1]
            finished.append(self._open[row])
            self._open[row], begins[row] = [], step + 1
        for rewards, column, begin in zip(self._open, columns, begins, strict=True):
            rewards += column[begin:]
        record(self.rewards, finished, self._keep)

    def result(self) -> list[list[float]]:
        return self.rewards

    def __repr__(self) -> str:
        return f"{type(self).__name__}({len(self.rewards)} episodes)"


class TotalRewardPerEpisode(Hook):
    """Adds up the rewards of every episode and draws the sums at the end of the run.

    Of several environments side by side too, in the order in which their episodes end.

    Args:
        display_on_exit: Whether to draw them in the terminal.
        keep: How many episodes to keep, the latest ones; `None`: all.

    Attributes:
        rewards: One sum per finished episode, a float; an episode that the run's end cut short is none.

    Raises:
        ConfigError: `display_on_exit` is no bool, or `keep` is not a whole number of at least 1.

    Source: Julia `TotalRewardPerEpisode`.
    """

    reads_reward = True
    reads_policy = False

    def __init__(self, display_on_exit: bool = True, keep: int | None = None) -> None:
        self._display_on_exit = check_flag("display_on_exit", display_on_exit)
        self._keep = check_keep(keep)
        self._rows: RowSums | None = None
        self._total = 0.0
        self._n_episodes = 0
        self.rewards: list[float] = []

    def pre_experiment(self, policy: Any, env: Any) -> None:
        """Starts a new list."""
        self._rows = None if env.num_envs is None else RowSums(env.num_envs)
        self._total = 0.0
        self._n_episodes = 0
        self.rewards = []

    def pre_episode(self, policy: Any, env: Any) -> None:
        """Starts the episode's sum."""
        self._total = 0.0

    def post_act(self, policy: Any, env: Any) -> None:
        """Adds the reward, and records the sum where the episode ended."""
        if self._rows is None:
            reward = env.reward()
            self._total += reward if reward.__class__ is float else float(reward)  # a float32 would make the sum one
            if env.is_over():
                self._record((self._total,))
            return
        for row in self._rows.step(env):
            self._record((self._rows.of(row),))

    def push_block(self, policy: Any, block: Block) -> None:
        """Adds the rewards, and records the sums of the episodes that ended."""
        if self._rows is not None:
            self._record(self._rows.push_block(block))
            return
        sums = np.array([self._total])
        self._record(add_rewards(sums, block))
        self._total = sums.item()

    def post_experiment(self, policy: Any, env: Any) -> None:
        """Draws the sums."""
        if self._display_on_exit:
            show_plot(self.rewards, "Total reward per episode", self._n_episodes - len(self.rewards) + 1)

    def result(self) -> list[float]:
        return self.rewards

    def __repr__(self) -> str:
        return f"{type(self).__name__}({len(self.rewards)} episodes)"

    def _record(self, totals: Sequence[float]) -> None:
        self._n_episodes += len(totals)
        record(self.rewards, totals, self._keep)


class TotalBatchRewardPerEpisode(Hook):
    """Adds up the rewards of every episode, for each environment side by side apart.

    Args:
        batchsize: The number of environments.
        keep: How many episodes of each environment to keep, the latest ones; `None`: all.

    Attributes:
        rewards: `batchsize` lists, each with one sum per finished episode of that environment.

    Raises:
        ConfigError: `batchsize` or `keep` is not a whole number of at least 1.

    Source: Julia `TotalBatchRewardPerEpisode`.
    """

    reads_reward = True
    reads_policy = False

    def __init__(self, batchsize: int, keep: int | None = None) -> None:
        self._batchsize = check_whole("batchsize", batchsize)
        self._keep = check_keep(keep)
        self._rows = RowSums(self._batchsize)
        self.rewards: list[list[float]] = [[] for _ in range(self._batchsize)]

    def pre_experiment(self, policy: Any, env: Any) -> None:
        """Starts new lists.

        Raises:
            ConfigError: The run has not `batchsize` environments.
        """
        check_batchsize(self._batchsize, env, "TotalBatchRewardPerEpisode")
        self._rows = RowSums(self._batchsize)
        self.rewards = [[] for _ in range(self._batchsize)]

    def post_act(self, policy: Any, env: Any) -> None:
        """Adds the rewards, and records the sums of the episodes that ended."""
        for row in self._rows.step(env):
            record(self.rewards[row], (self._rows.of(row),), self._keep)

    def push_block(self, policy: Any, block: Block) -> None:
        """Adds the rewards, and records the sums of the episodes that ended."""
        record_by_row(self.rewards, block.ends[1], self._rows.push_block(block), self._keep)

    def result(self) -> list[list[float]]:
        return self.rewards

    def __repr__(self) -> str:
        return f"{type(self).__name__}({sum(map(len, self.rewards))} episodes)"
