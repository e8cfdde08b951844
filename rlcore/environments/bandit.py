"""The multi-armed bandit."""

from typing import Any

import numpy as np
from gymnasium.spaces import Discrete

from rlcore.errors import ConfigError
from rlcore.interfaces import Environment
from rlcore.random import Random, random_or_seeded, stream
from rlcore.struct import is_traced, namespace, static, struct


@struct
class MultiArmedBandit(Environment):
    """One state and `n_arms` actions; an episode is one step.

    The arms' true values are drawn from N(0, 1) once, and stay; the reward of an arm is drawn from N(its value, 1).

    Attributes:
        n_arms: How many arms, at least 1.
        true_values: `[n_arms]` float32, the expected reward of each arm. Drawn at construction if a seed is given,
            else by the first `reset` (NaN until then); `reset(seed)` draws them anew.
        random: Its stream; `reset` takes `n_arms` numbers, `act` one.

    Raises:
        ConfigError: `n_arms` is not a whole number of at least 1, or `seed` not one of at least 0.

    Source: Sutton & Barto 2018, section 2.3 (the 10-armed testbed); Julia `MultiArmBanditsEnv(; true_reward, k)`, whose
    `true_reward` shifts all true values: here it is 0.
    """

    n_arms: int = static()
    random: Random
    true_values: Any
    _is_drawn: Any = False
    _reward: Any = np.float32(0.0)
    _is_over: Any = False

    def __init__(self, n_arms: int = 10, seed: int | None = None) -> None:
        if not isinstance(n_arms, int) or isinstance(n_arms, bool) or n_arms < 1:
            raise ConfigError(f"n_arms is {n_arms!r}, expected a whole number of at least 1")
        self.n_arms = n_arms
        self.true_values = np.full(n_arms, np.nan, np.float32)
        self.random = random_or_seeded(seed, "MultiArmedBandit")
        if seed is not None:
            self.reset()

    def reset(self, seed: int | None = None) -> None:
        """Begins an episode; a `seed` starts the stream again and draws new true values."""
        if seed is not None:
            self.random = stream(seed, "MultiArmedBandit")
            self._is_drawn = False
        fresh = self.random.normal(self.n_arms)  # drawn every time, so that every reset takes as many numbers
        xp = namespace(fresh)
        self.true_values = xp.where(self._is_drawn, self.true_values, fresh)
        self._is_drawn = True
        self._reward = xp.float32(0.0)
        self._is_over = False

    def act(self, action: Any) -> None:
        """Pulls the arm `action`."""
        self._reward = self.true_values[action] + self.random.normal()
        self._is_over = True

    def state(self) -> Any:
        """Always 0."""
        return 0

    def reward(self) -> Any:
        """The arm's true value and a standard normal number."""
        return self._reward

    def is_terminated(self) -> Any:
        """True after every action."""
        return self._is_over

    def action_space(self) -> Discrete:
        """The arms."""
        return Discrete(self.n_arms)

    def state_space(self) -> Discrete:
        """The only state."""
        return Discrete(1)

    @property
    def best_action(self) -> Any:
        """The arm with the highest true value."""
        best = self.true_values.argmax()
        return best if is_traced(best) else int(best)
