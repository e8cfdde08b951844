"""The contracts of the loop, on one page: what an environment, a policy, a learner and an explorer answer.

A contract has one base class. A method that raises `NotImplementedError` must be written; every other has a default.
`Hook` stands in `hooks/base.py`, conditions stand in their own files; their stage methods are those of `Staged`.
"""

import enum
from collections.abc import Callable, Mapping
from typing import Any, ClassVar

import jax
import numpy as np
from gymnasium import Space

from rlcore.errors import ConfigError, RLCoreError, shorten
from rlcore.priorities import write_priorities
from rlcore.stages import Stage, called_by_push, not_written, overridden
from rlcore.struct import cached, graft, static, struct

Array = np.ndarray | jax.Array


class ActionStyle(enum.Enum):
    """Whether all actions are always legal (`MINIMAL`), or a mask says which are (`FULL`)."""

    MINIMAL = "minimal"
    FULL = "full"


class DynamicStyle(enum.Enum):
    """Whether the players of a game take turns or act at once."""

    SEQUENTIAL = "sequential"
    SIMULTANEOUS = "simultaneous"


class Environment:
    """What the loop and policies ask of an environment.

    A class of your own writes `reset`, `act`, `state`, `reward`, `is_terminated`, `action_space` and `state_space`,
    and what it has of `is_truncated` and `legal_action_mask`; `as_environment` puts an adapter around it that gives
    the rest and checks what passes. With `num_envs` environments side by side every answer has a leading axis.

    Source: Julia `AbstractEnv` of ReinforcementLearningBase.
    """

    __slots__ = ()

    num_envs: ClassVar[Any] = None  # an int in an adapter of several environments

    def reset(self, seed: int | None = None) -> None:
        """Begins a new episode; `seed` starts the environment's random numbers again."""
        raise not_written(self, "reset")

    def act(self, action: Any) -> None:
        """Takes one step. A discrete action is an index from 0."""
        raise not_written(self, "act")

    def state(self) -> Any:
        """Where the next action starts: an array, an int, or a dict or tuple of these."""
        raise not_written(self, "state")

    def reward(self) -> Any:
        """The reward of the last action."""
        raise not_written(self, "reward")

    def is_terminated(self) -> Any:
        """Whether the last action ended the episode for good: nothing comes after, its value is 0."""
        raise not_written(self, "is_terminated")

    def action_space(self) -> Space:
        """The Gymnasium space of one environment's action; a `Discrete` one starts at 0."""
        raise not_written(self, "action_space")

    def state_space(self) -> Space:
        """The Gymnasium space of one environment's state."""
        raise not_written(self, "state_space")

    def is_truncated(self) -> Any:
        """Whether the episode was cut after the last action: more would have come, its value counts."""
        return False

    def legal_action_mask(self) -> Any:
        """Bool `[actions]`, true for each action that is legal at `state()`; `None`: all are."""
        return None

    def next_state(self) -> Any:
        """Where the last action led, also when `state()` already belongs to the next episode."""
        return self.state()

    def next_legal_action_mask(self) -> Any:
        """The legal actions at `next_state()`."""
        return self.legal_action_mask()

    def is_over(self) -> Any:
        """Whether the episode ended with the last action, terminated or truncated."""
        return self.is_terminated() or self.is_truncated()

    def ended(self) -> Any:
        """Indices of the environments whose episode ended with the last action: `(0,)` for a single one."""
        return (0,) if self.is_over() else ()

    def is_transition(self) -> Any:
        """Bool `[num_envs]`: false where the last action was spent on a reset. `True` for a single environment."""
        return True

    def needs_reset(self) -> bool:
        """Whether the loop must call `reset` before the next action."""
        return bool(self.is_over())

    def truncate(self, rows: Any = None) -> None:
        """Cuts the episode after the last action: `is_truncated()` turns true unless it had terminated."""
        raise not_written(self, "truncate")

    def last_action(self) -> Any:
        """The action of the last step; `None` right after `reset`."""
        raise not_written(self, "last_action")

    @property
    def action_style(self) -> ActionStyle:
        """`ActionStyle.FULL` if the environment says which actions are legal."""
        return ActionStyle.MINIMAL if self.legal_action_mask() is None else ActionStyle.FULL


class Policy:
    """Chooses actions; may keep what happened and learn from it.

    A class of your own writes `plan`, and what it needs of the rest.

    Source: Julia `AbstractPolicy`.
    """

    __slots__ = ()

    plays_games: ClassVar[bool] = False  # whether it acts for all players of a game, and is given the game itself

    def plan(self, env: Environment) -> Any:
        """The action for `env.state()`: an int for a single environment, `[num_envs]` for several."""
        raise not_written(self, "plan")

    def prob(self, env: Environment) -> Array:
        """The probability of each action at `env.state()`, `[..., actions]`."""
        raise not_written(self, "prob")

    def __call__(self, state: Any, mask: Any = None) -> Any:
        """Acts on a bare state, without an environment."""
        return self.plan(BareState(state, mask))

    def pre_experiment(self, env: Environment) -> None:
        """Called once, before the first episode."""

    def pre_episode(self, env: Environment) -> None:
        """Called after every reset; with several environments also after a step in which rows ended."""

    def pre_act(self, env: Environment) -> None:
        """Called before `plan`."""

    def post_act(self, env: Environment, action: Any) -> None:
        """Called after every step: the moment to keep the transition."""

    def post_episode(self, env: Environment) -> None:
        """Called after every episode, also one that the run's end cut short."""

    def post_experiment(self, env: Environment) -> None:
        """Called once, on every exit."""

    def push(self, stage: Stage, env: Environment, action: Any = None) -> None:
        """Calls what `handlers(stage)` lists; a class that overrides it is called through it at every stage."""
        for handler in called_by_push(self, stage, Policy):
            handler(env, action) if stage is Stage.POST_ACT else handler(env)

    def handlers(self, stage: Stage) -> list[Callable[..., None]]:
        """The bound methods that keep what happened at `stage`; empty if the class overrides none."""
        return overridden(self, stage, Policy)

    def optimise(self, stage: Stage, trajectory: Any = None) -> None:
        """Lets its `learner` learn, if there is one. A class that overrides it is called at every stage."""
        learner = getattr(self, "learner", None)
        if isinstance(learner, Learner):
            learner.optimise(stage, trajectory)

    def learners(self, stage: Stage) -> list[Callable[..., None]]:
        """What to call with `(stage, trajectory=None)` at `stage`, in order to learn."""
        if type(self).optimise is not Policy.optimise:
            return [self.optimise]
        learner = getattr(self, "learner", None)
        return [learner.optimise] if isinstance(learner, Learner) and stage in learner.stages else []

    def greedy(self) -> "Policy":
        """A view for evaluation: no exploration, no learning, and no counter or random stream moves."""
        return self

    def of_player(self, player: Any) -> "Policy":
        """The policy that plays for `player` in a game: itself, unless it is made of several."""
        return self

    def check(self, env: Environment) -> None:
        """Raises `ConfigError` if the policy can't act in `env`; called once, before the run."""

    @property
    def extras(self) -> dict[str, Any]:
        """What the last `plan` knew and learning needs, such as a log-probability: always the same keys and shapes."""
        return {}

    @property
    def metrics(self) -> Mapping[str, Any]:
        """Numbers of the last update; empty before the first."""
        return {}


class BareState(Environment):
    """The least environment: a state and perhaps a mask, for a policy that is asked about a state alone."""

    def __init__(self, state: Any, mask: Any = None) -> None:
        self._state, self._mask = state, mask

    def state(self) -> Any:
        """The state itself."""
        return self._state

    def legal_action_mask(self) -> Any:
        """The mask that came with it."""
        return self._mask


class Explorer:
    """Chooses an action from the values of all actions.

    `values` and `mask` are `[..., actions]`, any leading axes; NumPy in gives NumPy (a Python int without leading
    axes) out, and every method can be traced. A class of your own writes `plan` and `prob`.

    Source: Julia `AbstractExplorer`.
    """

    __slots__ = ()

    def plan(self, values: Array, mask: Array | None = None) -> Any:
        """The index of the chosen action, `[...]`; only legal actions (`mask` true) are chosen."""
        raise not_written(self, "plan")

    def prob(self, values: Array, mask: Array | None = None) -> Array:
        """The probability of each action, `[..., actions]`; 0 where illegal."""
        raise not_written(self, "prob")

    def decide(self, n_actions: int, shape: tuple[int, ...] = (), mask: Array | None = None) -> tuple[Any, Any]:
        """The half of `plan` before the values are known: whether to explore, `shape`, and with which action.

        Where `explore` is true no values are needed. By default nothing is decided and nothing drawn.
        """
        return False, None

    def finish(self, explore: Any, action: Any, values: Array, mask: Array | None = None) -> Any:
        """The half of `plan` after the values are known: `action` where `explore`, else the explorer's choice."""
        return self.plan(values, mask)

    def check(self, n_actions: int) -> None:
        """Raises `ConfigError` if the explorer was made for another number of actions; called before the run."""


@struct
class Learner:
    """Learns values from batches of transitions.

    A class of your own is a `@struct`, writes `forward` and either `objective` (gradients) or `update` (anything
    else, such as a table), and holds its parameters in a field `approximator`.

    Attributes:
        stages: When `optimise` is called, by default after every step.
        update_is_jitted: Whether `optimise` compiles `update`; tables that are updated in NumPy say no.

    Source: Julia `AbstractLearner`.
    """

    stages: tuple[Stage, ...] = static((Stage.POST_ACT,), kw_only=True)
    _metrics: Any = cached()
    _kept: Any = cached()  # what the optimiser kept before the update that is under way

    update_is_jitted: ClassVar[bool] = True

    def forward(self, state: Any) -> Array:
        """The values of all actions at `state`: `[..., actions]` for states `[..., *state]`."""
        raise not_written(self, "forward")

    def objective(self, parameters: Any, batch: Any) -> tuple[Any, dict[str, Any]]:
        """The loss of `parameters` on a batch, a scalar, and metrics to report; traced and differentiated."""
        raise not_written(self, "objective")

    def update(self, batch: Any) -> dict[str, Any]:
        """How to learn: one gradient step on `objective`. Traceable; returns the metrics.

        Raises:
            ConfigError: `objective` did not return a scalar loss and a dict of metrics.
        """
        approximator: Any = self.approximator  # type: ignore[attr-defined]

        def loss(parameters: Any) -> tuple[Any, tuple[Any, Any]]:
            value, metrics = _checked_objective(self, self.objective(parameters, batch))
            return value, (metrics, approximator.variables)  # what training left in batch statistics, random streams

        (value, (metrics, variables)), gradients = jax.value_and_grad(loss, has_aux=True)(approximator.parameters)
        approximator.variables = variables
        approximator.optimise(gradients)
        return {"loss": value} | metrics

    def optimise(self, stage: Stage, trajectory: Any = None) -> None:
        """When to learn: an update for every batch that the trajectory's controller allows. Host only."""
        if trajectory is None:
            return
        for batch in trajectory:
            metrics = self._update_compiled(batch) if self.update_is_jitted else self.update(batch)
            if getattr(batch, "key", batch) is not None:  # prioritised, or several batches
                metrics = write_priorities(self, trajectory, batch, metrics)
            self._metrics = metrics

    def check(self, env: Environment) -> None:
        """Raises `ConfigError` if the learner can't value the states and actions of `env`.

        By default it shows the states to the `approximator`, if there is one that can check them.
        """
        check = getattr(getattr(self, "approximator", None), "check", None)
        if callable(check):
            check(env.state_space())

    def check_trajectory(self, trajectory: Any) -> None:
        """Raises `ConfigError` if it can't learn from what `trajectory` shows; called when an agent is built."""

    def check_finite(self) -> None:
        """Raises `RLCoreError` if an update met numbers that are not finite; that update was not applied."""
        approximator: Any = getattr(self, "approximator", None)
        if not np.asarray(getattr(approximator, "is_finite", True)).item():
            if self._kept is not None:
                approximator.optimiser_state, self._kept = self._kept, None
            raise RLCoreError(
                f"an update of {type(self).__name__} was not finite and was not applied; the parameters are those "
                "before it. Lower the learning rate, clip with optax.clip_by_global_norm, look for extreme rewards "
                "or states, or skip such updates with optax.apply_if_finite"
            )

    @property
    def metrics(self) -> Mapping[str, Any]:
        """Numbers of the last update, JAX arrays that may still be under way; empty before the first."""
        return self._metrics or {}

    def _update_compiled(self, batch: Any) -> dict[str, Any]:
        self.check_finite()
        self._kept = getattr(getattr(self, "approximator", None), "optimiser_state", None)
        updated, metrics = _update(self, batch)
        graft(self, updated)
        return metrics


@jax.jit
def _update(learner: Learner, batch: Any) -> tuple[Learner, dict[str, Any]]:
    metrics = learner.update(batch)
    return learner, metrics


def _checked_objective(learner: Learner, answer: Any) -> tuple[Any, Mapping[str, Any]]:
    name = f"{type(learner).__name__}.objective"
    is_pair = isinstance(answer, tuple) and len(answer) == 2
    if not is_pair or not isinstance(answer[1], Mapping):
        parts = answer if isinstance(answer, tuple) else (answer,)
        came = ", ".join(f"an array {part.shape}" if hasattr(part, "shape") else type(part).__name__ for part in parts)
        raise ConfigError(
            f"{name} returned {shorten(came)}, expected the pair (loss, metrics); return loss, {{}} without metrics"
        )
    loss, metrics = answer
    if np.shape(loss) != () or not jax.numpy.issubdtype(jax.numpy.result_type(loss), np.floating):
        raise ConfigError(
            f"{name} returned a loss of shape {np.shape(loss)} and type {jax.numpy.result_type(loss)}, expected one "
            "floating-point number; take the mean over the rows of the batch: losses.mean()"
        )
    return loss, metrics
