"""Acting through NumPy: the forward pass of a stack of dense layers, without a call into JAX.

A jitted call costs more than the few thousand multiplications of a small network.
"""

from collections.abc import Callable
from functools import partial
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from flax import nnx

from rlcore.errors import ConfigError
from rlcore.networks.mlp import MLP
from rlcore.networks.noisy import NoisyLinear

_FLOAT32 = np.dtype(np.float32)
_ZERO, _HALF = np.array(0.0, np.float32), np.array(0.5, np.float32)  # arrays are quicker beside arrays than numbers
_DROPPED = (jax.nn.identity, nnx.identity)  # nothing to do when acting

# Each is a list of ufuncs with the number they take beside the array; every one writes into the array.
_ACTIVATIONS: dict[Any, tuple[tuple[np.ufunc, np.ndarray | None], ...]] = {
    jax.nn.relu: ((np.maximum, _ZERO),),
    jax.nn.tanh: ((np.tanh, None),),
    jnp.tanh: ((np.tanh, None),),
    jax.nn.sigmoid: ((np.multiply, _HALF), (np.tanh, None), (np.multiply, _HALF), (np.add, _HALF)),  # can't overflow
}


class DenseLayer(NamedTuple):
    """Where the parameters of one layer are, and what comes after it."""

    path: tuple[Any, ...]
    has_bias: bool
    ufuncs: tuple[tuple[np.ufunc, np.ndarray | None], ...]


def dense_layers(model: nnx.Module) -> tuple[DenseLayer, ...] | None:
    """The layers of `model` if it is a stack of float32 dense layers, else `None`.

    That is an `MLP`, or an `nnx.Sequential` of `nnx.Linear`, `NoisyLinear` (of which the means count), `nnx.Dropout`
    and the activations relu, tanh, sigmoid and identity.
    """
    if type(model) is MLP:
        pairs = [((place, layer), (place, model.activation)) for place, layer in enumerate(model.layers)]
        steps = [step for pair in pairs for step in pair][:-1]  # no activation after the last layer
    elif type(model) is nnx.Sequential:
        steps = list(enumerate(model.layers))
    else:
        return None
    return _stack(steps)


def _stack(steps: list[tuple[int, Any]]) -> tuple[DenseLayer, ...] | None:
    stack: list[DenseLayer] = []
    for place, step in steps:
        if _is_plain_linear(step):
            stack.append(DenseLayer(("layers", place), step.bias is not None, ()))
        elif type(step) is nnx.Dropout or step in _DROPPED:
            continue
        elif stack and step in _ACTIVATIONS:
            stack[-1] = stack[-1]._replace(ufuncs=stack[-1].ufuncs + _ACTIVATIONS[step])
        else:
            return None
    return tuple(stack) or None


def _is_plain_linear(layer: Any) -> bool:
    if type(layer) is NoisyLinear:
        return True
    if type(layer) is not nnx.Linear:
        return False
    usual = nnx.eval_shape(lambda: nnx.Linear(1, 1, rngs=nnx.Rngs(0)))
    names = ("dtype", "param_dtype", "precision", "dot_general", "promote_dtype", "preferred_element_type")
    return all(getattr(layer, name, None) is getattr(usual, name, None) for name in names)


class DenseViews:
    """NumPy views of the parameters of a dense stack, and the buffers between its layers.

    Not for several threads at once, because they would share the buffers.

    Attributes:
        parameters: What the views show; where an approximator holds others by now, the views are old.
    """

    __slots__ = ("parameters", "_layers", "_first", "_buffer", "_steps", "_last", "_tail")

    def __init__(self, layers: tuple[DenseLayer, ...], parameters: Any) -> None:
        self.parameters = parameters
        self._layers = [(*_arrays(parameters, layer), layer.ufuncs) for layer in layers]
        self._plan()

    def _plan(self) -> None:
        """Lays out the pass of one state: every call with its arguments, all but the first input."""
        self._first = self._layers[0][0]
        self._buffer: Any = None
        self._last: Any = None
        steps: list[Callable[[], Any]] = []
        for weights, bias, ufuncs in self._layers[:-1]:
            out = np.empty(weights.shape[1], np.float32)
            if self._buffer is None:
                self._buffer = out
            else:
                steps.append(partial(self._last, weights, out))
            steps += _calls(out, bias, ufuncs)
            self._last = out.dot
        self._steps, self._tail = steps, self._layers[-1]

    def forward(self, x: np.ndarray) -> np.ndarray:
        """The outputs `[..., n_outputs]` float32 for `[..., n_inputs]`, an array of its own.

        Raises:
            ConfigError: The last axis has another size.
        """
        if x.dtype is not _FLOAT32:
            x = x.astype(np.float32)
        if x.ndim != 1:
            return self._forward_rows(x)
        weights, bias, ufuncs = self._tail
        try:
            if self._buffer is None:
                out = x.dot(weights)
            else:
                x.dot(self._first, self._buffer)
                for step in self._steps:
                    step()
                out = self._last(weights)
        except ValueError:
            raise self._misfit(x) from None
        if bias is not None:
            np.add(out, bias, out=out)
        if ufuncs:
            _apply(out, None, ufuncs)
        return out

    def _forward_rows(self, x: np.ndarray) -> np.ndarray:
        if x.ndim == 0 or x.shape[-1] != len(self._first):
            raise self._misfit(x)
        rows = x.reshape(-1, x.shape[-1])
        for weights, bias, ufuncs in self._layers:
            rows = rows @ weights
            _apply(rows, bias, ufuncs)
        return rows.reshape(*x.shape[:-1], -1)

    def _misfit(self, x: np.ndarray) -> ConfigError:
        return ConfigError(
            f"the state has shape {x.shape}, expected [..., {len(self._first)}], the inputs of the first layer"
        )


def _arrays(parameters: Any, layer: DenseLayer) -> tuple[np.ndarray, np.ndarray | None]:
    for key in layer.path:
        parameters = parameters[key]
    return np.asarray(parameters["kernel"]), np.asarray(parameters["bias"]) if layer.has_bias else None


def _calls(out: np.ndarray, bias: np.ndarray | None, ufuncs: Any) -> list[Callable[[], Any]]:
    added = [] if bias is None else [partial(np.add, out, bias, out=out)]
    inputs = [(ufunc, (out,) if number is None else (out, number)) for ufunc, number in ufuncs]
    return added + [partial(ufunc, *arguments, out=out) for ufunc, arguments in inputs]


def _apply(out: np.ndarray, bias: np.ndarray | None, ufuncs: Any) -> None:
    if bias is not None:
        np.add(out, bias, out=out)
    for ufunc, number in ufuncs:
        ufunc(*((out,) if number is None else (out, number)), out=out)
