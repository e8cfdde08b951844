"""Samplers that look at several steps in a row, never beyond the end of an episode or the newest transition."""

import dataclasses
from typing import Any

import jax
import numpy as np

from rlcore.arguments import check_number, check_whole
from rlcore.errors import ConfigError
from rlcore.random import Random, random_or_seeded
from rlcore.struct import namespace, static, struct
from rlcore.trajectories.base import Sampler
from rlcore.trajectories.batch import Batch
from rlcore.trajectories.samplers import check_gives, check_room, holds, n_pushed


@struct
class MultiStepBatch(Batch):
    """Windows of consecutive transitions, read by attribute like a `Batch`: every field of it is `[batch, n, ...]`.

    Of prioritised windows `key` and `weight` are `[batch]`, those of their first transitions.

    Attributes:
        valid: `[batch, n]` bool, always true at the first step. False after the window met the end of its episode or
            the newest transition; such a step repeats the last valid one, and a loss must leave it out.
    """

    valid: Any = None


@struct
class MultiStepSampler(Sampler):
    """Draws windows of `n` consecutive transitions of one episode, `[batch_size, n, ...]` with a mask `valid`.

    Any stored transition may be the first of a window.

    Attributes:
        batch_size: How many windows are drawn at once; nothing is drawn before so many transitions were pushed.
        n: How many steps a window has.
        random: Its stream; a batch takes `batch_size` numbers, by priority a few times as many.

    Raises:
        ConfigError: `batch_size` or `n` is not a whole number of at least 1, or `seed` not one of at least 0.

    Source: Julia `MultiStepSampler`.
    """

    batch_size: int = static()
    n: int = static()
    random: Random

    def __init__(self, batch_size: int, n: int, seed: int | None = None) -> None:
        self.batch_size, self.n = check_whole("batch_size", batch_size), check_whole("n", n)
        self.random = random_or_seeded(seed, "MultiStepSampler")

    def sample(self, container: Any) -> MultiStepBatch | None:
        """A batch of windows; on the host `None`, and nothing drawn, while fewer were pushed.

        Raises:
            ConfigError: `n` is larger than what one environment's transitions can be stored.
        """
        drawn = _windows(container, self.random, self.batch_size, self.n)
        if drawn is None:
            return None
        places, valid, key, weight = drawn
        batch = container.take(places)
        return MultiStepBatch(**{name: getattr(batch, name) for name in _FIELDS}, key=key, weight=weight, valid=valid)

    def is_ready(self, container: Any) -> Any:
        """Whether at least `batch_size` transitions were pushed."""
        return n_pushed(container) >= self.batch_size

    def check(self, container: Any) -> None:
        """Refuses a container that never holds a batch or a whole window.

        Raises:
            ConfigError: Its capacity is below `batch_size` or `n`, or it gives no windows.
        """
        _check(self, container)


@struct
class NStepBatchSampler(Sampler):
    """Draws transitions and looks `n` steps ahead: `reward` is the discounted sum of what comes within its episode.

    In a batch `state`, `action`, `mask` and `extras` are those of the drawn transition, `reward` is
    r_0 + gamma r_1 + ... + gamma^(k-1) r_(k-1), and all else is that of the k-th one, the last in the window. k is `n`,
    or less where the episode ended or nothing newer is stored. `discount` is gamma^k, 0 where the window terminated;
    the value of the true last state of a window that is only cut counts.

    The learner takes `discount` in place of its own gamma; give both the same gamma.

    Attributes:
        batch_size: How many are drawn at once; nothing is drawn before so many were pushed.
        n: How many rewards are summed up at most.
        gamma: Discount per step, in `[0, 1]`.
        random: Its stream; a batch takes `batch_size` numbers, by priority a few times as many.

    Raises:
        ConfigError: `batch_size` or `n` is not a whole number of at least 1, `gamma` outside `[0, 1]`, or `seed` not
            one of at least 0.

    Source: Sutton & Barto 2018, eq. 7.1; Julia `NStepBatchSampler`.
    """

    batch_size: int = static()
    n: int = static()
    gamma: float = static()
    random: Random

    def __init__(self, batch_size: int, n: int, gamma: float, seed: int | None = None) -> None:
        self.batch_size, self.n = check_whole("batch_size", batch_size), check_whole("n", n)
        self.gamma = check_number("gamma", gamma, 0, 1)
        self.random = random_or_seeded(seed, "NStepBatchSampler")

    def sample(self, container: Any) -> Batch | None:
        """A batch `[batch_size, ...]`; on the host `None`, and nothing drawn, while fewer were pushed.

        Raises:
            ConfigError: `n` is larger than what one environment's transitions can be stored.
        """
        drawn = _windows(container, self.random, self.batch_size, self.n)
        if drawn is None:
            return None
        places, valid, key, weight = drawn
        window = container.take(places)
        xp, powers = namespace(valid), (self.gamma ** np.arange(self.n + 1)).astype(np.float32)
        batch = Batch(
            **{name: _at(getattr(window, name), 0 if name in _OF_THE_FIRST else -1) for name in _FIELDS},
            key=key,
            weight=weight,
        )
        batch.reward = xp.where(valid, window.reward * powers[:-1], np.float32(0)).sum(-1)
        discount = xp.asarray(powers)[valid.sum(-1)]
        batch.discount = xp.where(batch.terminated, np.float32(0), discount)
        return batch

    def is_ready(self, container: Any) -> Any:
        """Whether at least `batch_size` transitions were pushed."""
        return n_pushed(container) >= self.batch_size

    def check(self, container: Any) -> None:
        """Refuses a container that never holds a batch or a whole window.

        Raises:
            ConfigError: Its capacity is below `batch_size` or `n`, or it gives no windows.
        """
        _check(self, container)


_OF_THE_FIRST = ("state", "action", "mask", "extras")
_FIELDS = tuple(field.name for field in dataclasses.fields(Batch) if field.name not in ("discount", "key", "weight"))


def _windows(container: Any, random: Random, batch_size: int, n: int) -> tuple[Any, Any, Any, Any] | None:
    """The indices of windows `[batch, n]`, which of their steps are valid, keys and weights; `None`: too early."""
    if not holds(container, batch_size):
        return None
    n_slots, lanes = getattr(container, "n_slots", n), getattr(container, "lanes", None) or 1
    if n_slots // lanes < n:
        raise ConfigError(
            f"n is {n}, but only {n_slots // lanes} transitions in a row can be stored of each of {lanes} "
            f"environments, so no window could be whole; raise the capacity to at least {n * lanes}, or lower n"
        )
    indices, key, weight = container.draw(random, batch_size)
    return *container.window(indices, n), key, weight


def _check(sampler: MultiStepSampler | NStepBatchSampler, container: Any) -> None:
    check_gives(container, type(sampler).__name__, "take", "window")
    capacity = getattr(container, "capacity", max(sampler.batch_size, sampler.n))
    check_room(container, sampler.batch_size)
    if capacity < sampler.n:
        raise ConfigError(
            f"n is {sampler.n}, but only {capacity} transitions can be stored, so no window could be whole; raise the "
            f"capacity to at least {sampler.n}, or lower n"
        )


def _at(column: Any, step: int) -> Any:
    """One step of all windows in a column `[batch, n, ...]`, a tree of them or `None`."""
    if isinstance(column, np.ndarray):
        return column[:, step]
    return jax.tree.map(lambda leaf: leaf[:, step], column)
