"""The first parameters of layers: the numbers that Flax draws by itself, with fewer compilations."""

import math
from functools import partial
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from flax import nnx

_FEWEST = 1 << 14  # numbers of one compilation, so that most layers share it
_CUT = np.float32(0.87962566103423978)  # standard deviation of a normal distribution that is cut at -2 and 2
_lecun_normal = nnx.initializers.lecun_normal()


def kernel_init(key: Any, shape: tuple[int, ...], dtype: Any) -> jax.Array:
    """What `nnx.initializers.lecun_normal` gives, bit for bit.

    Flax compiles once for every shape. The numbers of a key come in a row, whatever the shape is, so that here the
    first ones of a longer row are taken.
    """
    if isinstance(key, jax.core.Tracer) or dtype != jnp.float32:
        return _lecun_normal(key, shape, dtype)
    size = math.prod(shape)
    numbers = np.asarray(_cut_normals(key, max(_FEWEST, 1 << (size - 1).bit_length())))[:size]
    deviation = np.sqrt(np.float32(1 / math.prod(shape[:-1]))) / _CUT
    return jnp.asarray(numbers.reshape(shape) * deviation)


@partial(jax.jit, static_argnums=1)
def _cut_normals(key: Any, n: int) -> jax.Array:
    return jax.random.truncated_normal(key, -2, 2, (n,), jnp.float32)


def bias_init(key: Any, shape: tuple[int, ...], dtype: Any) -> jax.Array:
    """Zeros; made by NumPy, which need not be compiled."""
    return jnp.asarray(np.zeros(shape, dtype))


def constant_init(shape: tuple[int, ...], value: float) -> jax.Array:
    """`value` everywhere, likewise."""
    return jnp.asarray(np.full(shape, value, np.float32))
