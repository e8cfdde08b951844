"""Rewards and punishments as two streams of values of one network."""

import dataclasses
from typing import Any, ClassVar

from rlcore.arguments import check_number
from rlcore.struct import namespace


@dataclasses.dataclass(frozen=True)
class RewardSplit:
    """Split Q-learning with a network: one stream of values learns from rewards, one from punishments.

    A part of `DQNLearner`, which values actions by the sum of both streams. With r+ = max(r, 0) and r- = min(r, 0) the
    values of the taken action move towards

    reward_weight * r+ + gamma * max over a' of Q+(s', a') - (1 - reward_memory) / alpha * Q+(s, a)

    and likewise towards that of punish_weight, r-, punish_memory and Q-. That is where one visit moves the tables of a
    `SplitQLearner` with the step size `alpha`; here the optimiser says how far.

    Args:
        reward_weight: How much rewards count, at least 0.
        punish_weight: How much punishments count, likewise.
        reward_memory: How much of Q+ is kept at each visit, in `[0, 1]`.
        punish_memory: How much of Q- is kept, likewise.
        alpha: The step size of the table in which the memories mean that, in `(0, 1]`; without effect where both are 1.

    Raises:
        ConfigError: A number out of its range.

    Source: Lin et al. 2020 (arXiv 1906.11286), algorithm 1, Split Q-learning.
    """

    reward_weight: float = 1.0
    punish_weight: float = 1.0
    reward_memory: float = 1.0
    punish_memory: float = 1.0
    alpha: float = 0.01

    n_streams: ClassVar[int] = 2

    def __post_init__(self) -> None:
        for name in ("reward_weight", "punish_weight"):
            object.__setattr__(self, name, check_number(name, getattr(self, name), 0))
        for name in ("reward_memory", "punish_memory"):
            object.__setattr__(self, name, check_number(name, getattr(self, name), 0, 1))
        object.__setattr__(self, "alpha", check_number("alpha", self.alpha, 0, 1, above=True))

    def parts(self, reward: Any) -> tuple[Any, Any]:
        """What each stream learns of `reward` `[batch]`: that of rewards, that of punishments."""
        xp = namespace(reward)
        return self.reward_weight * xp.maximum(reward, 0), self.punish_weight * xp.minimum(reward, 0)

    @property
    def fading(self) -> tuple[float, float]:
        """How many times its own value each stream loses at a visit, in units of errors."""
        return (1 - self.reward_memory) / self.alpha, (1 - self.punish_memory) / self.alpha
