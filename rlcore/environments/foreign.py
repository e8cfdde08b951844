"""What the environments of other libraries need to fit into a compiled loop."""

from collections.abc import Callable
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from gymnasium import Space, spaces

from rlcore.errors import EnvContractError, shorten
from rlcore.fixed import Fixed
from rlcore.struct import by_value


def held(env: Any) -> Fixed:
    """An environment as configuration: equal to another one of its class whose attributes are equal."""
    return Fixed(env, (type(env), by_value(vars(env))))


def zeros_of(space: Space) -> Any:
    """An element of `space` that is all zeros, with the types of compiled code: float32, int32, bool or shorter."""
    if isinstance(space, spaces.Dict):
        return {key: zeros_of(part) for key, part in space.spaces.items()}
    if isinstance(space, spaces.Tuple):
        return tuple(map(zeros_of, space.spaces))
    return jnp.zeros(space.shape or (), jax.dtypes.canonicalize_dtype(space.dtype))


def zeros_after_step(name: str, begin: Callable[[], Any], advance: Callable[[Any], Any]) -> Any:
    """Zeros with the shapes and types of what `advance` makes of what `begin` gives; both are only traced.

    Raises:
        EnvContractError: `begin` and `advance` give trees of different structures or sizes.
    """

    def both() -> tuple[Any, Any]:
        first = begin()
        return first, advance(first)

    first, after = jax.eval_shape(both)
    one, two = (_structure_and_sizes(tree) for tree in (first, after))
    if one != two:
        raise EnvContractError(
            f"{name} keeps {shorten(str(first))} after its start and {shorten(str(after))} after a step; expected the "
            "same structure and sizes, because a compiled loop carries them"
        )
    return jax.tree.map(lambda leaf: jnp.zeros(leaf.shape, leaf.dtype), after)


def like(old: Any, new: Any) -> Any:
    """`new` with the shapes and types of `old`, which the fields of a compiled loop keep for ever.

    Other libraries begin with a Python number, or a scalar, where an array of one follows.
    """
    return jax.tree.map(lambda old, new: jnp.asarray(new, old.dtype).reshape(np.shape(old)), old, new)


def _structure_and_sizes(tree: Any) -> tuple[Any, list[int]]:
    leaves, structure = jax.tree.flatten(tree)
    return structure, [leaf.size for leaf in leaves]
