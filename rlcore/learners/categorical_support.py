"""Distributions of the return over fixed values (C51)."""

import dataclasses
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from rlcore.arguments import check_number, check_whole
from rlcore.errors import ConfigError
from rlcore.learners.distribution import Distribution
from rlcore.learners.targets import bellman_target
from rlcore.struct import namespace

Array = jax.Array


@dataclasses.dataclass(frozen=True)
class CategoricalSupport(Distribution):
    """The return takes one of `n_atoms` values at equal distances; the network gives the logits of their probabilities.

    The target is the distribution of r + gamma * Z(s', a*), each of its values divided between the two atoms next to
    it; values outside the support count as its ends. The loss is the Kullback-Leibler divergence, which has the
    gradient of the cross-entropy and is 0 where the prediction is right.

    Args:
        v_min: The first atom: the smallest return that can be told.
        v_max: The last one.
        n_atoms: How many, at least 2.

    Raises:
        ConfigError: `v_min` is not below `v_max`, one of them is not finite, or there are fewer than 2 atoms.

    Source: Bellemare et al. 2017 (arXiv 1707.06887), algorithm 1.
    """

    v_min: float
    v_max: float
    n_atoms: int = 51

    def __post_init__(self) -> None:
        object.__setattr__(self, "v_min", check_number("v_min", self.v_min))
        object.__setattr__(self, "v_max", check_number("v_max", self.v_max))
        object.__setattr__(self, "n_atoms", check_whole("n_atoms", self.n_atoms, 2))
        if self.v_min >= self.v_max:
            raise ConfigError(
                f"v_min is {self.v_min:g} and v_max {self.v_max:g}, expected v_min below v_max: the bounds of returns"
            )

    @property
    def atoms(self) -> np.ndarray:
        """The values `[n_atoms]` float32, rising."""
        return np.linspace(self.v_min, self.v_max, self.n_atoms, dtype=np.float32)

    def expected(self, outputs: Any) -> Any:
        """The mean `[...]` of the distributions with the logits `[..., n_atoms]`."""
        if namespace(outputs) is jnp:
            return jax.nn.softmax(outputs) @ self.atoms
        weights = np.exp(outputs - outputs.max(-1, keepdims=True))
        return (weights @ self.atoms) / weights.sum(-1)

    def target(self, outputs: Any, reward: Any, gamma: Any, terminated: Any) -> Array:
        """The probabilities `[batch, n_atoms]` of r + gamma * Z, brought back to the atoms."""
        ends = jnp.asarray(terminated)[:, None]
        probabilities = jnp.where(ends, 1 / self.n_atoms, jax.nn.softmax(outputs))  # at an end all are the reward
        gamma = gamma if np.ndim(gamma) == 0 else jnp.asarray(gamma)[:, None]
        returns = bellman_target(jnp.asarray(reward)[:, None], self.atoms, gamma, ends)  # [B, N]
        distance = (self.v_max - self.v_min) / (self.n_atoms - 1)
        places = jnp.clip((returns - self.v_min) / distance, 0, self.n_atoms - 1)
        shares = jnp.clip(1 - abs(places[:, :, None] - jnp.arange(self.n_atoms)), 0, 1)  # [B, N from, N to]
        return jnp.einsum("bi,bij->bj", probabilities, shares)

    def loss(self, prediction: Any, target: Any) -> Array:
        """The divergence `[batch]` of the logits `[batch, n_atoms]` from the probabilities `target`."""
        losses = jax.scipy.special.xlogy(target, target) - target * jax.nn.log_softmax(prediction)
        return losses.sum(-1)
