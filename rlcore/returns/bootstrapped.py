"""Returns and advantages that estimate what is not seen by the value of the state where seeing ends.

In all of them a termination is worth nothing more, whatever the value of the state there. A truncation ends the episode
too, but its last state goes on being worth something: `next_value`, the value of the true next state. The last step of
the data is treated as truncated unless it terminated.
"""

from typing import Any

import jax
import numpy as np

from rlcore.arguments import check_whole
from rlcore.errors import ConfigError
from rlcore.interfaces import Array
from rlcore.returns.recursion import accumulate_backwards
from rlcore.returns.steps import Steps, read_factor, read_steps, read_values
from rlcore.struct import is_traced, namespace

_UNROLLED = 8


def generalized_advantage_estimation(
    reward: Array,
    value: Array,
    gamma: float,
    lambda_: float,
    terminated: Array | None = None,
    truncated: Array | None = None,
    next_value: Array | None = None,
    axis: int | None = None,
) -> Array:
    """How much better the actions of every step turned out than the value of its state had promised.

    Args:
        reward: `[..., time, ...]`, one per step.
        value: The values of the states before each step and of the one after the last: one entry more than `reward`
            along `axis`. With `next_value`: of the shape of `reward`, the values before each step.
        gamma: Discount per step, from 0 to 1.
        lambda_: 0: each step is judged by its own reward and the next value; 1: by all rewards to the end.
        terminated: Bool, of the shape of `reward`; `None`: no episode terminated.
        truncated: Bool, of the shape of `reward`: the episode was cut there; `None`: none was.
        next_value: Of the shape of `reward`, the value of the true next state of each step. Needed where an episode was
            truncated, because the next entry of `value` then belongs to the next episode.
        axis: Which axis is time; `None` for rewards that have one axis only.

    Returns:
        Of the shape of `reward`, in its unit. Added to the values before each step they are the `lambda_returns`, the
        targets of these values.

    Raises:
        ConfigError: `gamma` or `lambda_` is outside [0, 1], `axis` is missing or wrong, a shape does not fit, or a step
            is truncated (in a trace: may be) and there is no `next_value`.

    Source: `A[t] = δ[t] + gamma lambda_ A[t + 1]`, δ[t] = reward[t] + gamma next_value[t] - value[t]; Schulman et al.
    2016 (arXiv 1506.02438), eq. 16; Julia `generalized_advantage_estimation`.
    """
    gamma, lambda_ = read_factor("gamma", gamma), read_factor("lambda_", lambda_)
    steps = read_steps(reward, terminated, truncated, axis)
    if next_value is not None:
        before, after = read_values("value", value, steps), read_values("next_value", next_value, steps)
    else:
        if truncated is not None and (is_traced(truncated) or np.any(truncated)):
            raise ConfigError(
                "truncated is given and next_value is not, expected both: pass the value of the true next state of "
                "each step, since `value` goes on with the next episode"
            )
        values = read_values("value", value, steps, n_more=1)
        before, after = values[:-1], values[1:]
    surprise = steps.reward + _discounted(after, gamma, steps.terminated) - before
    return steps.restored(accumulate_backwards(surprise, gamma * lambda_, steps.cut))


def lambda_returns(
    reward: Array,
    next_value: Array,
    gamma: float,
    lambda_: float,
    terminated: Array | None = None,
    truncated: Array | None = None,
    axis: int | None = None,
) -> Array:
    """The average of all n-step returns, that of n steps weighted by `lambda_` to the power of n - 1.

    Args:
        reward: `[..., time, ...]`, one per step.
        next_value: Of the shape of `reward`, the value of the true next state of each step.
        gamma: Discount per step, from 0 to 1.
        lambda_: 0: one-step returns; 1: all rewards to the end.
        terminated: Bool, of the shape of `reward`; `None`: no episode terminated.
        truncated: Bool, of the shape of `reward`: the episode was cut there; `None`: none was.
        axis: Which axis is time; `None` for rewards that have one axis only.

    Returns:
        Of the shape of `reward`, in its unit.

    Raises:
        ConfigError: `gamma` or `lambda_` is outside [0, 1], `axis` is missing or wrong, or a shape does not fit.

    Source: `G[t] = reward[t] + gamma ((1 - lambda_) next_value[t] + lambda_ G[t + 1])`; Sutton & Barto 2018, eq. 12.20.
    """
    gamma, lambda_ = read_factor("gamma", gamma), read_factor("lambda_", lambda_)
    steps = read_steps(reward, terminated, truncated, axis)
    after = _discounted(read_values("next_value", next_value, steps), gamma, steps.terminated)
    weight = namespace(after).where(_last(steps), 1.0, 1.0 - lambda_).astype(after.dtype)
    return steps.restored(accumulate_backwards(steps.reward + weight * after, gamma * lambda_, steps.cut))


def n_step_returns(
    reward: Array,
    next_value: Array,
    gamma: float,
    n: int,
    terminated: Array | None = None,
    truncated: Array | None = None,
    axis: int | None = None,
) -> Array:
    """The next `n` rewards, fewer where the episode or the data end before, and the discounted value after them.

    Args:
        reward: `[..., time, ...]`, one per step.
        next_value: Of the shape of `reward`, the value of the true next state of each step.
        gamma: Discount per step, from 0 to 1.
        n: How many rewards, at least 1.
        terminated: Bool, of the shape of `reward`; `None`: no episode terminated.
        truncated: Bool, of the shape of `reward`: the episode was cut there; `None`: none was.
        axis: Which axis is time; `None` for rewards that have one axis only.

    Returns:
        Of the shape of `reward`, in its unit.

    Raises:
        ConfigError: `gamma` is outside [0, 1], `n` is below 1, `axis` is missing or wrong, or a shape does not fit.

    Source: Sutton & Barto 2018, eq. 7.1.
    """
    gamma, n = read_factor("gamma", gamma), check_whole("n", n)
    steps = read_steps(reward, terminated, truncated, axis)
    one_step = steps.reward + _discounted(read_values("next_value", next_value, steps), gamma, steps.terminated)
    last = _last(steps)
    xp = namespace(one_step, last)
    seen = xp.where(last, one_step, steps.reward)

    def lengthened(returns: Any) -> Any:
        return (seen + _discounted(xp.roll(returns, -1, 0), gamma, last)).astype(one_step.dtype)

    returns, n_more = one_step, min(n, len(seen)) - 1
    if xp is np:
        for _ in range(n_more):
            returns = lengthened(returns)
    else:
        unroll = max(1, min(n_more, _UNROLLED))
        returns = jax.lax.fori_loop(0, n_more, lambda _, shorter: lengthened(shorter), returns, unroll=unroll)
    return steps.restored(returns)


def _discounted(value: Any, gamma: Any, cut: Any) -> Any:
    """`gamma` times `value`, 0 where `cut`: selected before it is multiplied, so that nothing infinite gets through."""
    return gamma * namespace(value, cut).where(cut, 0, value)


def _last(steps: Steps) -> Any:
    """Bool `[time, ...]`: the steps whose return ends with the value of their next state."""
    places = np.arange(len(steps.cut)).reshape(-1, *[1] * (steps.cut.ndim - 1))
    return steps.cut | (places == len(places) - 1)
