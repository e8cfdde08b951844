"""What approximators do with trees of arrays."""

from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import optax

from rlcore.errors import ConfigError
from rlcore.struct import is_traced


def own(tree: Any) -> Any:
    """A copy of every array, so that no one else can donate or change it; numbers become arrays."""
    return jax.tree.map(_own, tree)


def _own(leaf: Any) -> Any:
    if is_traced(leaf) or jnp.issubdtype(jnp.result_type(leaf), jax.dtypes.prng_key):
        return jnp.copy(leaf)
    return jnp.asarray(np.array(leaf, jnp.result_type(leaf)))  # NumPy copies without a compilation


def is_float(leaf: Any) -> bool:
    """Whether `leaf` holds floating or complex numbers."""
    return jnp.issubdtype(jnp.result_type(leaf), jnp.inexact)


def all_finite(updates: Any, gradients: Any = None) -> Any:
    """Whether no update is infinite or NaN, and no gradient so large that its square is infinite; a bool array.

    An optimiser that keeps squares, such as Adam, would stop learning after such a gradient without a word.
    """
    updates = [leaf for leaf in jax.tree.leaves(updates) if is_float(leaf)]
    gradients = [None] * len(updates) if gradients is None else jax.tree.leaves(gradients)
    pairs = zip(updates, gradients, strict=True)
    return jnp.stack([_is_finite(update, gradient) for update, gradient in pairs] or [jnp.asarray(True)]).all()


def _is_finite(update: Any, gradient: Any) -> Any:
    """Compares magnitudes as whole numbers: their maximum is found several at a time, a sum of floats in its order."""
    worst, infinity = _bits(update), _bits(jnp.asarray(jnp.inf, update.dtype))
    if gradient is not None:
        limit = _bits(jnp.sqrt(jnp.asarray(jnp.finfo(gradient.dtype).max)))
        worst = jnp.maximum(worst, jnp.where(_bits(gradient) >= limit, infinity, 0))
    return jnp.max(worst) < infinity


def _bits(numbers: Any) -> Any:
    """The bits of floats without the sign, as whole numbers: in the order of magnitude, infinity and NaN last."""
    if jnp.issubdtype(numbers.dtype, jnp.complexfloating):
        numbers = jnp.maximum(abs(numbers.real), abs(numbers.imag))
    whole = {2: jnp.int16, 4: jnp.int32, 8: jnp.int64}[numbers.dtype.itemsize]
    return jax.lax.bitcast_convert_type(numbers, whole) & jnp.iinfo(whole).max


def handles_infinity(optimiser_state: Any) -> bool:
    """Whether the optimiser leaves out gradients that are not finite by itself."""
    kinds = (optax.ApplyIfFiniteState, optax.ZeroNansState)
    states = jax.tree.leaves(optimiser_state, is_leaf=lambda part: isinstance(part, kinds))
    return any(isinstance(state, kinds) for state in states)


def select(condition: Any, new: Any, old: Any) -> Any:
    """`new` where `condition`, else `old`, leaf by leaf."""
    return jax.tree.map(lambda after, before: jnp.where(condition, after, before), new, old)


def check_alike(given: Any, expected: Any, what: str = "parameters") -> None:
    """Refuses parameters (or `what` else) that differ from `expected` in structure or shape.

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
        raise ConfigError(f"the {what} do not fit the model: {listed}. Give a tree such as .parameters holds")


def _shapes(tree: Any) -> dict[str, tuple[int, ...]]:
    return {jax.tree_util.keystr(path): jnp.shape(leaf) for path, leaf in jax.tree_util.tree_leaves_with_path(tree)}


def check_finite(tree: Any) -> None:
    """Refuses parameters with infinities or NaN; traced ones pass.

    Raises:
        ConfigError: It names the first path.
    """
    for path, leaf in jax.tree_util.tree_leaves_with_path(tree):
        if not is_traced(leaf) and is_float(leaf) and not np.isfinite(np.asarray(leaf)).all():
            raise ConfigError(
                f"the parameter {jax.tree_util.keystr(path)} holds numbers that are not finite; "
                "build the model anew, or give parameters from before they turned so"
            )
