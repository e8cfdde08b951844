"""Reading what an environment says and checking what it is told, by its Gymnasium spaces.

A *reader* turns a raw observation into a state: right shape and dtype, finite, never an array that the environment
may overwrite. A *writer* turns a policy's action into the environment's own. Both raise `ValueError` with what came and
what was expected; the adapter adds where it happened.
"""

import warnings
from collections.abc import Callable
from math import isfinite
from typing import Any

import numpy as np
from gymnasium import spaces

from rlcore.errors import ConfigError

Reader = Callable[[Any], Any]


def indexed_from_zero(space: spaces.Space) -> spaces.Space:
    """The space as policies see it: discrete values count from 0, whatever the environment's `start`.

    Raises:
        ConfigError: A space that is neither Box, Discrete, MultiDiscrete, MultiBinary nor a Dict or Tuple of these, or
            one with nothing in it.
    """
    if isinstance(space, spaces.Discrete):
        return spaces.Discrete(int(space.n))
    if isinstance(space, spaces.MultiDiscrete):
        return spaces.MultiDiscrete(np.asarray(space.nvec))
    if isinstance(space, spaces.Dict):
        return spaces.Dict({key: indexed_from_zero(part) for key, part in space.spaces.items()})
    if isinstance(space, spaces.Tuple):
        return spaces.Tuple([indexed_from_zero(part) for part in space.spaces])
    if isinstance(space, spaces.Box):
        if np.any(space.low > space.high) or np.any(np.isnan(space.low)) or np.any(np.isnan(space.high)):
            raise ConfigError(f"{space} has a lower bound above its upper bound, expected low <= high everywhere")
        return space
    if isinstance(space, spaces.MultiBinary):
        return space
    raise ConfigError(
        f"space {space!r} is not supported, expected Box, Discrete, MultiDiscrete, MultiBinary, or a Dict or Tuple of "
        "these; turn it into one of them with as_environment(env, state=(function, space)) or action=(function, space)"
    )


def state_reader(space: spaces.Space, rows: int | None = None) -> Reader:
    """The reader of one environment's observations, or of those of `rows` environments side by side."""
    if isinstance(space, spaces.Dict):
        return _dict_reader({key: state_reader(part, rows) for key, part in space.spaces.items()})
    if isinstance(space, spaces.Tuple):
        return _tuple_reader([state_reader(part, rows) for part in space.spaces])
    if isinstance(space, spaces.Discrete) and rows is None:
        return _discrete_reader(int(space.n), int(space.start))
    shape = (() if rows is None else (rows,)) + tuple(space.shape or ())
    if isinstance(space, spaces.Discrete | spaces.MultiDiscrete | spaces.MultiBinary):
        return _whole_reader(space, shape)
    dtype = np.dtype(space.dtype)
    if np.issubdtype(dtype, np.floating):
        return _float_reader(shape, dtype)
    return _array_reader(shape, dtype)


def _dict_reader(readers: dict[str, Reader]) -> Reader:
    def read(raw: Any) -> dict[str, Any]:
        if not isinstance(raw, dict) or raw.keys() != readers.keys():
            came = sorted(raw) if isinstance(raw, dict) else type(raw).__name__
            raise ValueError(f"{came}, expected a dict with the keys {sorted(readers)}")
        return {key: _inside(repr(key), reader, raw[key]) for key, reader in readers.items()}

    return read


def _tuple_reader(readers: list[Reader]) -> Reader:
    def read(raw: Any) -> tuple[Any, ...]:
        if not isinstance(raw, tuple | list) or len(raw) != len(readers):
            raise ValueError(f"{type(raw).__name__} {raw!r}, expected a tuple of {len(readers)}")
        return tuple(_inside(str(i), reader, part) for i, (reader, part) in enumerate(zip(readers, raw, strict=True)))

    return read


def _inside(name: str, reader: Reader, raw: Any) -> Any:
    try:
        return reader(raw)
    except ValueError as error:
        raise ValueError(f"at {name}: {error}") from None


def _discrete_reader(n: int, start: int) -> Reader:
    def read(raw: Any) -> int:
        state = raw if raw.__class__ is int else _whole_number(raw)
        if start <= state < start + n:
            return state - start
        raise ValueError(f"{raw!r}, expected a whole number from {start} to {start + n - 1}")

    return read


def _whole_number(raw: Any) -> int:
    array = np.asarray(raw)
    if array.size != 1 or not np.issubdtype(array.dtype, np.integer):
        raise ValueError(f"{raw!r} ({type(raw).__name__}), expected a whole number")
    return int(array.item())


def _whole_reader(space: Any, shape: tuple[int, ...]) -> Reader:
    """Discrete (of several environments), MultiDiscrete and MultiBinary: whole numbers that count from 0."""
    start, n = _range_of(space)
    read_array = _array_reader(shape, np.dtype(space.dtype))

    def read(raw: Any) -> np.ndarray:
        state = read_array(raw) - start
        if np.any(state < 0) or np.any(state >= n):
            raise ValueError(f"{raw!r} is outside {space}")
        return state

    return read


def _range_of(space: Any) -> tuple[Any, Any]:
    if isinstance(space, spaces.MultiBinary):
        return 0, 2
    if isinstance(space, spaces.MultiDiscrete):
        return np.asarray(getattr(space, "start", 0)), np.asarray(space.nvec)
    return int(space.start), int(space.n)


def _float_reader(shape: tuple[int, ...], dtype: np.dtype) -> Reader:
    slow = _array_reader(shape, dtype)
    zeros = np.zeros(shape, dtype)
    size = zeros.size

    def read(raw: Any) -> np.ndarray:
        state = raw.copy() if getattr(raw, "dtype", None) is dtype and raw.shape == shape else slow(raw)
        if np.vdot(zeros, state) != 0.0:  # 0 times a number is 0, times infinity or NaN it is NaN
            raise ValueError(_not_finite(state))
        return state

    def read_few(raw: Any) -> np.ndarray:
        """For short vectors a Python list is quicker than NumPy."""
        try:
            values = raw.tolist()
            if raw.dtype is dtype and len(values) == size and isfinite(sum(values)):
                return raw.copy()
        except (AttributeError, TypeError):  # no array, or one with more axes
            pass
        return read(raw)

    return read_few if len(shape) == 1 and size <= 32 else read


def _not_finite(state: np.ndarray) -> str:
    place = np.argwhere(~np.isfinite(state))[0].tolist()
    return f"not finite: {state[tuple(place)]} at index {place}, expected finite numbers"


def _array_reader(shape: tuple[int, ...], dtype: np.dtype) -> Reader:
    """Checks the shape, casts where no value is lost (with one warning), and copies."""
    warned = False

    def read(raw: Any) -> np.ndarray:
        nonlocal warned
        array = np.asarray(raw)
        if array.shape != shape:
            raise ValueError(f"shape {array.shape}, expected {shape}")
        if array.dtype == dtype:
            return array.astype(dtype, copy=True)
        if array.dtype.kind not in "biuf" or (array.dtype.kind == "f" and dtype.kind != "f"):
            raise ValueError(f"dtype {array.dtype}, expected {dtype}")
        with np.errstate(over="ignore", invalid="ignore"):
            state = array.astype(dtype)
        if dtype.kind in "biu" and np.any(state != array):
            raise ValueError(f"values that don't fit: {array.min()} to {array.max()}, expected {dtype}")
        if not warned:
            warned = True
            warnings.warn(f"state has dtype {array.dtype}, cast to {dtype} from here on", UserWarning, stacklevel=5)
        return state

    return read


def action_writer(space: spaces.Space, rows: int | None = None) -> Callable[[Any], Any]:
    """The writer of one environment's actions, or of those of `rows` environments side by side."""
    if isinstance(space, spaces.Discrete) and rows is None:
        return _discrete_writer(int(space.n), int(space.start))
    shape = (() if rows is None else (rows,)) + tuple(space.shape or ())
    if isinstance(space, spaces.Discrete | spaces.MultiDiscrete | spaces.MultiBinary):
        return _whole_writer(space, shape)
    if isinstance(space, spaces.Box):
        return _box_writer(space, shape)
    if rows is not None:
        raise ConfigError(f"action space {space!r} is not supported with several environments side by side")
    return _contained_writer(space)


def _discrete_writer(n: int, start: int) -> Callable[[Any], int]:
    def write(action: Any) -> int:
        index = action if action.__class__ is int else _whole_number(action)
        if 0 <= index < n:
            return index + start
        raise ValueError(f"{action!r}, expected an index from 0 to {n - 1}")

    return write


def _whole_writer(space: Any, shape: tuple[int, ...]) -> Callable[[Any], np.ndarray]:
    start, n = _range_of(space)
    dtype = np.dtype(space.dtype)

    def write(action: Any) -> np.ndarray:
        array = np.asarray(action)
        if array.shape != shape or array.dtype.kind not in "biu":
            raise ValueError(f"{array.dtype} of shape {array.shape}, expected whole numbers of shape {shape}")
        if array.min() < 0 or np.any(array >= n):
            raise ValueError(f"{action!r}, expected indices from 0 to {np.asarray(n) - 1}")
        return (array + start).astype(dtype)

    return write


def _box_writer(space: spaces.Box, shape: tuple[int, ...]) -> Callable[[Any], np.ndarray]:
    dtype = np.dtype(space.dtype)

    def write(action: Any) -> np.ndarray:
        array = np.asarray(action)
        if array.shape != shape or array.dtype.kind not in "biuf":
            raise ValueError(f"{array.dtype} of shape {array.shape}, expected numbers of shape {shape}")
        array = array.astype(dtype)
        if not (np.all(array >= space.low) and np.all(array <= space.high)):
            raise ValueError(f"{action!r} is outside {space}; clip or squash it in the policy")
        return array

    return write


def _contained_writer(space: spaces.Space) -> Callable[[Any], Any]:
    def write(action: Any) -> Any:
        if not space.contains(action):
            raise ValueError(f"{action!r}, expected an element of {space}")
        return action

    return write
