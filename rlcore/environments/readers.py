"""Reading what an environment says.

A *reader* turns a raw observation into a state: right shape and dtype, finite, discrete values counted from 0, never an
array that the environment may overwrite. It raises `EnvContractError` with what came and what was expected; the
adapter adds where it happened.
"""

import warnings
from collections.abc import Callable
from math import isfinite
from sys import getrefcount
from typing import Any

import numpy as np
from gymnasium import spaces

from rlcore.environments.masks import is_flags
from rlcore.environments.spaces import WholeSpace, is_inside, range_of, shape_of, shown
from rlcore.errors import EnvContractError

Reader = Callable[[Any], Any]

_FLOAT64, _BOOL = np.dtype(np.float64), np.dtype(bool)
_SHORT = 32  # up to here a Python list is quicker than NumPy
_copy = np.ndarray.copy  # refuses what isn't a NumPy array, such as a JAX array


def state_reader(space: spaces.Space, rows: int | None = None, *, may_keep: bool = False) -> Reader:
    """The reader of one environment's observations, or of those of `rows` environments side by side.

    With `may_keep` a short array of floats that nobody else refers to is not copied; the caller must hold it in one
    local variable and nowhere else.
    """
    if isinstance(space, spaces.Dict):
        return _dict_reader({key: state_reader(part, rows) for key, part in space.spaces.items()})
    if isinstance(space, spaces.Tuple):
        return _tuple_reader([state_reader(part, rows) for part in space.spaces])
    if isinstance(space, spaces.Discrete) and rows is None:
        return _discrete_reader(int(space.n), int(space.start))
    shape, dtype = shape_of(space, rows), np.dtype(space.dtype)
    if isinstance(space, WholeSpace):
        return _whole_reader(space, shape)
    if dtype.kind == "f":
        return _float_reader(shape, dtype, may_keep)
    return _array_reader(shape, dtype)


def _dict_reader(readers: dict[str, Reader]) -> Reader:
    def read(raw: Any) -> dict[str, Any]:
        if not isinstance(raw, dict) or raw.keys() != readers.keys():
            came = sorted(map(str, raw)) if isinstance(raw, dict) else type(raw).__name__
            raise EnvContractError(f"{came}, expected a dict with the keys {sorted(readers)}")
        return {key: _read_part(repr(key), reader, raw[key]) for key, reader in readers.items()}

    return read


def _tuple_reader(readers: list[Reader]) -> Reader:
    def read(raw: Any) -> tuple[Any, ...]:
        if not isinstance(raw, tuple | list) or len(raw) != len(readers):
            raise EnvContractError(f"{type(raw).__name__} {shown(raw)}, expected a tuple of {len(readers)}")
        return tuple(
            _read_part(str(i), reader, part) for i, (reader, part) in enumerate(zip(readers, raw, strict=True))
        )

    return read


def _read_part(name: str, reader: Reader, raw: Any) -> Any:
    try:
        return reader(raw)
    except EnvContractError as error:
        raise EnvContractError(f"at {name}: {error}") from None


def _discrete_reader(n: int, start: int) -> Reader:
    def read(raw: Any) -> int:
        state = raw if raw.__class__ is int else whole_number(raw)
        if start <= state < start + n:
            return state - start
        raise EnvContractError(f"{shown(raw)}, expected a whole number from {start} to {start + n - 1}")

    return read


def whole_number(raw: Any) -> int:
    """An int out of whatever holds a single whole number.

    Raises:
        EnvContractError: It holds something else.
    """
    array = np.asarray(raw)
    if array.size != 1 or array.dtype.kind not in "iu":
        raise EnvContractError(f"{shown(raw)} ({type(raw).__name__}), expected a whole number")
    return int(array.item())


def _whole_reader(space: Any, shape: tuple[int, ...]) -> Reader:
    """Discrete (of several environments), MultiDiscrete and MultiBinary."""
    start, n = range_of(space)
    counts_from_zero = start.__class__ is int and start == 0
    read_array = _array_reader(shape, np.dtype(space.dtype))

    def read(raw: Any) -> np.ndarray:
        state = read_array(raw)
        if not is_inside(state, start, n):
            raise EnvContractError(f"{shown(raw)}, outside {space}")
        return state if counts_from_zero else (state - start).astype(state.dtype)

    return read


def is_finite(array: np.ndarray) -> bool:
    """Whether every number is finite."""
    if array.ndim == 1 and len(array) <= _SHORT and isfinite(sum(array.tolist())):
        return True
    return bool(np.isfinite(array).all())


def _float_reader(shape: tuple[int, ...], dtype: np.dtype, may_keep: bool) -> Reader:
    slow = _array_reader(shape, dtype)
    finite = np.empty(shape, bool)
    size, most = finite.size, _OURS if may_keep else 0

    def read(raw: Any) -> np.ndarray:
        state = raw.copy() if raw.__class__ is np.ndarray and raw.dtype is dtype and raw.shape == shape else slow(raw)
        if 0 in np.isfinite(state, finite).tobytes():
            raise EnvContractError(_not_finite(state))
        return state

    def read_few(raw: Any) -> np.ndarray:
        try:
            values = raw.tolist()
            if raw.dtype is dtype and len(values) == size and isfinite(sum(values, 0.0)):
                return raw if getrefcount(raw) <= most and raw.base is None else _copy(raw)
        except (AttributeError, TypeError):  # no NumPy array, or one with more axes
            pass
        return read(raw)

    return read_few if len(shape) == 1 and size <= _SHORT else read


def _references_of_ours() -> int:
    """How often the adapter alone refers to an array while it reads it, counted as `SingleEnvironment.act` does it.

    An array with more references may be written to by the environment later, one with just these can't.
    """
    observation = np.zeros(1)
    return (lambda raw: getrefcount(raw))(observation)


_OURS = _references_of_ours()


def _not_finite(state: np.ndarray) -> str:
    place = np.argwhere(~np.isfinite(state))[0].tolist()
    return f"not finite: {state[tuple(place)]} at index {place}, expected finite numbers"


def reward_reader(rows: int) -> Callable[[Any], np.ndarray]:
    """The reader of the rewards of `rows` environments: float64 `[rows]`, a new array."""
    shape, few = (rows,), rows <= _SHORT

    def read(raw: Any) -> np.ndarray:
        is_plain = few and raw.__class__ is np.ndarray and raw.dtype.char in "fd" and raw.shape == shape
        if is_plain and isfinite(sum(raw.tolist(), 0.0)):  # mostly, and quicker
            return raw.astype(_FLOAT64)
        array = np.asarray(raw)
        if array.shape != (rows,) or array.dtype.kind not in "biuf":
            raise EnvContractError(f"{shown(raw)}, expected {rows} numbers")
        if not is_finite(array):
            row = int(np.flatnonzero(~np.isfinite(array))[0])
            raise EnvContractError(f"{array[row]} in row {row}, expected finite numbers")
        return array.astype(np.float64)

    return read


def flags_reader(rows: int) -> Callable[[Any], np.ndarray | None]:
    """The reader of the ends of `rows` environments: bools `[rows]`, a new array; `None` if all are false."""
    shape = (rows,)

    def read(raw: Any) -> np.ndarray | None:
        if raw.__class__ is np.ndarray and raw.dtype is _BOOL and raw.shape == shape:  # mostly, and quicker
            return raw.copy() if 1 in raw.tobytes() else None
        array = np.asarray(raw)
        if array.shape != (rows,) or not is_flags(array):
            raise EnvContractError(f"{shown(raw)}, expected {rows} bools")
        return array.astype(bool) if 1 in array.tobytes() else None

    return read


def _array_reader(shape: tuple[int, ...], dtype: np.dtype) -> Reader:
    """Checks the shape, casts where no value is lost (with one warning), and copies."""
    warned = False

    def read(raw: Any) -> np.ndarray:
        nonlocal warned
        try:
            array = np.asarray(raw)
        except ValueError as error:
            raise EnvContractError(f"{type(raw).__name__} {shown(raw)}, expected an array of shape {shape}") from error
        if array.shape != shape:
            raise EnvContractError(f"{type(raw).__name__} of shape {array.shape}, expected shape {shape}")
        if array.dtype == dtype:
            return array.astype(dtype)
        if array.dtype.kind not in "biuf" or (array.dtype.kind == "f" and dtype.kind != "f"):
            raise EnvContractError(f"dtype {array.dtype}, expected {dtype}")
        with np.errstate(over="ignore", invalid="ignore"):
            state = array.astype(dtype)
        if dtype.kind in "biu" and np.any(state != array):
            raise EnvContractError(f"values that don't fit: {array.min()} to {array.max()}, expected {dtype}")
        if not warned:
            warned = True
            warnings.warn(f"state has dtype {array.dtype}, cast to {dtype} from here on", UserWarning, stacklevel=5)
        return state

    return read
