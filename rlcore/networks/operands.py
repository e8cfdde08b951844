"""What the densities take: arrays of one dtype whose shapes fit, deviations that are not negative."""

import math
from typing import Any

import jax.numpy as jnp
import numpy as np

from rlcore.errors import ConfigError
from rlcore.struct import is_traced, namespace


def as_floats(*values: Any) -> list[Any]:
    """`values` as arrays of one floating dtype, JAX arrays if any of them is one."""
    xp = namespace(*values)
    values = tuple(value if isinstance(value, int | float) else xp.asarray(value) for value in values)
    dtype = xp.result_type(*values)
    dtype = dtype if xp.issubdtype(dtype, np.floating) else xp.result_type(float)
    return [xp.asarray(value, dtype) for value in values]


def broadcasting(**values: Any) -> list[Any]:
    """`values` as arrays of one floating dtype, checked to broadcast.

    Raises:
        ConfigError: They don't; with their names and shapes.
    """
    arrays = as_floats(*values.values())
    _check_broadcast(**dict(zip(values, arrays, strict=True)))
    return arrays


def check_last_axis(**arrays: Any) -> None:
    """Refuses arrays whose last axes differ, or whose leading axes don't broadcast.

    Raises:
        ConfigError: With the names and shapes.
    """
    shapes = [np.shape(array) for array in arrays.values()]
    if () in shapes or len({shape[-1] for shape in shapes}) > 1:
        raise ConfigError(f"{_shown(arrays)}: expected [..., size], the last axis being equally long")
    _check_broadcast(**arrays)


def with_epsilon(std: Any, name: str, epsilon: Any) -> Any:
    """`std + epsilon`.

    Raises:
        ConfigError: `std` is negative or NaN somewhere (in a trace: NaN there).
    """
    if is_traced(std):
        return std + jnp.where(std >= 0, epsilon, jnp.nan)  # added, so that the gradient is NaN too
    lowest = np.asarray(std).min(initial=math.inf)
    if not lowest >= 0:
        raise ConfigError(f"{name} holds {lowest}, expected at least 0; apply softplus or exp to what a network gives")
    return std + epsilon


def _check_broadcast(**arrays: Any) -> None:
    try:
        np.broadcast_shapes(*(np.shape(array) for array in arrays.values()))
    except ValueError:
        raise ConfigError(f"{_shown(arrays)}: expected shapes that broadcast") from None


def _shown(arrays: dict[str, Any]) -> str:
    return ", ".join(f"{name} has shape {np.shape(array)}" for name, array in arrays.items())
