"""Distributions of the return by their quantiles (QR-DQN)."""

import dataclasses
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from rlcore.arguments import check_number, check_whole
from rlcore.learners.distribution import Distribution
from rlcore.learners.targets import bellman_target

Array = jax.Array


@dataclasses.dataclass(frozen=True)
class Quantiles(Distribution):
    """The network gives `n` quantiles of the return, at the shares (i + 1/2) / n, i = 0 .. n-1; no bounds are needed.

    The target is r + gamma * theta_j(s', a*) for each quantile. The loss of quantile i is the mean over j of
    `|tau_i - 1[u < 0]| L(u)` with u = target_j - theta_i, summed over i; L is the Huber loss: u^2 / 2 up to `kappa`,
    `kappa (|u| - kappa / 2)` beyond. With `kappa` 0 it is `|u|`.

    Args:
        n: How many quantiles, at least 1.
        kappa: Where the Huber loss turns from a square into a line, in units of the return, at least 0.

    Raises:
        ConfigError: `n` is below 1 or `kappa` negative.

    Source: Dabney et al. 2018 (arXiv 1710.10044), eq. 9 and 10 and algorithm 1.
    """

    n: int = 200
    kappa: float = 1.0

    def __post_init__(self) -> None:
        object.__setattr__(self, "n", check_whole("n", self.n))
        object.__setattr__(self, "kappa", check_number("kappa", self.kappa, 0))

    @property
    def n_atoms(self) -> int:  # type: ignore[override]
        """Numbers for each action: `n`."""
        return self.n

    @property
    def shares(self) -> np.ndarray:
        """Of which part of the returns each quantile is the bound, `[n]` float32: the midpoints of n equal parts."""
        return ((np.arange(self.n) + 0.5) / self.n).astype(np.float32)

    def expected(self, outputs: Any) -> Any:
        """The mean `[...]` of the quantiles `[..., n]`."""
        return outputs.mean(-1)

    def target(self, outputs: Any, reward: Any, gamma: Any, terminated: Any) -> Array:
        """The quantiles `[batch, n]` of r + gamma * Z."""
        gamma = gamma if np.ndim(gamma) == 0 else jnp.asarray(gamma)[:, None]
        return bellman_target(jnp.asarray(reward)[:, None], outputs, gamma, jnp.asarray(terminated)[:, None])

    def loss(self, prediction: Any, target: Any) -> Array:
        """The quantile Huber loss `[batch]` of the quantiles `[batch, n]` given those of `target`."""
        error = target[:, None, :] - prediction[:, :, None]  # [B, predicted, target]
        size = abs(error)
        if self.kappa > 0:
            inside = jnp.minimum(size, self.kappa)
            size = inside * (size - 0.5 * inside)
        return (abs(self.shares[:, None] - (error < 0)) * size).mean(-1).sum(-1)
