"""Small changes of actions."""

from collections.abc import Callable
from typing import Any

import jax
import jax.numpy as jnp
from flax import nnx

from rlcore.arguments import check_number
from rlcore.errors import ConfigError
from rlcore.networks.fitting import beside, check_parts

Array = jax.Array


class PerturbationNetwork(nnx.Module):
    """Changes each component of an action by at most `phi`, and keeps it in `[-1, 1]`.

    Args:
        base: From states and actions side by side, `[..., state + size]`, to `[..., size]`: a module or function.
        phi: Largest change, at least 0.

    Raises:
        ConfigError: `base` can't be called, or `phi` is below 0.

    Source: clip(action + phi tanh(base(state, action)), -1, 1), Fujimoto et al. 2019 (arXiv 1812.02900), section 4;
    Julia `PerturbationNetwork`.
    """

    def __init__(self, base: Callable[[Any], Any], phi: float = 0.05) -> None:
        check_parts(base=base)
        self.base, self.phi = base, check_number("phi", phi, 0)

    def __call__(self, state: Any, action: Any) -> Array:
        """Maps states `[..., state]` and actions `[..., size]` to actions `[..., size]`.

        Raises:
            ConfigError: Leading axes that differ, or a `base` that gives another shape than that of the actions.
        """
        action = jnp.asarray(action)
        change = jnp.asarray(self.base(beside(state=state, action=action)))
        if change.shape != action.shape:
            raise ConfigError(
                f"base gives an output of shape {change.shape}, expected {action.shape}, that of the actions; give "
                "its last layer as many outputs as an action has components"
            )
        return jnp.clip(action + self.phi * jnp.tanh(change), -1, 1)
