"""Where learning stands in a policy, and what stands for its controller in a trace."""

from typing import Any

import jax
import numpy as np

from rlcore.compiled.face import TracedEnvironment
from rlcore.environments.world import World
from rlcore.errors import ConfigError
from rlcore.interfaces import Learner
from rlcore.leaves import shapes_of
from rlcore.policies import Agent, OfflineAgent
from rlcore.stages import Stage
from rlcore.struct import copy, static, struct, walk
from rlcore.trajectories import Controller


def agent_of(policy: Any) -> Any:
    """The agent in a policy, or `None`.

    Raises:
        ConfigError: There are several.
    """
    agents = [part for _, part in walk(policy) if isinstance(part, Agent | OfflineAgent)]
    if len(agents) > 1:
        raise ConfigError(
            f"the policy holds {len(agents)} agents, expected at most one: only one memory is learnt from"
        )
    return agents[0] if agents else None


def learner_of(policy: Any) -> Any:
    """The learner that the agent in a policy lets learn, or `None`.

    Raises:
        ConfigError: There are several.
    """
    agent = agent_of(policy)
    learners = [] if agent is None else [part for _, part in walk(agent.policy) if isinstance(part, Learner)]
    if len(learners) > 1:
        raise ConfigError(f"the agent holds {len(learners)} learners, expected at most one per trajectory")
    return learners[0] if learners and Stage.POST_ACT in learners[0].stages else None


def optimiser_state_of(policy: Any) -> Any:
    """What the optimiser of a policy's learner keeps, or `None`."""
    return getattr(getattr(learner_of(policy), "approximator", None), "optimiser_state", None)


class Notes:
    """What a trace tells Python: equal to itself only."""

    def __init__(self) -> None:
        self.counts: list[Any] = []


@struct
class HostController(Controller):
    """Stands in a trace for the controller, which is asked on the host."""

    notes: Any = static(None)

    def __init__(self, notes: Notes | None = None) -> None:
        self.notes = notes

    def on_insert(self, n: Any) -> None:
        """Notes how many transitions a step stores, if anybody wants to know."""
        if self.notes is not None:
            self.notes.counts.append(n)


def without_controller(policy: Any, notes: Notes | None = None) -> Any:
    """A copy of a policy as a program takes it: its controller stays on the host."""
    policy = copy(policy)
    agent = agent_of(policy)
    if agent is not None:
        agent.trajectory.controller = HostController(notes)
    return policy


def allocate(policy: Any, world: World) -> None:
    """Fixes the shapes of what the agent in `policy` stores, if it stores anything yet to come."""
    agent = agent_of(policy)
    if agent is None or (isinstance(agent, OfflineAgent) and agent.offline_behavior.is_done()):
        return
    shapes = shapes_of(without_controller(policy), "policy")

    def look(policy: Any, world: World) -> dict[str, Any]:
        env = TracedEnvironment(world)
        agent = agent_of(policy)
        actor: Any = agent.offline_behavior.agent if isinstance(agent, OfflineAgent) else policy
        action, state, mask = actor.plan(env), env.state(), env.legal_action_mask()
        extras = dict(actor.extras if isinstance(agent, OfflineAgent) else agent.policy.extras) or None
        return {
            "state": state,
            "action": action,
            "next_state": state,
            "mask": mask,
            "next_mask": mask,
            "extras": extras,
        }

    example = jax.tree.map(lambda one: np.zeros(one.shape, one.dtype), jax.eval_shape(look, shapes, world))
    rows = () if world.num_envs is None else (world.num_envs,)
    ends = {"terminated": np.zeros(rows, bool), "truncated": np.zeros(rows, bool)}
    agent.trajectory.allocate(**example, **ends, reward=np.zeros(rows, np.float32))
