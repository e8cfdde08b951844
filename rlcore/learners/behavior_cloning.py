"""Learning to act as the data does."""

from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from gymnasium import spaces

from rlcore.approximators.approximator import Approximator
from rlcore.arguments import named
from rlcore.errors import ConfigError
from rlcore.interfaces import Environment, Learner
from rlcore.learners.checks import check_rows
from rlcore.stages import Stage, check_stages
from rlcore.struct import struct


@struct
class BehaviorCloningLearner(Learner):
    """Behaviour cloning: makes the actions of the data likely, whatever they brought.

    The loss of a transition is -log p(a | s), over the actions that `batch.mask` allows where a batch has one. Rewards,
    next states and ends are not looked at. `batch.weight` multiplies the loss of each row.

    Attributes:
        approximator: Holds a distribution over actions: `CategoricalNetwork` for discrete ones, `GaussianNetwork` or
            another network with `log_prob(state, action)` for continuous ones.

    Source: Pomerleau 1991, "Efficient training of artificial neural networks for autonomous navigation"; Julia
    `BehaviorCloningPolicy`.
    """

    approximator: Approximator

    def __init__(self, approximator: Approximator, *, stages: tuple[Stage, ...] = (Stage.POST_ACT,)) -> None:
        """Takes a network and when to learn.

        Raises:
            ConfigError: No `Approximator`, one whose network is no distribution, or no tuple of stages.
        """
        if not isinstance(approximator, Approximator):
            raise ConfigError(
                f"approximator is {named(approximator)}, expected an Approximator of a distribution; build one: "
                "Approximator(CategoricalNetwork(MLP(4, (64,), 2, rngs=nnx.Rngs(0))), optax.adam(1e-3))"
            )
        if not callable(getattr(approximator.model, "log_prob", None)):
            raise ConfigError(
                f"the network is {named(approximator.model)}, which has no log_prob, expected a distribution over "
                "actions; wrap it: CategoricalNetwork(model) for discrete ones, or build a GaussianNetwork"
            )
        self.approximator, self.stages = approximator, check_stages(stages)

    def forward(self, state: Any) -> Any:
        """What the network says of states `[..., *state]`: logits `[..., actions]`, or means and deviations."""
        return self.approximator.forward(state)

    def objective(self, parameters: Any, batch: Any) -> tuple[jax.Array, dict[str, jax.Array]]:
        """The mean of -log p(a | s) over the rows of a batch, in nats.

        Returns:
            The loss, and `priority`: `[B]`, if the batch is prioritised.

        Raises:
            ConfigError: Another kind of batch.
        """
        check_rows(self, batch)
        network: Any = self.approximator.merge(parameters)
        masks = () if batch.mask is None else (batch.mask,)
        action = jnp.asarray(batch.action)
        if jnp.issubdtype(action.dtype, jnp.floating):  # of any shape, where the network knows one axis
            action = action.reshape(len(action), -1)
        losses = -network.log_prob(batch.state, action, *masks)
        metrics = {}
        if batch.key is not None:
            metrics["priority"] = jax.lax.stop_gradient(jnp.maximum(losses, 0))
        if batch.weight is not None:
            losses = losses * batch.weight
        return losses.mean(), metrics

    def check(self, env: Environment) -> None:
        """Raises `ConfigError` if the network is no distribution over the actions of `env`, given its states."""
        space: Any = env.action_space()
        output = self.approximator.check(env.state_space())
        if isinstance(space, spaces.Discrete):
            is_fitting = isinstance(output, jax.ShapeDtypeStruct) and output.shape == (int(space.n),)
            expected = f"{int(space.n)} logits: CategoricalNetwork(model) of a model with as many outputs"
        elif isinstance(space, spaces.Box) and space.dtype.kind == "f":
            size = int(np.prod(space.shape))
            is_fitting = isinstance(output, tuple) and all(part.shape == (size,) for part in output)
            expected = f"means and standard deviations of shape ({size},): GaussianNetwork(mean, std) of such heads"
        else:
            raise ConfigError(
                f"the actions are {space}, but {type(self).__name__} clones actions of a Discrete space or of a Box of "
                "floats; convert them: as_environment(env, action=(function, space))"
            )
        if not is_fitting:
            raise ConfigError(f"for one state of {env.state_space()} the network gives {output}, expected {expected}")
