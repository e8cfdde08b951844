"""Distributions over discrete actions."""

from collections.abc import Callable
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from flax import nnx

from rlcore.errors import ConfigError, EnvContractError
from rlcore.networks.fitting import check_fit, check_parts
from rlcore.networks.sampling import has_sample_axis, jax_key, sample_shape, usable_or_nan
from rlcore.struct import is_traced

Array = jax.Array


class CategoricalNetwork(nnx.Module):
    """A distribution over the indices of actions, from states `[..., *state]`.

    Every method takes a `mask`: bool `[..., actions]`, true where an action is legal. Illegal actions have probability
    0 and are never drawn, and their logits have no influence. There is no distribution where nothing is legal or where
    a legal logit is NaN or +inf, or all are -inf: then calls raise; where they are traced, logits, log-probabilities
    and the entropy are NaN, and the action is -1.

    Args:
        model: From states to logits `[..., actions]` (no softmax at its end): a module or function.

    Raises:
        ConfigError: `model` can't be called.

    Source: Julia `CategoricalNetwork`.
    """

    def __init__(self, model: Callable[[Any], Any]) -> None:
        check_parts(model=model)
        self.model = model
        check_fit(self, model)

    def __call__(self, state: Any, mask: Any = None) -> Array:
        """The logits `[..., actions]`, -inf where an action is illegal.

        Raises:
            ConfigError: `mask` has another shape or type than the logits ask for, or the logits are not usable.
            EnvContractError: Nothing is legal.
        """
        logits = jnp.asarray(self.model(state))
        if logits.ndim == 0 or logits.shape[-1] == 0:
            raise ConfigError(f"model gives an output of shape {logits.shape}, expected [..., actions]: the logits")
        if mask is not None:
            logits = jnp.where(_checked_mask(mask, logits.shape), logits, -jnp.inf)
        is_usable = jnp.isfinite(logits.max(-1, keepdims=True))  # a NaN is the maximum of its row
        what, do = "the largest legal logit is not finite", "look at the states, or lower the learning rate"
        return usable_or_nan(logits, jnp.broadcast_to(is_usable, logits.shape), what, do)

    def sample(self, state: Any, key: Any, mask: Any = None, n_samples: int | None = None) -> tuple[Array, Array]:
        """Draws actions.

        Args:
            state: `[..., *state]`.
            key: A JAX key, or a `rlcore.random.Random`, of which one number is taken.
            mask: Bool `[..., actions]`, true where legal; `None`: all are.
            n_samples: How many for each state; `None`: one, without an axis of its own.

        Returns:
            Indices `[...]` or `[..., n_samples]` int32, and their log-probabilities in nats.
        """
        log_prob = jax.nn.log_softmax(self(state, mask))
        shape = sample_shape(log_prob.shape[:-1], n_samples)
        if n_samples is not None:
            log_prob = jnp.broadcast_to(log_prob[..., None, :], (*shape, log_prob.shape[-1]))
        action = jax.random.categorical(jax_key(key), log_prob)
        action = jnp.where(jnp.isnan(log_prob[..., 0]), -1, action).astype(jnp.int32)
        return action, _at(log_prob, action)

    def log_prob(self, state: Any, action: Any, mask: Any = None) -> Array:
        """The log-probability of actions, in nats.

        Args:
            state: `[..., *state]`.
            action: Indices `[...]` or `[..., n_samples]`.
            mask: Bool `[..., actions]`.

        Returns:
            `[...]` or `[..., n_samples]`; -inf for an illegal action.

        Raises:
            ConfigError: Actions that are no whole numbers or no index (in a trace: NaN there).
        """
        log_prob = jax.nn.log_softmax(self(state, mask))
        n_actions, indices = log_prob.shape[-1], jnp.asarray(action)
        if not jnp.issubdtype(indices.dtype, jnp.integer):
            raise ConfigError(f"actions have dtype {indices.dtype}, expected whole numbers: the indices of actions")
        is_index = (indices >= 0) & (indices < n_actions)
        if not is_traced(is_index) and not is_index.all():
            wrong = np.asarray(indices)[~np.asarray(is_index)][0]
            raise ConfigError(f"an action is {wrong}, expected an index from 0 to {n_actions - 1}")
        if has_sample_axis(indices.shape, log_prob.shape[:-1], 0):
            log_prob = jnp.broadcast_to(log_prob[..., None, :], (*indices.shape, n_actions))
        return _at(log_prob, jnp.where(is_index, indices, -1))

    def entropy(self, state: Any, mask: Any = None) -> Array:
        """The entropy `[...]` in nats; actions of probability 0 add nothing, also to gradients."""
        log_prob = jax.nn.log_softmax(self(state, mask))
        is_possible = log_prob > -jnp.inf
        known = jnp.where(is_possible | jnp.isnan(log_prob), log_prob, 0)
        return -jnp.where(is_possible | jnp.isnan(log_prob), jnp.exp(known) * known, 0).sum(-1)

    def mode(self, state: Any, mask: Any = None) -> Array:
        """The most likely legal action `[...]` int32, of several the first."""
        logits = self(state, mask)
        return jnp.where(jnp.isnan(logits[..., 0]), -1, logits.argmax(-1)).astype(jnp.int32)


def _at(log_prob: Array, action: Array) -> Array:
    """The entries of `log_prob` `[..., actions]` at the indices `action` `[...]`; NaN at -1."""
    taken = jnp.take_along_axis(log_prob, action.clip(0)[..., None], axis=-1)[..., 0]
    return jnp.where(action < 0, jnp.nan, taken)


def _checked_mask(mask: Any, shape: tuple[int, ...]) -> Any:
    is_known = not is_traced(mask)
    mask = np.asarray(mask) if is_known else mask
    if mask.shape != shape or mask.dtype.kind not in "biu":
        raise ConfigError(
            f"mask has dtype {mask.dtype} and shape {mask.shape}, expected bool and {shape}, that of the logits; pass "
            "one bool for each action: true if it is legal"
        )
    if is_known and not mask.any(-1).all():
        raise EnvContractError(
            f"a mask allows no action, expected at least one true among {shape[-1]}; end the episode where there is "
            "nothing to choose, and ask for no action after its end"
        )
    return mask.astype(bool)
