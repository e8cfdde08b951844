"""One experiment of a compiled run: the loop that shows its hooks the record, and the parts that go in and out."""

from collections.abc import Callable
from typing import Any

import jax
import numpy as np
from gymnasium import spaces

from rlcore.block import Block
from rlcore.compiled.course import Course
from rlcore.compiled.parts import agent_of, learner_of
from rlcore.compiled.prepare import Traced, course_of
from rlcore.compiled.recorded import RecordedEnvironment
from rlcore.compiled.schedule import Schedule
from rlcore.environments.jax_environment import OVER_AFTER_RESET
from rlcore.environments.spaces import range_of, shown
from rlcore.errors import ConfigError
from rlcore.interfaces import Environment, Policy
from rlcore.leaves import entered, returned
from rlcore.reset_conditions import ResetIfEnvTerminated
from rlcore.run import run_loop
from rlcore.signals import Interrupt
from rlcore.stages import Stage
from rlcore.stop_conditions import leaf_conditions


class Lane:
    """An experiment, and where its run stands.

    Attributes:
        experiment: The experiment.
        needs_state: Whether a hook or condition asks for states.
        reads_policy: Whether one looks at the policy.
        is_running: Whether its stop condition has not said so yet.
        schedule: Counts what is stored, and says when to learn; `None` if there is no agent.
        steps_beyond: How many steps the program took after the last one that hooks saw.
    """

    def __init__(self, experiment: Any) -> None:
        self.experiment = experiment
        watchers = [*leaf_conditions(experiment.stop_condition), *_members(experiment.hook)]
        self.needs_state = any(watcher.needs_state for watcher in watchers)
        self.reads_policy = any(watcher.reads_policy for watcher in watchers)
        self.is_running = False
        self.schedule: Schedule | None = None
        self.steps_beyond = 0
        self._course: Callable[[], Course] | None = None
        self._learner = learner_of(experiment.policy)
        self._metrics: dict[str, Any] | None = None
        self._was_finite, self._is_returned = True, False
        self._begins_over = False  # whether the episode of the next step is over before it

    def begin(self, interrupt: Interrupt, traced: Traced) -> None:
        """Runs the stages before the first step."""
        one, policy = self.experiment, self.experiment.policy
        self._env = RecordedEnvironment(one.env, (one.stop_condition, one.hook), self.needs_state, self._reset)
        actor = _Actor(policy, one.reset_condition, one.env, self._finish)
        self._loop = run_loop(policy, self._env, one.stop_condition, one.hook, ResetIfEnvTerminated(), interrupt, actor)
        self.is_running = True
        self._go_on()
        if agent_of(policy) is not None:  # afterwards: an offline agent has filled its trajectory by now
            self.schedule = Schedule(agent_of(policy).trajectory, traced.stored)

    def _reset(self) -> Any:
        self.experiment.env.reset()
        return self.experiment.env.state()

    def _go_on(self) -> None:
        """Lets the loop show what it has."""
        self.is_running = next(self._loop, _ENDED) is not _ENDED

    def enter(self) -> Course:
        """Where the program starts, or goes on: with what stands in the user's own objects."""
        return course_of(self.experiment.policy, self.experiment.env, self.experiment.reset_condition)

    def limit(self) -> Any:
        """When the run ends at the latest: see `StopCondition.limit`."""
        return self.experiment.stop_condition.limit()

    def count(self, rows: int, n_updates: int) -> None:
        """Tells the controller of steps and updates."""
        if self.schedule is not None and self.is_running:
            self.schedule.advance(rows, n_updates)

    def show(
        self,
        course: Callable[[], Course],
        block: Block,
        broken: list[np.ndarray],
        states: Any,
        learnt: dict[str, Any],
        updates: np.ndarray,
    ) -> None:
        """Shows the record of a chunk, and returns the parts if anybody looks or the run ends with it.

        Args:
            course: Gives where the program stands now.
            block: The steps.
            broken: Whether a step led to a state that is not finite, or that the space has not; whether the episode
                that begins after it is over at once; and whether no action was legal.
            states: Where they led and where the next ones start, or `None`.
            learnt: What `learn` answered, `[updates, ...]`.
            updates: How many updates came after each step.

        Raises:
            ConfigError: An update gave priorities that can't be used.
        """
        at, metrics = np.repeat(np.arange(len(updates)), updates), learnt.get("metrics", {})
        self._course, self._last = course, block
        if self.reads_policy:
            self.return_policy()
        self._is_returned = self.reads_policy  # what hooks change from now on stays

        def notify(row: int) -> None:
            if self.reads_policy and self._learner is not None:
                n = int(np.searchsorted(at, row, side="right"))
                if n:
                    self._learner._metrics = jax.tree.map(lambda values: values[n - 1], metrics)

        if len(at):
            self._metrics = jax.tree.map(lambda values: values[-1], metrics)
        self._was_finite = bool(np.all(learnt.get("is_finite", True)))
        fault = _fault(block, broken, self._begins_over, self.experiment.env)
        self._begins_over = bool(broken[1][-1].any())
        self._env.feed(self.experiment.policy, block, states, fault, notify)
        self._go_on()
        if not np.all(learnt.get("is_sound", True)):
            raise ConfigError(
                f"an update of {type(self._learner).__name__} gave priorities that are negative, NaN or too large, "
                "which were ignored; expected finite numbers of at least 0 such as |TD error|; engine='eager' shows "
                "which row"
            )

    def check_finite(self, kept: Callable[[], Any]) -> None:
        """Raises `RLCoreError` if an update of the chunk was not finite; what was `kept` goes back to the optimiser."""
        if not self._was_finite:
            self.return_policy()
            self._is_returned = True
            self._learner._kept = kept()
            self._learner.check_finite()

    def return_policy(self) -> None:
        """Puts what the program has learnt into the user's own objects."""
        assert self._course is not None
        course, one = self._course(), self.experiment
        if self.schedule is not None:  # the controller has stayed here
            agent_of(course.policy).trajectory.controller = agent_of(one.policy).trajectory.controller
        returned(one.policy, course.policy)
        returned(one.reset_condition, course.reset_condition)
        one.env.world = entered(course.world, "environment")

    def _finish(self) -> None:
        """Before the last stage: everything goes back to its owner."""
        if self._course is None:
            return
        if not self._is_returned:
            self.return_policy()
        if self._learner is not None and self._metrics is not None:
            self._learner._metrics = self._metrics
        last, self.steps_beyond = self._last, self._env.n_left
        action = jax.tree.map(lambda leaf: leaf[-1], last.action)
        env = self.experiment.env
        env.arrive(env.world, action, last.reward[-1], last.terminated[-1], last.truncated[-1])

    def where(self) -> str:
        """The environment and the step that hooks were shown last, for messages."""
        return self._env.where()

    def close(self) -> None:
        """Runs the last stages, if they have not run yet."""
        if self.is_running:
            self.is_running = False
            self._loop.close()


class _Actor(Policy):
    """Stands for the policy in the loop that shows the record: the program has acted, kept and learnt already.

    The stages before the first step and after the last one are the policy's own, with the environment itself.
    """

    def __init__(self, policy: Policy, reset_condition: Any, env: Any, finish: Callable[[], None]) -> None:
        self.policy, self.reset_condition, self.env, self.finish = policy, reset_condition, env, finish
        self.has_begun = False

    def plan(self, env: Environment) -> None:
        """Nothing: the action stands in the record."""

    def handlers(self, stage: Stage) -> list[Any]:
        own = {
            Stage.PRE_EXPERIMENT: lambda env: self._call(Stage.PRE_EXPERIMENT),
            Stage.PRE_EPISODE: lambda env: self._begin(),
            Stage.POST_EXPERIMENT: lambda env: self._end(),
        }
        return [own[stage]] if stage in own else []

    def _begin(self) -> None:
        if not self.has_begun:
            self.has_begun = True
            self._call(Stage.PRE_EPISODE)

    def _end(self) -> None:
        self.finish()
        if self.has_begun:
            self._call(Stage.POST_EPISODE)
        self._call(Stage.POST_EXPERIMENT)

    def _call(self, stage: Stage) -> None:
        for handler in self.reset_condition.handlers(stage):
            handler(self.policy, self.env)
        for handler in self.policy.handlers(stage):
            handler(self.env)


def _members(hook: Any) -> Any:
    return getattr(hook, "hooks", None) or (hook,)


def _fault(block: Block, broken: list[np.ndarray], begins_over: bool, env: Any) -> tuple[int, str] | None:
    """The first step that breaks the contract, and how; `begins_over`: whether the first one's episode was over."""
    unsound, leads_to_over, was_stuck = broken
    bad = []
    if unsound.any():
        row = int(np.argwhere(unsound)[0][0])
        bad.append((row, f"the state is not finite, or not one of {env.state_space()}; correct the environment"))
    if begins_over or leads_to_over[:-1].any():
        row = 0 if begins_over else int(np.argwhere(leads_to_over)[0][0]) + 1
        bad.append((row, f"an episode was {OVER_AFTER_RESET}"))
    if was_stuck.any():
        row = int(np.argwhere(was_stuck)[0][0])
        bad.append((row, "no action was legal though the episode went on; end the episode instead"))
    if not np.isfinite(block.reward).all():
        row = int(np.argwhere(~np.isfinite(block.reward))[0][0])
        bad.append((row, f"the reward is {block.reward[row]}, expected finite numbers; correct the environment"))
    illegal = _illegal(env.action_space(), block.action)
    if illegal is not None:
        action = shown(jax.tree.map(lambda leaf: leaf[illegal], block.action))
        expected = f"expected one of {env.action_space()}; correct the policy"
        bad.append((illegal, f"the policy's action is {action}, {expected}"))
    return min(bad, default=None)


def _illegal(space: spaces.Space, action: Any) -> int | None:
    """The first step with an action that `space` has not; `None`: there is none."""
    if isinstance(space, spaces.Dict | spaces.Tuple):
        parts = space.spaces.items() if isinstance(space, spaces.Dict) else enumerate(space.spaces)
        found = [_illegal(part, action[key]) for key, part in parts]
        return min((step for step in found if step is not None), default=None)
    bounds: Any = (space.low, space.high) if isinstance(space, spaces.Box) else (0, range_of(space)[1] - 1)
    low, high = bounds
    if np.issubdtype(space.dtype, np.floating):  # in one type: 0.1 as float64 is below 0.1 as float32
        dtype = jax.dtypes.canonicalize_dtype(space.dtype)
        low, action, high = (numbers.astype(dtype, copy=False) for numbers in (low, action, high))
    is_legal = (action >= low) & (action <= high)
    return None if is_legal.all() else int(np.argwhere(~is_legal)[0][0])


_ENDED = object()
