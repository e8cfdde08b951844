"""The Threefry hash, and numbers made of its words: the same in NumPy and in JAX.

Number i of a stream is a word of the hash of its key and i; a count of two words (`[..., 2]` uint32: high, low) says
where a stream stands.
"""

from collections.abc import Callable
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

_ROTATIONS = ((13, 15, 26, 6), (17, 29, 16, 24))


def threefry(key: Any, high: Any, low: Any) -> tuple[Any, Any]:
    """Threefry-2x32 with 20 rounds, in NumPy or JAX: the two words for every counter (`high`, `low`).

    `key` is `[..., 2]`, its leading axes and those of the counters are broadcast; all are uint32.
    """
    keys = [key[..., 0], key[..., 1]]
    keys.append(keys[0] ^ keys[1] ^ np.uint32(0x1BD11BDA))
    with np.errstate(over="ignore"):
        x, y = high + keys[0], low + keys[1]
        for i in range(5):
            for turn in _ROTATIONS[i % 2]:
                x = x + y
                y = (y << np.uint32(turn) | y >> np.uint32(32 - turn)) ^ x
            x, y = x + keys[(i + 1) % 3], y + keys[(i + 2) % 3] + np.uint32(i + 1)
    return x, y


def words_at(key: jax.Array, count: Any, offsets: Any) -> jax.Array:
    """The words (uint32) of a stream `offsets` numbers after `count` (`[..., 2]` uint32: high, low); traceable."""
    high, low = add(count, offsets)
    first, second = threefry(key, high >> 1, low >> 1 | high << 31)
    return jnp.where(low & 1, second, first)


def keys_at(key: jax.Array, count: Any, offsets: Any) -> jax.Array:
    """The words `[..., 2]` of the JAX keys that stand `offsets` numbers after `count`."""
    high, low = add(count, offsets)
    return jnp.stack(threefry(key, high | jnp.uint32(1 << 31), low), axis=-1)


def advanced(count: jax.Array, n: Any) -> jax.Array:
    """A count of two words `[..., 2]`, `n` numbers later; traceable."""
    return jnp.stack(add(count, n), axis=-1)


def add(count: Any, n: Any) -> tuple[jax.Array, jax.Array]:
    """The high and the low word of `count + n`, for a count of two words (`[..., 2]`)."""
    count = jnp.asarray(divmod(count, 1 << 32) if isinstance(count, int) else count, jnp.uint32)
    low = count[..., 1] + jnp.asarray(n).astype(jnp.uint32)
    return count[..., 0] + (low < count[..., 1]).astype(jnp.uint32), low


def high_product(a: jax.Array, b: jax.Array) -> jax.Array:
    """The high word of the 64-bit product of two uint32, without 64-bit numbers."""
    a_high, a_low, b_high, b_low = a >> 16, a & 0xFFFF, b >> 16, b & 0xFFFF
    first = a_high * b_low + (a_low * b_low >> 16)
    second = a_low * b_high + (first & 0xFFFF)
    return a_high * b_high + (first >> 16) + (second >> 16)


def _uniform(words: Any) -> Any:
    return (words >> 8).astype(np.float32) * np.float32(2.0**-24)


def _between(words: Any) -> jax.Array:
    """Inside (0, 1): 23 bits and a half, so that neither logarithm meets 0."""
    return (words >> 9).astype(np.float32) * np.float32(2.0**-23) + np.float32(2.0**-24)


@jax.jit
def _normal(words: jax.Array) -> jax.Array:
    return jax.scipy.special.ndtri(_between(words))


@jax.jit
def _gumbel(words: jax.Array) -> jax.Array:
    return -jnp.log(-jnp.log(_between(words)))


TRANSFORMS: dict[str, Callable[[Any], Any]] = {
    "_words": lambda words: words,
    "_floats": _uniform,
    "_normals": _normal,
    "_gumbels": _gumbel,
}
DTYPES = {
    "_words": np.uint32,
    "_floats": np.float32,
    "_normals": np.float32,
    "_gumbels": np.float32,
    "_keys": np.uint32,
}
