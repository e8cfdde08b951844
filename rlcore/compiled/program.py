"""The compiled program: as many steps and updates as it is told, with a record of each.

It is made of a policy, a reset condition and a world; their methods are traced as they stand. Its arguments say after
how many steps each update comes, so that one compilation serves every chunk of every run of the same kind.
"""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from rlcore.compiled.face import TracedEnvironment
from rlcore.compiled.parts import agent_of, learner_of
from rlcore.environments.world import World, streams
from rlcore.errors import ConfigError
from rlcore.leaves import names_of, select, settled
from rlcore.random import Ledger, Tape, advanced, tape_of
from rlcore.reset_conditions import ResetIfEnvTerminated
from rlcore.stages import Stage
from rlcore.struct import copy, struct

Draws = tuple[tuple[str, int], ...]


@struct
class Course:
    """All that a step changes.

    Attributes:
        policy: The policy, without its controller, which stays on the host.
        reset_condition: The reset condition.
        world: The environment.
        over: Which episodes the last step ended; `None` where no episode stage asks.
    """

    policy: Any
    reset_condition: Any
    world: World
    over: Any = None


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


def step(course: Course, needs_state: bool) -> dict[str, Any]:
    """Takes one step, in the order of the loop, and returns what is recorded of it."""
    env = TracedEnvironment(course.world, course.over)
    if course.over is not None:
        _between(course, env)
        env.over = None
    _call(course, Stage.PRE_ACT, env)
    action = course.policy.plan(env)
    env.act(action)
    if type(course.reset_condition) is not ResetIfEnvTerminated:
        env.truncate(course.reset_condition.check(course.policy, env))
    _call(course, Stage.POST_ACT, env, action)
    ends = env.is_terminated().astype(jnp.uint8) + 2 * env.is_truncated().astype(jnp.uint8)
    row = {"action": action, "reward": env.reward(), "ends": ends}
    if needs_state:
        row["next_state"] = env.next_state()
    env.restart()
    course.world = env.world
    if course.over is not None:
        course.over = env.over
    if needs_state:
        row["state"] = course.world.start()[0]
    return row


def learn(course: Course) -> dict[str, Any]:
    """One update, and its metrics."""
    return dict(learner_of(course.policy).update(agent_of(course.policy).trajectory.sample()))


def has_episode_stages(policy: Any, reset_condition: Any) -> bool:
    """Whether either is called where an episode ends or begins."""
    stages = (Stage.POST_EPISODE, Stage.PRE_EPISODE)
    return any(part.handlers(stage) for part in (reset_condition, policy) for stage in stages)


def _call(course: Course, stage: Stage, env: TracedEnvironment, *action: Any) -> None:
    for handler in course.reset_condition.handlers(stage):
        handler(course.policy, env)
    for handler in course.policy.handlers(stage):
        handler(env, *action)


def _between(course: Course, env: TracedEnvironment) -> None:
    """POST_EPISODE and PRE_EPISODE where the step before ended an episode; they are traced at every step."""
    before = copy((course.policy, course.reset_condition))
    taken = [stream.tape for stream in streams((course.policy, course.reset_condition))]
    for stage in (Stage.POST_EPISODE, Stage.PRE_EPISODE):
        _call(course, stage, env)
    if any(s.tape is not t for s, t in zip(streams((course.policy, course.reset_condition)), taken, strict=True)):
        raise ConfigError(
            "the policy draws random numbers at an episode's end or start; compiled code draws them at every step, so "
            "the engines would differ: draw them in plan"
        )
    over = course.over if np.ndim(course.over) == 0 else course.over.any()
    course.policy, course.reset_condition = select(over, (course.policy, course.reset_condition), before)


class Program:
    """The traceable function of one `Plan`."""

    def __init__(self, plan: Plan) -> None:
        self.plan = plan

    def __call__(
        self, course: Course, gaps: Any, n_updates: Any, tail: Any, left: Any
    ) -> tuple[Course, dict[str, Any], dict[str, Any], Any]:
        """Runs a chunk.

        Args:
            course: Where the run stands.
            gaps: `[plan.n_updates]` int32, the steps before each update, counted from the one before.
            n_updates: How many updates there are.
            tail: Steps after the last update.
            left: How much of each limit in `plan.limit` is left, int32.

        Returns:
            Where it stands then, the record of its steps `[plan.n_rows, ...]`, the metrics of its updates
            `[plan.n_updates, ...]`, and how many steps and updates there were.
        """
        plan, start = self.plan, course
        types, treedef = jax.tree.flatten(course)
        names = names_of(course, "")
        step_tapes = [_tapes(s, d, plan.n_rows) for s, d in zip(_streams(course), plan.step_draws, strict=True)]
        update_tapes = [_tapes(s, d, plan.n_updates) for s, d in zip(_streams(course), plan.update_draws, strict=True)]
        e = course.world.num_envs or 1

        def settle(course: Course) -> Course:
            return jax.tree.unflatten(treedef, settled(jax.tree.leaves(course), types, names))

        def one_step(state: Any) -> Any:
            course, record, metrics, rows, updates, episodes = state
            course = copy(course)
            _insert(course, step_tapes, rows)
            row = step(course, plan.needs_state)
            _remove(course)
            record = _written(record, row, rows)
            if plan.limit is not None:
                episodes = episodes + jnp.count_nonzero(row["ends"]).astype(jnp.int32)
            return settle(course), record, metrics, rows + 1, updates, episodes

        def goes_on(state: Any) -> Any:
            return ~is_reached(plan.limit, left, state[3] * e, state[5])

        def steps(n: Any, state: Any) -> Any:
            if plan.limit is None:
                return jax.lax.fori_loop(0, n, lambda _, state: one_step(state), state)
            end = state[3] + n
            return jax.lax.while_loop(lambda state: (state[3] < end) & goes_on(state), one_step, state)

        def one_update(state: Any) -> Any:
            course, record, metrics, rows, updates, episodes = state
            course = copy(course)
            _insert(course, update_tapes, updates)
            metrics = _written(metrics, learn(course), updates)
            _remove(course)
            return settle(course), record, metrics, rows, updates + 1, episodes

        def period(state: Any) -> Any:
            if plan.learns_at_once:
                return one_update(one_step(state))
            before, gap = state[3], gaps[state[4]]
            state = steps(gap, state)
            if plan.limit is None:
                return one_update(state)
            is_due = (state[3] - before == gap).astype(jnp.int32)  # a loop of 0 or 1: a lax.cond would copy the course
            return jax.lax.fori_loop(0, is_due, lambda _, state: one_update(state), state)

        record = _room(lambda: step(_ready(course, step_tapes), plan.needs_state), plan.n_rows)
        zero = jnp.int32(0)
        metrics = _room(lambda: learn(_ready(course, update_tapes)), plan.n_updates) if plan.n_updates else {}
        state = (course, record, metrics, zero, zero, zero)
        if plan.n_updates and plan.limit is None:
            state = jax.lax.fori_loop(0, n_updates, lambda _, state: period(state), state)
        elif plan.n_updates:
            state = jax.lax.while_loop(lambda state: (state[4] < n_updates) & goes_on(state), period, state)
        course, record, metrics, rows, updates, _ = steps(tail, state)
        _advance(course, start, plan, rows, updates)
        return course, record, metrics, jnp.stack([rows, updates])


def is_reached(limit: Any, left: Any, steps: Any, episodes: Any) -> Any:
    """Whether `steps` and `episodes` reach `limit`; `("steps", i)` is reached at `left[i]` steps, and so on."""
    kind, what = limit
    if kind == "steps":
        return steps >= left[what]
    if kind == "episodes":
        return episodes >= left[what]
    answers = [is_reached(one, left, steps, episodes) for one in what]
    combine: Callable[..., Any] = jnp.logical_or if kind == "any" else jnp.logical_and
    result = answers[0]
    for answer in answers[1:]:
        result = combine(result, answer)
    return result


def draws_of(course: Course, function: Callable[[Course], Any]) -> tuple[Draws, ...]:
    """What `function` takes from each stream of a course, found without computing anything."""

    def noted(course: Course) -> Any:
        for stream in streams((course.policy, course.reset_condition)):
            stream.tape = Ledger()
        course.world.tapes = tuple(Ledger() for _ in course.world.tapes)
        function(course)
        own = streams((course.policy, course.reset_condition))
        return [stream.tape for stream in own] + list(course.world.tapes)

    return tuple(ledger.draws for ledger in jax.eval_shape(noted, copy(course)))


def _streams(course: Course) -> list[Any]:
    """Those of the policy and the reset condition, then those of the world."""
    return streams((course.policy, course.reset_condition)) + streams(course.world.core)


def _tapes(stream: Any, draws: Draws, n: int) -> Any:
    """The numbers of `n` steps `[n, ...]`; with a stream per row `[n, rows, ...]`; `None` where nothing is drawn."""
    if not draws or not n:
        return None
    return tape_of(stream._key, stream._count, draws, n)


def _insert(course: Course, tapes: list[Any], at: Any) -> None:
    here = [
        None if tape is None else Tape(tuple(jax.lax.dynamic_index_in_dim(piece, at, keepdims=False) for piece in tape))
        for tape in tapes
    ]
    own = streams((course.policy, course.reset_condition))
    for stream, tape in zip(own, here, strict=False):
        stream.tape = tape
    course.world.tapes = tuple(here[len(own) :])


def _remove(course: Course) -> None:
    for stream in streams((course.policy, course.reset_condition)):
        stream.tape = None
    course.world.tapes = tuple(None for _ in course.world.tapes)


def _ready(course: Course, tapes: list[Any]) -> Course:
    course = copy(course)
    _insert(course, tapes, 0)
    return course


def _advance(course: Course, start: Course, plan: Plan, rows: Any, updates: Any) -> None:
    """Moves the streams that read tapes by what was drawn from them."""
    per_step, per_update = ([sum(n for _, n in draws) for draws in all] for all in (plan.step_draws, plan.update_draws))
    for stream, before, m, n in zip(_streams(course), _streams(start), per_step, per_update, strict=True):
        drawn = rows.astype(jnp.uint32) * m + updates.astype(jnp.uint32) * n
        stream._count = advanced(before._count, drawn)


def _room(function: Callable[[], Any], n: int) -> Any:
    return jax.tree.map(lambda one: jnp.zeros((n, *one.shape), one.dtype), jax.eval_shape(function))


def _written(record: Any, row: Any, at: Any) -> Any:
    return jax.tree.map(lambda column, one: jax.lax.dynamic_update_index_in_dim(column, one, at, 0), record, row)
