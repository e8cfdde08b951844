"""Action values as a state value plus advantages."""

from collections.abc import Callable
from typing import Any

import jax
import jax.numpy as jnp
from flax import nnx

from rlcore.arguments import check_whole
from rlcore.errors import ConfigError
from rlcore.networks.fitting import check_fit, check_parts, single

Array = jax.Array


class DuelingNetwork(nnx.Module):
    """Predicts action values as a state value plus centred advantages.

    Q(s, a) = V(s) + A(s, a) - mean over actions of A(s, .)

    With `n_atoms` above 1 it does so atom by atom, for a `DQNLearner` with a distribution.

    Args:
        base: From states `[..., *state]` to features.
        value: From features to `[..., n_atoms]`.
        advantage: From features to `[..., actions * n_atoms]`, all atoms of the first action in front.
        n_atoms: Numbers that stand for one value, 1 for plain values.

    Raises:
        ConfigError: A part that can't be called, or that does not fit the others.

    Source: Wang et al. 2016 (arXiv 1511.06581), eq. 9; over atoms Hessel et al. 2018 (arXiv 1710.02298), section
    "The integrated agent"; Julia `DuelingNetwork`.
    """

    def __init__(
        self,
        base: Callable[[Any], Any],
        value: Callable[[Any], Any],
        advantage: Callable[[Any], Any],
        n_atoms: int = 1,
    ) -> None:
        check_parts(base=base, value=value, advantage=advantage)
        self.base, self.value, self.advantage = base, value, advantage
        self.n_atoms = check_whole("n_atoms", n_atoms)
        check_fit(self, base, value)

    def __call__(self, state: Any) -> Array:
        """Maps states `[..., *state]` to action values `[..., actions * n_atoms]`.

        Raises:
            ConfigError: The heads' outputs don't fit each other.
        """
        features = self.base(state)
        value = jnp.asarray(self.value(features))  # [..., N]
        advantage = jnp.asarray(self.advantage(features))  # [..., A * N]
        if self.n_atoms == 1:
            single(value, "value")
        if value.shape[-1:] != (self.n_atoms,) or advantage.shape[:-1] != value.shape[:-1] or self._is_cut(advantage):
            actions = "actions" if self.n_atoms == 1 else f"actions * {self.n_atoms}"
            raise ConfigError(
                f"value gives an output of shape {value.shape} and advantage one of shape {advantage.shape}, "
                f"expected [..., {self.n_atoms}] and [..., {actions}] with the same leading axes"
            )
        advantage = advantage.reshape(*value.shape[:-1], -1, self.n_atoms)  # [..., A, N]
        values = value[..., None, :] + advantage - advantage.mean(-2, keepdims=True)
        return values.reshape(*value.shape[:-1], -1)

    def _is_cut(self, advantage: Array) -> bool:
        """Whether some action would lack atoms."""
        return advantage.ndim == 0 or advantage.shape[-1] % self.n_atoms != 0
