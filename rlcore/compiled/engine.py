"""Runs experiments as one compiled program, chunk by chunk, and shows hooks and conditions the record."""

import functools
import time
import warnings
from collections import deque
from typing import Any, NamedTuple

import jax
import numpy as np

from rlcore.block import Block
from rlcore.compiled.abreast import Abreast
from rlcore.compiled.lane import Lane
from rlcore.compiled.limits import after, counts_episodes, numbered, steps_at_most
from rlcore.compiled.planner import Planner
from rlcore.compiled.prepare import Traced, check_parts, traced
from rlcore.compiled.program import Plan
from rlcore.compiled.schedule import gaps_of
from rlcore.signals import Interrupt

_LARGEST = 2**31 - 1


class _Chunk(NamedTuple):
    """What was dispatched.

    Attributes:
        dispatched: What the experiments will answer.
        updates: How many updates come after each step.
        start: When it was dispatched.
        is_counted: Whether the controllers know of it already.
    """

    dispatched: list[Any]
    updates: np.ndarray
    start: float
    is_counted: bool


class CompiledRun:
    """One or more experiments of the same kind, run at once.

    Attributes:
        compile_seconds: How long compiling took.
    """

    def __init__(self, experiments: list[Any]) -> None:
        """Raises `ConfigError` if they can't be compiled, with the reason."""
        for one in experiments:
            check_parts(one.policy, one.env, one.reset_condition)
        self._lanes = [Lane(experiment) for experiment in experiments]
        self._needs_state = any(lane.needs_state for lane in self._lanes)
        self._traced = self._trace()
        self._num_envs = experiments[0].env.num_envs
        self._planner = Planner(self._traced, self._needs_state, self._num_envs, len(experiments))
        self._abreast: Any = None
        self._n_ahead = 0  # steps that are under way and were not shown yet
        self._ready_at = 0.0
        self.compile_seconds = 0.0

    def _trace(self) -> Traced:
        first = self._lanes[0].experiment
        return traced(first.policy, first.env, first.reset_condition, self._needs_state)

    @property
    def steps_beyond(self) -> list[int]:
        """Of each experiment, how many steps the program took after the last one that hooks saw."""
        return [lane.steps_beyond for lane in self._lanes]

    def where(self, i: int = 0) -> str:
        """The environment and the step that the hooks of an experiment were shown last, for messages."""
        return self._lanes[i].where()

    def run(self, interrupt: Interrupt) -> None:
        """Runs until every stop condition has said so; what was learnt goes back to its owners on every exit."""
        try:
            for lane in self._lanes:
                lane.begin(interrupt, self._traced)
            self._abreast = Abreast([lane.enter() for lane in self._lanes])
            depth, chunks = self._depth(), deque[_Chunk]()
            while any(lane.is_running for lane in self._lanes):
                room = depth if self._planner.is_measured else 1
                while len(chunks) < room and max(map(steps_at_most, self._limits())) > 0:
                    chunks.append(self._dispatch())
                self._show(chunks.popleft())
        finally:
            for lane in self._lanes:
                lane.close()
            if self._abreast is not None:
                self._abreast.close()

    def _depth(self) -> int:
        """How many chunks may be under way while hooks are shown an older one: two if nothing depends on hooks."""
        limits = self._limits()
        is_known = len(set(map(steps_at_most, limits))) == 1 and not any(map(counts_episodes, limits))
        conditions = [lane.experiment.stop_condition for lane in self._lanes]
        is_certain = is_known and all(condition.is_exact() for condition in conditions)
        return 2 if is_certain and not any(lane.reads_policy for lane in self._lanes) else 1

    def _limits(self) -> list[Any]:
        """When each experiment ends at the latest, counted from the last step that is under way."""
        steps = self._n_ahead * (self._num_envs or 1)
        return [after(lane.limit(), steps) for lane in self._lanes if lane.is_running]

    def _dispatch(self) -> "_Chunk":
        """Starts the next chunk."""
        limits = self._limits()
        running = next(lane for lane in self._lanes if lane.is_running)  # all that run stand at the same step
        plan, updates = self._planner.plan(limits, running.schedule if self._traced.learns else None)
        gaps = np.zeros(plan.n_updates + 1, np.int32)
        gaps[: updates.sum() + 1] = gaps_of(updates)
        start = time.perf_counter()
        dispatched, seconds = self._abreast.dispatch(plan, gaps, int(updates.sum()), self._left(plan))
        self.compile_seconds += seconds
        self._n_ahead += len(updates)
        if plan.limit is None:  # else only the program knows
            for lane in self._lanes:
                lane.count(len(updates), int(updates.sum()))
        return _Chunk(dispatched, updates, start + seconds, plan.limit is None)

    def _show(self, chunk: "_Chunk") -> None:
        """Waits for a chunk and shows it."""
        answers = self._abreast.answers(chunk.dispatched)
        now = time.perf_counter()
        seconds, self._ready_at = now - max(chunk.start, self._ready_at), now
        self._n_ahead -= len(chunk.updates)
        self._planner.learn_from(max(int(done[0]) for _, _, done in answers), seconds)
        for i, (lane, (record, learnt, done)) in enumerate(zip(self._lanes, answers, strict=True)):
            rows, n_updates = done.tolist()
            if not chunk.is_counted:
                lane.count(rows, n_updates)
            if lane.is_running and rows:
                lane.show(
                    functools.partial(self._abreast.course, i),
                    *self._shown(record, rows, seconds),
                    jax.tree.map(lambda leaf: leaf[:n_updates], learnt),  # noqa: B023
                    chunk.updates[:rows],
                )
                if lane.is_running:
                    lane.check_finite(functools.partial(self._abreast.kept, chunk.dispatched, i))
                if not lane.is_running:
                    lane.steps_beyond += self._n_ahead
        if any(lane.is_running and lane.reads_policy for lane in self._lanes):
            self._enter_again()

    def _left(self, plan: Plan) -> np.ndarray:
        """`[experiments, limits]`, how much of those that `plan` counts is left: nothing if an experiment has ended."""
        if plan.limit is None:
            return np.zeros((len(self._lanes), 0), np.int32)
        left = [numbered(lane.limit())[1] if lane.is_running else None for lane in self._lanes]
        m = next(len(numbers) for numbers in left if numbers is not None)
        return np.minimum([numbers or [0] * m for numbers in left], _LARGEST).astype(np.int32)

    def _shown(self, record: dict[str, Any], rows: int, seconds: float) -> tuple[Block, Any, Any]:
        """The record of an experiment as a block, what breaks the contract in it, and the states if recorded."""
        one = jax.tree.map(lambda leaf: leaf[:rows], record)
        terminated, truncated, *broken = ((one["ends"] >> bit & 1).view(bool) for bit in range(5))
        block = Block(one["action"], one["reward"], terminated, truncated, seconds / rows)
        return block, broken, (one["next_state"], one["state"]) if self._needs_state else None

    def _enter_again(self) -> None:
        """Goes on with what stands in the users' objects now that hooks have had them in their hands."""
        before = self._abreast.signature
        courses = [lane.enter() for lane in self._lanes]
        for i, course in enumerate(courses):
            course.over = self._abreast.course(i).over
        self._abreast.enter(courses)
        if self._abreast.signature != before:
            warnings.warn(
                "the program is compiled again during the run, because a hook changed configuration or shapes of the "
                "policy; change numbers that are leaves instead of static() fields",
                UserWarning,
                stacklevel=2,
            )
            self._traced = self._trace()
            self._planner = Planner(self._traced, self._needs_state, self._num_envs, len(self._lanes))
