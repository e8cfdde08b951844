"""The operations of a traced function that NumPy does as well: what `host.py` makes a pass of.

Each lays out one operation once: it takes the arrays that the operation will read, and answers the arrays that will
hold its results and the calls that fill them. Where a result is only another view of what is read there is no call.
"""

from collections.abc import Callable
from functools import partial
from typing import Any

import numpy as np

Call = Callable[[], Any]
Laid = tuple[list[np.ndarray], list[Call]]

_ONE, _HALF = np.array(1.0, np.float32), np.array(0.5, np.float32)


def lay_out(name: str, outs: list[Any], arrays: list[np.ndarray], parameters: dict[str, Any]) -> Laid:
    """The results of an operation, and the calls that fill them.

    Args:
        name: Of the primitive.
        outs: The shapes and types of its results.
        arrays: What it reads.
        parameters: Those of the primitive.

    Raises:
        KeyError: NumPy has no operation that does the same.
    """
    if any(out.dtype not in _DTYPES for out in outs):
        raise KeyError(name)
    if name in _UFUNCS:
        if name == "div" and outs[0].dtype.kind != "f":  # of whole numbers NumPy's rounds to another side
            raise KeyError(name)
        return _in_a_row(outs[0], (_UFUNCS[name], *arrays))
    if name in _REDUCTIONS:
        out = _room(outs[0])
        return [out], [partial(_REDUCTIONS[name].reduce, arrays[0], parameters["axes"], out=out)]
    return _OTHERS[name](outs, arrays, parameters)


def _room(like: Any) -> np.ndarray:
    return np.empty(like.shape, like.dtype)


def _in_a_row(like: Any, first: tuple[Any, ...], *later: tuple[np.ufunc, Any]) -> Laid:
    """A ufunc of arrays, then others of its result and one more array."""
    out = _room(like)
    ufunc, *arrays = first
    calls = [partial(ufunc, *arrays, out=out)]
    return [out], calls + [
        partial(then, *((out,) if other is None else (other, out)), out=out) for then, other in later
    ]


def _dot(outs: list[Any], arrays: list[np.ndarray], parameters: dict[str, Any]) -> Laid:
    (axes, other_axes), batched = parameters["dimension_numbers"]
    one, other = arrays
    if any(batched) or len(axes) != 1 or other.ndim > 2 or one.dtype != other.dtype or one.dtype.kind != "f":
        raise KeyError("dot_general")
    one, other = np.moveaxis(one, axes[0], -1), np.moveaxis(other, other_axes[0], 0)
    out = _room(outs[0])
    return [out], [partial(one.dot, other, out)]


def _power(outs: list[Any], arrays: list[np.ndarray], parameters: dict[str, Any]) -> Laid:
    (x,), y = arrays, parameters["y"]
    if y in (2, 3):
        return _in_a_row(outs[0], (np.multiply, x, x), *[(np.multiply, x)] * (y - 2))
    return _in_a_row(outs[0], (np.power, x, np.array(y, x.dtype)))


def _logistic(outs: list[Any], arrays: list[np.ndarray], parameters: dict[str, Any]) -> Laid:
    """As a hyperbolic tangent, which can't overflow."""
    steps: list[tuple[np.ufunc, Any]] = [(np.tanh, None), (np.multiply, _HALF), (np.add, _HALF)]
    return _in_a_row(outs[0], (np.multiply, arrays[0], _HALF), *steps)


def _reshape(outs: list[Any], arrays: list[np.ndarray], parameters: dict[str, Any]) -> Laid:
    (x,), out = arrays, outs[0]
    if x.flags.c_contiguous:
        return [x.reshape(out.shape)], []
    copied = np.empty(x.shape, x.dtype)
    return [copied.reshape(out.shape)], [partial(np.copyto, copied, x)]


def _broadcast(outs: list[Any], arrays: list[np.ndarray], parameters: dict[str, Any]) -> Laid:
    shape = [1] * len(outs[0].shape)
    for axis, size in zip(parameters["broadcast_dimensions"], arrays[0].shape, strict=True):
        shape[axis] = size
    return [np.broadcast_to(arrays[0].reshape(shape), outs[0].shape)], []


def _select(outs: list[Any], arrays: list[np.ndarray], parameters: dict[str, Any]) -> Laid:
    which, *cases = arrays
    if which.dtype != bool or len(cases) != 2:
        raise KeyError("select_n")
    out = _room(outs[0])
    return [out], [partial(np.copyto, out, cases[0]), partial(np.copyto, out, cases[1], where=which)]


def _convert(outs: list[Any], arrays: list[np.ndarray], parameters: dict[str, Any]) -> Laid:
    if arrays[0].dtype == outs[0].dtype:
        return arrays, []
    if arrays[0].dtype.kind == "f" and outs[0].dtype.kind != "f":  # beyond the range the two libraries differ
        raise KeyError("convert_element_type")
    out = _room(outs[0])
    return [out], [partial(np.copyto, out, arrays[0], casting="unsafe")]


def _concatenate(outs: list[Any], arrays: list[np.ndarray], parameters: dict[str, Any]) -> Laid:
    out = _room(outs[0])
    return [out], [partial(np.concatenate, arrays, parameters["dimension"], out)]


def _stack(outs: list[Any], arrays: list[np.ndarray], parameters: dict[str, Any]) -> Laid:
    out = _room(outs[0])
    return [out], [partial(np.stack, arrays, parameters["axis"], out)]


def _iota(outs: list[Any], arrays: list[np.ndarray], parameters: dict[str, Any]) -> Laid:
    shape = [1] * len(outs[0].shape)
    shape[parameters["dimension"]] = -1
    counts = np.arange(outs[0].shape[parameters["dimension"]], dtype=outs[0].dtype)
    return [np.broadcast_to(counts.reshape(shape), outs[0].shape)], []


def _slice(outs: list[Any], arrays: list[np.ndarray], parameters: dict[str, Any]) -> Laid:
    strides = parameters["strides"] or (None,) * arrays[0].ndim
    bounds = zip(parameters["start_indices"], parameters["limit_indices"], strides, strict=True)
    return [arrays[0][tuple(slice(*one) for one in bounds)]], []


def _split(outs: list[Any], arrays: list[np.ndarray], parameters: dict[str, Any]) -> Laid:
    return np.split(arrays[0], np.cumsum(parameters["sizes"])[:-1], parameters["axis"]), []


def _as_it_is(outs: list[Any], arrays: list[np.ndarray], parameters: dict[str, Any]) -> Laid:
    return arrays, []


MAY_WARN = frozenset(("exp", "exp2", "expm1", "log", "log1p", "div", "sqrt", "rsqrt", "pow", "integer_pow"))
_DTYPES = frozenset(map(np.dtype, ("f4", "i4", "u4", "u1", "i1", "?")))
_UFUNCS: dict[str, np.ufunc] = {
    **{name: getattr(np, name) for name in ("exp", "log", "tanh", "sin", "cos", "sign", "sqrt", "square", "abs")},
    **{name: getattr(np, name) for name in ("exp2", "expm1", "log1p", "floor", "ceil")},
    "neg": np.negative,
    "is_finite": np.isfinite,
    "add": np.add,
    "sub": np.subtract,
    "mul": np.multiply,
    "div": np.divide,
    "max": np.maximum,
    "min": np.minimum,
    "atan2": np.arctan2,
    "eq": np.equal,
    "ne": np.not_equal,
    "lt": np.less,
    "le": np.less_equal,
    "gt": np.greater,
    "ge": np.greater_equal,
    "and": np.bitwise_and,
    "or": np.bitwise_or,
    "xor": np.bitwise_xor,
    "not": np.invert,
}
_REDUCTIONS: dict[str, np.ufunc] = {
    "reduce_sum": np.add,
    "reduce_max": np.maximum,
    "reduce_min": np.minimum,
    "reduce_prod": np.multiply,
    "reduce_and": np.logical_and,
    "reduce_or": np.logical_or,
}
_OTHERS: dict[str, Callable[[list[Any], list[np.ndarray], dict[str, Any]], Laid]] = {
    "dot_general": _dot,
    "integer_pow": _power,
    "pow": lambda outs, arrays, parameters: _in_a_row(outs[0], (np.power, *arrays)),
    "logistic": _logistic,
    "rsqrt": lambda outs, arrays, parameters: _in_a_row(outs[0], (np.sqrt, arrays[0]), (np.divide, _ONE)),
    "clamp": lambda outs, arrays, parameters: _in_a_row(
        outs[0], (np.maximum, arrays[0], arrays[1]), (np.minimum, arrays[2])
    ),
    "reshape": _reshape,
    "broadcast_in_dim": _broadcast,
    "squeeze": lambda outs, arrays, parameters: ([arrays[0].reshape(outs[0].shape)], []),
    "transpose": lambda outs, arrays, parameters: ([arrays[0].transpose(parameters["permutation"])], []),
    "select_n": _select,
    "convert_element_type": _convert,
    "concatenate": _concatenate,
    "stack": _stack,
    "iota": _iota,
    "rev": lambda outs, arrays, parameters: ([np.flip(arrays[0], parameters["dimensions"])], []),
    "slice": _slice,
    "split": _split,
    "stop_gradient": _as_it_is,
    "copy": _as_it_is,
    "copy_p": _as_it_is,
}
