"""Checking what an environment is told.

A *writer* turns a policy's action into one of the environment's own space, where discrete values count from the space's
`start`; never an array that the policy still holds. It raises `EnvContractError` with what came and what was expected;
the adapter adds where it happened.
"""

from collections.abc import Callable
from typing import Any

import numpy as np
from gymnasium import spaces

from rlcore.environments.readers import whole_number
from rlcore.environments.spaces import WholeSpace, is_inside, range_of, shape_of, shown
from rlcore.errors import EnvContractError

Writer = Callable[[Any], Any]


def action_writer(space: spaces.Space, rows: int | None = None) -> Writer:
    """The writer of one environment's actions, or of those of `rows` environments side by side."""
    if isinstance(space, spaces.Dict):
        return _dict_writer({key: action_writer(part, rows) for key, part in space.spaces.items()})
    if isinstance(space, spaces.Tuple):
        return _tuple_writer([action_writer(part, rows) for part in space.spaces])
    if isinstance(space, spaces.Discrete) and rows is None:
        return _discrete_writer(int(space.n), int(space.start))
    shape = shape_of(space, rows)
    return _whole_writer(space, shape) if isinstance(space, WholeSpace) else _box_writer(space, shape)


def _dict_writer(writers: dict[str, Writer]) -> Writer:
    def write(action: Any) -> dict[str, Any]:
        if not isinstance(action, dict) or action.keys() != writers.keys():
            raise EnvContractError(f"{shown(action)}, expected a dict with the keys {sorted(writers)}")
        return {key: writer(action[key]) for key, writer in writers.items()}

    return write


def _tuple_writer(writers: list[Writer]) -> Writer:
    def write(action: Any) -> tuple[Any, ...]:
        if not isinstance(action, tuple | list) or len(action) != len(writers):
            raise EnvContractError(f"{shown(action)}, expected a tuple of {len(writers)}")
        return tuple(writer(part) for writer, part in zip(writers, action, strict=True))

    return write


_INT64 = np.dtype(np.int64)


def _discrete_writer(n: int, start: int) -> Writer:
    def write(action: Any) -> int:
        index = action if action.__class__ is int else whole_number(action)
        if 0 <= index < n:
            return index + start
        raise EnvContractError(f"{shown(action)}, expected an index from 0 to {n - 1}")

    return write


def _whole_writer(space: Any, shape: tuple[int, ...]) -> Writer:
    start, n = range_of(space)
    dtype = np.dtype(space.dtype)
    counts_from_zero = start.__class__ is int and start == 0

    is_row = len(shape) == 1 and shape[0] <= 64 and n.__class__ is int and n <= 4096 and counts_from_zero
    legal = frozenset(range(n) if is_row else ())

    def write(action: Any) -> np.ndarray:
        is_plain = is_row and action.__class__ is np.ndarray and action.dtype is _INT64 and action.shape == shape
        if is_plain and legal.issuperset(action.tolist()):  # mostly, and quicker
            return action.astype(dtype)
        array = np.asarray(action)
        if array.shape != shape or array.dtype.kind not in "iub":
            raise EnvContractError(f"{array.dtype} of shape {array.shape}, expected whole numbers of shape {shape}")
        if not is_inside(array, 0, n):
            raise EnvContractError(f"{shown(action)}, expected indices from 0 to {n - 1}")
        return array.astype(dtype) if counts_from_zero else (array + start).astype(dtype)

    return write


def _box_writer(space: Any, shape: tuple[int, ...]) -> Writer:
    dtype = np.dtype(space.dtype)
    numbers, kinds = ("numbers", "biuf") if dtype.kind == "f" else ("whole numbers", "biu")
    low, high = space.low, space.high

    def write(action: Any) -> np.ndarray:
        array = np.asarray(action)
        if array.shape != shape or array.dtype.kind not in kinds:
            raise EnvContractError(f"{array.dtype} of shape {array.shape}, expected {numbers} of shape {shape}")
        if dtype.kind == "f":
            array = array.astype(dtype)  # before it is compared: 0.1 as float64 is below 0.1 as float32
        is_legal = (array >= low) & (array <= high)
        if 0 in is_legal.tobytes():
            raise EnvContractError(f"{shown(action)}, outside {space}; clip or squash it in the policy")
        return array if dtype.kind == "f" else array.astype(dtype)

    return write
