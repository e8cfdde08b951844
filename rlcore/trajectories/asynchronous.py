"""Learning in a thread of its own while the loop acts."""

import functools
import sys
from collections import deque
from collections.abc import Callable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from fractions import Fraction
from typing import Any, ClassVar, NamedTuple

import jax
import numpy as np

from rlcore.arguments import check_whole
from rlcore.errors import ConfigError
from rlcore.interfaces import Learner
from rlcore.stages import Stage
from rlcore.struct import cached, copy, graft, static, struct
from rlcore.trajectories.base import Controller
from rlcore.trajectories.controllers import InsertSampleRatioController


@struct
class AsyncInsertSampleRatioController(Controller):
    """Like `InsertSampleRatioController`, but an `Agent`'s learner learns in a thread of its own while the loop acts.

    The loop draws the batches, as many and at the same steps as without a thread, and hands them over; the thread
    learns from them on a copy of the learner. What the copy has learnt is taken over as a whole, between two steps, so
    no action mixes old parameters with new ones. The loop waits where `max_lag` updates are under way, and at the end
    of a run for all of them. An exception in the thread ends the run, with its traceback. After an exception in the run
    the batches that wait are dropped.

    Which update an action knows already depends on the machine: two runs of one seed differ. On the host only; without
    an `Agent` it is the same as `InsertSampleRatioController`.

    Attributes:
        ratio: Batches per transition, at least 0; 0 allows one batch in all.
        threshold: Transitions before the first batch, at least 1.
        max_lag: How many updates may be under way, at least 1.
        inserted: How many transitions were stored.
        sampled: How many batches were sampled.

    Raises:
        ConfigError: `ratio` is not finite or below 0, `threshold` or `max_lag` no whole number of at least 1.

    Source: Julia `AsyncInsertSampleRatioController`.
    """

    max_lag: int = static(4)
    _counts: InsertSampleRatioController
    _thread: Any = cached()

    why_untraced: ClassVar[str] = (
        "AsyncInsertSampleRatioController learns in a thread beside the loop, but a compiled program is one with it; "
        "use InsertSampleRatioController(ratio, threshold), or run with engine='eager'"
    )

    def __init__(self, ratio: float | Fraction = 1.0, threshold: int = 1, max_lag: int = 4) -> None:
        self._counts = InsertSampleRatioController(ratio, threshold)
        self.max_lag = check_whole("max_lag", max_lag)

    @property
    def ratio(self) -> float | Fraction:
        """Batches per transition."""
        return self._counts.ratio

    @property
    def threshold(self) -> int:
        """Transitions before the first batch."""
        return self._counts.threshold

    @property
    def inserted(self) -> Any:
        """How many transitions were stored."""
        return self._counts.inserted

    @property
    def sampled(self) -> Any:
        """How many batches were sampled."""
        return self._counts.sampled

    def on_insert(self, n: Any) -> None:
        """Counts `n` stored transitions."""
        self._counts.on_insert(n)

    def is_due(self) -> Any:
        """Whether another batch may be sampled now."""
        return self._counts.is_due()

    def on_sample(self) -> None:
        """Counts a sampled batch."""
        self._counts.on_sample()

    def in_background(self, stage: Stage, learners: list[Any], trajectory: Any) -> list[Callable[[Stage], None]]:
        """What an agent calls at `stage` in place of its `learners`, the `optimise` of one learner.

        Raises:
            ConfigError: They are several, or something else.
        """
        if len(learners) > 1 or not all(isinstance(getattr(learn, "__self__", None), Learner) for learn in learners):
            names = ", ".join(type(getattr(learn, "__self__", learn)).__name__ for learn in learners)
            raise ConfigError(
                f"AsyncInsertSampleRatioController lets a copy of one Learner learn, but what optimises is {names}; "
                "use InsertSampleRatioController(ratio, threshold)"
            )
        if self._thread is None:
            self._thread = _Thread(self.max_lag)
        calls: list[Callable[[Stage], None]] = [
            functools.partial(self._thread.learn, learn.__self__, trajectory) for learn in learners
        ]
        return [*calls, self._thread.finish] if stage is Stage.POST_EXPERIMENT else calls


class _Learnt(NamedTuple):
    """What an update leaves: the learner after it, its metrics, and what the container shall know."""

    learner: Any
    metrics: Any
    priorities: list[tuple[Any, Any]]


class _Handed:
    """Stands for a trajectory in the thread: one batch, and a note of the priorities it was given."""

    def __init__(self, batch: Any) -> None:
        self.batch, self.priorities = batch, list[tuple[Any, Any]]()

    def __iter__(self) -> Iterator[Any]:
        return iter((self.batch,))

    def update_priorities(self, key: Any, priority: Any) -> None:
        self.priorities.append((key, priority))


class _Thread:
    """Learns from the batches that it is given, one after the other; all methods but `_update` belong to the loop."""

    def __init__(self, max_lag: int) -> None:
        self._max_lag = max_lag
        self._under_way: deque[Future[_Learnt]] = deque()
        self._executor: ThreadPoolExecutor | None = None
        self._learner: Any = None  # the copy
        self._take_over_from: tuple[Any, Any] | None = None
        self._handled: BaseException | None = None  # what was being handled before the run

    def learn(self, learner: Learner, trajectory: Any, stage: Stage) -> None:
        """Takes over what is learnt, and hands over the batches that are due."""
        self._take_over_from = learner, trajectory
        while self._under_way and self._under_way[0].done():
            self._take_over()
        for batch in trajectory:
            while len(self._under_way) >= self._max_lag:
                self._take_over()
            if not self._under_way:  # what hooks changed in the learner holds for the copy too
                self._learner = _apart(learner)
            if self._executor is None:
                self._handled = sys.exception()
                self._executor = ThreadPoolExecutor(1, "rlcore learner")
            if batch is trajectory.container:  # which the next push writes into
                batch = _apart(batch)
            self._under_way.append(self._executor.submit(self._update, stage, _Handed(batch)))

    def finish(self, stage: Stage) -> None:
        """Waits for all updates, and ends the thread; after an exception in the run, for the one under way."""
        try:
            while self._under_way and sys.exception() is self._handled:
                self._take_over()
        finally:
            self._end()

    def _take_over(self) -> None:
        """Waits for the oldest update, and makes it the learner's own."""
        assert self._take_over_from is not None
        learner, trajectory = self._take_over_from
        try:
            learnt = self._under_way.popleft().result()
        except BaseException:
            self._end()
            raise
        _put_into(learner, learnt.learner)
        learner._metrics = learnt.metrics
        for key, priority in learnt.priorities:
            trajectory.update_priorities(key, priority)

    def _end(self) -> None:
        self._under_way.clear()
        executor, self._executor = self._executor, None
        if executor is not None:
            executor.shutdown(cancel_futures=True)

    def _update(self, stage: Stage, handed: _Handed) -> _Learnt:
        learner = self._learner
        learner.optimise(stage, handed)
        jax.block_until_ready(learner)
        learner.check_finite()
        priorities = [(key, np.asarray(priority)) for key, priority in handed.priorities]
        return _Learnt(_apart(learner), learner._metrics, priorities)


def _apart(part: Any) -> Any:
    """A copy whose NumPy arrays, which are written in place, are its own; JAX arrays never change."""
    return jax.tree.map(lambda leaf: leaf.copy() if isinstance(leaf, np.ndarray) else leaf, copy(part))


def _put_into(learner: Any, learnt: Any) -> None:
    """Makes the leaves of `learnt` those of `learner`; its NumPy arrays are written in place."""
    befores, structure = jax.tree.flatten(learner)
    afters = jax.tree.leaves(learnt)
    graft(learner, jax.tree.unflatten(structure, list(map(_put, befores, afters))))


def _put(before: Any, after: Any) -> Any:
    if isinstance(before, np.ndarray) and isinstance(after, np.ndarray) and before.flags.writeable:
        np.copyto(before, after)
        return before
    return after
