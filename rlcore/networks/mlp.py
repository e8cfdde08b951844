"""Dense layers in a row."""

from collections.abc import Callable, Sequence
from itertools import pairwise

import jax
from flax import nnx

from rlcore.arguments import check_whole
from rlcore.networks.checks import check_layer_arguments, check_sizes
from rlcore.networks.initial import bias_init, kernel_init

Array = jax.Array


class MLP(nnx.Module):
    """Dense layers with an activation, and if wanted dropout, between them; the last layer is linear.

    Args:
        n_inputs: Size of the last axis that comes in.
        hidden_sizes: Sizes of the hidden layers; empty for a linear model.
        n_outputs: Size of the last axis that goes out.
        activation: From arrays to arrays, after every hidden layer.
        dropout: Share of a hidden layer's outputs that training sets to 0, in `[0, 1)`.
        rngs: Where the parameters (and the dropout stream) come from.

    Raises:
        ConfigError: A size below 1, or any other wrong argument.
    """

    def __init__(
        self,
        n_inputs: int,
        hidden_sizes: Sequence[int],
        n_outputs: int,
        *,
        activation: Callable[[Array], Array] = nnx.relu,
        dropout: float = 0.0,
        rngs: nnx.Rngs,
    ) -> None:
        check_layer_arguments(activation, dropout, rngs)
        hidden_sizes = check_sizes("hidden_sizes", hidden_sizes)
        sizes = (check_whole("n_inputs", n_inputs), *hidden_sizes, check_whole("n_outputs", n_outputs))
        self.layers = nnx.List(
            [
                nnx.Linear(n_in, n_out, kernel_init=kernel_init, bias_init=bias_init, rngs=rngs)
                for n_in, n_out in pairwise(sizes)
            ]
        )
        self.activation = activation
        self.dropout = nnx.Dropout(dropout, rngs=rngs) if dropout else None

    def __call__(self, x: Array) -> Array:
        """Maps `[..., n_inputs]` to `[..., n_outputs]`."""
        *hidden, last = self.layers
        for layer in hidden:
            x = self.activation(layer(x))  # [..., hidden size]
            if self.dropout is not None:
                x = self.dropout(x)
        return last(x)
