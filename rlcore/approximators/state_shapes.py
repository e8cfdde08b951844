"""The arrays that the states of a space are."""

from typing import Any

import jax
import numpy as np
from gymnasium import Space, spaces

from rlcore.errors import ConfigError

_NARROW = {np.dtype(np.float64): np.float32, np.dtype(np.int64): np.int32, np.dtype(np.uint64): np.uint32}


def state_shapes(space: Space, leading: tuple[int, ...] = ()) -> Any:
    """The shapes and dtypes of the states of `space`, as JAX holds them.

    Args:
        space: Of one state: Box, Discrete, MultiDiscrete, MultiBinary, or a Dict or Tuple of these.
        leading: Axes put in front of every array, such as `(batch,)`.

    Returns:
        A `jax.ShapeDtypeStruct`, or a dict or tuple of them. Numbers of 64 bits count as 32.

    Raises:
        ConfigError: Any other space.
    """
    if isinstance(space, spaces.Dict):
        return {key: state_shapes(part, leading) for key, part in space.spaces.items()}
    if isinstance(space, spaces.Tuple):
        return tuple(state_shapes(part, leading) for part in space.spaces)
    if isinstance(space, spaces.Discrete):
        return jax.ShapeDtypeStruct(leading, np.int32)
    if isinstance(space, spaces.Box | spaces.MultiDiscrete | spaces.MultiBinary):
        dtype = np.dtype(space.dtype)
        return jax.ShapeDtypeStruct((*leading, *space.shape), _NARROW.get(dtype, dtype))
    raise ConfigError(
        f"states of {space!r} are no arrays, expected Box, Discrete, MultiDiscrete, MultiBinary, or a Dict or Tuple of "
        "these; turn them into arrays where the environment is converted"
    )
