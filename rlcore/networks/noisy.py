"""Layers whose weights are noisy, so that a network explores by itself."""

from collections.abc import Iterator
from typing import Any

import jax
import jax.numpy as jnp
from flax import nnx

from rlcore.arguments import check_number, check_whole
from rlcore.errors import ConfigError
from rlcore.networks.initial import constant_init

Array = jax.Array


class NoisyLinear(nnx.Module):
    """A dense layer whose weights and biases are random, with deviations that are learnt.

    y = (mu_w + sigma_w * eps_w) x + mu_b + sigma_b * eps_b, where eps_w[i, j] = f(eps_i) f(eps_j),
    eps_b[j] = f(eps_j) and `f(x) = sign(x) sqrt(|x|)`: one number for each input and output (factorised Gaussian
    noise).

    Every call in training mode draws new noise, the same for all rows of its batch; in evaluation mode there is none.
    `DQNLearner` also draws anew whenever its policy acts, and for its targets.

    Args:
        n_inputs: Size of the last axis that comes in.
        n_outputs: Size of the last axis that goes out.
        sigma: What the deviations begin with, times the square root of `n_inputs`; at least 0.
        rngs: Where the parameters come from, and the stream `noise`.

    Attributes:
        kernel: `[n_inputs, n_outputs]`, the mean weights.
        bias: `[n_outputs]`, the mean biases.
        kernel_sigma: The deviations of the weights.
        bias_sigma: Those of the biases.
        deterministic: Whether there is no noise; `train()` and `eval()` set it.

    Raises:
        ConfigError: A size below 1, a negative `sigma`, or no `nnx.Rngs`.

    Source: Fortunato et al. 2018 (arXiv 1706.10295), eq. 9 to 11 and section 3.2.
    """

    def __init__(self, n_inputs: int, n_outputs: int, *, sigma: float = 0.5, rngs: nnx.Rngs) -> None:
        n_inputs, n_outputs = check_whole("n_inputs", n_inputs), check_whole("n_outputs", n_outputs)
        deviation = check_number("sigma", sigma, 0) / n_inputs**0.5
        if not isinstance(rngs, nnx.Rngs):
            raise ConfigError(f"rngs is {rngs!r}, expected flax.nnx.Rngs, such as rngs=nnx.Rngs(0)")
        self.in_features, self.out_features = n_inputs, n_outputs
        bound = n_inputs**-0.5
        shapes = (n_inputs, n_outputs), (n_outputs,)
        self.kernel, self.bias = (
            nnx.Param(jax.random.uniform(rngs.params(), shape, jnp.float32, -bound, bound)) for shape in shapes
        )
        self.kernel_sigma, self.bias_sigma = (nnx.Param(constant_init(shape, deviation)) for shape in shapes)
        self.deterministic = False
        self.noise = rngs.noise.fork()

    def __call__(self, x: Array) -> Array:
        """Maps `[..., n_inputs]` to `[..., n_outputs]`."""
        mean = x @ self.kernel[...] + self.bias[...]
        if self.deterministic:
            return mean
        numbers = jax.random.normal(self.noise(), (self.in_features + self.out_features,))
        scaled = jnp.sign(numbers) * jnp.sqrt(jnp.abs(numbers))
        of_inputs, of_outputs = jnp.split(scaled, [self.in_features])
        return mean + ((x * of_inputs) @ self.kernel_sigma[...] + self.bias_sigma[...]) * of_outputs


def noisy_layers(network: Any) -> Iterator[NoisyLinear]:
    """The noisy layers of `network`, in the order of their paths."""
    return (module for _, module in nnx.iter_modules(network) if isinstance(module, NoisyLinear))


def reseed_noise(network: Any, key: Any) -> None:
    """Lets each noisy layer of `network` draw from a stream of its own; `key` is a JAX key or its words `[2]`."""
    if not jnp.issubdtype(key.dtype, jax.dtypes.prng_key):
        key = jax.random.wrap_key_data(jnp.asarray(key).astype(jnp.uint32))
    for place, layer in enumerate(noisy_layers(network)):
        layer.noise.key[...] = jax.random.fold_in(key, place)
