"""The compiled program: as many steps and updates as it is told, with a record of each.

Its arguments say after how many steps each update comes, so that one compilation serves every chunk of every run of the
same kind.
"""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp

from rlcore.compiled.course import Course, Draws, insert, learn, remove, step, streams_of
from rlcore.compiled.limits import is_reached
from rlcore.leaves import settled
from rlcore.struct import copy
from rlcore.tape import tape_of
from rlcore.threefry import advanced


@dataclass(frozen=True)
class Plan:
    """What a program depends on, besides the shapes of its arguments.

    Attributes:
        n_rows: Steps of the longest chunk.
        n_updates: Updates of the longest chunk; 0: it never learns.
        step_draws: The random numbers that a step takes from each stream.
        update_draws: Those that an update takes.
        needs_state: Whether states are recorded.
        learns_at_once: Whether every update of a chunk comes after exactly one step.
        limit: How steps and episodes together end the run, `None` if no episodes are counted.
    """

    n_rows: int
    n_updates: int
    step_draws: tuple[Draws, ...]
    update_draws: tuple[Draws, ...]
    needs_state: bool
    learns_at_once: bool
    limit: Any


class State(NamedTuple):
    """What the loops of a program carry.

    Attributes:
        course: Where the run stands.
        record: Of the steps, `[plan.n_rows, ...]`.
        learnt: What `learn` answered, `[plan.n_updates, ...]`.
        rows: How many steps there were.
        updates: How many updates there were.
        episodes: How many episodes ended, if they are counted.
    """

    course: Course
    record: Any
    learnt: Any
    rows: Any
    updates: Any
    episodes: Any


class Program:
    """The traceable function of one `Plan`."""

    def __init__(self, plan: Plan) -> None:
        self.plan = plan

    def __call__(
        self, course: Course, gaps: Any, n_updates: Any, left: Any
    ) -> tuple[Course, dict[str, Any], dict[str, Any], Any]:
        """Runs a chunk.

        Args:
            course: Where the run stands.
            gaps: `[plan.n_updates + 1]` int32, the steps before each update, counted from the one before, then those
                after the last; 0 beyond.
            n_updates: How many updates there are.
            left: How much of each limit in `plan.limit` is left, int32.

        Returns:
            Where it stands then, the record of its steps `[plan.n_rows, ...]`, what `learn` answered
            `[plan.n_updates, ...]`, and how many steps and updates there were.
        """
        plan, zero = self.plan, jnp.int32(0)
        chunk = _Chunk(plan, course, gaps, n_updates, left)
        record = _room(lambda: step(chunk.ready(course, chunk.step_tapes), plan.needs_state), plan.n_rows)
        learnt = _room(lambda: learn(chunk.ready(course, chunk.update_tapes)), plan.n_updates)
        state = State(course, record, learnt, zero, zero, zero)
        if not plan.n_updates:
            state = chunk.steps(gaps[0], state)
        elif plan.learns_at_once:
            state = chunk.repeat(chunk.step_and_update, lambda state: state.updates < n_updates, n_updates, state)
            state = chunk.steps(gaps[n_updates], state)
        else:
            state = chunk.periods(state)
        self._advance_streams(course, state)
        return state.course, state.record, state.learnt, jnp.stack([state.rows, state.updates])

    def _advance_streams(self, start: Course, state: State) -> None:
        """Moves the streams that read tapes by what was drawn from them."""
        both = zip(self.plan.step_draws, self.plan.update_draws, strict=True)
        sizes = [(sum(n for _, n in step), sum(n for _, n in update)) for step, update in both]
        streams = zip(streams_of(state.course), streams_of(start), sizes, strict=True)
        for stream, before, (per_step, per_update) in streams:
            if per_step and per_update:
                continue  # drew from itself, see `_Chunk`
            drawn = state.rows.astype(jnp.uint32) * per_step + state.updates.astype(jnp.uint32) * per_update
            stream._count = advanced(before._count, drawn)


class _Chunk:
    """The pieces of a program while it is traced."""

    def __init__(self, plan: Plan, course: Course, gaps: Any, n_updates: Any, left: Any) -> None:
        self.plan, self.gaps, self.n_updates, self.left = plan, gaps, n_updates, left
        self.num_envs = course.world.num_envs or 1
        self.course = course
        draws = list(zip(streams_of(course), plan.step_draws, plan.update_draws, strict=True))
        # a stream that draws in steps and in updates reads no tape, for nobody knows in which order
        self.step_tapes = [_tapes(one, step, plan.n_rows) if not update else None for one, step, update in draws]
        self.update_tapes = [_tapes(one, update, plan.n_updates) if not step else None for one, step, update in draws]

    def ready(self, course: Course, tapes: list[Any], at: Any = 0) -> Course:
        """A copy that reads the numbers of its step, or update, `at`."""
        course = copy(course)
        insert(course, tapes, at)
        return course

    def settle(self, course: Course) -> Course:
        """A course as a loop can carry it: without tapes, with the types it had."""
        remove(course)
        return settled(course, self.course)

    def step(self, state: State) -> State:
        """One step, recorded."""
        course = self.ready(state.course, self.step_tapes, state.rows)
        row = step(course, self.plan.needs_state)
        episodes = state.episodes
        if self.plan.limit is not None:
            episodes = episodes + jnp.count_nonzero(row["ends"]).astype(jnp.int32)
        return state._replace(
            course=self.settle(course),
            record=_written(state.record, row, state.rows),
            rows=state.rows + 1,
            episodes=episodes,
        )

    def update(self, state: State) -> State:
        """One update, recorded."""
        course = self.ready(state.course, self.update_tapes, state.updates)
        learnt = _written(state.learnt, learn(course), state.updates)
        return state._replace(course=self.settle(course), learnt=learnt, updates=state.updates + 1)

    def steps(self, n: Any, state: State) -> State:
        """`n` steps, or as many as the limit leaves."""
        end = state.rows + n
        return self.repeat(self.step, lambda state: state.rows < end, n, state)

    def step_and_update(self, state: State) -> State:
        """One step and its update."""
        return self.update(self.step(state))

    def periods(self, state: State) -> State:
        """All steps and updates."""
        if self.plan.limit is None:
            return jax.lax.fori_loop(0, self.n_updates + 1, lambda _, state: self.period(state), state)
        end = self.gaps.sum()

        def goes_on(state: State) -> Any:
            is_due = (state.updates < self.n_updates) & (self.gaps[state.updates] == 0)  # a second one after a step
            is_left = (state.rows < end) | (state.updates < self.n_updates)
            return is_due | (is_left & ~self._is_over(state))

        return jax.lax.while_loop(goes_on, self.period, state)

    def period(self, state: State) -> State:
        """The steps before the next update, then the update, if there is one and the limit was not reached before."""
        before, gap = state.rows, self.gaps[state.updates]
        state = self.steps(gap, state)
        is_due = (state.updates < self.n_updates) & (state.rows - before == gap)
        # a loop of one turn or none: a lax.cond would copy the course
        return jax.lax.fori_loop(0, is_due.astype(jnp.int32), lambda _, state: self.update(state), state)

    def repeat(self, body: Callable[[State], State], goes_on: Callable[[State], Any], n: Any, state: State) -> State:
        """`body` `n` times, which is as long as `goes_on`; not beyond the limit."""
        if self.plan.limit is None:
            return jax.lax.fori_loop(0, n, lambda _, state: body(state), state)
        return jax.lax.while_loop(lambda state: goes_on(state) & ~self._is_over(state), body, state)

    def _is_over(self, state: State) -> Any:
        return is_reached(self.plan.limit, self.left, state.rows * self.num_envs, state.episodes)


def _tapes(stream: Any, draws: Draws, n: int) -> Any:
    """The numbers of `n` steps; `None` where nothing is drawn."""
    return tape_of(stream._key, stream._count, draws, n) if draws and n else None


def _room(function: Callable[[], Any], n: int) -> Any:
    """Zeros for `n` answers of a function; nothing if there are none."""
    if not n:
        return {}
    return jax.tree.map(lambda one: jnp.zeros((n, *one.shape), one.dtype), jax.eval_shape(function))


def _written(record: Any, row: Any, at: Any) -> Any:
    return jax.tree.map(lambda column, one: jax.lax.dynamic_update_index_in_dim(column, one, at, 0), record, row)
