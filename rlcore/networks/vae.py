"""An auto-encoder of actions."""

from collections.abc import Callable
from typing import Any

import jax
import jax.numpy as jnp
from flax import nnx

from rlcore.arguments import check_whole, named
from rlcore.errors import ConfigError
from rlcore.networks.divergences import norm_kl_divergence
from rlcore.networks.fitting import beside, check_parts
from rlcore.networks.sampling import jax_key

Array = jax.Array


class VAE(nnx.Module):
    """Generates actions in (-1, 1) that resemble those it was trained on.

    Args:
        encoder: From states and actions side by side, `[..., state + size]`, to the mean and the standard deviation
            of latent variables, both `[..., latent_dims]`: a `GaussianNetwork`, or a module or function of your own.
        decoder: From states and latent variables side by side, `[..., state + latent_dims]`, to `[..., size]`; tanh
            follows.
        latent_dims: Number of latent variables, at least 1.

    Raises:
        ConfigError: A part that can't be called, or `latent_dims` below 1.

    Source: Fujimoto et al. 2019 (arXiv 1812.02900), section 4 and appendix; Julia `VAE`.
    """

    def __init__(self, encoder: Callable[[Any], Any], decoder: Callable[[Any], Any], latent_dims: int) -> None:
        check_parts(encoder=encoder, decoder=decoder)
        self.encoder, self.decoder = encoder, decoder
        self.latent_dims = check_whole("latent_dims", latent_dims)

    def __call__(self, state: Any, action: Any, key: Any) -> tuple[Array, Array, Array]:
        """Encodes actions, draws latent variables, and decodes these; differentiable.

        Args:
            state: `[..., state]`.
            action: `[..., size]`.
            key: A JAX key, or a `rlcore.random.Random`, of which one number is taken.

        Returns:
            The decoded actions `[..., size]`, and the mean and standard deviation `[..., latent_dims]`.

        Raises:
            ConfigError: Leading axes that differ, or an encoder of another size.
        """
        code = self.encoder(beside(state=state, action=action))
        if not isinstance(code, tuple) or len(code) != 2:
            raise ConfigError(f"encoder gives {named(code)}, expected a tuple (mean, std), as a GaussianNetwork gives")
        mean, std = map(jnp.asarray, code)
        if mean.shape != std.shape or mean.shape[-1:] != (self.latent_dims,):
            raise ConfigError(
                f"encoder gives a mean of shape {mean.shape} and a standard deviation of shape {std.shape}, expected "
                f"[..., {self.latent_dims}] for both: latent_dims is {self.latent_dims}"
            )
        z = mean + std * jax.random.normal(jax_key(key), mean.shape, mean.dtype)
        return self.decode(state, z), mean, std

    def decode(self, state: Any, z: Any = None, key: Any = None) -> Array:
        """Actions `[..., size]` in (-1, 1).

        Args:
            state: `[..., state]`.
            z: `[..., latent_dims]`; `None`: drawn from a standard normal and clipped to `[-0.5, 0.5]`, so that actions
                stay near those that were learnt.
            key: What to draw `z` with; needed only then.

        Raises:
            ConfigError: Neither `z` nor `key` is given, or `z` has the wrong shape.
        """
        state = jnp.asarray(state)
        shape = (*state.shape[:-1], self.latent_dims)
        if z is None:
            if key is None:
                raise ConfigError("z and key are None, expected one of them: latent variables, or a key to draw them")
            z = jnp.clip(jax.random.normal(jax_key(key), shape), -0.5, 0.5)
        z = jnp.asarray(z)
        if z.shape != shape:
            raise ConfigError(f"z has shape {z.shape}, expected {shape} for states of shape {state.shape}")
        return jnp.tanh(self.decoder(beside(state=state, z=z)))


def vae_loss(vae: VAE, state: Any, action: Any, key: Any) -> tuple[Array, Array]:
    """The two losses of a variational auto-encoder, to be added with a weight.

    Args:
        vae: The network.
        state: `[..., state]`.
        action: `[..., size]`, in (-1, 1).
        key: A JAX key, or a `rlcore.random.Random`.

    Returns:
        The mean squared error of the decoded actions, and the mean divergence of a latent variable from a standard
        normal one, in nats: two scalars.

    Source: Julia `vae_loss`.
    """
    decoded, mean, std = vae(state, action, key)
    error = decoded - jnp.asarray(action)
    return (error * error).mean(), norm_kl_divergence(mean, std, 0.0, 1.0).mean()
