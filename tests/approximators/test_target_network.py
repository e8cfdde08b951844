"""A network with an older copy of itself."""

import jax
import jax.numpy as jnp
import numpy as np
import optax
import pytest
from flax import nnx
from gymnasium import spaces

from rlcore.approximators import Approximator, TabularQApproximator, TargetNetwork
from rlcore.errors import ConfigError
from rlcore.networks import MLP


class Normed(nnx.Module):
    """Nested, with batch norm, dropout and a layer without bias."""

    def __init__(self, rngs):
        self.inner = nnx.List([nnx.Linear(3, 16, use_bias=False, rngs=rngs)])
        self.norm = nnx.BatchNorm(16, rngs=rngs)
        self.dropout = nnx.Dropout(0.5, rngs=rngs)
        self.head = nnx.Linear(16, 2, rngs=rngs)

    def __call__(self, x):
        return self.head(self.dropout(self.norm(self.inner[0](x))))


def number(sync_freq=1, rho=0.0):
    """One parameter, 0 at first; a gradient of -1 adds 1."""
    model = nnx.Linear(1, 1, use_bias=False, kernel_init=nnx.initializers.zeros, rngs=nnx.Rngs(0))
    return TargetNetwork(Approximator(model, optax.sgd(1.0)), sync_freq, rho)


def step(network):
    network.optimise(jax.tree.map(lambda p: -jnp.ones_like(p), network.parameters))
    return network


@pytest.mark.parametrize(
    ("sync_freq", "rho", "expected"),
    [
        (1, 0.0, [1, 2, 3, 4, 5, 6]),
        (2, 0.0, [0, 2, 2, 4, 4, 6]),
        (3, 0.0, [0, 0, 3, 3, 3, 6]),
        (1, 0.5, [0.5, 1.25, 2.125, 3.0625, 4.03125, 5.015625]),
        (2, 0.5, [0, 1, 1, 2.5, 2.5, 4.25]),
        (3, 0.75, [0, 0, 0.75, 0.75, 0.75, 2.0625]),
        (2, 1.0, [0, 0, 0, 0, 0, 0]),
    ],
)
@pytest.mark.parametrize("traced", [False, True])
def test_schedule(sync_freq, rho, expected, traced):
    network = number(sync_freq, rho)
    advance = jax.jit(step) if traced else step
    seen = []
    for _ in expected:
        network = advance(network)
        seen.append(network.target(np.ones(1, np.float32)).item())
    assert seen == expected
    assert network.forward(np.ones(1, np.float32)).item() == len(expected)
    assert network.model(jnp.ones(1)).item() == len(expected)
    assert network.target_model(jnp.ones(1)).item() == expected[-1]


def test_one_compilation_serves_all_updates():
    traces = []

    @jax.jit
    def advance(network):
        traces.append(1)
        return step(network)

    for _ in range(2):
        network = number(3, 0.5)
        for _ in range(4):
            network = advance(network)
    assert len(traces) == 1


def update(network, x):
    def loss(parameters):
        return network.forward(x, parameters).sum(), network.variables

    gradients, network.variables = jax.grad(loss, has_aux=True)(network.parameters)
    network.optimise(gradients)
    return network


def test_batch_statistics_follow_and_streams_are_copied():
    network = TargetNetwork(Approximator(Normed(nnx.Rngs(0)), optax.sgd(0.1)), sync_freq=2, rho=0.25)
    x = jnp.asarray(np.random.default_rng(0).normal(size=(6, 3)) + 1, jnp.float32)
    start = network.target_variables["norm"]["mean"]
    compiled = jax.jit(update)
    network = compiled(network, x)
    np.testing.assert_array_equal(network.target_variables["norm"]["mean"], start)
    network = compiled(network, x)
    mixed = 0.25 * start + 0.75 * network.variables["norm"]["mean"]
    np.testing.assert_allclose(network.target_variables["norm"]["mean"], mixed, rtol=1e-6)
    assert int(network.target_variables["dropout"]["rngs"]["count"]) == 2
    np.testing.assert_allclose(network.target(x), network.target_model(x), atol=1e-5)
    np.testing.assert_array_equal(network.target(x), network.target(x))  # no dropout
    assert not np.allclose(network.target(x), network.forward(x), atol=1e-6)


def test_with_a_full_copy_target_and_online_answer_alike():
    network = TargetNetwork(Approximator(Normed(nnx.Rngs(0)), optax.sgd(0.1)))
    x = jnp.asarray(np.random.default_rng(0).normal(size=(6, 3)), jnp.float32)
    np.testing.assert_array_equal(network.target(x), network.forward(x))
    network = jax.jit(update)(network, x)
    np.testing.assert_array_equal(network.target(x), network.forward(x))


def test_no_array_sits_in_two_fields():
    network = TargetNetwork(Approximator(Normed(nnx.Rngs(0)), optax.sgd(0.1)))

    def buffers(network):
        arrays = [leaf for leaf in jax.tree.leaves(network) if not jnp.issubdtype(leaf.dtype, jax.dtypes.prng_key)]
        return [array.unsafe_buffer_pointer() for array in arrays]

    assert len(set(buffers(network))) == len(buffers(network))
    network = jax.jit(update)(network, jnp.ones((6, 3)))
    assert len(set(buffers(network))) == len(buffers(network))


def test_an_update_that_is_not_finite_never_reaches_the_target():
    network = number()
    step(network)
    network.optimise(jax.tree.map(lambda p: jnp.full_like(p, jnp.nan), network.parameters))
    assert not bool(network.is_finite)
    assert network.target(np.ones(1, np.float32)).item() == 1.0
    assert network.forward(np.ones(1, np.float32)).item() == 1.0


def test_setting_parameters_sets_the_target_as_well():
    network = number(sync_freq=100)
    step(network)
    network.parameters = {"kernel": np.full((1, 1), 5.0)}
    assert network.forward(np.ones(1, np.float32)).item() == 5.0
    assert network.target(np.ones(1, np.float32)).item() == 5.0
    with pytest.raises(ConfigError, match="do not fit the model"):
        network.parameters = {"kernel": np.zeros((2, 1))}


def test_answers_what_an_approximator_answers():
    network = TargetNetwork(Approximator(MLP(2, (3,), 2, rngs=nnx.Rngs(0)), optax.adam(0.1)), sync_freq=5)
    assert network.check(spaces.Box(-1, 1, (2,))).shape == (2,)
    assert network.state_ndim == 1
    x = [0.5, 1.0]
    np.testing.assert_allclose(network.target(x), network.forward(x), atol=1e-6)
    assert type(network.target(x)) is np.ndarray
    np.testing.assert_allclose(network.merge(network.parameters)(jnp.asarray(x)), network.forward(x), atol=1e-6)
    assert network.optimiser_state is network.approximator.optimiser_state
    assert network.variables == {}
    asked = [name for name in vars(Approximator) if not name.startswith("_")]
    assert [name for name in asked if not hasattr(network, name)] == []


@pytest.mark.parametrize(
    ("named", "message"),
    [
        ({"sync_freq": 0}, "sync_freq is 0"),
        ({"sync_freq": True}, "sync_freq is True"),
        ({"sync_freq": 2.0}, "sync_freq is 2.0"),
        ({"rho": -0.1}, "rho is -0.1"),
        ({"rho": 1.5}, "rho is 1.5"),
        ({"rho": float("nan")}, "rho is nan"),
    ],
)
def test_refuses_wrong_arguments(named, message):
    with pytest.raises(ConfigError, match=message):
        TargetNetwork(number().approximator, **named)


@pytest.mark.parametrize("inner", [number(), TabularQApproximator(2, 2), nnx.Linear(1, 1, rngs=nnx.Rngs(0))])
def test_refuses_anything_but_an_approximator(inner):
    with pytest.raises(ConfigError, match=f"approximator is a {type(inner).__name__}, expected an Approximator"):
        TargetNetwork(inner)
