"""The leaves of structs on their way into a compiled program and back."""

from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from rlcore.errors import ConfigError
from rlcore.struct import brief, graft, is_struct, walk

_WIDE = {np.dtype(wide): np.dtype(narrow) for wide, narrow in (("f8", "f4"), ("i8", "i4"), ("u8", "u4"), ("c16", "c8"))}


def names_of(tree: Any, root: str) -> list[str]:
    """The path of every leaf, such as `policy.learner.approximator.table`."""
    paths = jax.tree_util.tree_flatten_with_path(tree)[0]
    return [(root + jax.tree_util.keystr(path)).lstrip(".") for path, _ in paths]


def entered(tree: Any, root: str) -> Any:
    """A copy of `tree` whose leaves are JAX arrays of their own: bool, 32-bit numbers, or what they were.

    Raises:
        ConfigError: A leaf is no number, or a whole number that needs more than 32 bits.
    """
    leaves, treedef = jax.tree.flatten(tree)
    try:
        return jax.tree.unflatten(treedef, list(map(_entered, leaves)))
    except (TypeError, ValueError, OverflowError):
        for leaf, name in zip(leaves, names_of(tree, root), strict=True):
            try:
                _entered(leaf)
            except (TypeError, ValueError, OverflowError):
                raise _no_number(leaf, name) from None
        raise


def shapes_of(tree: Any, root: str) -> Any:
    """The shapes and types that `entered` would give, without copying anything.

    Raises:
        ConfigError: What `entered` raises for a leaf that is no number.
    """
    leaves, treedef = jax.tree.flatten(tree)
    kinds = []
    for leaf, name in zip(leaves, names_of(tree, root), strict=True):
        dtype = leaf.dtype if hasattr(leaf, "dtype") else np.asarray(leaf).dtype
        if not isinstance(leaf, jax.Array) and dtype.kind not in "biufc" and not jnp.issubdtype(dtype, np.number):
            raise _no_number(leaf, name)
        if isinstance(leaf, int) and not -(1 << 31) <= leaf < 1 << 31:
            raise _no_number(leaf, name)
        kinds.append(jax.ShapeDtypeStruct(np.shape(leaf), _WIDE.get(dtype, dtype)))
    return jax.tree.unflatten(treedef, kinds)


def _no_number(leaf: Any, name: str) -> ConfigError:
    return ConfigError(
        f"{name} is {leaf!r}, expected a number of at most 32 bits or an array of these, because compiled code keeps "
        "it; if it is configuration, declare it with static()"
    )


def _entered(leaf: Any) -> jax.Array:
    if isinstance(leaf, jax.Array):
        return jnp.array(leaf, leaf.dtype, copy=True)  # also: no longer of a weak type
    array = np.asarray(leaf)
    if array.dtype.kind not in "biufc" and not jnp.issubdtype(array.dtype, np.number):
        raise TypeError
    narrow = array.astype(_WIDE.get(array.dtype, array.dtype))
    if array.dtype.kind in "iu" and not np.array_equal(narrow, array):
        raise OverflowError
    return jnp.array(narrow, copy=True)


def settled(tree: Any, before: Any, root: str = "") -> Any:
    """`tree` with the structure, shapes and types that `before` has, so that a loop can carry it.

    Raises:
        ConfigError: A leaf appeared, vanished, changed its shape, or its type to one that holds other numbers; or a
            `static()` field changed.
    """
    if not have_one_structure(tree, before):
        raise ConfigError(_another_structure(tree, before, root))
    leaves, structure = jax.tree.flatten(tree)
    kinds = jax.tree.leaves(before)
    if all(map(_is_settled, leaves, kinds)):
        return tree
    return jax.tree.unflatten(structure, list(map(_settled, leaves, kinds, names_of(before, root))))


def have_one_structure(one: Any, other: Any) -> bool:
    """Whether two trees have the same classes, keys and static fields."""
    mine: Any = jax.tree.structure(one)
    return bool(mine == jax.tree.structure(other))


def _another_structure(tree: Any, before: Any, root: str) -> str:
    names, names_before = names_of(tree, root), names_of(before, root)
    changed = [name for name in (*names, *names_before) if (name in names) != (name in names_before)]
    if changed:
        return (
            f"{changed[0]} is an array before a step and none after it, or the other way round; expected the same "
            "fields at every step: give it an array of zeros in __init__"
        )
    for path, part in walk(tree, root):
        found: Any = dict(walk(before, root)).get(path)
        for name in type(found).__struct_fields__["static"] if is_struct(part) and type(part) is type(found) else ():
            if getattr(part, name) != getattr(found, name):
                return (
                    f"{path}.{name} is {brief(getattr(found, name))} before a step and {brief(getattr(part, name))} "
                    "after it; a static() field can't change in a program: make it a leaf, an array or a number"
                )
    return "a step changes the structure of a policy or environment; expected the same classes and fields for ever"


def _is_settled(leaf: Any, kind: Any) -> bool:
    shape, dtype = getattr(leaf, "shape", None), getattr(leaf, "dtype", None)
    return dtype == kind.dtype and shape == tuple(kind.shape) and not getattr(leaf, "weak_type", True)


def _settled(leaf: Any, kind: Any, name: str) -> Any:
    if _is_settled(leaf, kind):
        return leaf
    shape, dtype = np.shape(leaf), leaf.dtype if hasattr(leaf, "dtype") else jnp.result_type(leaf)
    is_same_kind = dtype == kind.dtype or jnp.promote_types(_WIDE.get(dtype, dtype), kind.dtype) == kind.dtype
    if shape != tuple(kind.shape) or not is_same_kind:
        raise ConfigError(
            f"{name} is {kind.dtype}{list(kind.shape)} before a step and {dtype}{list(shape)} after it; expected one "
            "type and shape for ever: give it these in __init__ and reset"
        )
    return jnp.asarray(leaf, kind.dtype)


def select(condition: Any, chosen: Any, other: Any) -> Any:
    """`chosen` where `condition` (a bool, or one per row) is true, else `other`, leaf by leaf; equal leaves pass."""
    return jax.tree.map(lambda one, two: _selected(condition, one, two), chosen, other)


def _selected(condition: Any, one: Any, two: Any) -> Any:
    if one is two:
        return one
    axes = np.ndim(two) - np.ndim(condition)
    return jnp.where(jnp.reshape(condition, np.shape(condition) + (1,) * axes) if axes > 0 else condition, one, two)


def returned(old: Any, new: Any) -> None:
    """Puts the leaves of `new` (JAX arrays) into the structs of `old`, in the form that they had there.

    NumPy arrays are written in place, so that references to them stay valid, but for one that stands in two places,
    which are two arrays from now on; numbers stay Python or NumPy numbers.
    """
    befores, treedef = jax.tree.flatten(old)
    afters = jax.tree.leaves(new)
    seen: set[int] = set()
    for i, before in enumerate(befores):
        if isinstance(before, np.ndarray):
            befores[i] = before.copy() if id(before) in seen else before
            seen.add(id(before))
    graft(old, jax.tree.unflatten(treedef, list(map(_returned, befores, afters))))


def _returned(before: Any, after: Any) -> Any:
    if isinstance(before, jax.Array):
        return jnp.array(after, copy=True)
    if isinstance(before, np.ndarray) and before.shape != after.shape:
        return np.array(after, before.dtype)
    after = np.asarray(after)
    is_same = np.asarray(before).astype(after.dtype) == after  # 0.1 has not become 0.10000000149
    if isinstance(before, np.ndarray) and before.flags.writeable:
        np.copyto(before, after, casting="unsafe", where=~is_same)
        return before
    if isinstance(before, np.ndarray):
        return np.where(is_same, before, after).astype(before.dtype)
    return before if is_same else type(before)(after.item())
