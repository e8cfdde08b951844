"""How the experiments of one run stand side by side: in the rows of one program, or each in a program of its own."""

import os
from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np

from rlcore.compiled.cache import compiled, signature_of
from rlcore.compiled.course import Course
from rlcore.compiled.parts import optimiser_state_of
from rlcore.compiled.program import Plan
from rlcore.leaves import shapes_of


class _Stand(NamedTuple):
    """Where a program stands after a chunk.

    Attributes:
        course: The course.
        answer: The record of the chunk, what was learnt, and `[2]`, how many steps and updates there were.
        kept: What the optimiser kept before.
    """

    course: Course
    answer: Any = None
    kept: Any = None


class Abreast:
    """Where one or more experiments stand, and their program.

    Small operations cost less in rows. Those of a network's update are large enough for a core of a CPU, so that there
    each experiment has a program of its own, and the cores share these.
    """

    def __init__(self, courses: list[Course]) -> None:
        is_large = optimiser_state_of(courses[0].policy) is not None and jax.default_backend() == "cpu"
        self._n_rows = None if len(courses) == 1 or is_large else len(courses)
        self._threads = ThreadPoolExecutor(os.cpu_count()) if len(courses) > 1 and is_large else None
        self.enter(courses)

    def enter(self, courses: list[Course]) -> None:
        """Lets every experiment stand at a place of its own copy."""
        groups = courses if self._n_rows is None else [jax.tree.map(lambda *leaves: jnp.stack(leaves), *courses)]
        self._shapes = shapes_of(groups[0], "")
        self._groups = [_now(_Stand, group) for group in groups]

    @property
    def signature(self) -> Any:
        """What its compilation depends on."""
        return signature_of(self._shapes)

    def course(self, i: int) -> Course:
        """Where experiment `i` stands, once all that was dispatched is done."""
        return self._part(self._groups, i, "course")

    def dispatch(self, plan: Plan, gaps: np.ndarray, n_updates: int, left: np.ndarray) -> tuple[list[Any], float]:
        """Starts a chunk; the arguments are those of `Program.__call__`, `left` with a row for each experiment.

        Returns:
            What `answers` and `kept` take, and the seconds that compiling took.
        """
        lefts = list(left) if self._n_rows is None else [left]
        updates = np.int32(n_updates)
        program, seconds = compiled(plan, self._n_rows, (self._shapes, gaps, updates, lefts[0]))

        def go(before: Future[_Stand], left: np.ndarray) -> _Stand:
            course = before.result().course
            kept = jax.tree.map(jnp.copy, optimiser_state_of(course.policy))
            course, *answer = program(course, gaps, updates, left)
            after = _Stand(course, answer, kept)
            return after if self._threads is None else jax.block_until_ready(after)

        start: Callable[..., Any] = _now if self._threads is None else self._threads.submit
        self._groups = [start(go, *pair) for pair in zip(self._groups, lefts, strict=True)]
        return self._groups, seconds

    def answers(self, dispatched: list[Any]) -> list[Any]:
        """What a chunk answered about each experiment: see `_Stand.answer`, in NumPy; waits for it."""
        groups = [jax.tree.map(np.asarray, jax.block_until_ready(group.result().answer)) for group in dispatched]
        if self._n_rows is None:
            return groups
        return [jax.tree.map(lambda leaf: leaf[i], groups[0]) for i in range(self._n_rows)]  # noqa: B023

    def kept(self, dispatched: list[Any], i: int) -> Any:
        """What the optimiser of experiment `i` kept before a chunk."""
        return self._part(dispatched, i, "kept")

    def close(self) -> None:
        """Waits for what is under way."""
        if self._threads is not None:
            self._threads.shutdown(cancel_futures=True)

    def _part(self, groups: list[Future[_Stand]], i: int, name: str) -> Any:
        if self._n_rows is None:
            return getattr(groups[i].result(), name)
        return jax.tree.map(lambda leaf: leaf[i], getattr(groups[0].result(), name))


def _now(function: Callable[..., Any], *arguments: Any) -> Future[Any]:
    future: Future[Any] = Future()
    future.set_result(function(*arguments))
    return future
