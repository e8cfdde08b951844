"""Distributions over discrete actions."""

from collections.abc import Callable
from functools import partial
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from flax import nnx

from rlcore.arguments import checked_mask
from rlcore.errors import ConfigError
from rlcore.networks.fitting import check_fit, check_parts
from rlcore.networks.sampling import check_usable, has_sample_axis, jax_key, sample_shape
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
            logits = jnp.where(checked_mask(mask, logits.shape, jnp), logits, -jnp.inf)
        usable, is_usable = _usable(logits)
        what, do = "the largest legal logit is not finite", "look at the states, or lower the learning rate"
        check_usable(logits, is_usable, what, do)
        return usable

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
        return _sample(self(state, mask), jax_key(key), n_samples)

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
        logits, indices = self(state, mask), jnp.asarray(action)
        n_actions = logits.shape[-1]
        if not jnp.issubdtype(indices.dtype, jnp.integer):
            raise ConfigError(f"actions have dtype {indices.dtype}, expected whole numbers: the indices of actions")
        known = None if is_traced(indices) else np.asarray(indices)
        if known is not None and not ((known >= 0) & (known < n_actions)).all():
            wrong = known[(known < 0) | (known >= n_actions)][0]
            raise ConfigError(f"an action is {wrong}, expected an index from 0 to {n_actions - 1}")
        return _log_prob(logits, indices)

    def entropy(self, state: Any, mask: Any = None) -> Array:
        """The entropy `[...]` in nats; actions of probability 0 add nothing, also to gradients."""
        return _entropy(self(state, mask))

    def mode(self, state: Any, mask: Any = None) -> Array:
        """The most likely legal action `[...]` int32, of several the first."""
        return _mode(self(state, mask))


@jax.jit
def _usable(logits: Array) -> tuple[Array, Array]:
    """The logits, NaN where a row of them is not usable, and which rows are."""
    is_usable = jnp.isfinite(logits.max(-1))  # a NaN is the maximum of its row
    return jnp.where(is_usable[..., None], logits, jnp.nan), is_usable


@partial(jax.jit, static_argnames="n_samples")
def _sample(logits: Array, key: Any, n_samples: int | None) -> tuple[Array, Array]:
    log_prob = jax.nn.log_softmax(logits)
    shape = sample_shape(log_prob.shape[:-1], n_samples)
    if n_samples is not None:
        log_prob = jnp.broadcast_to(log_prob[..., None, :], (*shape, log_prob.shape[-1]))
    action = jax.random.categorical(key, log_prob)
    action = jnp.where(jnp.isnan(log_prob[..., 0]), -1, action).astype(jnp.int32)
    return action, _at(log_prob, action)


@jax.jit
def _log_prob(logits: Array, indices: Array) -> Array:
    log_prob, n_actions = jax.nn.log_softmax(logits), logits.shape[-1]
    if has_sample_axis(indices.shape, logits.shape[:-1], 0):
        log_prob = jnp.broadcast_to(log_prob[..., None, :], (*indices.shape, n_actions))
    return _at(log_prob, jnp.where((indices >= 0) & (indices < n_actions), indices, -1))


@jax.jit
def _entropy(logits: Array) -> Array:
    log_prob = jax.nn.log_softmax(logits)
    counts = (log_prob > -jnp.inf) | jnp.isnan(log_prob)
    known = jnp.where(counts, log_prob, 0)
    return -jnp.where(counts, jnp.exp(known) * known, 0).sum(-1)


@jax.jit
def _mode(logits: Array) -> Array:
    return jnp.where(jnp.isnan(logits[..., 0]), -1, logits.argmax(-1)).astype(jnp.int32)


def _at(log_prob: Array, action: Array) -> Array:
    """The entries of `log_prob` `[..., actions]` at the indices `action` `[...]`; NaN at -1."""
    taken = jnp.take_along_axis(log_prob, action.clip(0)[..., None], axis=-1)[..., 0]
    return jnp.where(action < 0, jnp.nan, taken)
