"""A step size that changes with the number of updates."""

from collections.abc import Callable
from functools import partial
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from rlcore.arguments import check_number
from rlcore.errors import ConfigError
from rlcore.fixed import Fixed
from rlcore.struct import brief

BLOCK = 1024  # updates for which it is evaluated at a time on the host


class StepSize(Fixed):
    """A function of the number of updates so far, such as an Optax schedule, in a `static()` field."""

    __slots__ = ()

    def at(self, step: Any) -> Any:
        """The step size after `step` updates, float32; NaN where it is not in `[0, 1]`. Traceable."""
        alpha = jnp.asarray(self.value(step), jnp.float32)
        return jnp.where((alpha >= 0) & (alpha <= 1), alpha, jnp.nan)

    def block(self, step: int) -> list[float]:
        """The step sizes of `step` and the updates after it, on the host."""
        return np.asarray(_block(self, np.minimum(step + np.arange(BLOCK), 2**31 - 1).astype(np.int32))).tolist()

    def refuse(self, step: int) -> None:
        """Raises the `ConfigError` for a value that is no step size."""
        raise ConfigError(
            f"the schedule alpha gave {self.value(step)} after {step} updates, expected a number in [0, 1]; correct "
            "the schedule, or clip its values"
        )

    def __repr__(self) -> str:
        return brief(self.value)


def step_size(alpha: float | Callable[[Any], Any]) -> float | StepSize:
    """`alpha` as a Python float, or wrapped if it is a function.

    Raises:
        ConfigError: A number outside `(0, 1]`, or a function that can't be traced to one number.
    """
    if not callable(alpha):
        return check_number("alpha", alpha, 0, 1, above=True)
    try:
        shape = jax.eval_shape(alpha, jax.ShapeDtypeStruct((), np.int32)).shape
    except Exception as error:  # whatever it is: the function can't serve, and the message says why
        raise ConfigError(
            f"alpha is {brief(alpha)}, which JAX can't trace ({error}); expected a number, or a function of the number "
            "of updates written with jax.numpy, such as optax.linear_schedule(0.5, 0.01, 10_000)"
        ) from error
    if shape != ():
        raise ConfigError(f"alpha is {brief(alpha)}, which gives an array {shape}, expected one number per update")
    return StepSize(alpha)


@partial(jax.jit, static_argnums=0)
def _block(size: StepSize, steps: Any) -> jax.Array:
    return jax.vmap(size.at)(steps)
