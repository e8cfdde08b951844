"""Dividing one random number u: whether u < epsilon, and what each of the two sides has left of it.

A stream's uniform numbers are multiples of 2^-24, and so is every epsilon, so that the host and a trace can do this
exactly, and alike.
"""

from typing import Any

import jax.numpy as jnp
import numpy as np
from jax import lax

WHOLE = 1 << 24
UNIT = 1.0 / WHOLE


def split(uniform: np.ndarray, epsilon: float, n: Any) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Divides numbers on the host.

    Args:
        uniform: `[...]` in [0, 1).
        epsilon: A multiple of 2^-24 in [0, 1].
        n: How many actions there are to explore, `[...]` or one for all.

    Returns:
        `uniform < epsilon`; where so floor(uniform n / epsilon), in [0, n); elsewhere
        floor((uniform - epsilon) / (1 - epsilon) 2^24), in [0, 2^24). `[...]` each.
    """
    uniform = uniform.astype(np.float64)  # whose quotients have the floors of the exact ones
    explored = uniform * n / max(epsilon, UNIT)
    left = (uniform - epsilon) / max(1.0 - epsilon, UNIT) * WHOLE
    return uniform < epsilon, explored.astype(np.int64), left.astype(np.int64)


def split_traced(uniform: Any, units: Any, n: Any, limit: int) -> tuple[Any, Any, Any]:
    """The same in a trace; `units` is epsilon in units of 2^-24, and `n` at most `limit`."""
    part = (jnp.asarray(uniform) * np.float32(WHOLE)).astype(jnp.int32)
    explored = share(part, n, jnp.maximum(units, 1), limit)
    left = share(part - units, WHOLE, jnp.maximum(WHOLE - units, 1), WHOLE)
    return part < units, explored, left


def share(part: Any, n: Any, whole: Any, limit: int) -> Any:
    """floor(part n / whole), int32, exact for 0 <= part < whole <= 2^24 and n <= `limit`; traceable.

    It is a division by hand, `n` having digits to the base 256, since JAX has 32 bits only.
    """
    part, whole = jnp.asarray(part).astype(jnp.uint32), jnp.asarray(whole).astype(jnp.uint32)
    n = n if isinstance(n, int) else jnp.asarray(n).astype(jnp.uint32)
    quotient, rest = jnp.uint32(0), None
    for shift in reversed(range(0, limit.bit_length(), 8)):
        digit = n >> shift & 255
        dividends = [] if rest is None else [rest << 8]
        dividends += [] if isinstance(digit, int) and not digit else [part * jnp.uint32(digit)]
        added, rest = _divide_sum(dividends, whole)
        quotient = (quotient << 8) + added
    return quotient.astype(jnp.int32)


def _divide_sum(dividends: list[Any], whole: Any) -> tuple[Any, Any]:
    """Quotient and rest of a sum of at most two numbers, which itself may not fit into 32 bits."""
    quotients = [lax.div(*jnp.broadcast_arrays(dividend, whole)) for dividend in dividends]
    quotient = sum(quotients, jnp.uint32(0))
    rest = sum(dividends, jnp.uint32(0)) - quotient * whole  # modulo 2^32, in which it fits
    if len(dividends) < 2:
        return quotient, rest
    carry = (rest >= whole).astype(jnp.uint32)
    return quotient + carry, rest - carry * whole


def index_of(left: Any, n: Any, limit: int) -> Any:
    """The floor(left n)-th of `n` things, where `left` is a Python float in [0, 1) or counts units of 2^-24."""
    left = int(left * WHOLE) if isinstance(left, float) else left
    if isinstance(left, int | np.ndarray) and isinstance(n, np.integer | np.ndarray):
        return np.asarray(left * n // WHOLE)
    return share(left, n, WHOLE, limit)
