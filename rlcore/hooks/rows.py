"""Counting and adding up for every row of an environment, a row being one of several side by side.

A row's step is no step of any episode where it was spent on a reset (`env.is_transition()` is false). That can only
happen in the step after one in which rows ended, so the mask is read in that step alone.
"""

from collections.abc import Sequence
from typing import Any

import numpy as np

from rlcore.arguments import check_whole
from rlcore.errors import ConfigError


def check_keep(keep: Any) -> int | None:
    """`keep` of a hook: how many episodes to keep, `None` for all.

    Raises:
        ConfigError: It is neither `None` nor a whole number of at least 1.
    """
    return None if keep is None else check_whole("keep (how many episodes to keep; None: all)", keep)


def record(history: list[Any], value: Any, keep: int | None) -> None:
    """Appends `value` and drops the oldest, so that `history` never holds more than `keep`."""
    history.append(value)
    if keep is not None and len(history) > keep:
        del history[0]


def rows_begun(env: Any) -> Sequence[int]:
    """The rows whose episode begins at PRE_EPISODE: those that ended, or all of them right after a reset."""
    ended = env.ended()
    return ended if len(ended) else range(env.num_envs or 1)


def rows_skipped(env: Any) -> list[int]:
    """The rows whose step was spent on a reset."""
    return np.flatnonzero(~np.asarray(env.is_transition(), bool)).tolist()


def check_batchsize(batchsize: int, env: Any, hook: str) -> None:
    """Refuses an environment that has not `batchsize` rows; a single one has one.

    Raises:
        ConfigError: With both numbers.
    """
    rows = env.num_envs or 1
    if rows != batchsize:
        raise ConfigError(
            f"{hook} was built with batchsize {batchsize}, but the environment has {rows}; give it {rows}"
        )


class RowSteps:
    """Counts the steps of every row's episode; a step in which nothing ended costs one addition for all rows."""

    __slots__ = ("_after_end", "_count", "_starts")

    def __init__(self, num_envs: int) -> None:
        self._count = 0  # steps of the loop
        self._starts = [0] * num_envs  # what the count was when a row's episode began
        self._after_end = False

    def begin(self, env: Any) -> None:
        """Starts the rows that begin at PRE_EPISODE from zero."""
        for row in rows_begun(env):
            self._starts[row] = self._count

    def step(self, env: Any) -> Sequence[int]:
        """Counts one step of every row; the rows that ended with it."""
        self._count += 1
        if self._after_end:
            for row in rows_skipped(env):
                self._starts[row] += 1
        ended: Sequence[int] = env.ended()
        self._after_end = len(ended) > 0
        return ended

    def of(self, row: int) -> int:
        """The steps of the row's episode so far."""
        return self._count - self._starts[row]


class RowSums:
    """Adds up the rewards of every row's episode, in float64."""

    __slots__ = ("_after_end", "_sums")

    def __init__(self, num_envs: int) -> None:
        self._sums = np.zeros(num_envs)
        self._after_end = False

    def begin(self, env: Any) -> None:
        """Starts the rows that begin at PRE_EPISODE from zero."""
        for row in rows_begun(env):
            self._sums[row] = 0.0

    def step(self, env: Any) -> Sequence[int]:
        """Adds the rewards of one step; the rows that ended with it."""
        if self._after_end:
            np.add(self._sums, env.reward(), out=self._sums, where=env.is_transition())
        else:
            self._sums += env.reward()
        ended: Sequence[int] = env.ended()
        self._after_end = len(ended) > 0
        return ended

    def of(self, row: int) -> float:
        """The sum of the row's episode so far."""
        return float(self._sums[row])
