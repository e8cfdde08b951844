"""Learning a network of action values from batches."""

from collections.abc import Callable
from typing import Any

import jax
import jax.numpy as jnp
import optax
from flax import nnx

from rlcore.approximators.approximator import Approximator
from rlcore.approximators.tabular import TabularApproximator
from rlcore.approximators.target_network import TargetNetwork
from rlcore.arguments import check_flag, check_function, check_number, named
from rlcore.errors import ConfigError
from rlcore.fixed import Fixed
from rlcore.interfaces import Environment, Learner
from rlcore.learners.checks import count_actions
from rlcore.learners.targets import bellman_target, best_value
from rlcore.stages import Stage
from rlcore.struct import static, struct

Array = jax.Array
Loss = Callable[[Array, Array], Array]

_NEEDED = ("forward", "target", "parameters", "variables", "optimise", "check")


@struct
class DQNLearner(Learner):
    """Deep Q-learning: Q(s, a) is moved towards r + gamma * max over a' of Q_target(s', a').

    Nothing comes after a termination; a truncated episode keeps the value of its last state. The maximum is over
    `batch.next_mask` where a batch has one. `batch.discount` stands in for gamma (0: nothing comes after),
    `batch.weight` multiplies the loss of each row.

    The default loss is the squared error. With small networks and the settings that are usual for CartPole, a Huber
    loss let Q run off into the millions, where the squared error stayed in the hundreds.

    Attributes:
        approximator: An `Approximator`, or one in a `TargetNetwork`.
        gamma: Discount per step, in `[0, 1]`.
        is_double: Whether the online network chooses the action whose target value counts.

    Source: Mnih et al. 2015, algorithm 1; van Hasselt et al. 2016 (arXiv 1509.06461), eq. 4.
    """

    approximator: Approximator | TargetNetwork
    gamma: float = static(0.99)
    _loss: Fixed = static()
    is_double: bool = static(False)

    def __init__(
        self,
        approximator: Approximator | TargetNetwork,
        gamma: float = 0.99,
        loss: Loss = optax.squared_error,
        double: bool = False,
        *,
        stages: tuple[Stage, ...] = (Stage.POST_ACT,),
    ) -> None:
        """Takes a network and how to learn.

        Args:
            approximator: Maps states `[B, *state]` to action values `[B, actions]`.
            gamma: Discount per step, in `[0, 1]`.
            loss: From predictions and targets, both `[B]`, to losses `[B]`.
            double: Double Q-learning.
            stages: When to learn.

        Raises:
            ConfigError: `approximator` is a table, a bare module or none, `gamma` outside `[0, 1]`, `loss` no function.
        """
        if isinstance(approximator, type) or not all(hasattr(approximator, name) for name in _NEEDED):
            advice = "build one: Approximator(model, optax.adam(1e-3))"
            if isinstance(approximator, nnx.Module):
                advice = "wrap it: Approximator(model, optax.adam(1e-3))"
            elif isinstance(approximator, TabularApproximator):
                advice = "TDLearner learns tables"
            raise ConfigError(
                f"approximator is {named(approximator)}, expected an Approximator(model, optimiser), perhaps in a "
                f"TargetNetwork; {advice}"
            )
        self.approximator, self.is_double, self.stages = approximator, check_flag("double", double), stages
        self._loss = Fixed(check_function("loss", loss, ("prediction", "target")))
        self.gamma = check_number("gamma", gamma, 0, 1)

    @property
    def loss(self) -> Loss:
        """From predictions and targets, both `[B]`, to losses `[B]`."""
        return self._loss.value

    def forward(self, state: Any) -> Any:
        """The values of all actions, `[..., actions]`; see `Approximator.forward`."""
        return self.approximator.forward(state)

    def objective(self, parameters: Any, batch: Any) -> tuple[Array, dict[str, Array]]:
        """The mean loss over the rows of a batch.

        Args:
            parameters: Of the network.
            batch: Transitions `[B, ...]`.

        Returns:
            The loss, and `q`: the mean value of the actions that were taken.
        """
        target = jax.lax.stop_gradient(self._targets(batch))  # first: the loss may move batch statistics
        values = self.approximator.forward(batch.state, parameters)  # [B, A]
        is_taken = jnp.asarray(batch.action)[:, None] == jnp.arange(values.shape[-1])
        prediction = jnp.where(is_taken, values, 0).sum(-1)  # [B]
        losses = self.loss(prediction, target)
        if batch.weight is not None:
            losses = losses * batch.weight
        return losses.mean(), {"q": prediction.mean()}

    def _targets(self, batch: Any) -> Array:
        chosen_by = self.approximator.forward(batch.next_state) if self.is_double else None
        value = best_value(self.approximator.target(batch.next_state), batch.next_mask, chosen_by)
        if batch.discount is None:
            return bellman_target(batch.reward, value, self.gamma, batch.terminated)
        return bellman_target(batch.reward, value, batch.discount, batch.discount == 0)

    def check(self, env: Environment) -> None:
        """Raises `ConfigError` if the network does not map the states of `env` to one value per action."""
        n_actions = count_actions(self, env)
        output = self.approximator.check(env.state_space())
        if not isinstance(output, jax.ShapeDtypeStruct) or output.shape != (n_actions,):
            raise ConfigError(
                f"for one state of {env.state_space()} the network gives {output}, expected shape ({n_actions},): one "
                f"value for each of the {n_actions} actions; set the size of its last layer"
            )
