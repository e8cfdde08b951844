"""Runs experiments as one compiled program, chunk by chunk, and shows hooks and conditions the record."""

import time
import warnings
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from rlcore.block import Block
from rlcore.compiled.cache import compiled
from rlcore.compiled.lane import Lane
from rlcore.compiled.limits import numbered
from rlcore.compiled.planner import Planner
from rlcore.compiled.prepare import Traced, check_parts, traced
from rlcore.compiled.program import Course, Plan
from rlcore.compiled.schedule import gaps_of
from rlcore.signals import Interrupt

_LARGEST = 2**31 - 1
_NOW = ("steps", 0)  # the limit of an experiment that has ended


class CompiledRun:
    """One or more experiments of the same kind, run at once.

    Attributes:
        compile_seconds: How long compiling took.
        steps_beyond: Of each experiment, how many steps the program took after the last one that hooks saw.
    """

    def __init__(self, experiments: list[Any]) -> None:
        """Raises `ConfigError` if they can't be compiled, with the reason."""
        for one in experiments:
            check_parts(one.policy, one.env, one.reset_condition)
        self._lanes = [Lane(experiment) for experiment in experiments]
        self._needs_state = any(lane.needs_state for lane in self._lanes)
        self._traced = self._trace()
        self._planner = Planner(self._traced, self._needs_state, experiments[0].env.num_envs, len(experiments))
        self._structure: Any = None
        self.compile_seconds = 0.0

    def _trace(self) -> Traced:
        first = self._lanes[0].experiment
        return traced(first.policy, first.env, first.reset_condition, self._needs_state)

    @property
    def steps_beyond(self) -> list[int]:
        return [lane.steps_beyond for lane in self._lanes]

    def run(self, interrupt: Interrupt) -> None:
        """Runs until every stop condition has said so; what was learnt goes back to its owners on every exit."""
        try:
            for lane in self._lanes:
                lane.begin(interrupt, self._traced)
            course = self._entered()
            while any(lane.is_running for lane in self._lanes):
                course = self._run_chunk(course)
        finally:
            for lane in self._lanes:
                lane.close()

    def _run_chunk(self, course: Course) -> Course:
        limits = [lane.limit() if lane.is_running else _NOW for lane in self._lanes]
        plan, updates = self._planner.plan(limits, self._lanes[0].schedule)
        gaps, tail = gaps_of(updates)
        room = np.zeros(plan.n_updates, np.int32)
        room[: len(gaps)] = gaps
        arguments = (course, jnp.asarray(room), jnp.int32(len(gaps)), jnp.int32(tail), self._left(plan, limits))
        executable = self._executable(plan, arguments)
        start = time.perf_counter()
        course, record, metrics, done = jax.block_until_ready(executable(*arguments))
        seconds = time.perf_counter() - start
        done = np.asarray(done).reshape(-1, 2)
        self._planner.learn_from(int(done[:, 0].max()), seconds)
        record, metrics = jax.tree.map(np.asarray, (record, metrics))
        for i, lane in enumerate(self._lanes):
            rows, n_updates = done[i].tolist()
            if lane.is_running and rows:
                lane.show(
                    lambda i=i: self._course_of(course, i),
                    *self._shown(record, i, rows, seconds),
                    jax.tree.map(lambda leaf: self._part(leaf, i)[:n_updates], metrics),  # noqa: B023
                    updates[:rows],
                    n_updates,
                )
        if any(lane.is_running and lane.reads_policy for lane in self._lanes):
            again = self._entered()
            again.over = course.over
            return again
        return course

    def _left(self, plan: Plan, limits: list[Any]) -> Any:
        """The numbers of the limits that `plan` counts; those of an experiment that has ended are 0."""
        if plan.limit is None:
            return jnp.zeros(0, jnp.int32)
        m = len(numbered(next(limit for limit in limits if limit is not _NOW))[1])
        left = [[0] * m if limit is _NOW else numbered(limit)[1] for limit in limits]
        array = jnp.asarray(np.minimum(left, _LARGEST).astype(np.int32))
        return array if self._is_row() else array[0]

    def _is_row(self) -> bool:
        return len(self._lanes) > 1

    def _part(self, leaf: Any, i: int) -> Any:
        return leaf[i] if self._is_row() else leaf

    def _course_of(self, course: Course, i: int) -> Course:
        return jax.tree.map(lambda leaf: self._part(leaf, i), course)

    def _shown(self, record: dict[str, Any], i: int, rows: int, seconds: float) -> tuple[Block, Any]:
        """The record of an experiment as a block, and its states if they are recorded."""
        one = {name: jax.tree.map(lambda leaf: self._part(leaf, i)[:rows], tree) for name, tree in record.items()}
        ends = one["ends"]
        block = Block(one["action"], one["reward"], (ends & 1).view(bool), (ends >> 1).view(bool), seconds / rows)
        return block, (one["next_state"], one["state"]) if self._needs_state else None

    def _entered(self) -> Course:
        """Where the program starts, or goes on after hooks have seen the policy: from the users' own objects."""
        courses = [lane.enter() for lane in self._lanes]
        if not self._is_row():
            return courses[0]
        return jax.tree.map(lambda *leaves: jnp.stack(leaves), *courses)

    def _executable(self, plan: Plan, arguments: tuple[Any, ...]) -> Any:
        executable, seconds = compiled(plan, len(self._lanes) if self._is_row() else None, arguments)
        self.compile_seconds += seconds
        structure = jax.tree.structure(arguments)
        if self._structure is not None and structure != self._structure and seconds:
            warnings.warn(
                f"the program was compiled again during the run ({seconds:.1f} s), because configuration or shapes of "
                "the policy changed; change numbers that are leaves instead of static() fields",
                UserWarning,
                stacklevel=2,
            )
        self._structure = structure
        return executable
