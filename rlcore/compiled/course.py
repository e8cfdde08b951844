"""One step and one update, as the compiled program takes them: the methods of the parts, in the order of the loop."""

from collections.abc import Callable
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from rlcore.compiled.face import TracedEnvironment
from rlcore.compiled.parts import agent_of, learner_of
from rlcore.environments.world import World, insert_tapes, remove_tapes, streams
from rlcore.errors import ConfigError
from rlcore.leaves import select, settled
from rlcore.priorities import write_priorities
from rlcore.reset_conditions import ResetIfEnvTerminated
from rlcore.stages import Stage
from rlcore.struct import copy, struct
from rlcore.tape import Ledger, Tape

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

    def __init__(self, policy: Any, reset_condition: Any, world: World, over: Any = None) -> None:
        self.policy, self.reset_condition, self.world, self.over = policy, reset_condition, world, over


def step(course: Course, needs_state: bool) -> dict[str, Any]:
    """Takes one step, in the order of the loop, and returns what is recorded of it."""
    env = TracedEnvironment(course.world, course.over)
    if course.over is not None:
        _between(course, env)
        env.over = None
    _call(course, Stage.PRE_ACT, env)
    action = course.policy.plan(env)
    is_stuck = env.is_stuck()
    env.act(action)
    if type(course.reset_condition) is not ResetIfEnvTerminated:
        env.truncate(course.reset_condition.check(course.policy, env))
    _call(course, Stage.POST_ACT, env, action)
    flags = env.is_terminated(), env.is_truncated(), ~env.is_sound(), env.begins_over(), is_stuck
    ends = sum(flag.astype(jnp.uint8) << bit for bit, flag in enumerate(flags))
    row = {"action": action, "reward": env.raw_reward(), "ends": ends}
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
    """One update: its metrics, and whether all updates of a network were finite and all priorities sound."""
    learner, trajectory = learner_of(course.policy), agent_of(course.policy).trajectory
    batch = trajectory.sample()
    metrics = write_priorities(learner, trajectory, batch, dict(learner.update(batch)))
    answer = {"metrics": metrics}
    approximator: Any = getattr(learner, "approximator", None)
    if hasattr(approximator, "optimiser_state"):
        answer["is_finite"] = approximator.is_finite
    if hasattr(trajectory.container, "is_sound"):
        answer["is_sound"] = jnp.asarray(trajectory.container.is_sound)
    return answer


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
    taken = _n_drawn(course)
    for stage in (Stage.POST_EPISODE, Stage.PRE_EPISODE):
        env.stage = stage
        _call(course, stage, env)
    env.stage = Stage.PRE_ACT
    if _n_drawn(course) != taken:
        raise ConfigError(
            "the policy draws random numbers at an episode's end or start; compiled code draws them at every step, so "
            "the engines would differ: draw them in plan"
        )
    over = course.over if np.ndim(course.over) == 0 else course.over.any()
    course.policy, course.reset_condition = select(over, (course.policy, course.reset_condition), before)


def _n_drawn(course: Course) -> list[int]:
    """How far the tapes of the policy and the reset condition were read."""
    tapes = [stream.tape for stream in streams((course.policy, course.reset_condition))]
    return [len(tape.draws) if isinstance(tape, Ledger) else -len(tape.pieces) if tape else 0 for tape in tapes]


def draws_of(course: Course, function: Callable[[Course], Any]) -> tuple[tuple[Draws, ...], Any]:
    """What `function` takes from each stream of a course, and the shapes it answers, without computing anything."""

    def noted(course: Course) -> Any:
        before = copy(course)
        _set_tapes(course, [Ledger() for _ in streams_of(course)])
        answer = function(course)
        ledgers = remove(course)
        settled(course, before)
        return ledgers, answer

    ledgers, answer = jax.eval_shape(noted, copy(course))
    return tuple(ledger.draws for ledger in ledgers), answer


def streams_of(course: Course) -> list[Any]:
    """Those of the policy and the reset condition, then those of the world."""
    return streams((course.policy, course.reset_condition)) + streams(course.world.core)


def insert(course: Course, tapes: list[Any], at: Any) -> None:
    """Lets every stream of a course read the numbers `at` a place of its tape; `None`: it draws from itself."""
    here = [
        None if tape is None else Tape(tuple(jax.lax.dynamic_index_in_dim(piece, at, keepdims=False) for piece in tape))
        for tape in tapes
    ]
    _set_tapes(course, here)


def remove(course: Course) -> tuple[Any, ...]:
    """Takes the tapes away again; answers what is left of them."""
    left = remove_tapes((course.policy, course.reset_condition)) + course.world.tapes
    course.world.tapes = tuple(None for _ in course.world.tapes)
    return left


def _set_tapes(course: Course, tapes: list[Any]) -> None:
    """The streams of a world read theirs inside it, where each row has its own."""
    n_own = len(tapes) - len(course.world.tapes)
    insert_tapes((course.policy, course.reset_condition), tapes[:n_own])
    course.world.tapes = tuple(tapes[n_own:])
