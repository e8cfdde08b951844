"""The arguments that all returns share, checked and brought into one form: time on the first axis."""

from numbers import Real
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np

from rlcore.arguments import check_number, check_whole
from rlcore.errors import ConfigError
from rlcore.struct import is_traced, namespace


class Steps(NamedTuple):
    """Steps `[time, ...]`: their rewards, their ends, and on which axis time was."""

    reward: Any
    terminated: Any
    cut: Any  # terminated or truncated: what comes later belongs to another episode
    axis: int

    def restored(self, result: Any) -> Any:
        """`result` `[time, ...]` with time on the axis where it was."""
        return namespace(result).moveaxis(result, 0, self.axis)


def read_steps(reward: Any, terminated: Any, truncated: Any, axis: int | None) -> Steps:
    """`reward` and the ends of episodes, time first; without flags nothing ended.

    Raises:
        ConfigError: `axis` is missing or wrong, there is no step, or a shape or dtype is wrong.
    """
    reward = as_floats(reward)
    axis = _time_axis(reward.shape, axis)
    xp = namespace(reward, terminated, truncated)
    terminated, truncated = (
        _flags(name, flags, reward.shape, xp) for name, flags in (("terminated", terminated), ("truncated", truncated))
    )
    reward, terminated, truncated = (xp.moveaxis(each, axis, 0) for each in (reward, terminated, truncated))
    return Steps(reward, terminated, terminated | truncated, axis)


def read_values(name: str, values: Any, steps: Steps, n_more: int = 0) -> Any:
    """Values of states, time first: as many as there are steps, or `n_more`.

    Raises:
        ConfigError: They have another shape.
    """
    values = as_floats(values)
    time, *others = steps.reward.shape
    expected = list(others)
    expected.insert(steps.axis, time + n_more)
    if values.shape != tuple(expected):
        more = f", {n_more} more than rewards along axis {steps.axis}" if n_more else " like reward"
        raise ConfigError(f"{name} has shape {values.shape}, expected {tuple(expected)}{more}")
    return namespace(values).moveaxis(values, steps.axis, 0)


def read_factor(name: str, factor: Any) -> Any:
    """One number from 0 to 1: a float, or traced.

    Raises:
        ConfigError: It is anything else.
    """
    if isinstance(factor, Real):
        return check_number(name, factor, 0, 1)
    if np.ndim(factor):
        raise ConfigError(f"{name} has shape {np.shape(factor)}, expected one number from 0 to 1")
    return factor if is_traced(factor) else check_number(name, np.asarray(factor).item(), 0, 1)


def as_floats(values: Any) -> Any:
    """`values` as an array of floats, a JAX array if it is one."""
    values = values if isinstance(values, jax.Array) else np.asarray(values)
    xp = namespace(values)
    return values if jnp.issubdtype(values.dtype, np.floating) else values.astype(xp.result_type(float))


def _time_axis(shape: tuple[int, ...], axis: int | None) -> int:
    if axis is None:
        if len(shape) != 1:
            raise ConfigError(
                f"reward has shape {shape} and axis is None, which is for one axis only; say which one is time: axis=1 "
                "for [batch, time], axis=0 for [time, batch]"
            )
        return 0
    index = check_whole("axis", axis, -len(shape))
    if index >= len(shape):
        raise ConfigError(f"axis is {axis}, but reward has shape {shape}; expected one of its {len(shape)} axes")
    if not shape[index]:
        raise ConfigError(f"reward has shape {shape}, no step along axis {axis}; expected at least one")
    return index % len(shape)


def _flags(name: str, flags: Any, shape: tuple[int, ...], xp: Any) -> Any:
    if flags is None:
        return xp.zeros(shape, bool)
    flags = xp.asarray(flags)
    if flags.shape != shape:
        raise ConfigError(f"{name} has shape {flags.shape}, expected {shape} like reward; pass one flag per reward")
    if flags.dtype.kind not in "biu":
        raise ConfigError(f"{name} has dtype {flags.dtype}, expected bool: true on the last step of an episode")
    return flags.astype(bool)
