"""The first biases of layers; their first kernels are those that Flax draws by itself."""

from typing import Any

import jax
import jax.numpy as jnp
import numpy as np


def bias_init(key: Any, shape: tuple[int, ...], dtype: Any) -> jax.Array:
    """Zeros; made by NumPy, which need not be compiled."""
    return jnp.asarray(np.zeros(shape, dtype))


def constant_init(shape: tuple[int, ...], value: float) -> jax.Array:
    """`value` everywhere, likewise."""
    return jnp.asarray(np.full(shape, value, np.float32))
