"""A number that may change from draw to draw, such as the exponent of importance weights."""

import functools
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from rlcore.arguments import check_number
from rlcore.errors import ConfigError
from rlcore.fixed import Fixed
from rlcore.struct import cached, is_traced, static, struct

LARGEST = 2**31 - 1  # counts stay there
_BLOCK = 1024  # numbers that a schedule gives at a time on the host


@struct
class Annealed:
    """A number in [0, 1], or a schedule of such numbers: a function of how often it was asked, such as Optax's.

    Attributes:
        step: How often a schedule was asked; it stays at 2^31 - 1.

    Raises:
        ConfigError: It is no number in [0, 1], and no function that gives one.
    """

    _name: str = static()
    _value: Fixed = static()
    _block: Any = cached()  # what a schedule gives at the steps that come, by step
    step: Any = 0

    def __init__(self, name: str, value: Any) -> None:
        self._name = name
        if not callable(value):
            self._value = Fixed(check_number(name, value, 0, 1))
            return
        self._value = Fixed(value)
        try:
            self._check(float(value(0)), 0)
        except TypeError as error:
            raise ConfigError(
                f"{name} is a function that can't be used as a schedule ({error}); expected one that takes how many "
                "batches were drawn before, a whole number, and returns a number in [0, 1]"
            ) from error

    def __call__(self) -> Any:
        """The number for this time; a Python float on the host.

        Raises:
            ConfigError: The schedule gave no number in [0, 1] (on the host; in compiled code it is clipped).
        """
        value = self._value.value
        if isinstance(value, float):
            return value
        step = self.step
        if is_traced(step):
            self.step = jnp.minimum(step, LARGEST - 1) + 1
            return jnp.clip(jnp.asarray(value(step), jnp.float32), 0, 1)
        step = int(step)
        self.step = min(step + 1, LARGEST)
        if self._block is None or step not in self._block:
            self._block = dict(enumerate(_values(self._value, step), step))
        return self._check(self._block[step], step)

    def _check(self, number: float, step: int) -> float:
        if not -1e-6 <= number <= 1 + 1e-6:
            raise ConfigError(
                f"the schedule {self._name} gave {number} at step {step}, expected a number in [0, 1]; correct the "
                "schedule, or clip its values"
            )
        return min(max(number, 0.0), 1.0)

    def __repr__(self) -> str:
        return repr(self._value.value)


def _values(function: Fixed, step: int) -> list[float]:
    """What a schedule gives from `step` on; one number if only Python can ask it."""
    steps = np.minimum(step + np.arange(_BLOCK), LARGEST).astype(np.int32)
    try:
        return np.asarray(_block_of(function, steps)).tolist()
    except (jax.errors.JAXTypeError, TypeError, ValueError):
        return [float(function.value(step))]


@functools.partial(jax.jit, static_argnums=0)
def _block_of(function: Fixed, steps: Any) -> jax.Array:
    return jnp.asarray(jax.vmap(function.value)(steps), jnp.float32)
