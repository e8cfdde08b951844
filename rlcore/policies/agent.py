"""A policy with a memory: keeps every transition and lets the policy learn from them."""

from typing import Any

from rlcore.arguments import named
from rlcore.errors import ConfigError
from rlcore.interfaces import Array, Environment, Learner, Policy
from rlcore.stages import Stage, overridden
from rlcore.struct import cached, struct, walk
from rlcore.trajectories import Container, Controller, Sampler, Trajectory


@struct
class Agent(Policy):
    """Pushes (state, action, reward, next state, terminated, truncated) of every step, then lets the policy learn.

    Where the environment says which actions are legal, the masks of both states are kept as well; what `plan` of the
    policy left in its `extras` is kept beside the action.

    Raises:
        ConfigError: Something else than a policy and a trajectory.

    Source: Julia `Agent`.
    """

    policy: Policy
    trajectory: Trajectory
    _state: Any = cached()
    _mask: Any = cached()
    _knows_nothing: Any = cached()  # whether the policy never has extras, so that nobody need ask

    def __init__(self, policy: Policy, trajectory: Trajectory) -> None:
        if not isinstance(policy, Policy):
            advice = "derive your class from Policy" if callable(policy) else "pass one"
            if isinstance(policy, Learner):
                advice = "wrap it: QBasedPolicy(learner, explorer)"
            elif isinstance(policy, Trajectory):
                advice = "the order is Agent(policy, trajectory)"
            raise ConfigError(
                f"policy is {named(policy)}, expected a Policy such as QBasedPolicy(learner, explorer); {advice}"
            )
        if not isinstance(trajectory, Trajectory):
            is_part = isinstance(trajectory, Container | Sampler | Controller)
            raise ConfigError(
                f"trajectory is {named(trajectory)}, expected a Trajectory; "
                + ("wrap it: " if is_part else "build one: ")
                + "Trajectory(container, sampler, controller)"
            )
        for _, part in walk(policy):
            if isinstance(part, Learner):
                part.check_trajectory(trajectory)
        self.policy, self.trajectory = policy, trajectory

    def plan(self, env: Environment) -> Any:
        """The policy's choice; the state that it was made in is remembered."""
        self._state, self._mask = env.state(), env.legal_action_mask()
        return self.policy.plan(env)

    def post_act(self, env: Environment, action: Any) -> None:
        """Keeps the transition; of several environments, those of the rows that made one."""
        extras, mask = None if self._knows_nothing else self.policy.extras, self._mask
        self.trajectory.push(
            self._state,
            action,
            env.reward(),
            env.next_state(),
            env.is_terminated(),
            env.is_truncated(),
            None if env.num_envs is None else env.is_transition(),
            dict(extras) if extras else None,
            mask,
            None if mask is None else env.next_legal_action_mask(),
        )

    def pre_experiment(self, env: Environment) -> None:
        """Says that an episode which the end of the run before cut short does not go on."""
        self.trajectory.cut()

    def post_experiment(self, env: Environment) -> None:
        """Lets nothing that was learnt be under way any more."""
        self.trajectory.settle()

    def handlers(self, stage: Stage) -> list[Any]:
        """Its own, then those of the policy."""
        return overridden(self, stage, Policy) + self.policy.handlers(stage)

    def optimise(self, stage: Stage, trajectory: Any = None) -> None:
        """Lets the policy learn from the agent's trajectory."""
        self.policy.optimise(stage, self.trajectory)

    def learners(self, stage: Stage) -> list[Any]:
        """Those of the policy, given the agent's trajectory; an asynchronous controller calls them in its thread."""
        if type(self).optimise is not Agent.optimise:
            return [self.optimise]
        trajectory, learners = self.trajectory, self.policy.learners(stage)
        in_background = getattr(trajectory.controller, "in_background", None)
        if in_background is not None:
            return in_background(stage, learners, trajectory)
        return [lambda stage, learn=learn: learn(stage, trajectory) for learn in learners]

    def prob(self, env: Environment) -> Array:
        """The policy's probabilities, `[..., actions]`."""
        return self.policy.prob(env)

    def __call__(self, state: Any, mask: Array | None = None) -> Any:
        """The policy's choice at a bare state."""
        return self.policy(state, mask)

    def greedy(self) -> Policy:
        """The policy's greedy view: keeps nothing, learns nothing."""
        return self.policy.greedy()

    def check(self, env: Environment) -> None:
        """Raises `ConfigError` if the policy can't act in `env`."""
        self.policy.check(env)
        self._knows_nothing = type(self.policy).extras is Policy.extras

    @property
    def extras(self) -> dict[str, Any]:
        """The policy's."""
        return self.policy.extras

    @property
    def metrics(self) -> Any:
        """The policy's."""
        return self.policy.metrics
