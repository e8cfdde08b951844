"""What all stochastic networks share: keys, the axis of samples, and numbers that make no distribution."""

from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from rlcore.arguments import check_whole, named
from rlcore.errors import ConfigError
from rlcore.random import Random
from rlcore.struct import is_traced

Array = jax.Array


def jax_key(key: Any) -> Any:
    """`key` itself if it is one JAX key, or the next one of a `Random`, of which that takes one number.

    Raises:
        ConfigError: It is neither.
    """
    if isinstance(key, Random):
        return key.key()
    is_array = isinstance(key, np.ndarray | jax.Array)
    is_typed = is_array and jnp.issubdtype(key.dtype, jax.dtypes.prng_key)
    if is_array and (key.shape == () if is_typed else key.dtype == np.uint32 and key.shape == (2,)):
        return key
    came = f"an array {key.dtype}{list(key.shape)}" if is_array else named(key)
    raise ConfigError(f"key is {came}, expected one JAX key, such as jax.random.key(0), or a rlcore.random.Random")


def sample_shape(leading: tuple[int, ...], n_samples: Any) -> tuple[int, ...]:
    """The leading axes of samples: those of the states, and one of `n_samples` unless that is `None`.

    Raises:
        ConfigError: `n_samples` is not a whole number of at least 1.
    """
    return leading if n_samples is None else (*leading, check_whole("n_samples", n_samples))


def has_sample_axis(action: tuple[int, ...], one: tuple[int, ...], n_event: int) -> bool:
    """Whether actions of the shape `action` are several for each state.

    Args:
        action: The shape that came.
        one: The shape of one action for each state, `[..., *event]`.
        n_event: Axes of one action.

    Raises:
        ConfigError: They are neither one nor several for each state.
    """
    if action == one:
        return False
    place = len(one) - n_event
    if len(action) == len(one) + 1 and action[:place] + action[place + 1 :] == one:
        return True
    several = ", ".join(map(str, (*one[:place], "n_samples", *one[place:])))
    raise ConfigError(f"actions have shape {action}, expected {one}, or [{several}]: several for each state")


def check_usable(values: Array, is_usable: Any, what: str, do: str) -> None:
    """Refuses parameters of a distribution that make none; what is traced is not known, and passes.

    Args:
        values: The parameters.
        is_usable: Bools of their shape, or of its leading axes.
        what: What is wrong, for the message.
        do: What to do about it.

    Raises:
        ConfigError: Not everything is usable, and that is known.
    """
    if is_traced(is_usable):
        return
    is_usable = np.asarray(is_usable)
    if not is_usable.all():
        wrong = np.asarray(values)[tuple(np.argwhere(~is_usable)[0])]
        raise ConfigError(f"{what}: {np.array2string(wrong, threshold=10)}; {do}")
