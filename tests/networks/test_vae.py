"""The auto-encoder of actions."""

import math

import jax
import jax.numpy as jnp
import numpy as np
import optax
import pytest
from flax import nnx
from scipy import stats

from rlcore.errors import ConfigError
from rlcore.networks import MLP, VAE, GaussianNetwork, vae_loss

STATE = np.random.default_rng(0).normal(size=(64, 3)).astype(np.float32)
ACTION = np.tanh(STATE[:, :2])


def small():
    rngs = nnx.Rngs(0)
    body = nnx.Sequential(nnx.Linear(5, 32, rngs=rngs), nnx.relu)
    std = nnx.Sequential(nnx.Linear(32, 2, rngs=rngs), nnx.softplus)
    return VAE(GaussianNetwork(nnx.Linear(32, 2, rngs=rngs), std, body), MLP(5, (32,), 2, rngs=rngs), 2)


@pytest.mark.parametrize("leading", [(), (5,), (2, 3)])
def test_decodes_what_it_draws(leading):
    rng = np.random.default_rng(0)
    state, action = rng.normal(size=(*leading, 3)), rng.uniform(-1, 1, (*leading, 2))
    vae, key = small(), jax.random.key(0)
    decoded, mean, std = vae(state, action, key)
    assert (decoded.shape, mean.shape, std.shape) == ((*leading, 2),) * 3
    z = mean + std * jax.random.normal(key, mean.shape)
    expected = np.tanh(vae.decoder(jnp.concatenate([state, z], -1)))
    np.testing.assert_allclose(decoded, expected, atol=1e-6)
    np.testing.assert_allclose(vae.decode(state, z), expected, atol=1e-6)


def test_latent_variables_that_it_draws_itself_are_clipped_normals():
    """Inside the bounds Kolmogorov-Smirnov, false alarm once in 10,000; 62 % lie at the bounds."""
    seen = VAE(lambda x: (x, x), lambda x: x[..., 3:], 4)
    drawn = np.arctanh(np.asarray(seen.decode(np.zeros((5000, 3)), key=jax.random.key(0)), float)).ravel()
    assert np.abs(drawn).max() == pytest.approx(0.5, abs=1e-5)
    inside = drawn[np.abs(drawn) < 0.499]
    share = stats.norm.cdf(0.499) - stats.norm.cdf(-0.499)
    assert len(inside) / 20_000 == pytest.approx(share, abs=4 * math.sqrt(share * (1 - share) / 20_000))
    assert stats.kstest(inside, stats.truncnorm(-0.499, 0.499).cdf).pvalue > 1e-4


def test_losses_by_the_equations():
    vae, key = small(), jax.random.key(1)
    decoded, mean, std = (np.asarray(each, float) for each in vae(STATE, ACTION, key))
    reconstruction, kl = vae_loss(vae, STATE, ACTION, key)
    assert (reconstruction.shape, kl.shape) == ((), ())
    assert float(reconstruction) == pytest.approx(np.mean((decoded - ACTION) ** 2), rel=1e-5)
    assert float(kl) == pytest.approx(-0.5 * np.mean(1 + np.log(std**2) - mean**2 - std**2), rel=1e-4)


def test_learns_to_reconstruct():
    graph, parameters = nnx.split(small())
    optimiser = optax.adam(3e-3)

    @jax.jit
    def step(parameters, state, key):
        def loss(parameters):
            reconstruction, kl = vae_loss(nnx.merge(graph, parameters), STATE, ACTION, key)
            return reconstruction + 0.01 * kl, reconstruction

        gradients, reconstruction = jax.grad(loss, has_aux=True)(parameters)
        updates, state = optimiser.update(gradients, state)
        return optax.apply_updates(parameters, updates), state, reconstruction

    state, seen = optimiser.init(parameters), []
    for key in jax.random.split(jax.random.key(0), 300):
        parameters, state, reconstruction = step(parameters, state, key)
        seen.append(float(reconstruction))
    assert np.mean(seen[-20:]) < 0.1 * np.mean(seen[:5])


def test_refuses_what_does_not_fit():
    vae = small()
    with pytest.raises(ConfigError, match="z and key are None"):
        vae.decode(STATE)
    with pytest.raises(ConfigError, match=r"z has shape \(64, 3\), expected \(64, 2\)"):
        vae.decode(STATE, np.zeros((64, 3)))
    with pytest.raises(ConfigError, match=r"expected \[..., 3\] for both: latent_dims is 3"):
        VAE(vae.encoder, vae.decoder, 3)(STATE, ACTION, jax.random.key(0))
    with pytest.raises(ConfigError, match=r"expected a tuple \(mean, std\)"):
        VAE(lambda x: x, vae.decoder, 2)(STATE, ACTION, jax.random.key(0))
    with pytest.raises(ConfigError, match="latent_dims is 0"):
        VAE(vae.encoder, vae.decoder, 0)
