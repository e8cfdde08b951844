"""The Gymnasium spaces that are understood, and how policies see them."""

from typing import Any

import numpy as np
from gymnasium import spaces

from rlcore.errors import ConfigError

WholeSpace = spaces.Discrete | spaces.MultiDiscrete | spaces.MultiBinary


def indexed_from_zero(space: spaces.Space) -> spaces.Space:
    """The space as policies see it: discrete values count from 0, whatever the environment's `start`.

    Raises:
        ConfigError: A space that is neither Box, Discrete, MultiDiscrete, MultiBinary nor a Dict or Tuple of these, or
            one with nothing in it.
    """
    if isinstance(space, spaces.Dict) and space.spaces:
        return spaces.Dict({key: indexed_from_zero(part) for key, part in space.spaces.items()})
    if isinstance(space, spaces.Tuple) and space.spaces:
        return spaces.Tuple([indexed_from_zero(part) for part in space.spaces])
    if isinstance(space, spaces.Discrete):
        counted = spaces.Discrete(int(space.n))
        counted.n = int(space.n)  # type: ignore[assignment]  # policies ask for it every step: a Python int is quicker
        return counted
    if not isinstance(space, spaces.Box | WholeSpace):
        raise ConfigError(
            f"space {space!r} is not supported, expected Box, Discrete, MultiDiscrete, MultiBinary, or a Dict or Tuple "
            "of these; turn it into one with as_environment(env, state=(function, space)) or action=(function, space)"
        )
    if space.shape is None or 0 in space.shape:
        raise ConfigError(f"space {space!r} has shape {space.shape}, so nothing is in it; expected at least one number")
    if isinstance(space, spaces.Box) and not np.all(space.low <= space.high):
        raise ConfigError(f"{space} has a lower bound above its upper bound, expected low <= high everywhere")
    if isinstance(space, spaces.MultiDiscrete):
        return spaces.MultiDiscrete(np.asarray(space.nvec), dtype=space.dtype)
    return space


def shape_of(space: spaces.Space, rows: int | None) -> tuple[int, ...]:
    """The shape of one element of a plain space, or of those of `rows` environments side by side."""
    return (() if rows is None else (rows,)) + tuple(space.shape or ())


def range_of(space: Any) -> tuple[Any, Any]:
    """Start and count of the values of a `WholeSpace`: whole numbers, or arrays of the space's shape."""
    if isinstance(space, spaces.MultiBinary):
        return 0, 2
    if isinstance(space, spaces.MultiDiscrete):
        start, n = np.asarray(space.start, np.int64), np.asarray(space.nvec, np.int64)
        return (start if start.any() else 0), n
    return int(space.start), int(space.n)


def is_inside(array: np.ndarray, start: Any, n: Any) -> bool:
    """Whether every number of an array of whole numbers is at least `start` and less than `start + n`."""
    if array.ndim == 1 and n.__class__ is int and len(array) <= 64:  # for short ones a list is quicker than NumPy
        values = array.tolist()
        return start <= min(values) and max(values) < start + n
    return bool(np.all(array >= start) and np.all(array < start + n))


def shown(value: Any) -> str:
    """Any value on one line of at most 200 characters, for messages."""
    line = " ".join(repr(value).split())
    return line if len(line) <= 200 else f"{line[:200]}..."
