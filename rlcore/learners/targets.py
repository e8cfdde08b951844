"""What a value is moved towards."""

from typing import Any

import jax
import jax.numpy as jnp

Array = jax.Array


def best_value(values: Array, mask: Any = None, chosen_by: Any = None) -> Array:
    """The value of the best legal action.

    Args:
        values: `[..., actions]`.
        mask: `[..., actions]` bool, the legal actions; `None`: all.
        chosen_by: `[..., actions]`, which say what is best; `None`: `values` themselves.

    Returns:
        `[...]`; 0 where no action is legal, as after the end of a game.
    """
    if chosen_by is not None:
        best = jnp.take_along_axis(values, best_action(chosen_by, mask)[..., None], axis=-1)[..., 0]
    else:
        best = (values if mask is None else jnp.where(mask, values, -jnp.inf)).max(-1)
    return best if mask is None else jnp.where(jnp.asarray(mask).any(-1), best, 0)


def best_action(values: Array, mask: Any = None) -> Array:
    """The index `[...]` of the best legal action, the first of several.

    Args:
        values: `[..., actions]`.
        mask: `[..., actions]` bool, the legal actions; `None`: all.
    """
    return (values if mask is None else jnp.where(mask, values, -jnp.inf)).argmax(-1)


def bellman_target(reward: Any, value: Any, gamma: Any, terminated: Any) -> Array:
    """`reward + gamma * value`, and `reward` alone where nothing comes after, whatever `value` is there.

    Args:
        reward: `[...]`.
        value: `[...]` of the next states.
        gamma: Discount, a number or `[...]`.
        terminated: `[...]` bool.

    Source: Sutton & Barto 2018, section 6.5.
    """
    return reward + jnp.where(terminated, 0, jnp.multiply(gamma, value))
