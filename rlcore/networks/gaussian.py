"""Normal distributions over actions, each component on its own; squashed by tanh if wanted."""

import math
from collections.abc import Callable
from functools import partial
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from flax import nnx

from rlcore.arguments import check_number, named
from rlcore.errors import ConfigError
from rlcore.interfaces import Array
from rlcore.networks.densities import HALF_LOG_2PI, diag_norm_log_pdf, tanh_log_det
from rlcore.networks.fitting import IDENTITIES, check_fit, check_parts
from rlcore.networks.sampling import check_usable, has_sample_axis, jax_key, sample_shape

Part = Callable[[Any], Any]

_TANH = (jnp.tanh, jax.lax.tanh, np.tanh, math.tanh)
_EPSILON = 1e-8  # what `diag_norm_log_pdf` adds to a standard deviation
_NODES = np.linspace(-6, 6, 129, dtype=np.float32)  # in standard deviations, for expectations that have no formula
_WEIGHTS = np.exp(-0.5 * _NODES**2) / np.exp(-0.5 * _NODES**2).sum()


class GaussianNetwork(nnx.Module):
    """A normal distribution for each component of an action, from states `[..., *state]`.

    The standard deviation is the output of `std`, clipped to `[min_std, max_std]`; so let `std` end in a softplus or
    an exponential. A negative output is clipped if `min_std` is above 0; else there is no distribution. Nor is there
    one for numbers that are not finite. Then calls raise `ConfigError`; where they are traced, they give NaN.

    Sampled actions carry no gradient; their log-probabilities do, as policy gradients need it.

    Args:
        mean: From features to `[..., size]`: a module or function.
        std: From features to `[..., size]`, or `[size]` if it is the same for all states.
        pre: From states to features, before both.
        min_std: Smallest standard deviation, at least 0.
        max_std: Largest one.
        squash: `jnp.tanh`: what is drawn is squashed into (-1, 1), and log-probabilities are those of the squashed
            action. Or `jax.nn.identity`: nothing.

    Raises:
        ConfigError: A part that can't be called or that does not fit the others, bounds that are no interval, or any
            other `squash`.

    Source: Julia `GaussianNetwork`.
    """

    def __init__(
        self,
        mean: Part,
        std: Part,
        pre: Part = jax.nn.identity,
        min_std: float = 0.0,
        max_std: float = math.inf,
        squash: Callable[[Array], Array] = jax.nn.identity,
    ) -> None:
        check_parts(mean=mean, std=std, pre=pre)
        if squash not in _TANH + IDENTITIES:
            raise ConfigError(
                f"squash is {named(squash)}, expected jnp.tanh or jax.nn.identity: for these the correction of the "
                "density is known"
            )
        self.mean, self.std, self.pre = mean, std, pre
        self.min_std, self.max_std = _check_bounds(min_std, max_std)
        self.is_squashed = squash in _TANH
        check_fit(self, pre, mean)

    def __call__(self, state: Any) -> tuple[Array, Array]:
        """The mean and the standard deviation before squashing, both `[..., size]`."""
        return _moments(self, state)

    def sample(self, state: Any, key: Any, n_samples: int | None = None) -> tuple[Array, Array]:
        """Draws actions.

        Args:
            state: `[..., *state]`.
            key: A JAX key, or a `rlcore.random.Random`, of which one number is taken.
            n_samples: How many for each state; `None`: one, without an axis of its own.

        Returns:
            Actions `[..., size]` or `[..., n_samples, size]`, and their log-probabilities in nats without the last
            axis; finite also where an action is rounded to ±1.
        """
        mean, std = self(state)
        return _sample(mean, std, jax_key(key), n_samples, is_squashed=self.is_squashed, has_gradient=False)

    def log_prob(self, state: Any, action: Any) -> Array:
        """The log-density of actions.

        Args:
            state: `[..., *state]`.
            action: `[..., size]` or `[..., n_samples, size]`.

        Returns:
            `[...]` or `[..., n_samples]`, in nats. A squashed action of ±1 counts as the nearest number inside, and one
            beyond has -inf; where many are near ±1, keep what `sample` gave, which is exact there.
        """
        return _log_prob(*self(state), action, is_squashed=self.is_squashed)

    def entropy(self, state: Any) -> Array:
        """The entropy `[...]` in nats; of squashed actions by a sum over 129 points, exact to 1e-4 for std below 10."""
        return _entropy(*self(state), is_squashed=self.is_squashed)

    def mode(self, state: Any) -> Array:
        """The action without noise, `[..., size]`: the mean, or tanh(mean).

        tanh(mean) is the median of each squashed component. Its density is largest there only if std is small; from
        about 0.7 on it is larger at the edges.
        """
        mean, _ = self(state)
        return jnp.tanh(mean) if self.is_squashed else mean


class SoftGaussianNetwork(nnx.Module):
    """Like `GaussianNetwork` with `squash=jnp.tanh`, but gradients flow through sampled actions.

    An action is tanh(mean + std * noise), so that it can be differentiated with respect to the parameters, as soft
    actor-critic needs it.

    Args:
        mean: From features to `[..., size]`: a module or function.
        std: From features to `[..., size]` or `[size]`, clipped to `[min_std, max_std]`.
        pre: From states to features, before both.
        min_std: Smallest standard deviation, at least 0.
        max_std: Largest one.

    Raises:
        ConfigError: As `GaussianNetwork`.

    Source: Haarnoja et al. 2018 (arXiv 1801.01290), eq. 11 and appendix C; Julia `SoftGaussianNetwork`.
    """

    def __init__(
        self, mean: Part, std: Part, pre: Part = jax.nn.identity, min_std: float = 0.0, max_std: float = math.inf
    ) -> None:
        check_parts(mean=mean, std=std, pre=pre)
        self.mean, self.std, self.pre = mean, std, pre
        self.min_std, self.max_std = _check_bounds(min_std, max_std)
        check_fit(self, pre, mean)

    def __call__(self, state: Any) -> tuple[Array, Array]:
        """The mean and the standard deviation before squashing, both `[..., size]`."""
        return _moments(self, state)

    def sample(self, state: Any, key: Any, n_samples: int | None = None) -> tuple[Array, Array]:
        """Draws actions in (-1, 1), differentiable; see `GaussianNetwork.sample`."""
        return _sample(*self(state), jax_key(key), n_samples, is_squashed=True, has_gradient=True)

    def log_prob(self, state: Any, action: Any) -> Array:
        """The log-density of squashed actions; see `GaussianNetwork.log_prob`."""
        return _log_prob(*self(state), action, is_squashed=True)

    def entropy(self, state: Any) -> Array:
        """The entropy of squashed actions `[...]`; see `GaussianNetwork.entropy`."""
        return _entropy(*self(state), is_squashed=True)

    def mode(self, state: Any) -> Array:
        """tanh(mean), `[..., size]`; see `GaussianNetwork.mode`."""
        return jnp.tanh(self(state)[0])


def _check_bounds(min_std: Any, max_std: Any) -> tuple[float, float]:
    min_std = check_number("min_std", min_std, 0)
    return min_std, math.inf if max_std == math.inf else check_number("max_std", max_std, min_std, above=min_std == 0)


def _moments(network: Any, state: Any) -> tuple[Array, Array]:
    features = network.pre(state)
    mean, std = jnp.asarray(network.mean(features)), jnp.asarray(network.std(features))
    if mean.ndim == 0 or std.shape not in (mean.shape, mean.shape[-1:]):
        raise ConfigError(
            f"mean gives an output of shape {mean.shape} and std one of shape {std.shape}, expected [..., size] from "
            f"mean and the same, or {mean.shape[-1:]} for all states, from std; give both heads the same size"
        )
    bounded, is_bounded, is_finite = _bounded(mean, std, network.min_std, network.max_std)
    advice = "let it end in nnx.softplus or jnp.exp, or give min_std"
    check_usable(std, is_bounded, "std gives a number that is not finite or below 0", advice)
    check_usable(mean, is_finite, "mean gives a number that is not finite", "look at the states")
    return bounded


@jax.jit
def _bounded(mean: Array, std: Array, min_std: Any, max_std: Any) -> tuple[tuple[Array, Array], Array, Array]:
    """The moments, NaN where they are not usable, and where they are."""
    clipped = jnp.clip(std, min_std, max_std).astype(std.dtype)
    is_bounded, is_finite = jnp.isfinite(clipped) & ((std >= 0) | (min_std > 0)), jnp.isfinite(mean)
    std = jnp.broadcast_to(jnp.where(is_bounded, clipped, jnp.nan), mean.shape)
    return (jnp.where(is_finite, mean, jnp.nan), std), is_bounded, is_finite


@partial(jax.jit, static_argnames=("n_samples", "is_squashed", "has_gradient"))
def _sample(
    mean: Array, std: Array, key: Any, n_samples: int | None, *, is_squashed: bool, has_gradient: bool
) -> tuple[Array, Array]:
    shape = (*sample_shape(mean.shape[:-1], n_samples), mean.shape[-1])
    if n_samples is not None:
        mean, std = mean[..., None, :], std[..., None, :]
    drawn = mean + std * jax.random.normal(key, shape, mean.dtype)
    if not has_gradient:
        drawn = jax.lax.stop_gradient(drawn)
    log_prob = diag_norm_log_pdf(mean, std, drawn, _EPSILON)
    return (jnp.tanh(drawn), log_prob - tanh_log_det(drawn)) if is_squashed else (drawn, log_prob)


@partial(jax.jit, static_argnames="is_squashed")
def _log_prob(mean: Array, std: Array, action: Any, *, is_squashed: bool) -> Array:
    action = jnp.asarray(action, mean.dtype)
    if has_sample_axis(action.shape, mean.shape, 1):
        mean, std = mean[..., None, :], std[..., None, :]
    if not is_squashed:
        return diag_norm_log_pdf(mean, std, action, _EPSILON)
    nearest = 1 - jnp.finfo(action.dtype).epsneg
    inside = jnp.clip(action, -nearest, nearest)
    to_left, to_right = jnp.log1p(inside), jnp.log1p(-inside)  # the logarithms of the distances to -1 and to 1
    drawn, log_det = (to_left - to_right) / 2, (to_left + to_right).sum(-1)  # artanh(action), log(1 - action²)
    log_prob = diag_norm_log_pdf(mean, std, drawn, _EPSILON) - log_det
    return jnp.where((jnp.abs(action) > 1).any(-1), -jnp.inf, log_prob)


@partial(jax.jit, static_argnames="is_squashed")
def _entropy(mean: Array, std: Array, *, is_squashed: bool) -> Array:
    entropy = (jnp.log(std + _EPSILON) + 0.5 + HALF_LOG_2PI).sum(-1)
    if not is_squashed:
        return entropy
    drawn = mean[..., None] + std[..., None] * _NODES  # [..., size, nodes]
    return entropy + (tanh_log_det(drawn[..., None]) * _WEIGHTS).sum((-1, -2))
