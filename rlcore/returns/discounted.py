"""Discounted sums of rewards."""

from rlcore.errors import ConfigError
from rlcore.interfaces import Array
from rlcore.returns.recursion import accumulate_backwards
from rlcore.returns.steps import as_floats, read_factor, read_steps
from rlcore.struct import namespace


def discount_rewards(
    reward: Array,
    gamma: float,
    terminated: Array | None = None,
    init: Array | float | None = None,
    axis: int | None = None,
) -> Array:
    """The return of every step: its reward and those that follow in the episode, each discounted once per step.

    Args:
        reward: `[..., time, ...]`, one per step, in the environment's own unit.
        gamma: Discount per step, from 0 to 1.
        terminated: Bool, of the shape of `reward`: true on the last step of an episode; `None`: no episode ended.
        init: `[...]` without the axis of time, or one number: the value of the state after the last step; `None`: 0.
        axis: Which axis is time; `None` for rewards that have one axis only.

    Returns:
        Of the shape of `reward`, in its unit.

    Raises:
        ConfigError: `gamma` is outside [0, 1], `axis` is missing or wrong, or a shape does not fit.

    Source: G[t] = reward[t] + gamma G[t + 1], Sutton & Barto 2018, eq. 3.9; Julia `discount_rewards`.
    """
    gamma = read_factor("gamma", gamma)
    steps = read_steps(reward, terminated, None, axis)
    sums = steps.reward
    if init is not None:
        value = as_floats(init)
        if value.ndim and value.shape != sums.shape[1:]:
            raise ConfigError(
                f"init has shape {value.shape}, expected {sums.shape[1:]}, that of reward without axis {steps.axis}"
            )
        xp = namespace(sums, value, gamma)
        last = sums[-1] + gamma * xp.where(steps.terminated[-1], 0, value)
        sums = xp.concatenate([sums[:-1], last[None].astype(sums.dtype)])
    return steps.restored(accumulate_backwards(sums, gamma, steps.cut))


def discount_rewards_reduced(
    reward: Array,
    gamma: float,
    terminated: Array | None = None,
    init: Array | float | None = None,
    axis: int | None = None,
) -> Array:
    """The return of the first step alone; see `discount_rewards`.

    Args:
        reward: `[..., time, ...]`.
        gamma: Discount per step, from 0 to 1.
        terminated: Bool, of the shape of `reward`; rewards after the first termination don't count.
        init: `[...]` without the axis of time, or one number: the value of the state after the last step.
        axis: Which axis is time; `None` for rewards that have one axis only.

    Returns:
        `[...]` without the axis of time.

    Raises:
        ConfigError: As `discount_rewards`.

    Source: Julia `discount_rewards_reduced`.
    """
    returns = discount_rewards(reward, gamma, terminated, init, axis)
    return namespace(returns).moveaxis(returns, axis or 0, 0)[0]
