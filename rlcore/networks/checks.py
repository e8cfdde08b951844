"""The arguments of networks, checked."""

from typing import Any

from flax import nnx

from rlcore.arguments import check_function, check_whole
from rlcore.errors import ConfigError


def check_sizes(name: str, values: Any) -> tuple[int, ...]:
    """`values` as a tuple, if it is a list or tuple of whole numbers of at least 1.

    Raises:
        ConfigError: It is not; the place of the first wrong one is named.
    """
    if not isinstance(values, list | tuple):
        raise ConfigError(f"{name} is {values!r}, expected a list or tuple of whole numbers, such as (64, 64)")
    return tuple(check_whole(f"{name}[{place}]", value) for place, value in enumerate(values))


def check_layer_arguments(activation: Any, dropout: Any, rngs: Any) -> None:
    """Refuses an activation that can't be called, a dropout outside `[0, 1)` and anything but `nnx.Rngs`.

    Raises:
        ConfigError: One of them is wrong.
    """
    check_function("activation", activation, ("x",))
    if isinstance(dropout, bool) or not isinstance(dropout, int | float) or not 0 <= dropout < 1:
        raise ConfigError(f"dropout is {dropout!r}, expected a number in [0, 1)")
    if not isinstance(rngs, nnx.Rngs):
        raise ConfigError(f"rngs is {rngs!r}, expected flax.nnx.Rngs, such as rngs=nnx.Rngs(0)")
