"""What approximators do with trees of arrays."""

from typing import Any

import jax
import jax.numpy as jnp

from rlcore.errors import ConfigError
from rlcore.struct import is_traced

_LARGE = 1 << 16  # numbers in an array


def own(tree: Any) -> Any:
    """A copy of every array, so that no one else can donate or change it; numbers become arrays."""
    return jax.tree.map(_own, tree)


def _own(leaf: Any) -> Any:
    if jnp.issubdtype(jnp.result_type(leaf), jax.dtypes.prng_key):
        return jnp.copy(leaf)
    return jnp.array(leaf, dtype=jnp.result_type(leaf), copy=True)  # a dtype given is never a weak one: one trace


def is_float(leaf: Any) -> bool:
    """Whether `leaf` holds floating or complex numbers."""
    return jnp.issubdtype(jnp.result_type(leaf), jnp.inexact)


def all_finite(new: Any, old: Any) -> Any:
    """Whether no number of `new` is infinite or NaN where that of `old` was finite; a bool array.

    Some optimisers keep an infinity on purpose, such as the best loss so far.
    """
    pairs = zip(jax.tree.leaves(new), jax.tree.leaves(old), strict=True)
    floats = [(after, before) for after, before in pairs if is_float(after)]
    groups: list[Any] = [pair for pair in floats if pair[0].size > _LARGE]
    small = [pair for pair in floats if pair[0].size <= _LARGE]
    if small:  # one reduction over many small arrays is much quicker than one over each
        groups.append(tuple(jnp.concatenate([leaf.ravel() for leaf in side]) for side in zip(*small, strict=True)))
    finite = [jnp.all(jnp.isfinite(after) | ~jnp.isfinite(before)) for after, before in groups]
    return jnp.stack(finite).all()


def select(condition: Any, new: Any, old: Any) -> Any:
    """`new` where `condition`, else `old`, leaf by leaf."""
    return jax.tree.map(lambda after, before: jnp.where(condition, after, before), new, old)


def check_alike(given: Any, expected: Any) -> None:
    """Refuses parameters that differ from `expected` in structure or shape.

    Raises:
        ConfigError: It lists every path that is missing, too much, or of another shape.
    """
    found, wanted = _shapes(given), _shapes(expected)
    differences = [f"{path}: missing, expected shape {shape}" for path, shape in wanted.items() if path not in found]
    differences += [f"{path}: not expected, has shape {shape}" for path, shape in found.items() if path not in wanted]
    differences += [
        f"{path}: has shape {found[path]}, expected {shape}"
        for path, shape in wanted.items()
        if path in found and found[path] != shape
    ]
    structure: Any = jax.tree.structure(given)
    if differences or structure != jax.tree.structure(expected):
        listed = "; ".join(differences) or f"the containers differ: {structure}"
        raise ConfigError(f"the parameters do not fit the model: {listed}. Give a tree such as .parameters holds")


def _shapes(tree: Any) -> dict[str, tuple[int, ...]]:
    return {jax.tree_util.keystr(path): jnp.shape(leaf) for path, leaf in jax.tree_util.tree_leaves_with_path(tree)}


def check_finite(tree: Any) -> None:
    """Refuses parameters with infinities or NaN; traced ones pass.

    Raises:
        ConfigError: It names the first path.
    """
    for path, leaf in jax.tree_util.tree_leaves_with_path(tree):
        if not is_traced(leaf) and is_float(leaf) and not bool(jnp.all(jnp.isfinite(leaf))):
            raise ConfigError(
                f"the parameter {jax.tree_util.keystr(path)} holds numbers that are not finite; "
                "build the model anew, or give parameters from before they turned so"
            )
