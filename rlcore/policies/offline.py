"""A policy that learns from data which it does not collect itself."""

import math
from typing import Any

import jax
import numpy as np

from rlcore.errors import ConfigError
from rlcore.interfaces import Array, Environment, Policy
from rlcore.offline.space_records import misfit
from rlcore.policies.agent import Agent
from rlcore.policies.offline_behavior import OfflineBehavior
from rlcore.stages import Stage, overridden
from rlcore.struct import struct
from rlcore.trajectories import Container, Trajectory
from rlcore.trajectories.traces import Traces


@struct
class OfflineAgent(Policy):
    """Learns at every step from a trajectory that stays as it is; acts, but stores nothing of what it does.

    The trajectory holds data already, such as `load_traces(path)`, or `offline_behavior` fills it before the first run;
    a later run finds it filled. Its controller counts the transitions of the run as if they were stored, and nothing
    else: `InsertSampleRatioController(ratio)` gives `ratio` batches per step.

    Attributes:
        policy: What acts and learns.
        trajectory: What is learnt from.
        offline_behavior: What fills it; by default nothing.

    Raises:
        ConfigError: A part of another type, no room for what would be collected, or nothing to learn from.

    Source: Julia `OfflineAgent`.
    """

    policy: Policy
    trajectory: Trajectory
    offline_behavior: OfflineBehavior

    def __init__(self, policy: Policy, trajectory: Trajectory, offline_behavior: OfflineBehavior | None = None) -> None:
        Agent(policy, trajectory)  # refuses wrong parts
        behavior = OfflineBehavior() if offline_behavior is None else offline_behavior
        if not isinstance(behavior, OfflineBehavior):
            raise ConfigError(
                f"offline_behavior is {behavior!r}, expected an OfflineBehavior; wrap it: OfflineBehavior(agent, steps)"
            )
        _check_room(trajectory, behavior)
        self.policy, self.trajectory, self.offline_behavior = policy, trajectory, behavior

    def plan(self, env: Environment) -> Any:
        """The policy's choice."""
        return self.policy.plan(env)

    def pre_experiment(self, env: Environment) -> None:
        """Fills the trajectory, unless that is done.

        Raises:
            ConfigError: The trajectory holds too little for a batch, so that nothing would ever be learnt.
        """
        self.offline_behavior.fill(self.trajectory, env)
        self._check_ready()

    def post_act(self, env: Environment, action: Any) -> None:
        """Tells the controller how many transitions there were, and ends of episodes; nothing is stored."""
        valid = None if env.num_envs is None else env.is_transition()
        self.trajectory.controller.on_insert(1 if valid is None else int(np.count_nonzero(valid)))
        self.trajectory.count_ends(env.is_terminated(), env.is_truncated(), valid)

    def handlers(self, stage: Stage) -> list[Any]:
        """Its own, then those of the policy."""
        return overridden(self, stage, Policy) + self.policy.handlers(stage)

    def optimise(self, stage: Stage, trajectory: Any = None) -> None:
        """Lets the policy learn from the trajectory."""
        self.policy.optimise(stage, self.trajectory)

    def learners(self, stage: Stage) -> list[Any]:
        """Those of the policy, given the trajectory."""
        if type(self).optimise is not OfflineAgent.optimise:
            return [self.optimise]
        trajectory = self.trajectory
        return [lambda stage, learn=learn: learn(stage, trajectory) for learn in self.policy.learners(stage)]

    def prob(self, env: Environment) -> Array:
        """The policy's probabilities, `[..., actions]`."""
        return self.policy.prob(env)

    def __call__(self, state: Any, mask: Array | None = None) -> Any:
        """The policy's choice at a bare state."""
        return self.policy(state, mask)

    def greedy(self) -> Policy:
        """The policy's greedy view: learns nothing, collects nothing."""
        return self.policy.greedy()

    def check(self, env: Environment) -> None:
        """Raises `ConfigError` if a part can't act in `env`, or the data is too little or of another environment."""
        self.policy.check(env)
        self.offline_behavior.check(env)
        if self.offline_behavior.is_done():
            self._check_ready()
        if len(self.trajectory) and type(self.trajectory.container).take is not Container.take:
            for what, space in (
                ("state", env.state_space()),
                ("next_state", env.state_space()),
                ("action", env.action_space()),
            ):
                data = _stored(self.trajectory.container, what)
                if why := misfit(space, data, len(jax.tree.leaves(data)[0])):
                    raise ConfigError(
                        f"the trajectory was not collected in such an environment: its {what.replace('_', ' ')}s are "
                        f"{why}; load other data, or convert the environment in the same way"
                    )

    def _check_ready(self) -> None:
        if not self.trajectory.sampler.is_ready(self.trajectory.container):
            raise ConfigError(
                f"the trajectory holds {len(self.trajectory)} transitions, too few for a batch of "
                f"{self.trajectory.sampler!r}, and an OfflineAgent adds none; load more data, collect more steps with "
                "OfflineBehavior(agent, steps), or lower batch_size"
            )

    @property
    def extras(self) -> dict[str, Any]:
        """The policy's."""
        return self.policy.extras

    @property
    def metrics(self) -> Any:
        """The policy's."""
        return self.policy.metrics


def _stored(container: Any, name: str) -> Any:
    """All that a container holds in the column `name`; a single row where there is none, as of states stored once."""
    traces = getattr(container, "traces", container)  # of prioritised ones, those inside
    column = getattr(traces, name) if isinstance(traces, Traces) else None
    if column is None:
        return getattr(container.take(np.zeros(1, np.int64)), name)
    return jax.tree.map(lambda leaf: leaf[: traces.filled if traces.lanes is None else None], column)


def _check_room(trajectory: Trajectory, behavior: OfflineBehavior) -> None:
    """Fixes how many steps are collected, and refuses what could not be kept, or learnt from."""
    if behavior.is_done():
        return
    capacity = getattr(trajectory.container, "capacity", math.inf)
    room = capacity - len(trajectory)
    if behavior.steps is None:
        if room == math.inf or room < 1:
            why = "the trajectory grows without bound" if room == math.inf else f"all {capacity} places are taken"
            raise ConfigError(f"steps is None, as many as there is room for, but {why}; say how many: steps=10_000")
        behavior.steps = int(room)
    elif behavior.steps > room:
        raise ConfigError(
            f"steps is {behavior.steps}, but the trajectory has room for {room} more transitions, so others would be "
            "lost; raise its capacity, or collect fewer steps"
        )
