"""Batches of batches."""

from rlcore.errors import ConfigError
from rlcore.interfaces import Array
from rlcore.struct import namespace


def flatten_batch(x: Array) -> Array:
    """Merges the first two axes: `[time, environments, ...]` to `[time * environments, ...]`, row by row.

    Raises:
        ConfigError: `x` has fewer than two axes.

    Source: Julia `flatten_batch`, which merges the last two.
    """
    x = namespace(x).asarray(x)
    if x.ndim < 2:
        raise ConfigError(f"x has shape {x.shape}, expected at least the two axes that are to be merged")
    return x.reshape(x.shape[0] * x.shape[1], *x.shape[2:])
