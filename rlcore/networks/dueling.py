"""Action values as a state value plus advantages."""

from collections.abc import Callable
from typing import Any

import jax
import jax.numpy as jnp
from flax import nnx

from rlcore.errors import ConfigError
from rlcore.networks.fitting import check_fit, check_parts, single

Array = jax.Array


class DuelingNetwork(nnx.Module):
    """Predicts action values as a state value plus centred advantages.

    Q(s, a) = V(s) + A(s, a) - mean over actions of A(s, .)

    Args:
        base: From states `[..., *state]` to features.
        value: From features to `[..., 1]`.
        advantage: From features to `[..., actions]`.

    Raises:
        ConfigError: A part that can't be called, or that does not fit the others.

    Source: Wang et al. 2016 (arXiv 1511.06581), eq. 9; Julia `DuelingNetwork`.
    """

    def __init__(
        self, base: Callable[[Any], Any], value: Callable[[Any], Any], advantage: Callable[[Any], Any]
    ) -> None:
        check_parts(base=base, value=value, advantage=advantage)
        self.base, self.value, self.advantage = base, value, advantage
        check_fit(self, base, value)

    def __call__(self, state: Any) -> Array:
        """Maps states `[..., *state]` to action values `[..., actions]`.

        Raises:
            ConfigError: The heads' outputs don't fit each other.
        """
        features = self.base(state)
        value = single(jnp.asarray(self.value(features)), "value")  # [...]
        advantage = jnp.asarray(self.advantage(features))  # [..., A]
        if advantage.shape[:-1] != value.shape:
            raise ConfigError(
                f"value gives an output of shape {(*value.shape, 1)} and advantage one of shape {advantage.shape}, "
                "expected [..., 1] and [..., actions] with the same leading axes"
            )
        return value[..., None] + advantage - advantage.mean(-1, keepdims=True)
