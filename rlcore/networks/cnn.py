"""Convolutions over images, then dense layers."""

from collections.abc import Callable, Sequence

import jax
import jax.numpy as jnp
from flax import nnx

from rlcore.errors import ConfigError
from rlcore.networks.checks import check_layer_arguments, check_sizes
from rlcore.networks.initial import bias_init, kernel_init
from rlcore.networks.mlp import MLP

Array = jax.Array


class CNN(nnx.Module):
    """Convolutions with an activation after each, then hidden dense layers, then a linear one.

    The defaults are those of the Atari network; its input is `(84, 84, 4)`.

    Args:
        input_shape: `(height, width, channels)` of one image.
        n_outputs: Size of the last axis that goes out.
        channels: Output channels of each convolution.
        kernel_sizes: Side of each convolution's square window, in pixels.
        strides: Pixels from one window to the next, for each convolution.
        hidden_sizes: Sizes of the hidden dense layers after the convolutions; may be empty.
        activation: From arrays to arrays, after every convolution and hidden layer.
        dropout: Share of a hidden dense layer's outputs that training sets to 0, in `[0, 1)`.
        rngs: Where the parameters (and the dropout stream) come from.

    Raises:
        ConfigError: A size below 1, lists of different lengths, or an image smaller than a window.

    Source: Mnih et al. 2015, "Human-level control through deep reinforcement learning".
    """

    def __init__(
        self,
        input_shape: Sequence[int],
        n_outputs: int,
        *,
        channels: Sequence[int] = (32, 64, 64),
        kernel_sizes: Sequence[int] = (8, 4, 3),
        strides: Sequence[int] = (4, 2, 1),
        hidden_sizes: Sequence[int] = (512,),
        activation: Callable[[Array], Array] = nnx.relu,
        dropout: float = 0.0,
        rngs: nnx.Rngs,
    ) -> None:
        check_layer_arguments(activation, dropout, rngs)
        self.input_shape = _check_input_shape(input_shape)
        layers = _check_layers(channels, kernel_sizes, strides)
        height, width, n_in = self.input_shape
        convolutions = []
        for place, (n_out, kernel, stride) in enumerate(layers):
            if kernel > min(height, width):
                raise ConfigError(
                    f"kernel_sizes[{place}] is {kernel}, but only {height} x {width} pixels are left of the image "
                    f"{self.input_shape} there; use smaller windows or strides, or fewer convolutions"
                )
            window, step = (kernel, kernel), (stride, stride)
            convolutions.append(
                nnx.Conv(
                    *(n_in, n_out, window, step),
                    padding="VALID",
                    kernel_init=kernel_init,
                    bias_init=bias_init,
                    rngs=rngs,
                )
            )
            height, width, n_in = (height - kernel) // stride + 1, (width - kernel) // stride + 1, n_out
        self.convolutions = nnx.List(convolutions)
        self.activation = activation
        n_features = height * width * n_in
        self.dense = MLP(n_features, hidden_sizes, n_outputs, activation=activation, dropout=dropout, rngs=rngs)

    def __call__(self, x: Array) -> Array:
        """Maps images `[..., height, width, channels]` to `[..., n_outputs]`; uint8 ones are scaled to `[0, 1]`.

        Raises:
            ConfigError: The last three axes are not those of `input_shape`.
        """
        x = jnp.asarray(x)
        leading, image = x.shape[:-3], x.shape[-3:]
        if image != self.input_shape:
            raise ConfigError(
                f"images have shape {x.shape}, expected [..., {', '.join(map(str, self.input_shape))}] "
                "(height, width, channels); move the channels to the last axis"
            )
        x = x.astype(jnp.float32) / 255 if x.dtype == jnp.uint8 else x
        x = x.reshape(-1, *image)
        for convolution in self.convolutions:
            x = self.activation(convolution(x))  # [B, height, width, channels] of that layer
        x = x.reshape(x.shape[0], -1)  # [B, features]
        return self.dense(x).reshape(*leading, -1)


def _check_input_shape(input_shape: Sequence[int]) -> tuple[int, ...]:
    shape = check_sizes("input_shape", input_shape)
    if len(shape) != 3:
        raise ConfigError(f"input_shape is {shape}, expected (height, width, channels)")
    return shape


def _check_layers(
    channels: Sequence[int], kernel_sizes: Sequence[int], strides: Sequence[int]
) -> list[tuple[int, int, int]]:
    names = ("channels", "kernel_sizes", "strides")
    lists = [check_sizes(name, given) for name, given in zip(names, (channels, kernel_sizes, strides), strict=True)]
    if len({len(values) for values in lists}) > 1:
        lengths = ", ".join(f"{len(values)} {name}" for name, values in zip(names, lists, strict=True))
        raise ConfigError(f"got {lengths}; expected one of each for every convolution")
    return list(zip(*lists, strict=True))
