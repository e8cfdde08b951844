"""Counting and adding up for every row of an environment, a row being one of several side by side.

A row's step is no step of any episode where it was spent on a reset (`env.is_transition()` is false). That can only
happen in the step after the row ended, so that the mask is read for those rows alone. In a block it never happens.
"""

from collections.abc import Iterable, Sequence
from typing import Any

import numpy as np

from rlcore.arguments import check_whole
from rlcore.block import Block
from rlcore.errors import ConfigError


def check_keep(keep: Any) -> int | None:
    """`keep` of a hook: how many episodes to keep, `None` for all.

    Raises:
        ConfigError: It is neither `None` nor a whole number of at least 1.
    """
    return None if keep is None else check_whole("keep (how many episodes to keep; None: all)", keep)


def record(history: list[Any], values: Iterable[Any], keep: int | None) -> None:
    """Appends `values` and drops the oldest, so that `history` does not hold more than `keep`."""
    history += values
    if keep is not None:
        del history[:-keep]


def record_by_row(histories: list[list[Any]], rows: np.ndarray, values: Iterable[Any], keep: int | None) -> None:
    """Appends each of the `values` to the history of its row, then drops the oldest of every row."""
    for row, value in zip(rows.tolist(), values, strict=True):
        histories[row].append(value)
    for history in histories:
        record(history, (), keep)


def rows_begun(env: Any) -> Sequence[int]:
    """The rows whose episode begins at PRE_EPISODE: those that ended, or all of them right after a reset."""
    ended = env.ended()
    return ended if len(ended) else range(env.num_envs or 1)


def rows_skipped(env: Any, ended: Sequence[int]) -> list[int]:
    """The rows whose step was spent on a reset, out of those that `ended` in the step before."""
    if not len(ended):
        return []
    moved = np.asarray(env.is_transition())
    return [row for row in ended if not moved.item(row)]


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

    __slots__ = ("_count", "_ended", "_starts")

    def __init__(self, num_envs: int) -> None:
        self._count = 0  # steps of the loop
        self._starts = [0] * num_envs  # what the count was when a row's episode began
        self._ended: Sequence[int] = ()  # with the last step, so that they begin with the next

    def step(self, env: Any) -> Sequence[int]:
        """Counts one step of every row; the rows that ended with it."""
        self._count += 1
        if len(self._ended):
            moved = np.asarray(env.is_transition())
            for row in self._ended:
                self._starts[row] = self._count - moved.item(row)
        self._ended = env.ended()
        return self._ended

    def push_block(self, block: Block) -> list[int]:
        """Counts the steps of a block; the lengths of the episodes that ended in it, in the order of `block.ends`."""
        starts = np.array(self._starts)
        starts[list(self._ended)] = self._count
        self._ended = ()
        lengths = _between(block, block.ends[0] + (self._count + 1), starts)
        self._starts = starts.tolist()
        self._count += len(block)
        return lengths

    def of(self, row: int) -> int:
        """The steps of the row's episode so far."""
        return self._count - self._starts[row]


class RowSums:
    """Adds up the rewards of every row's episode, in float64."""

    __slots__ = ("_ended", "_sums")

    def __init__(self, num_envs: int) -> None:
        self._sums = np.zeros(num_envs)
        self._ended: Sequence[int] = ()  # with the last step, so that they begin with the next

    def step(self, env: Any) -> Sequence[int]:
        """Adds the rewards of one step; the rows that ended with it."""
        reward = env.reward()
        self._sums += reward
        if len(self._ended):
            moved, reward = np.asarray(env.is_transition()), np.asarray(reward)
            for row in self._ended:
                self._sums[row] = 0.0 + reward.item(row) if moved.item(row) else 0.0  # 0.0: no sum is -0.0
        self._ended = env.ended()
        return self._ended

    def push_block(self, block: Block) -> list[float]:
        """Adds the rewards of a block; the sums of the episodes that ended in it, in the order of `block.ends`."""
        self._sums[list(self._ended)] = 0.0
        self._ended = ()
        return add_rewards(self._sums, block)

    def of(self, row: int) -> float:
        """The sum of the row's episode so far."""
        return float(self._sums[row])


def _between(block: Block, counts: np.ndarray, begins: np.ndarray) -> list[Any]:
    """How far each count is from the one at the end before it in the same row.

    Args:
        block: The steps.
        counts: `[episodes]`, in the order of `block.ends`.
        begins: `[num_envs]`, the counts where the open episodes began; then where those open after the block did.
    """
    order, is_last = block.ends_by_row
    rows, counts = block.ends[1][order], counts[order]
    before = np.empty_like(counts)
    before[1:] = counts[:-1]
    is_first = np.roll(is_last, 1)  # the last of all is followed by the first
    before[is_first] = begins[rows[is_first]]
    begins[rows[is_last]] = counts[is_last]
    differences = np.empty_like(counts)
    differences[order] = counts - before
    return differences.tolist()


def add_rewards(sums: np.ndarray, block: Block) -> list[float]:
    """Adds the rewards of a block to the sums of the open episodes, one after the other as single steps would.

    Args:
        sums: `[num_envs]` float64, of the episodes that are open before the block; then of those open after it.
        block: The steps.

    Returns:
        The sums of the episodes that ended, in the order of `block.ends`.
    """
    rewards, over = (array.reshape(len(block), -1) for array in (block.reward, block.over))
    if len(sums) >= _WIDE:
        return _add_steps(sums, rewards, block)
    if _are_exact(sums, rewards):
        return _add_whole(sums, rewards, block)
    n_steps = max(1, _MOST // len(sums))
    totals = []
    for i in range(0, len(block), n_steps):
        totals += _add_some(sums, rewards[i : i + n_steps], over[i : i + n_steps])
    return totals


def _add_steps(sums: np.ndarray, rewards: np.ndarray, block: Block) -> list[float]:
    """Step by step, for many rows."""
    steps, rows = block.ends
    bounds = np.searchsorted(steps, np.arange(len(block) + 1)).tolist()
    totals = np.empty(len(rows))
    for reward, begin, end in zip(rewards, bounds, bounds[1:], strict=False):
        sums += reward
        if begin < end:
            ended = rows[begin:end]
            totals[begin:end] = sums[ended]
            sums[ended] = 0.0
    return totals.tolist()


def _are_exact(sums: np.ndarray, rewards: np.ndarray) -> bool:
    """Whether all sums are whole numbers below 2^53, which are the same in whatever order they are added."""
    return bool(
        (np.rint(rewards) == rewards).all()
        and (np.rint(sums) == sums).all()
        and np.abs(rewards).max().item() * len(rewards) + np.abs(sums).max() < 2**53
    )


def _add_whole(sums: np.ndarray, rewards: np.ndarray, block: Block) -> list[float]:
    """By running sums over all steps, for whole numbers."""
    steps, rows = block.ends
    running = np.empty(len(rows))  # at the ends
    total, n_steps = np.zeros(len(sums)), max(1, _MOST // len(sums))
    bounds = np.searchsorted(steps, np.arange(0, len(block) + n_steps, n_steps)).tolist()
    for i, begin, end in zip(range(0, len(block), n_steps), bounds, bounds[1:], strict=False):
        piece = np.cumsum(rewards[i : i + n_steps], axis=0, dtype=np.float64)
        piece += total
        running[begin:end] = piece[steps[begin:end] - i, rows[begin:end]]
        total = piece[-1]
    begins = 0.0 - sums
    totals = _between(block, running, begins)
    sums[:] = total - begins
    return totals


def _add_some(sums: np.ndarray, rewards: np.ndarray, over: np.ndarray) -> list[float]:
    n_rows = len(sums)
    places = np.empty((len(over) + 1, n_rows), np.intp)  # of each reward's episode in `by_episode`; then of the next
    places[0] = np.arange(n_rows)
    np.multiply(over, n_rows, out=places[1:])
    np.cumsum(places, axis=0, out=places)
    by_episode = np.zeros(places[-1].max() + 1)
    by_episode[:n_rows] = sums
    np.add.at(by_episode, places[:-1].ravel(), rewards.astype(float).ravel())  # one after the other where places recur
    sums[:] = by_episode[places[-1]]
    return by_episode[places[:-1][over]].tolist()


_WIDE = 256  # rows from which on one addition for each step is quicker than looking for the episode of each reward
_MOST = 12_000  # rewards at a time: larger arrays get fresh memory at every call, which takes longer than the sums
