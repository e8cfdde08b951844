"""Columns of transitions: trees of arrays with one slot per transition.

Whole numbers and floats of 64 bits are stored in 32, as JAX holds them, so that the host and compiled code keep the
same numbers; every other type stays as it came.
"""

from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from rlcore.errors import EnvContractError, shorten
from rlcore.struct import is_traced

NAMES = ("state", "action", "reward", "next_state", "terminated", "truncated", "mask", "next_mask", "extras")
LARGEST = float(np.finfo(np.float32).max)
PLAIN = ("state", "action", "reward", "next_state", "terminated", "truncated")
_FIXED = {"reward": np.float32, "terminated": np.bool_, "truncated": np.bool_, "mask": np.bool_, "next_mask": np.bool_}
NARROW = {
    np.dtype(wide): np.dtype(narrow) for wide, narrow in (("f8", "f4"), ("i8", "i4"), ("u8", "u4"), ("c16", "c8"))
}


def shapes_like(example: dict[str, Any], lanes: int | None) -> dict[str, Any]:
    """The shapes and types of one transition.

    Args:
        example: The values of a push by their names; `None`: no such column.
        lanes: How many rows each value has, or `None` if it is one transition.

    Raises:
        EnvContractError: A value is no number, or lacks the leading axis that `reward` has.
    """
    return {
        name: jax.tree.map(lambda leaf, name=name: _transition_shape(name, leaf, lanes), value)
        for name, value in example.items()
    }


def zeros_like(shapes: Any, n: int, xp: Any) -> Any:
    """Zeros `[n, ...]` for each shape, of `xp`: `numpy` or `jax.numpy`."""
    return jax.tree.map(lambda one: xp.zeros((n, *one.shape), one.dtype), shapes)


def bytes_of(shapes: Any, n: int) -> int:
    """How many bytes `zeros_like` takes."""
    return n * sum(one.size * one.dtype.itemsize for one in jax.tree.leaves(shapes))


def doubled(column: np.ndarray, lanes: int) -> np.ndarray:
    """`column` with twice the room in each lane."""
    by_lane = column.reshape(lanes, -1, *column.shape[1:])
    return np.concatenate([by_lane, np.zeros_like(by_lane)], axis=1).reshape(-1, *column.shape[1:])


def are_plain(columns: dict[str, Any]) -> bool:
    """Whether a transition is no more than `PLAIN`, each one NumPy array."""
    return all((type(column) is np.ndarray) if name in PLAIN else column is None for name, column in columns.items())


def check_reward(reward: Any, kept: Any) -> None:
    """Refuses rewards that are not finite in 32 bits, where they are `kept`; traced ones pass.

    Args:
        reward: One, or `[rows]`.
        kept: As many flags; anything else: all are kept.

    Raises:
        EnvContractError: It says which; or they are no numbers.
    """
    if is_traced(reward) or is_traced(kept):
        return
    try:
        wrong = ~(np.abs(reward) <= LARGEST)  # also where one is NaN
        if kept is not None and np.shape(kept) == np.shape(reward):
            wrong = wrong & (np.asarray(kept) > 0)
    except TypeError:
        raise EnvContractError(
            f"reward is {shorten(repr(reward))}, expected a number; correct the environment"
        ) from None
    if wrong.any():
        where = f" in row {int(np.flatnonzero(wrong)[0])}" if np.ndim(reward) else ""
        raise EnvContractError(
            f"reward is {np.ravel(np.asarray(reward))[np.ravel(wrong)][0]}{where}, expected a finite number, at most "
            f"{LARGEST:.4g}, as 32 bits hold: another one would spoil all that is learnt from it; correct the "
            "environment or its reward transform"
        )


def conform(values: dict[str, Any], columns: list[Any], structure: Any, lanes: int | None) -> list[Any]:
    """The leaves of `values` as they can be written to the leaves of the columns without loss.

    Args:
        values: What was pushed, by its names.
        columns: The leaves of the columns.
        structure: The tree of the columns.
        lanes: How many rows each value must have, or `None` if it is one transition.

    Raises:
        EnvContractError: Other fields, keys, shapes or types than those of the first push.
    """
    leaves, came = jax.tree.flatten(values)
    if came != structure or not all(map(_fits, leaves, columns, [lanes] * len(leaves))):
        raise _misfit(values, jax.tree.unflatten(structure, columns), lanes)
    return [
        leaf.astype(column.dtype) if is_traced(leaf) else np.asarray(leaf, column.dtype)
        for leaf, column in zip(leaves, columns, strict=True)
    ]


def read(column: Any, index: Any, stop: int | None = None) -> Any:
    """The slots of `index` out of a column, or of those before `stop`: a new array, a tree of them, or `None`."""
    if column is None:
        return None
    if type(column) is np.ndarray and (type(index) is np.ndarray or not is_traced(index)):
        return column[:stop].take(index, axis=0)
    return jax.tree.map(lambda leaf: leaf[:stop][index], column)


def describe(tree: Any, skipped_axes: int = 0) -> str:
    """The types and shapes in a tree, such as `{image: uint8[84, 84], speed: float32[]}`."""

    def text(leaf: Any) -> str:
        if not hasattr(leaf, "dtype"):
            return type(leaf).__name__
        return f"{leaf.dtype}[{', '.join(map(str, leaf.shape[skipped_axes:]))}]"

    return str(jax.tree.map(text, tree)).replace("'", "")


def _transition_shape(name: str, leaf: Any, lanes: int | None) -> jax.ShapeDtypeStruct:
    shape = np.shape(leaf)
    if lanes is not None and shape[:1] != (lanes,):
        raise EnvContractError(
            f"{name} came as {describe(leaf)} while reward has {lanes} rows; expected {lanes} rows of {name}, "
            "one per environment"
        )
    dtype = np.dtype(_FIXED.get(name) or _stored_type(leaf))
    if not (dtype == np.bool_ or jnp.issubdtype(dtype, jnp.number)):
        raise EnvContractError(
            f"{name} came as {leaf!r} ({describe(leaf)}); expected an array of numbers, a number, or a dict or tuple "
            "of these"
        )
    return jax.ShapeDtypeStruct(shape if lanes is None else shape[1:], dtype)


def _stored_type(leaf: Any) -> Any:
    dtype = leaf.dtype if hasattr(leaf, "dtype") else np.asarray(leaf).dtype
    return NARROW.get(dtype, dtype)


def _fits(leaf: Any, column: Any, lanes: int | None) -> bool:
    """Whether a value can be stored: the column's shape, its type (or a Python number for a float), no overflow."""
    dtype, kind = column.dtype, type(leaf)
    if kind is float or kind is bool:
        return column.ndim == 1 and dtype.kind == ("f" if kind is float else "b") and lanes is None
    shape = column.shape[1:] if lanes is None else (lanes, *column.shape[1:])
    if kind is np.ndarray and leaf.dtype == dtype:
        return leaf.shape == shape
    if np.shape(leaf) != shape:
        return False
    came = _stored_type(leaf)
    is_number = not hasattr(leaf, "dtype") or getattr(leaf, "weak_type", False)  # JAX's word for a Python number
    if came != dtype:
        return dtype.kind == "f" and came.kind in "iuf" and is_number
    if not hasattr(leaf, "dtype"):
        return came.kind not in "iu" or np.iinfo(dtype).min <= leaf <= np.iinfo(dtype).max
    return leaf.dtype == dtype or dtype.kind == "f" or bool(np.all(np.asarray(leaf, dtype) == leaf))


def _misfit(values: dict[str, Any], columns: dict[str, Any], lanes: int | None) -> EnvContractError:
    wrong = []
    for name, column in columns.items():
        leaves, targets = jax.tree.leaves(values[name]), jax.tree.leaves(column)
        structure: Any = jax.tree.structure(column)
        if jax.tree.structure(values[name]) != structure or not all(map(_fits, leaves, targets, [lanes] * len(leaves))):
            came = describe(values[name], 0 if lanes is None else 1)
            small = f" ({values[name]!r})" if isinstance(values[name], str | int | float | np.generic) else ""
            wrong.append(f"{name} came as {came}{small}, but {describe(column, 1)} was stored before")
    rows = "" if lanes is None else f" in each of {lanes} rows"
    return EnvContractError(
        f"a transition does not fit the others: {'; '.join(wrong)}. Expected the fields, keys, shapes and types of the "
        f"first push{rows}, and whole numbers within 32 bits"
    )


def zero_of(value: Any) -> Any:
    """A zero of the type of a number, or zeros of the shape and type of an array."""
    return type(value)() if isinstance(value, bool | int | float) else np.zeros(value.shape, value.dtype)
