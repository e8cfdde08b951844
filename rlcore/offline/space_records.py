"""Gymnasium spaces written down in JSON, and whether data belongs to them."""

import math
from typing import Any

import jax
import numpy as np
from gymnasium import spaces

from rlcore.errors import ConfigError

_MOST_NUMBERS = 1 << 26  # of a box in a record, which may come from anywhere and be small for all it declares
_NARROW = {"float64": "float32", "int64": "int32", "uint64": "uint32"}  # as transitions are stored


def space_record(space: spaces.Space) -> dict[str, Any]:
    """A space as a JSON object; infinite bounds become text."""
    if isinstance(space, spaces.Dict):
        return {"dict": {key: space_record(part) for key, part in space.spaces.items()}}
    if isinstance(space, spaces.Tuple):
        return {"tuple": [space_record(part) for part in space.spaces]}
    if isinstance(space, spaces.Discrete):
        return {"discrete": int(space.n)}
    if isinstance(space, spaces.MultiDiscrete):
        return {"multi_discrete": np.asarray(space.nvec).tolist(), "dtype": str(space.dtype)}
    if isinstance(space, spaces.MultiBinary):
        return {"multi_binary": list(space.shape)}
    box: Any = space
    bounds = {"low": _bound(box.low), "high": _bound(box.high)}
    return {"box": list(box.shape), "dtype": str(box.dtype)} | bounds


def space_from(record: Any) -> spaces.Space:
    """The space that `space_record` wrote down.

    Raises:
        ConfigError: It is no such record.
    """
    kinds = ("dict", "tuple", "discrete", "multi_discrete", "multi_binary", "box")
    kind = next((kind for kind in kinds if isinstance(record, dict) and kind in record), None)
    try:
        if kind == "dict":
            return spaces.Dict({key: space_from(part) for key, part in record[kind].items()})
        if kind == "tuple":
            return spaces.Tuple([space_from(part) for part in record[kind]])
        if kind == "discrete":
            return spaces.Discrete(record[kind])
        if kind == "multi_discrete":
            return spaces.MultiDiscrete(np.array(record[kind]), dtype=np.dtype(record["dtype"]).type)
        if kind == "multi_binary":
            return spaces.MultiBinary(record[kind])
        if kind == "box":
            dtype, shape = np.dtype(record["dtype"]), tuple(record[kind])
            if math.prod(shape) > _MOST_NUMBERS:
                raise ValueError(f"more than {_MOST_NUMBERS:,} numbers")
            low, high = (np.broadcast_to(_numbers(record[name], dtype), shape) for name in ("low", "high"))
            return spaces.Box(low, high, shape, dtype.type)
    except (KeyError, TypeError, ValueError, AttributeError, AssertionError, OverflowError, RecursionError) as error:
        raise ConfigError(f"{record} is no record of a space: {error}") from error
    raise ConfigError(f"{record!r} is no record of a space, expected an object with one of {', '.join(kinds)}")


def misfit(space: Any, data: Any, n: int | None = None) -> str:
    """Why `data` can't be stored elements of a space; empty if it can.

    Args:
        space: As policies see it: discrete values count from 0.
        data: Arrays `[rows, ...]`, a dict or tuple of these where the space is one.
        n: How many rows are expected; `None`: any number.
    """
    if isinstance(space, spaces.Dict):
        if not isinstance(data, dict) or data.keys() != space.spaces.keys():
            return f"{_kind(data)}, expected a dict with the keys {sorted(space.spaces)}"
        return next(
            (why for key, part in space.spaces.items() if (why := _inside(key, misfit(part, data[key], n)))), ""
        )
    if isinstance(space, spaces.Tuple):
        if not isinstance(data, tuple) or len(data) != len(space.spaces):
            return f"{_kind(data)}, expected a tuple of {len(space.spaces)}"
        parts = enumerate(zip(space.spaces, data, strict=True))
        return next((why for i, (part, one) in parts if (why := _inside(i, misfit(part, one, n)))), "")
    if not isinstance(data, np.ndarray | jax.Array):
        return f"{_kind(data)}, expected an array"
    data, shape = np.asarray(data), tuple(space.shape or ())
    is_whole = not isinstance(space, spaces.Box)
    dtype = np.dtype(_NARROW.get(str(space.dtype), space.dtype))
    is_alike = data.dtype.kind in "iub" if is_whole else data.dtype == dtype or data.dtype.kind == dtype.kind == "f"
    if data.shape[1:] != shape or not is_alike or (n is not None and data.shape[:1] != (n,)):
        rows = "rows" if n is None else n
        expected = "whole numbers" if is_whole else str(dtype)
        return f"{data.dtype}{list(data.shape)}, expected {expected} of shape {[rows, *shape]}"
    if is_whole:
        most = getattr(space, "n", None) if isinstance(space, spaces.Discrete) else getattr(space, "nvec", 2)
        if data.size and not bool(np.all((data >= 0) & (data < most))):
            return f"whole numbers from {data.min()} to {data.max()}, which are not all in {space}"
    elif data.dtype.kind == "f" and not np.isfinite(data).all():
        return "numbers that are not finite"
    return ""


def _inside(key: Any, why: str) -> str:
    return f"at {key!r}: {why}" if why else ""


def _kind(data: Any) -> str:
    if isinstance(data, dict):
        return f"a dict with the keys {sorted(map(str, data))}"
    if isinstance(data, tuple):
        return f"a tuple of {len(data)}"
    return f"{data.dtype}{list(data.shape)}" if hasattr(data, "dtype") else type(data).__name__


def _bound(bound: np.ndarray) -> Any:
    """One number where all are the same, else nested lists; infinities, which JSON lacks, as text."""
    same = bool((bound == bound.reshape(-1)[0]).all())
    return _worded(bound.reshape(-1)[0].item() if same else bound.tolist())


def _worded(numbers: Any) -> Any:
    if isinstance(numbers, list):
        return [_worded(number) for number in numbers]
    return str(numbers) if numbers in (float("inf"), float("-inf")) else numbers


def _numbers(worded: Any, dtype: np.dtype) -> np.ndarray:
    if dtype.kind == "f":
        return np.asarray(worded, object).astype(np.float64).astype(dtype)
    return np.asarray(worded, dtype)
