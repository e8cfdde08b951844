"""An actor and a critic side by side."""

from collections.abc import Callable
from typing import Any

import jax
import jax.numpy as jnp
from flax import nnx

from rlcore.networks.fitting import check_fit, check_parts, single

Array = jax.Array


class ActorCritic(nnx.Module):
    """A policy network and a value network that are trained together.

    Args:
        actor: From states `[..., *state]` to anything: logits, or a stochastic network, whose methods are then those
            of `net.actor`.
        critic: From states to values `[..., 1]`.

    Raises:
        ConfigError: A part that can't be called, or a critic whose output is known to have another size.

    Source: Julia `ActorCritic`.
    """

    def __init__(self, actor: Callable[[Any], Any], critic: Callable[[Any], Any]) -> None:
        check_parts(actor=actor, critic=critic)
        self.actor, self.critic = actor, critic
        check_fit(self, critic)

    def __call__(self, state: Any) -> tuple[Any, Array]:
        """The actor's output, and the value of each state `[...]`."""
        return self.actor(state), single(jnp.asarray(self.critic(state)), "critic")
