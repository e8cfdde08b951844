"""Every network inside an approximator and a target network: shapes, both modes, one step of learning."""

import jax
import jax.numpy as jnp
import numpy as np
import optax
import pytest
from flax import nnx
from gymnasium import spaces

from rlcore.approximators import Approximator, TargetNetwork
from rlcore.errors import ConfigError
from rlcore.networks import (
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

STATES = np.random.default_rng(0).normal(size=(2, 3, 4)).astype(np.float32)
SPACE = spaces.Box(-10, 10, (4,))
KEY = jax.random.key(0)


def head(n_outputs, seed=0):
    return nnx.Linear(8, n_outputs, rngs=nnx.Rngs(seed))


def deviation():
    return nnx.Sequential(head(2, 1), nnx.softplus)


def body():
    return nnx.Sequential(nnx.Linear(4, 8, rngs=nnx.Rngs(2)), nnx.tanh)


def moody_body():
    """With dropout and batch statistics."""
    rngs = nnx.Rngs(3)
    return nnx.Sequential(nnx.Linear(4, 8, rngs=rngs), nnx.BatchNorm(8, rngs=rngs), nnx.Dropout(0.5, rngs=rngs))


STOCHASTIC = {
    "GaussianNetwork": lambda pre: GaussianNetwork(head(2), deviation(), pre, squash=jnp.tanh),
    "SoftGaussianNetwork": lambda pre: SoftGaussianNetwork(head(2), deviation(), pre),
    "CovGaussianNetwork": lambda pre: CovGaussianNetwork(head(2), head(3, 1), pre),
    "CategoricalNetwork": lambda pre: CategoricalNetwork(nnx.Sequential(pre, head(3))),
}
OF_STATES = STOCHASTIC | {
    "ActorCritic": lambda pre: ActorCritic(
        CategoricalNetwork(nnx.Sequential(pre, head(3))), MLP(4, (8,), 1, rngs=nnx.Rngs(4))
    ),
    "DuelingNetwork": lambda pre: DuelingNetwork(pre, head(1), head(3, 1)),
}
each = pytest.mark.parametrize("make", OF_STATES.values(), ids=OF_STATES)
each_stochastic = pytest.mark.parametrize("make", STOCHASTIC.values(), ids=STOCHASTIC)


def assert_close(one, other):
    jax.tree.map(lambda a, b: np.testing.assert_allclose(a, b, rtol=1e-4, atol=1e-5), one, other)


def is_same(one, other):
    return all(jax.tree.leaves(jax.tree.map(lambda a, b: bool((a == b).all()), one, other)))


@each
def test_leading_axes_compiled_and_mapped(make):
    network = Approximator(make(body()), optax.sgd(0.1))
    shape = network.check(SPACE)
    answers = network.forward(STATES)
    assert jax.tree.map(lambda leaf: leaf.shape[2:], answers) == jax.tree.map(lambda leaf: leaf.shape, shape)
    assert_close(network.forward(STATES[1, 2]), jax.tree.map(lambda leaf: leaf[1, 2], answers))
    assert_close(network.forward(STATES[1]), jax.tree.map(lambda leaf: leaf[1], answers))
    model = network.model
    for result in jax.jit(lambda states: (model(states), jax.vmap(model)(states)))(STATES):
        assert_close(result, answers)


@each
def test_one_step_of_learning_and_the_target_that_follows(make):
    network = TargetNetwork(Approximator(make(body()), optax.sgd(0.1)), sync_freq=2)

    @jax.jit
    def update(network):
        def loss(parameters):
            return sum((leaf**2).mean() for leaf in jax.tree.leaves(network.forward(STATES[0], parameters)))

        value, gradients = jax.value_and_grad(loss)(network.parameters)
        network.optimise(gradients)
        return network, value

    before, first = network.target(STATES), network.parameters
    network, loss = update(network)
    assert all(jax.tree.leaves(jax.tree.map(lambda a, b: bool((a != b).any()), first, network.parameters)))
    assert is_same(network.target(STATES), before)
    network, smaller = update(network)
    assert smaller < loss
    assert is_same(network.target(STATES), network.forward(STATES))
    assert not is_same(network.target(STATES), before)


@each_stochastic
def test_methods_are_the_same_compiled(make):
    network = Approximator(make(body()), optax.sgd(0.1))

    def ask(network, states):
        net = network.model
        action, log_prob = net.sample(states, KEY, n_samples=5)
        return action, log_prob, net.log_prob(states, action), net.entropy(states), net.mode(states)

    eager = ask(network, STATES)
    assert_close(eager[1], eager[2])
    assert_close(jax.jit(ask)(network, STATES), eager)


@each_stochastic
def test_one_key_for_each_state_by_vmap(make):
    net, keys = make(body()), jax.random.split(KEY, 3)
    action, log_prob = jax.jit(jax.vmap(net.sample))(STATES[0], keys)
    assert len(np.unique(np.asarray(log_prob))) == 3
    alone = jax.jit(net.sample)(STATES[0, 1], keys[1])
    assert_close((action[1], log_prob[1]), alone)


@each_stochastic
def test_trains_with_dropout_and_batch_statistics_and_evaluates_without(make):
    network = Approximator(make(moody_body()), optax.sgd(0.1))
    network.check(SPACE)
    states, before = STATES[0], network.variables

    @jax.jit
    def evaluate(network):
        net = network.model
        return net.entropy(states), net.entropy(states), network.variables

    first, second, variables = evaluate(network)
    assert is_same(first, second)
    assert is_same(variables, before)

    @jax.jit
    def train(network):
        net = network.merge(network.parameters)
        return net.entropy(states), net.entropy(states), network.variables

    first, second, variables = train(network)
    assert not is_same(first, second)
    assert not is_same(variables, before)
    assert is_same(network.variables, before)


def test_networks_of_two_arguments_learn_through_merge():
    rngs = nnx.Rngs(0)
    encoder = GaussianNetwork(head(2), deviation(), nnx.Sequential(nnx.Linear(6, 8, rngs=rngs), nnx.tanh))
    vae = TargetNetwork(Approximator(VAE(encoder, MLP(6, (8,), 2, rngs=rngs), 2), optax.sgd(0.1)))
    changer = TargetNetwork(Approximator(PerturbationNetwork(MLP(6, (8,), 2, rngs=rngs)), optax.sgd(0.1)))
    states, actions = STATES[0], np.tanh(STATES[0, :, :2])

    def update(network, loss):
        before, gradients = jax.value_and_grad(lambda parameters: loss(network.merge(parameters)))(network.parameters)
        network.optimise(gradients)
        return network, before, loss(network.model)

    for network, loss in (
        (vae, lambda net: sum(vae_loss(net, states, actions, KEY))),
        (changer, lambda net: net(states, actions).sum()),
    ):
        network, before, after = jax.jit(update, static_argnums=1)(network, loss)
        assert after < before
        assert is_same(network.target_parameters, network.parameters)
    changed = network.target_model(states, actions)
    assert 0 < np.abs(changed - actions).max() <= 0.05 + 1e-6


class Wide(nnx.Module):
    """A head that does not tell what it takes."""

    def __init__(self, n_outputs):
        self.layer = nnx.Linear(4, n_outputs, rngs=nnx.Rngs(0))

    def __call__(self, x):
        return self.layer(x)


@pytest.mark.parametrize(
    ("network", "message"),
    [
        (GaussianNetwork(Wide(2), Wide(3)), r"shape \(2, 2\) and std one of shape \(2, 3\)"),
        (CovGaussianNetwork(Wide(3), Wide(3)), r"shape \(2, 3\) and cholesky one of shape \(2, 3\)"),
        (DuelingNetwork(Wide(4), Wide(2), Wide(3)), r"value gives an output of shape \(2, 2\), expected \[..., 1\]"),
        (ActorCritic(Wide(2), Wide(2)), r"critic gives an output of shape \(2, 2\)"),
    ],
)
def test_heads_of_the_wrong_size_are_named_when_the_approximator_is_checked(network, message):
    with pytest.raises(ConfigError, match=message):
        Approximator(network, optax.sgd(0.1)).check(SPACE)
