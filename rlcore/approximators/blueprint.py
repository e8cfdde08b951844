"""What of a network never changes, and its forward pass."""

import dataclasses
from collections.abc import Callable, Mapping
from functools import lru_cache, partial
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from flax import nnx

from rlcore.arguments import named
from rlcore.errors import ConfigError
from rlcore.fixed import Fixed
from rlcore.networks.noisy import NoisyLinear, noisy_layers, reseed_noise
from rlcore.struct import by_value, is_traced


class Blueprint(NamedTuple):
    """Everything of a model that is no array, and its optimiser.

    Attributes:
        evaluation: The graph in evaluation mode: no dropout, running averages.
        training: The graph in training mode.
        noisy: The graph in evaluation mode, but for the noise of its layers; `None` if it has no noisy ones.
        optimiser: The Optax transformation.
    """

    evaluation: nnx.GraphDef
    training: nnx.GraphDef
    noisy: nnx.GraphDef | None
    optimiser: Any


def describe(model: Any, optimiser: Any) -> tuple[Fixed, Any, Any]:
    """Takes a model apart, leaving it as it is.

    Returns:
        The blueprint in a holder that compares by value, the parameters, and all other variables (nested dicts).

    Raises:
        ConfigError: `model` is no NNX module or has no parameters, or `optimiser` is no Optax transformation.
    """
    if not isinstance(model, nnx.Module):
        hint = "call it, such as MLP(4, (64,), 2, rngs=nnx.Rngs(0))" if isinstance(model, type) else "build one"
        raise ConfigError(f"model is {named(model)}, expected a flax.nnx.Module; {hint}")
    if not all(callable(getattr(optimiser, name, None)) for name in ("init", "update")):
        raise ConfigError(
            f"optimiser is {named(optimiser)}, expected an Optax transformation (init and update), such as "
            "optax.adam(1e-3)"
        )
    clone = nnx.clone(model)
    clone.train()
    training = nnx.graphdef(clone)
    clone.eval()
    evaluation = nnx.graphdef(clone)
    parameters, variables = nnx.state(clone, nnx.Param, ...)
    if not jax.tree.leaves(parameters):
        raise ConfigError(f"{type(model).__name__} has no parameters (nnx.Param), expected at least one to learn")
    noisy = None
    if any(noisy_layers(clone)):
        clone.set_attributes(NoisyLinear, deterministic=False)
        noisy = nnx.graphdef(clone)
    blueprint = Blueprint(evaluation, training, noisy, optimiser)
    key = (_graph_key(evaluation), _graph_key(training), by_value(optimiser))
    return Fixed(blueprint, key), nnx.to_pure_dict(parameters), nnx.to_pure_dict(variables)


def _graph_key(value: Any) -> Any:
    """Like `by_value`, and looks into the records and mappings that a graph definition is made of."""
    if dataclasses.is_dataclass(value) and not isinstance(value, type):
        return (type(value), *(_graph_key(getattr(value, field.name)) for field in dataclasses.fields(value)))
    if isinstance(value, Mapping):
        return tuple((str(key), _graph_key(item)) for key, item in value.items())
    if isinstance(value, list | tuple):
        return tuple(_graph_key(item) for item in value)
    return by_value(value)


def evaluate(fixed: Fixed, state_ndim: int | None, parameters: Any, variables: Any, x: Any, key: Any = None) -> Any:
    """The outputs of the network in evaluation mode, traceable.

    Args:
        fixed: The blueprint.
        state_ndim: Axes of one state. An input with just these gets a batch axis of 1, which the result loses.
        parameters: Of the network.
        variables: All other variables of the network.
        x: States: an array, or a dict or tuple of arrays.
        key: A JAX key that noisy layers draw their noise with; `None`: without noise.
    """
    if key is None or fixed.value.noisy is None:
        network = nnx.merge(fixed.value.evaluation, parameters, variables)
    else:
        network = nnx.merge(fixed.value.noisy, parameters, variables)
        reseed_noise(network, key)
    return call(network, state_ndim, x)


def call(network: Any, state_ndim: int | None, x: Any) -> Any:
    """`network(x)`, with a batch axis for a state that comes without one."""
    if state_ndim is None or jnp.ndim(jax.tree.leaves(x)[0]) != state_ndim:
        return network(x)
    return jax.tree.map(lambda leaf: leaf[0], network(jax.tree.map(lambda leaf: jnp.asarray(leaf)[None], x)))


@lru_cache(maxsize=256)
def _compiled(fixed: Fixed, state_ndim: int | None) -> Callable[..., Any]:
    return jax.jit(partial(evaluate, fixed, state_ndim))


class CompiledViews:
    """Parameters known to be no tracers, and the compiled call that asks them, looked up once.

    Attributes:
        parameters: What is asked; where an approximator holds others by now, these are old.
    """

    __slots__ = ("_call", "_variables", "parameters")

    def __init__(self, fixed: Fixed, state_ndim: int | None, parameters: Any, variables: Any) -> None:
        self.parameters, self._variables = parameters, variables
        self._call = _compiled(fixed, state_ndim)

    def forward(self, x: Any, key: Any = None) -> Any:
        """The outputs as NumPy arrays of the caller's own; with a `key`, those that its noise gives."""
        values = self._call(self.parameters, self._variables, as_arrays(x), key)
        return np.array(values) if isinstance(values, jax.Array) else jax.tree.map(np.array, values)


def answer(fixed: Fixed, state_ndim: int | None, parameters: Any, variables: Any, x: Any, key: Any = None) -> Any:
    """`evaluate`, in one compiled call unless it is part of a trace already; NumPy in gives NumPy out."""
    x = as_arrays(x)
    leaves = jax.tree.leaves(x)
    if any(map(is_traced, (*leaves, *jax.tree.leaves((parameters, variables, key))))):
        return evaluate(fixed, state_ndim, parameters, variables, x, key)
    values = _compiled(fixed, state_ndim)(parameters, variables, x, key)
    if any(isinstance(leaf, jax.Array) for leaf in leaves):
        return values
    return jax.tree.map(np.array, values)


def as_arrays(x: Any) -> Any:
    """States as arrays: numbers and lists become NumPy arrays; dicts and tuples stay. Float64 becomes float32."""
    if isinstance(x, dict):
        return {key: as_arrays(part) for key, part in x.items()}
    if isinstance(x, tuple):
        return tuple(as_arrays(part) for part in x)
    if isinstance(x, jax.Array):
        return x
    x = np.asarray(x)
    return x.astype(np.float32) if x.dtype == np.float64 else x
