"""Whether an experiment can be compiled, and what its program needs to know beforehand."""

from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np

from rlcore.blame import explained
from rlcore.compiled.course import Course, Draws, draws_of, has_episode_stages, learn, step
from rlcore.compiled.parts import Notes, allocate, learner_of, without_controller
from rlcore.effects import without_side_effects
from rlcore.environments.jax_environment import JaxEnvironment, JaxEnvironments, world_like
from rlcore.errors import ConfigError, RLCoreError
from rlcore.interfaces import Explorer, Learner, Policy
from rlcore.leaves import entered, shapes_of
from rlcore.reset_conditions import ResetIfEnvTerminated
from rlcore.stages import Stage
from rlcore.struct import copy, is_struct, walk
from rlcore.trajectories import Trajectory


class Traced(NamedTuple):
    """What a trace of one step and one update found.

    Attributes:
        step_draws: The random numbers that a step takes from each stream.
        update_draws: Those that an update takes.
        learns: Whether there is anything to update.
        stored: How many transitions a step stores, as its controller counts.
        step_numbers: How many random numbers a step takes in all.
        update_numbers: How many an update takes.
        row_bytes: How many bytes the record of a step takes.
        course_bytes: How many bytes policy and environments take.
    """

    step_draws: tuple[Draws, ...]
    update_draws: tuple[Draws, ...]
    learns: bool
    stored: int
    step_numbers: int
    update_numbers: int
    row_bytes: int
    course_bytes: int


def check_parts(policy: Policy, env: Any, reset_condition: Any) -> None:
    """Refuses what can't be compiled, as far as it shows without a trace.

    Raises:
        ConfigError: The reason, and the way out.
    """
    if not isinstance(env, JaxEnvironment | JaxEnvironments):
        why = getattr(env, "why_untraced", "") or f"{env.name} is no JAX environment"
        raise ConfigError(f"{why}; a JAX environment is a @struct whose methods JAX can trace, such as RandomWalk1D")
    if env.num_envs is not None and type(reset_condition) is not ResetIfEnvTerminated:
        raise ConfigError(f"{type(reset_condition).__name__} would cut rows of {env.name}, which resets them itself")
    for root, part in (("policy", policy), ("reset_condition", reset_condition)):
        for path, one in walk(part, root):
            if isinstance(one, Policy | Learner | Explorer) or one is part:
                _check_part(path, one)
            elif isinstance(one, Trajectory):
                for name in ("container", "sampler", "controller"):
                    _check_part(f"{path}.{name}", getattr(one, name))
    learners = [part for _, part in walk(policy) if isinstance(part, Learner)]
    for learner in learners:
        if not set(learner.stages) <= {Stage.POST_ACT}:
            names = ", ".join(f"Stage.{stage.name}" for stage in learner.stages)
            raise ConfigError(
                f"{type(learner).__name__} learns at {names}, but a compiled run learns at Stage.POST_ACT only; "
                "leave stages at its default, or run it step by step"
            )


def _check_part(path: str, part: Any) -> None:
    kind = type(part)
    if why := getattr(part, "why_untraced", ""):
        raise ConfigError(why)
    if not is_struct(part):
        raise ConfigError(
            f"{path} is of class {kind.__name__}, which is no @struct, so a trace could not keep what it changes; "
            "write @struct above the class and declare its fields"
        )
    for method in ("optimise", "learners"):
        written = getattr(kind, method, None)
        if not getattr(written, "__module__", "rlcore.").startswith("rlcore."):
            raise ConfigError(
                f"{kind.__name__} has written {method} itself, which Python would have to call after every step; "
                "write what happens in update (of a Learner) or post_act (of a Policy) instead"
            )


def traced(policy: Policy, env: Any, reset_condition: Any, needs_state: bool) -> Traced:
    """Traces one step and one update in shapes alone; changes nothing.

    Raises:
        ConfigError: Something can't be traced: which component, why, and what to do.
    """
    policy, world, notes = copy(policy), world_like(env.form, env.num_envs), Notes()
    try:
        with without_side_effects(policy, reset_condition):
            allocate(policy, world)
            policy = without_controller(policy, notes)
            course = Course(shapes_of(policy, "policy"), shapes_of(reset_condition, "reset_condition"), world)
            if has_episode_stages(policy, reset_condition):
                course.over = jax.ShapeDtypeStruct(() if env.num_envs is None else (env.num_envs,), np.bool_)
            step_draws, row = draws_of(course, lambda course: step(course, needs_state))
            learns = learner_of(policy) is not None
            update_draws = draws_of(course, learn)[0] if learns else tuple(() for _ in step_draws)
    except RLCoreError:
        raise
    except Exception as error:
        raise ConfigError(explained(error)) from error
    counts = list(dict.fromkeys(n if isinstance(n, int) else -1 for n in notes.counts))
    if counts and (len(counts) != 1 or counts[0] < 0):
        raise ConfigError(
            f"how many transitions a step stores is not known beforehand ({notes.counts}), so nobody can say when to "
            "learn; expected the container's push to answer one number, a Python int, once per step"
        )
    rows = [1] * (len(step_draws) - len(world.tapes)) + [env.num_envs or 1] * len(world.tapes)
    step_numbers, update_numbers = (
        sum(n * size for draws, n in zip(all_draws, rows, strict=True) for _, size in draws)
        for all_draws in (step_draws, update_draws)
    )
    stored = counts[0] if counts else 0
    row_bytes, course_bytes = (
        sum(leaf.size * leaf.dtype.itemsize for leaf in jax.tree.leaves(tree)) for tree in (row, course)
    )
    return Traced(step_draws, update_draws, learns, stored, step_numbers, update_numbers, row_bytes, course_bytes)


def course_of(policy: Policy, env: Any, reset_condition: Any) -> Course:
    """Where a run begins, in a copy of its own; `env` has been reset."""
    allocate(policy, world_like(env.form, env.num_envs))
    inside = without_controller(policy)
    over = None
    if has_episode_stages(policy, reset_condition):
        over = jnp.zeros(() if env.num_envs is None else env.num_envs, bool)
    world = entered(env.world, "environment")
    return Course(entered(inside, "policy"), entered(reset_condition, "reset_condition"), world, over)
