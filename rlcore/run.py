"""The loop. Nothing else steps an environment in Python."""

import functools
import sys
from collections.abc import Callable, Generator
from typing import Any

import numpy as np

from rlcore.errors import shorten
from rlcore.interfaces import Environment, Policy
from rlcore.reset_conditions import ResetCondition, ResetIfEnvTerminated
from rlcore.signals import Interrupt
from rlcore.stages import Stage, Staged
from rlcore.stop_conditions import StopCondition


def run_loop(
    policy: Policy,
    env: Environment,
    stop_condition: StopCondition,
    hook: Staged,
    reset_condition: ResetCondition,
    interrupt: Interrupt,
    actor: Policy | None = None,
) -> Generator[None]:
    """Runs episodes until the stop condition, an interrupt or an exception ends the run.

    At each stage conditions are called first, then the policy to keep what happened, then to learn, then hooks.
    POST_EPISODE and POST_EXPERIMENT run on every exit. Nothing runs before the iteration; it pauses only where an
    environment that shows recorded steps has none left. `actor` plans, keeps and learns in place of the policy that
    hooks and conditions are shown.
    """
    moments = _moments(policy, actor or policy, env, (stop_condition, reset_condition), hook)
    pre_experiment, pre_episode, before_act, post_act, post_episode, post_experiment = moments
    pre_act, pauses = None if before_act is _nothing else before_act, getattr(env, "pauses", None)
    plan, act, check_stop, ended = (actor or policy).plan, env.act, stop_condition.check, env.ended
    check_reset = None if type(reset_condition) is ResetIfEnvTerminated else reset_condition.check
    stopped = False
    try:
        pre_experiment()
        env.reset()
        while not stopped:
            try:
                pre_episode()
                while True:
                    if pauses is not None:
                        yield from pauses()
                    if pre_act is not None:
                        pre_act()
                    action = plan(env)
                    act(action)
                    if check_reset is not None and np.any(cut := check_reset(policy, env)):
                        env.truncate(cut)
                    post_act(action)
                    stopped = check_stop(policy, env) or interrupt.is_set
                    if stopped or len(ended()):
                        break
            finally:
                post_episode()
            if not stopped and env.needs_reset():
                env.reset()
    finally:
        post_experiment()


def _moments(policy: Policy, actor: Policy, env: Environment, conditions: tuple[Staged, ...], hook: Staged) -> list:
    return [_moment(stage, policy, actor, env, conditions, hook) for stage in Stage]


def _moment(
    stage: Stage, policy: Policy, actor: Policy, env: Environment, conditions: tuple[Staged, ...], hook: Staged
) -> Callable[..., None]:
    """What happens at `stage`, resolved once, so that a moment that nobody uses costs next to nothing."""
    first = [handler for condition in conditions for handler in condition.handlers(stage)]
    keepers, learners, last = actor.handlers(stage), actor.learners(stage), hook.handlers(stage)
    if stage in (Stage.POST_EPISODE, Stage.POST_EXPERIMENT):
        return _closing(stage, policy, env, (first, keepers, learners, last))

    if not keepers and not learners:
        watchers = first + last
        if not watchers:
            return _nothing

        def watched(action: Any = None) -> None:
            for handler in watchers:
                handler(policy, env)

        return watched

    if stage is Stage.POST_ACT:

        def acted(action: Any) -> None:
            for handler in first:
                handler(policy, env)
            for keep in keepers:
                keep(env, action)
            for learn in learners:
                learn(stage)
            for handler in last:
                handler(policy, env)

        return acted
    calls = [functools.partial(keep, env) for keep in keepers]
    calls += [functools.partial(learn, stage) for learn in learners]

    def moment() -> None:
        for handler in first:
            handler(policy, env)
        for call in calls:
            call()
        for handler in last:
            handler(policy, env)

    return moment


def _nothing(action: Any = None) -> None:
    pass


def _closing(stage: Stage, policy: Policy, env: Environment, handlers: tuple[list, ...]) -> Callable[..., None]:
    """A stage that runs on every exit: all handlers are called, whichever of them fail; the first error is raised."""
    first, keepers, learners, last = handlers
    calls: list[tuple[Any, tuple]] = [(handler, (policy, env)) for handler in first]
    calls += [(keep, (env,)) for keep in keepers] + [(learn, (stage,)) for learn in learners]
    calls += [(handler, (policy, env)) for handler in last]
    if not calls:
        return _nothing

    def closing() -> None:
        on_its_way = error = sys.exception()
        for handler, arguments in calls:
            try:
                handler(*arguments)
            except Exception as failure:
                if error is None:
                    error = failure
                elif str(failure) != str(error):
                    error.add_note(f"after that, {_name(handler, stage)} failed: {shorten(repr(failure))}")
        if error is not on_its_way and error is not None:
            raise error

    return closing


def _name(handler: Any, stage: Stage) -> str:
    owner = getattr(handler, "__self__", None)
    return stage.value if owner is None else f"{type(owner).__name__}.{handler.__name__}"
