"""How epsilon changes with the step, in units of 2^-24.

A stream's uniform numbers are multiples of 2^-24, so nothing finer could be observed; and with whole units the host
and a trace reach the same decisions without a rounding that they could do differently.
"""

import functools
import math
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from rlcore.arguments import check_number, check_whole
from rlcore.errors import ConfigError
from rlcore.explorers.counter import LARGEST
from rlcore.explorers.shares import UNIT, WHOLE
from rlcore.struct import brief, by_value, namespace

BLOCK = 4096  # steps evaluated at a time on the host
_SLACK = 1e-6  # how far outside [0, 1] rounding may carry a schedule's value


@dataclass(frozen=True)
class Decay:
    """From `initial` to `stable` units: constant for `warmup` steps, then falling over `decay` steps.

    Source: Julia `get_ϵ` of `EpsilonGreedyExplorer{:linear}` and `{:exp}`.
    """

    initial: int
    stable: int
    warmup: int
    decay: int
    is_exponential: bool

    def __str__(self) -> str:
        """The arguments of `EpsilonGreedyExplorer` that it stands for."""
        shown = f"{self.stable * UNIT:.4g}"
        if self.constant() is not None:
            return shown
        shown += ", kind='exp'" if self.is_exponential else ""
        shown += f", epsilon_init={self.initial * UNIT:.4g}" if self.initial != WHOLE else ""
        shown += f", warmup_steps={self.warmup}" if self.warmup else ""
        return shown + (f", decay_steps={self.decay}" if self.decay else "")

    def constant(self) -> float | None:
        """Epsilon if it is the same at every step."""
        is_constant = self.initial == self.stable or self.warmup == self.decay == 0
        return self.stable * UNIT if is_constant else None

    def units(self, step: Any) -> Any:
        """Epsilon at `step`, int32 of any shape, in units."""
        xp = namespace(step)
        drop = self.initial - self.stable
        if self.warmup == self.decay == 0:
            return xp.full_like(step, self.stable)
        if self.decay == 0:
            return xp.where(step <= self.warmup, self.initial, self.stable)
        if self.is_exponential:
            passed = xp.maximum(step - self.warmup, 0).astype(np.float32)
            left = xp.exp(passed * np.float32(-1 / self.decay)) * np.float32(drop)
        else:
            # one product by a constant and no sum of floats: nothing for XLA to reorder or fuse
            left = xp.clip(self.warmup + self.decay - step, 0, self.decay).astype(np.float32)
            left = left * np.float32(drop / self.decay)
        return xp.where(step <= self.warmup, self.initial, self.stable + xp.rint(left).astype(np.int32))

    def block(self, steps: np.ndarray) -> np.ndarray:
        """Epsilon at each of `steps`, `[n]` int32 on the host."""
        units = _units(self, steps) if self.is_exponential else self.units(steps)
        return np.asarray(units) * UNIT

    def refuse(self, step: int) -> None:
        """Never called: these values were checked when they were given."""


@dataclass(frozen=True)
class Schedule:
    """Any function of the step, such as Optax's schedules; equal if the functions mean the same."""

    function: Callable[[Any], Any] = field(compare=False)
    is_traceable: bool
    key: Any

    def __str__(self) -> str:
        return brief(self.function)

    def constant(self) -> float | None:
        """`None`: it may change."""
        return None

    def units(self, step: Any) -> Any:
        """Epsilon at `step`, int32 of any shape, in units; -1 where the function's value is no probability."""
        function = self.function
        for _ in range(jnp.ndim(step)):
            function = jax.vmap(function)
        value = jnp.asarray(function(step), jnp.float32)
        is_probability = (value >= -_SLACK) & (value <= 1 + _SLACK)
        return jnp.where(is_probability, jnp.rint(jnp.clip(value, 0, 1) * WHOLE), -1).astype(jnp.int32)

    def block(self, steps: np.ndarray) -> np.ndarray:
        """Epsilon at each of `steps` `[n]`, or at the first alone if Python must be asked; NaN where it is wrong."""
        if self.is_traceable:
            units = np.asarray(_units(self, steps))
            return np.where(units < 0, np.nan, units * UNIT)
        value = float(self.function(int(steps[0])))
        is_probability = -_SLACK <= value <= 1 + _SLACK
        return np.array([round(min(max(value, 0.0), 1.0) * WHOLE) * UNIT if is_probability else math.nan])

    def refuse(self, step: int) -> None:
        """Raises the `ConfigError` for a value that is no probability."""
        raise ConfigError(
            f"the schedule epsilon_stable gave {float(self.function(min(step, LARGEST)))} at step {step}, expected a "
            "number in [0, 1]; correct the schedule, or clip its values"
        )


def decay_of(
    epsilon_stable: Any, kind: str = "linear", epsilon_init: Any = 1.0, warmup_steps: Any = 0, decay_steps: Any = 0
) -> Decay:
    """A decay from `EpsilonGreedyExplorer`'s arguments.

    Raises:
        ConfigError: One of them is wrong.
    """
    if kind not in ("linear", "exp"):
        raise ConfigError(f'kind is {kind!r}, expected "linear" or "exp"; pass a function for another schedule')
    warmup, decay = check_whole("warmup_steps", warmup_steps, 0), check_whole("decay_steps", decay_steps, 0)
    if warmup + decay > LARGEST:
        raise ConfigError(f"warmup_steps + decay_steps is {warmup + decay}, expected at most {LARGEST}; shorten them")
    initial, stable = _units_of("epsilon_init", epsilon_init), _units_of("epsilon_stable", epsilon_stable)
    return Decay(initial, stable, warmup, decay, kind == "exp")


def schedule_of(function: Callable[[Any], Any], step: int) -> Schedule:
    """Wraps a function of the step.

    Raises:
        ConfigError: It does not give one number.
    """
    try:
        is_traceable = jax.eval_shape(function, jax.ShapeDtypeStruct((), np.int32)).shape == ()
    except Exception:  # whatever it is: a function that only Python can run may still serve on the host
        is_traceable = False
    schedule = Schedule(function, is_traceable, by_value(function))
    try:
        float(function(min(step, LARGEST)))
    except (TypeError, ValueError) as error:
        raise ConfigError(
            f"epsilon_stable is a function that can't be used as a schedule at step {step} ({error}); "
            "expected one that takes the step, a whole number, and returns a number in [0, 1]"
        ) from error
    return schedule


def block_from(schedule: Decay | Schedule, step: int) -> dict[int, float]:
    """Epsilon at `step` and after it, by step; those that are no probabilities are left out."""
    steps = np.minimum(step + np.arange(BLOCK), LARGEST).astype(np.int32)
    epsilons = enumerate(schedule.block(steps).tolist(), step)
    return {at: epsilon for at, epsilon in epsilons if epsilon == epsilon}


def _units_of(name: str, epsilon: Any) -> int:
    """An epsilon in units of 2^-24, at least one if it is not 0."""
    epsilon = check_number(name, epsilon, 0.0, 1.0)
    return max(round(epsilon * WHOLE), math.ceil(epsilon))  # ceil: 1 for whatever is above 0


@functools.partial(jax.jit, static_argnums=0)
def _units(schedule: Decay | Schedule, steps: Any) -> jax.Array:
    return schedule.units(steps)
