"""What the networks cost beside the same layers of Flax with the equations written by hand: forward and gradient."""

import argparse
import math
from collections.abc import Callable
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from flax import nnx
from jitted import compare
from measure import print_machine

from rlcore.networks import (
    CNN,
    MLP,
    VAE,
    ActorCritic,
    CategoricalNetwork,
    CovGaussianNetwork,
    DuelingNetwork,
    GaussianNetwork,
    PerturbationNetwork,
    SoftGaussianNetwork,
    vae_loss,
)

STATE, SIZE, HIDDEN = 8, 3, 64
LOG_2PI = math.log(2 * math.pi)
RNGS = nnx.Rngs(0)
KEY = jax.random.key(0)


def dense(n_in: int, n_out: int) -> nnx.Module:
    return nnx.Linear(n_in, n_out, rngs=RNGS)


def body() -> nnx.Module:
    return nnx.Sequential(dense(STATE, HIDDEN), nnx.relu, dense(HIDDEN, HIDDEN), nnx.relu)


def deviation() -> nnx.Module:
    return nnx.Sequential(dense(HIDDEN, SIZE), nnx.softplus)


def normal_log_prob(mean: Any, std: Any, x: Any) -> Any:
    return (-0.5 * ((x - mean) / std) ** 2 - jnp.log(std) - 0.5 * LOG_2PI).sum(-1)


def layers(net: Any, x: Any) -> Any:
    *hidden, last = net.layers
    for layer in hidden:
        x = nnx.relu(x @ layer.kernel[...] + layer.bias[...])
    return x @ last.kernel[...] + last.bias[...]


def images(net: Any, x: Any) -> Any:
    x = x.astype(jnp.float32) / 255
    for convolution in net.convolutions:
        x = nnx.relu(convolution(x))
    return layers(net.dense, x.reshape(len(x), -1))


def dueling(net: Any, x: Any) -> Any:
    features = net.base(x)
    advantage = net.advantage(features)
    return net.value(features) + advantage - advantage.mean(-1, keepdims=True)


def squashed_log_prob(net: Any, x: Any, action: Any) -> Any:
    features = net.pre(x)
    u = jnp.arctanh(jnp.clip(action, -1 + 1e-6, 1 - 1e-6))
    return normal_log_prob(net.mean(features), net.std(features), u) - jnp.log(1 - action**2 + 1e-6).sum(-1)


def soft_sample(net: Any, x: Any) -> Any:
    features = net.pre(x)
    mean, std = net.mean(features), net.std(features)
    u = mean + std * jax.random.normal(KEY, mean.shape)
    action = jnp.tanh(u)
    return action, normal_log_prob(mean, std, u) - jnp.log(1 - action**2 + 1e-6).sum(-1)


def full_log_prob(net: Any, x: Any, action: Any) -> Any:
    features = net.pre(x)
    mean, vector = net.mean(features), net.cholesky(features)
    columns, rows = np.triu_indices(SIZE)
    factor = jnp.zeros((*mean.shape, SIZE)).at[..., rows, columns].set(vector)
    diagonal = 10 * nnx.softplus(jnp.diagonal(factor, axis1=-2, axis2=-1) / 10) + 1e-5
    factor = jnp.where(jnp.eye(SIZE, dtype=bool), diagonal[..., None], factor)
    white = jax.scipy.linalg.solve_triangular(factor, (action - mean)[..., None], lower=True)[..., 0]
    return -0.5 * (white**2).sum(-1) - jnp.log(diagonal).sum(-1) - SIZE / 2 * LOG_2PI


def masked_log_prob(net: Any, x: Any, action: Any, mask: Any) -> Any:
    logits = jnp.where(mask, net.model(x), -1e9)
    return jnp.take_along_axis(jax.nn.log_softmax(logits), action[:, None], axis=-1)[:, 0]


def perturbed(net: Any, x: Any, action: Any) -> Any:
    change = net.phi * jnp.tanh(net.base(jnp.concatenate([x, action], -1)))
    return jnp.clip(action + change, -1, 1)


def vae_by_hand(net: Any, x: Any, action: Any) -> Any:
    mean, std = net.encoder(jnp.concatenate([x, action], -1))
    z = mean + std * jax.random.normal(KEY, mean.shape)
    decoded = jnp.tanh(net.decoder(jnp.concatenate([x, z], -1)))
    divergence = 0.5 * (std**2 + mean**2 - 1) - jnp.log(std)
    return ((decoded - action) ** 2).mean(), divergence.mean()


def cases(batch: int) -> dict[str, tuple[nnx.Module, Callable, Callable, tuple]]:
    """By title: a network, the same by hand and by rlcore, and their arguments."""
    random = np.random.default_rng(0)
    x = jnp.asarray(random.normal(size=(batch, STATE)), jnp.float32)
    action = jnp.asarray(random.uniform(-0.9, 0.9, (batch, SIZE)), jnp.float32)
    index, mask = jnp.asarray(random.integers(0, SIZE, batch)), jnp.asarray(random.random((batch, SIZE)) < 0.7)
    mask = mask.at[jnp.arange(batch), index].set(True)
    pictures = jnp.asarray(random.integers(0, 256, (32, 84, 84, 4)), jnp.uint8)
    heads = dense(HIDDEN, SIZE), deviation(), body()
    actor_critic = ActorCritic(
        MLP(STATE, (HIDDEN, HIDDEN), SIZE, rngs=RNGS), MLP(STATE, (HIDDEN, HIDDEN), 1, rngs=RNGS)
    )
    encoder = GaussianNetwork(
        dense(HIDDEN, 2),
        nnx.Sequential(dense(HIDDEN, 2), nnx.softplus),
        nnx.Sequential(dense(STATE + SIZE, HIDDEN), nnx.relu),
        min_std=1e-3,
    )

    def called(net: Any, *given: Any) -> Any:
        return net(*given)

    def log_prob(net: Any, *given: Any) -> Any:
        return net.log_prob(*given)

    return {
        "MLP": (MLP(STATE, (HIDDEN, HIDDEN), SIZE, rngs=RNGS), layers, called, (x,)),
        "CNN, 32 pictures": (CNN((84, 84, 4), 6, rngs=RNGS), images, called, (pictures,)),
        "DuelingNetwork": (DuelingNetwork(body(), dense(HIDDEN, 1), dense(HIDDEN, SIZE)), dueling, called, (x,)),
        "ActorCritic": (
            actor_critic,
            lambda net, x: (layers(net.actor, x), layers(net.critic, x)[..., 0]),
            called,
            (x,),
        ),
        "GaussianNetwork.log_prob, squashed": (
            GaussianNetwork(*heads, squash=jnp.tanh),
            squashed_log_prob,
            log_prob,
            (x, action),
        ),
        "SoftGaussianNetwork.sample": (
            SoftGaussianNetwork(*heads),
            soft_sample,
            lambda net, x: net.sample(x, KEY),
            (x,),
        ),
        "CovGaussianNetwork.log_prob": (
            CovGaussianNetwork(dense(HIDDEN, SIZE), dense(HIDDEN, SIZE * (SIZE + 1) // 2), body()),
            full_log_prob,
            log_prob,
            (x, action),
        ),
        "CategoricalNetwork.log_prob, masked": (
            CategoricalNetwork(MLP(STATE, (HIDDEN, HIDDEN), SIZE, rngs=RNGS)),
            masked_log_prob,
            log_prob,
            (x, index, mask),
        ),
        "PerturbationNetwork": (
            PerturbationNetwork(MLP(STATE + SIZE, (HIDDEN,), SIZE, rngs=RNGS)),
            perturbed,
            called,
            (x, action),
        ),
        "vae_loss": (
            VAE(encoder, MLP(STATE + 2, (HIDDEN,), SIZE, rngs=RNGS), 2),
            vae_by_hand,
            lambda net, x, action: vae_loss(net, x, action, KEY),
            (x, action),
        ),
    }


def of_parameters(network: nnx.Module, function: Callable) -> tuple[Callable, Any]:
    """`function(network, ...)` as a pure function of the parameters, and these."""
    graph, parameters = nnx.split(network)
    return lambda parameters, *given: function(nnx.merge(graph, parameters), *given), parameters


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--batch", type=int, default=256)
    parser.add_argument("--repeats", type=int, default=15)
    arguments = parser.parse_args()
    print_machine("rlcore", "jax", "jaxlib", "flax")
    for title, (network, hand, own, given) in cases(arguments.batch).items():
        plain, parameters = of_parameters(network, hand)
        ours, _ = of_parameters(network, own)
        compare(title, {"by hand": plain, "rlcore": ours}, (parameters, *given), arguments.repeats, n=1)


if __name__ == "__main__":
    main()
