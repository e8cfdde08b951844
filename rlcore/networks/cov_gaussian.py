"""Normal distributions over actions whose components depend on each other."""

from collections.abc import Callable
from functools import partial
from typing import Any

import jax
import jax.numpy as jnp
from flax import nnx

from rlcore.errors import ConfigError
from rlcore.interfaces import Array
from rlcore.networks.densities import HALF_LOG_2PI, mv_norm_log_pdf
from rlcore.networks.fitting import check_fit, check_parts
from rlcore.networks.sampling import check_usable, has_sample_axis, jax_key, sample_shape
from rlcore.networks.triangular import log_det_cholesky, vec_to_tril

Part = Callable[[Any], Any]


class CovGaussianNetwork(nnx.Module):
    """A multivariate normal distribution of actions, from states `[..., *state]`: N(mean, L Lᵀ).

    The head `cholesky` gives the lower triangle of L column by column, as `vec_to_tril` takes it. A number x on the
    diagonal becomes 10 log(1 + exp(x / 10)) + 1e-5, which is always above 0; it is 6.9 for x = 0. For numbers that are
    not finite there is no distribution: calls raise `ConfigError`; where they are traced, they give NaN.

    Sampled actions carry no gradient; their log-probabilities do, as policy gradients need it.

    Args:
        mean: From features to `[..., size]`: a module or function.
        cholesky: From features to `[..., size * (size + 1) / 2]`.
        pre: From states to features, before both.

    Raises:
        ConfigError: A part that can't be called, or that does not fit the others.

    Source: Julia `CovGaussianNetwork`.
    """

    def __init__(self, mean: Part, cholesky: Part, pre: Part = jax.nn.identity) -> None:
        check_parts(mean=mean, cholesky=cholesky, pre=pre)
        self.mean, self.cholesky, self.pre = mean, cholesky, pre
        check_fit(self, pre, mean)

    def __call__(self, state: Any) -> tuple[Array, Array]:
        """The mean `[..., size]` and L `[..., size, size]`, lower triangular with a diagonal above 0.

        Raises:
            ConfigError: The heads' sizes don't fit, or a number is not finite (in a trace: NaN).
        """
        features = self.pre(state)
        mean, vector = jnp.asarray(self.mean(features)), jnp.asarray(self.cholesky(features))
        size = mean.shape[-1] if mean.ndim else 0
        if size == 0 or vector.shape != (*mean.shape[:-1], size * (size + 1) // 2):
            raise ConfigError(
                f"mean gives an output of shape {mean.shape} and cholesky one of shape {vector.shape}, expected "
                f"[..., size] and [..., size * (size + 1) / 2], here {size * (size + 1) // 2}: the lower triangle"
            )
        factored, are_finite = _factored(mean, vector)
        for name, values, is_finite in zip(("mean", "cholesky"), (mean, vector), are_finite, strict=True):
            check_usable(values, is_finite, f"{name} gives a number that is not finite", "look at the states")
        return factored

    def sample(self, state: Any, key: Any, n_samples: int | None = None) -> tuple[Array, Array]:
        """Draws actions.

        Args:
            state: `[..., *state]`.
            key: A JAX key, or a `rlcore.random.Random`, of which one number is taken.
            n_samples: How many for each state; `None`: one, without an axis of its own.

        Returns:
            Actions `[..., size]` or `[..., n_samples, size]`, and their log-probabilities in nats without the last
            axis.
        """
        return _sample(*self(state), jax_key(key), n_samples)

    def log_prob(self, state: Any, action: Any) -> Array:
        """The log-density of actions `[..., size]` or `[..., n_samples, size]`: `[...]` or `[..., n_samples]`, nats."""
        return _log_prob(*self(state), action)

    def entropy(self, state: Any) -> Array:
        """The entropy `[...]` in nats."""
        return _entropy(self(state)[1])

    def mode(self, state: Any) -> Array:
        """The most likely action `[..., size]`: the mean."""
        return self(state)[0]


@jax.jit
def _factored(mean: jax.Array, vector: jax.Array) -> tuple[tuple[Array, Array], tuple[jax.Array, jax.Array]]:
    """The mean and L, NaN where what came is not finite, and where it is."""
    are_finite = jnp.isfinite(mean), jnp.isfinite(vector)
    mean, vector = jnp.where(are_finite[0], mean, jnp.nan), jnp.where(are_finite[1], vector, jnp.nan)
    triangle = vec_to_tril(vector, mean.shape[-1])
    diagonal = 10 * jax.nn.softplus(jnp.diagonal(triangle, axis1=-2, axis2=-1) / 10) + 1e-5
    return (mean, jnp.where(jnp.eye(mean.shape[-1], dtype=bool), diagonal[..., None, :], triangle)), are_finite


@partial(jax.jit, static_argnames="n_samples")
def _sample(mean: Any, cholesky: Any, key: Any, n_samples: int | None) -> tuple[Array, Array]:
    shape = (*sample_shape(mean.shape[:-1], n_samples), mean.shape[-1])
    if n_samples is not None:
        mean, cholesky = mean[..., None, :], cholesky[..., None, :, :]
    noise = jax.random.normal(key, shape, mean.dtype)
    action = jax.lax.stop_gradient(mean + (cholesky * noise[..., None, :]).sum(-1))
    return action, mv_norm_log_pdf(mean, cholesky, action)


@jax.jit
def _log_prob(mean: Any, cholesky: Any, action: Any) -> Array:
    action = jnp.asarray(action, mean.dtype)
    if has_sample_axis(action.shape, mean.shape, 1):
        mean, cholesky = mean[..., None, :], cholesky[..., None, :, :]
    return mv_norm_log_pdf(mean, cholesky, action)


@jax.jit
def _entropy(cholesky: Any) -> Array:
    return 0.5 * log_det_cholesky(cholesky) + cholesky.shape[-1] * (0.5 + HALF_LOG_2PI)
