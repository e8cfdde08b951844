"""Whether the parts of a network fit each other, found when it is built."""

from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from flax import nnx

from rlcore.arguments import named
from rlcore.errors import ConfigError, shorten
from rlcore.networks.cnn import CNN
from rlcore.networks.mlp import MLP
from rlcore.networks.noisy import NoisyLinear

IDENTITIES = (jax.nn.identity, nnx.identity)


def check_parts(**parts: Any) -> None:
    """Refuses parts that can't be called, and classes in the place of their instances.

    Raises:
        ConfigError: The first such part, by its name.
    """
    for name, part in parts.items():
        if not callable(part) or isinstance(part, type):
            raise ConfigError(
                f"{name} is {named(part)}, expected a flax.nnx.Module or a function, such as "
                "MLP(4, (64,), 2, rngs=nnx.Rngs(0))"
            )


def check_fit(network: nnx.Module, *parts: Any) -> None:
    """Tries `network` on the shapes of two states, if the part that sees them tells what it takes.

    Args:
        network: Maps states to anything.
        parts: Those that a state goes through, in order; the first that is no identity sees it.

    Raises:
        ConfigError: The parts don't fit each other.
    """
    first = next((part for part in parts if part not in IDENTITIES), None)
    shape = input_shape(first)
    if shape is None:
        return
    states = jax.ShapeDtypeStruct((2, *shape), np.float32)
    try:
        nnx.eval_shape(_called, network, states)
    except ConfigError:
        raise
    except Exception as error:  # whatever the parts raise
        raise ConfigError(
            f"the parts of {type(network).__name__} don't fit each other: it can't take two states {states.shape} "
            f"({shorten(str(error)).rstrip('.')}); give each part the inputs that come out of the one before it"
        ) from error


def _called(network: Any, states: Any) -> Any:
    return network(states)


def input_shape(part: Any) -> tuple[int, ...] | None:
    """The shape of one input of `part`; `None` if it does not tell."""
    if isinstance(part, nnx.Sequential):
        return input_shape(part.layers[0]) if len(part.layers) else None
    if isinstance(part, MLP):
        return input_shape(part.layers[0])
    if isinstance(part, CNN):
        return part.input_shape
    if isinstance(part, nnx.Linear | NoisyLinear):
        return (part.in_features,)
    return None


def single(values: Any, name: str) -> Any:
    """`values` `[..., 1]` without their last axis.

    Raises:
        ConfigError: The last axis is not 1.
    """
    if values.ndim == 0 or values.shape[-1] != 1:
        raise ConfigError(
            f"{name} gives an output of shape {values.shape}, expected [..., 1]: one value for each state; give its "
            "last layer one output"
        )
    return values[..., 0]


def beside(**parts: Any) -> jax.Array:
    """Vectors side by side: `[..., n]` and `[..., m]` to `[..., n + m]`.

    Raises:
        ConfigError: Their leading axes differ.
    """
    arrays = [jnp.asarray(part) for part in parts.values()]
    if any(array.ndim == 0 or array.shape[:-1] != arrays[0].shape[:-1] for array in arrays):
        shapes = ", ".join(f"{name} {array.shape}" for name, array in zip(parts, arrays, strict=True))
        raise ConfigError(f"got {shapes}, expected vectors with the same leading axes; repeat the shorter one")
    return jnp.concatenate(arrays, axis=-1)
