"""Who collects the data that an offline agent learns from."""

import signal
from typing import Any

from rlcore.arguments import check_whole, named
from rlcore.environments import SingleEnvironment, VectorEnvironment
from rlcore.errors import ConfigError
from rlcore.hooks import EmptyHook
from rlcore.interfaces import Environment, Policy
from rlcore.policies.agent import Agent
from rlcore.reset_conditions import ResetCondition, ResetIfEnvTerminated
from rlcore.run import run_loop
from rlcore.signals import Interrupt
from rlcore.stages import Stage
from rlcore.stop_conditions import StopAfterNSteps
from rlcore.struct import cached, static, struct
from rlcore.trajectories import Controller, Trajectory


@struct
class OfflineBehavior:
    """Fills the trajectory of an `OfflineAgent` before its first run, in the environment of its experiment.

    The policy acts and is told of every stage, as in a run of its own; it does not learn. Hooks and conditions of the
    experiment see nothing of it.

    Attributes:
        agent: What acts. Of an `Agent` it is the policy: the transitions go to the trajectory of the `OfflineAgent`,
            whichever the agent has. `None`: nothing is collected.
        steps: How many transitions are collected; `None`: as many as there is room for.
        reset_condition: When an episode is cut short; `None`: when the environment ends it.
        collected: How many were collected so far.

    Raises:
        ConfigError: An argument of the wrong type, `steps` below 1 or infinite, `steps` and no agent.

    Source: Julia `OfflineBehavior`.
    """

    agent: Policy | None
    steps: int | None = static(None)
    reset_condition: Any = cached()
    collected: Any = 0

    def __init__(
        self, agent: Policy | None = None, steps: int | None = None, reset_condition: ResetCondition | None = None
    ) -> None:
        if agent is not None and not isinstance(agent, Policy):
            raise ConfigError(
                f"agent is {named(agent)}, expected a Policy or an Agent, such as RandomPolicy(), or None"
            )
        if agent is None and (steps is not None or reset_condition is not None):
            raise ConfigError(
                f"steps is {named(steps)} and reset_condition {named(reset_condition)}, but there is no agent that "
                "could collect anything; pass OfflineBehavior(agent, steps), or nothing at all"
            )
        if reset_condition is not None and not isinstance(reset_condition, ResetCondition):
            raise ConfigError(
                f"reset_condition is {named(reset_condition)}, expected a ResetCondition such as ResetAfterNSteps(500)"
            )
        self.agent = agent.policy if isinstance(agent, Agent) else agent
        self.steps = None if steps is None else check_whole("steps", steps)
        self.reset_condition = reset_condition

    def is_done(self) -> bool:
        """Whether there is nothing to collect, or nothing any more."""
        return self.agent is None or (self.steps is not None and self.collected >= self.steps)

    def fill(self, trajectory: Trajectory, env: Environment) -> None:
        """Lets the agent act until `steps` transitions were collected; goes on where it was interrupted.

        Raises:
            KeyboardInterrupt: After Ctrl-C, once the step in progress is done; likewise `SystemExit` after SIGTERM.
        """
        if self.agent is None or self.is_done():
            return
        memory = Trajectory(trajectory.container, trajectory.sampler, _Count(self))
        stop = StopAfterNSteps((self.steps or 0) - self.collected)
        reset = ResetIfEnvTerminated() if self.reset_condition is None else self.reset_condition
        interrupt = _interrupt()
        for _ in run_loop(_Keeper(Agent(self.agent, memory)), env, stop, EmptyHook(), reset, interrupt):
            pass
        interrupt.raise_caught()

    def check(self, env: Any) -> None:
        """Raises `ConfigError` if the agent can't act in `env`, or the reset condition can't cut its rows.

        Raises:
            ConfigError: Also where `env` is what one player of a game sees.
        """
        if self.agent is None:
            return
        if not isinstance(env, SingleEnvironment | VectorEnvironment):
            raise ConfigError(
                f"OfflineBehavior can't collect in {named(env)}, where a player can't act alone; collect the data in a "
                "run of its own with an Agent, save it with save_traces, and leave OfflineBehavior out"
            )
        self.agent.check(env)
        if self.reset_condition is not None and not env.can_truncate_rows():
            raise ConfigError(
                f"reset_condition of OfflineBehavior is {type(self.reset_condition).__name__}, but {env.name} resets "
                "its rows itself, so no episode can be cut from outside; leave it out"
            )


class _Keeper(Policy):
    """An agent that acts and keeps, and does not learn."""

    def __init__(self, agent: Agent) -> None:
        self.agent = agent

    def plan(self, env: Environment) -> Any:
        return self.agent.plan(env)

    def handlers(self, stage: Stage) -> list[Any]:
        return self.agent.handlers(stage)


class _Count(Controller):
    """Counts what is collected; the trajectory's own controller counts the steps that are learnt from."""

    def __init__(self, behavior: OfflineBehavior) -> None:
        self.behavior = behavior

    def on_insert(self, n: Any) -> None:
        self.behavior.collected += n

    def is_due(self) -> bool:
        return False

    def on_sample(self) -> None:
        pass


def _interrupt() -> Interrupt:
    """The one of the experiment that is running, which has the handlers; outside of one, nothing catches signals."""
    handlers = (getattr(signal.getsignal(number), "__self__", None) for number in (signal.SIGINT, signal.SIGTERM))
    return next((owner for owner in handlers if isinstance(owner, Interrupt)), Interrupt())
