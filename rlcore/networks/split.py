"""Two networks side by side."""

from collections.abc import Callable
from typing import Any

import jax
import jax.numpy as jnp
from flax import nnx

from rlcore.errors import ConfigError
from rlcore.networks.fitting import check_fit, check_parts

Array = jax.Array


class SplitNetwork(nnx.Module):
    """The values of two networks one after the other, for a `DQNLearner` with a `RewardSplit`.

    A single network with twice as many outputs does as well; its streams share what they know of states.

    Args:
        reward: From states `[..., *state]` to the values of rewards `[..., n]`.
        punish: From states to the values of punishments `[..., n]`.

    Raises:
        ConfigError: A part that can't be called, or that does not fit the other.

    Source: Lin et al. 2020 (arXiv 1906.11286), section 3.
    """

    def __init__(self, reward: Callable[[Any], Any], punish: Callable[[Any], Any]) -> None:
        check_parts(reward=reward, punish=punish)
        self.reward, self.punish = reward, punish
        check_fit(self, reward)

    def __call__(self, state: Any) -> Array:
        """Maps states `[..., *state]` to `[..., 2 * n]`.

        Raises:
            ConfigError: The parts' outputs differ in shape.
        """
        reward, punish = jnp.asarray(self.reward(state)), jnp.asarray(self.punish(state))
        if reward.shape != punish.shape:
            raise ConfigError(
                f"reward gives an output of shape {reward.shape} and punish one of shape {punish.shape}, expected the "
                "same: as many values of each"
            )
        return jnp.concatenate([reward, punish], axis=-1)
