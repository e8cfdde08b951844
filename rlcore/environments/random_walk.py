"""A random walk on a line."""

import math
from typing import Any

from gymnasium.spaces import Discrete

from rlcore.errors import ConfigError
from rlcore.interfaces import Environment
from rlcore.struct import static, struct


@struct
class RandomWalk1D(Environment):
    """Positions 0 to `n_states - 1` in a row; action 0 steps left, action 1 steps right.

    An episode terminates at both ends, with `rewards[0]` at the left and `rewards[1]` at the right one; every other
    step brings 0. Nothing is random but the actions. If they are drawn evenly, position i is worth
    `rewards[0] + (rewards[1] - rewards[0]) * i / (n_states - 1)`.

    Attributes:
        n_states: How many positions, at least 3.
        rewards: What the left and the right end bring.
        start: Where an episode starts, between the ends; by default in the middle.
        position: Where the walk is.

    Raises:
        ConfigError: A number is out of its range or not finite.

    Source: Sutton & Barto 2018, example 6.2; Julia `RandomWalk1D` (`N`, `rewards`, `start_pos`, counted from 1 there).
    """

    n_states: int = static()
    rewards: tuple[float, float] = static()
    start: int = static()
    position: Any

    def __init__(self, n_states: int = 7, rewards: tuple[float, float] = (-1.0, 1.0), start: int | None = None) -> None:
        self.n_states = _check_whole(n_states, "n_states", 3, None)
        self.rewards = _check_rewards(rewards)
        middle = (n_states + 1) // 2 - 1
        self.start = middle if start is None else _check_whole(start, "start", 1, n_states - 2)
        self.position = self.start

    def reset(self, seed: int | None = None) -> None:
        """Goes back to `start`; there is nothing to seed."""
        self.position = self.start + 0 * self.position  # an int on the host, of the position's dtype in a trace

    def act(self, action: Any) -> None:
        """Steps left (0) or right (1)."""
        self.position = self.position + 2 * action - 1

    def state(self) -> Any:
        """The position, a whole number from 0."""
        return self.position

    def reward(self) -> Any:
        """The reward of the end that was reached, else 0."""
        left, right = self.rewards
        return (self.position == 0) * left + (self.position == self.n_states - 1) * right

    def is_terminated(self) -> Any:
        """Whether an end was reached."""
        return (self.position == 0) | (self.position == self.n_states - 1)

    def action_space(self) -> Discrete:
        """Two actions: left, right."""
        return Discrete(2)

    def state_space(self) -> Discrete:
        """The positions."""
        return Discrete(self.n_states)


def _check_whole(value: Any, name: str, least: int, most: int | None) -> int:
    if not isinstance(value, int) or isinstance(value, bool) or value < least or (most is not None and value > most):
        bound = f"at least {least}" if most is None else f"from {least} to {most}, between the ends"
        raise ConfigError(f"{name} is {value!r}, expected a whole number {bound}")
    return value


def _check_rewards(rewards: Any) -> tuple[float, float]:
    try:
        left, right = (float(reward) for reward in rewards)
    except (TypeError, ValueError):
        left = right = math.nan
    if not (math.isfinite(left) and math.isfinite(right)):
        raise ConfigError(f"rewards is {rewards!r}, expected two finite numbers: that of the left and of the right end")
    return left, right
