"""Acting through NumPy."""

import math

import jax
import jax.numpy as jnp
import numpy as np
import optax
import pytest
from flax import nnx
from gymnasium.spaces import Box

from rlcore.approximators import Approximator
from rlcore.errors import ConfigError
from rlcore.networks import CNN, MLP, ActorCritic, DuelingNetwork, NoisyLinear


class OnesOwn(nnx.Module):
    """A network with layers side by side, constants, and a branch that only depends on parameters."""

    def __init__(self, rngs):
        self.first, self.norm = nnx.Linear(4, 4, rngs=rngs), nnx.BatchNorm(4, rngs=rngs)
        self.last = nnx.Linear(8, 2, rngs=rngs)

    def __call__(self, x):
        both = jnp.concatenate([x + nnx.gelu(self.norm(self.first(x))), jnp.clip(x, -1, 1)], -1)
        return self.last(both) / jnp.linalg.norm(self.last.kernel[...])


class OverTheBatch(nnx.Module):
    """Answers a state beside others otherwise than alone: its first axis is that of the batch."""

    def __init__(self, rngs):
        self.layer = nnx.Linear(4, 2, rngs=rngs)

    def __call__(self, x):
        return self.layer(x) - x.mean(axis=0).sum()


MODELS = {  # of few sizes, because each is compiled
    "mlp": lambda rngs: MLP(4, (16, 16), 2, rngs=rngs),
    "tanh": lambda rngs: MLP(4, (16,), 2, activation=nnx.tanh, rngs=rngs),
    "linear": lambda rngs: MLP(4, (), 2, rngs=rngs),
    "dropout": lambda rngs: MLP(4, (16, 16), 2, dropout=0.5, rngs=rngs),
    "sequential": lambda rngs: nnx.Sequential(
        nnx.Linear(4, 16, use_bias=False, rngs=rngs),
        jax.nn.sigmoid,
        nnx.Linear(16, 16, rngs=rngs),
        nnx.Dropout(0.5, rngs=rngs),
        jnp.tanh,
        nnx.Linear(16, 2, rngs=rngs),
        nnx.relu,
    ),
    "two in a row": lambda rngs: nnx.Sequential(
        nnx.Linear(4, 16, rngs=rngs), nnx.Linear(16, 2, rngs=rngs), nnx.identity
    ),
    "activation first": lambda rngs: nnx.Sequential(nnx.relu, nnx.Linear(4, 2, rngs=rngs), nnx.softmax),
    "layer norm": lambda rngs: nnx.Sequential(
        nnx.Linear(4, 16, rngs=rngs), nnx.LayerNorm(16, rngs=rngs), nnx.silu, nnx.Linear(16, 2, rngs=rngs)
    ),
    "dueling": lambda rngs: DuelingNetwork(
        MLP(4, (16,), 16, rngs=rngs), MLP(16, (), 1, rngs=rngs), MLP(16, (), 2, rngs=rngs)
    ),
    "noisy": lambda rngs: nnx.Sequential(NoisyLinear(4, 16, rngs=rngs), nnx.relu, NoisyLinear(16, 2, rngs=rngs)),
    "one's own": OnesOwn,
}


def network_of(name):
    return Approximator(MODELS[name](nnx.Rngs(0)), optax.sgd(0.1))


def acts_through_numpy(network, x):
    network.forward(x)
    return network._views.pass_for(x) is not None


@pytest.mark.parametrize("name", MODELS)
@pytest.mark.parametrize("dtype", [np.float32, np.float64, np.int32])
def test_equals_the_jitted_network(name, dtype):
    network = network_of(name)
    network.check(Box(-9, 9, (4,), np.float32))
    states = (np.random.default_rng(0).normal(size=(7, 4)) * 3).astype(dtype)
    through_jax = network.forward(jnp.asarray(states, jnp.float32))
    assert isinstance(through_jax, jax.Array)
    for leading in ((), (1,), (7,), (2, 3)):
        n = math.prod(leading)
        through_numpy = network.forward(states[:n].reshape(*leading, 4))
        assert type(through_numpy) is np.ndarray
        assert through_numpy.dtype == np.float32
        assert through_numpy.shape == (*leading, 2)
        np.testing.assert_allclose(through_numpy.reshape(n, 2), through_jax[:n], rtol=2e-5, atol=2e-6)
    assert acts_through_numpy(network, states[0].astype(np.float32))


class Function(nnx.Module):
    """A function as a network; its one parameter is 0."""

    def __init__(self, function):
        self.function, self.zero = function, nnx.Param(jnp.zeros(()))

    def __call__(self, x):
        return self.function(x + self.zero[...])


FUNCTIONS = {
    "numbers": lambda x: jnp.exp(x) - jnp.exp2(x) * jnp.expm1(x) / (1 + x * x) + jnp.abs(x) ** 0.7,
    "logarithms": lambda x: jnp.log(1 + x * x) + jnp.log1p(x * x) - jnp.sqrt(x * x) * jax.lax.rsqrt(1 + x * x),
    "angles": lambda x: jnp.sin(x) + jnp.cos(x) * jnp.arctan2(x, 2.0) - jnp.tanh(x),
    "powers": lambda x: x**2 + x**3 - x**5 + (1 + x * x) ** -2,
    "pieces": lambda x: jnp.floor(x) + jnp.ceil(2 * x) * jnp.sign(x) + jnp.where(x > 0, x, -3.0),
    "comparisons": lambda x: jnp.stack([x == 1, x != 1, x < 0, x <= 0, x > 0, x >= 0, ~((x < 1) & (x > -1) | (x > 2))]),
    "extremes": lambda x: jnp.maximum(x, 0.5) + jnp.minimum(x, x[::-1].max()) + x.min(),
    "activations": lambda x: nnx.elu(x) + nnx.leaky_relu(x) * nnx.silu(x) + nnx.softplus(x) - nnx.hard_tanh(x),
    "reductions": lambda x: jnp.stack([x.sum(), x.prod(), x.mean(), x.std(), jax.nn.logsumexp(x), x.var()]),
    "flags": lambda x: jnp.stack([(x > 0).all(), (x > 0).any(), jnp.isfinite(x).all()]),
    "shapes": lambda x: jnp.swapaxes(jnp.broadcast_to(x[:, None], (4, 3)), 0, 1).reshape(2, 6)[:, 1:5:2].squeeze(),
    "parts": lambda x: jnp.concatenate(jnp.split(x, [1, 3])[::-1]) @ jnp.arange(12, dtype=jnp.float32).reshape(4, 3),
    "products": lambda x: jnp.outer(x, x) @ x + jnp.eye(4) @ x + jnp.dot(x, x),
    "types": lambda x: (x > 0).astype(jnp.float32) + (x > 1).astype(jnp.int32) * 3,
    "several": lambda x: {"one": x + 1, "others": (x, jnp.ones(2))},
}


@pytest.mark.parametrize("name", FUNCTIONS)
def test_every_operation_equals_that_of_jax(name):
    network = Approximator(Function(FUNCTIONS[name]), optax.sgd(0.1))
    for seed in range(3):
        x = (np.random.default_rng(seed).normal(size=4) * 2).astype(np.float32)
        own, jaxs = network.forward(x), network.forward(jnp.asarray(x))
        assert jax.tree.structure(own) == jax.tree.structure(jaxs)
        for one, other in zip(jax.tree.leaves(own), jax.tree.leaves(jaxs), strict=True):
            assert type(one) is np.ndarray
            assert (one.dtype, one.shape) == (other.dtype, other.shape)
            np.testing.assert_allclose(one, other, rtol=1e-5, atol=1e-6)
    assert acts_through_numpy(network, x)


@pytest.mark.parametrize(
    "function",
    [
        lambda x: jnp.sort(x),
        lambda x: jax.lax.cumsum(x),
        lambda x: jax.scipy.special.erf(x),
        lambda x: x.astype(jnp.int32),  # whose value out of range is another one in NumPy
        lambda x: (x > 0).astype(jnp.int32) // 2,
        lambda x: x.astype(jnp.bfloat16),
        lambda x: jnp.einsum("ij,ik->ijk", x.reshape(2, 2), x.reshape(2, 2)),
        lambda x: jax.lax.fori_loop(0, 3, lambda i, x: x * 2, x),
        lambda x: sum((jnp.tanh(x + i) for i in range(40)), x),  # quicker when compiled
    ],
)
def test_any_other_network_is_left_to_jax(function):
    network, x = Approximator(Function(function), optax.sgd(0.1)), np.array([3.5, -1, 0.25, 2], np.float32)
    assert not acts_through_numpy(network, x)
    np.testing.assert_allclose(network.forward(x), network.forward(jnp.asarray(x)), rtol=1e-5)


def test_convolutions_are_left_to_jax():
    network = CNN((4, 4, 1), 2, channels=(1,), kernel_sizes=(2,), strides=(1,), hidden_sizes=(), rngs=nnx.Rngs(0))
    assert not acts_through_numpy(Approximator(network, optax.sgd(0.1)), np.ones((4, 4, 1), np.float32))


def test_large_networks_are_left_to_jax():
    network = MLP(4, (1_100, 1_000), 2, rngs=nnx.Rngs(0))
    assert not acts_through_numpy(Approximator(network, optax.sgd(0.1)), np.ones(4, np.float32))


def test_two_answers():
    rngs = nnx.Rngs(0)
    network = Approximator(ActorCritic(MLP(4, (8,), 2, rngs=rngs), MLP(4, (8,), 1, rngs=rngs)), optax.sgd(0.1))
    x = np.ones((3, 4), np.float32)
    assert acts_through_numpy(network, x)
    for one, other in zip(network.forward(x), network.forward(jnp.asarray(x)), strict=True):
        np.testing.assert_allclose(one, other, rtol=1e-5)


def test_a_network_that_needs_a_batch_axis_gets_one():
    network = Approximator(OverTheBatch(nnx.Rngs(0)), optax.sgd(0.1))
    network.check(Box(-9, 9, (4,), np.float32))
    x = np.random.default_rng(0).normal(size=(3, 4)).astype(np.float32)
    assert acts_through_numpy(network, x[0])
    np.testing.assert_allclose(network.forward(x[0]), network.model(x[:1])[0], rtol=1e-5)
    np.testing.assert_allclose(network.forward(x), network.model(x), rtol=1e-5)


def test_extreme_inputs_do_not_warn():
    for name in ("sequential", "layer norm", "one's own", "activation first"):
        with np.errstate(all="raise", under="ignore"):
            values = network_of(name).forward(np.full(4, 1e6, np.float32))
        assert np.isfinite(values).all()


def test_every_answer_is_an_array_of_its_own():
    for name in ("mlp", "linear"):
        network = network_of(name)
        first = network.forward(np.ones(4, np.float32))
        kept = first.copy()
        second = network.forward(np.zeros(4, np.float32))
        assert not np.shares_memory(first, second)
        np.testing.assert_array_equal(first, kept)
        first[:] = 0  # and may be written to
        assert not np.array_equal(network.forward(np.ones(4, np.float32)), first)


def test_the_state_itself_is_not_handed_out():
    network, x = Approximator(Function(lambda x: x[...]), optax.sgd(0.1)), np.ones(4, np.float32)
    answer = network.forward(x)
    answer[:] = 5
    np.testing.assert_array_equal(network.forward(x), np.ones(4))
    np.testing.assert_array_equal(x, np.ones(4))


@pytest.mark.parametrize("n_shapes", [1, 3, 12])
def test_an_update_is_seen_at_once_for_states_of_every_shape(n_shapes):
    network = Approximator(MLP(2, (3,), 2, rngs=nnx.Rngs(0)), optax.sgd(1.0))
    states = [np.ones((n, 2), np.float32) for n in range(n_shapes)] + [np.ones(2, np.float32)]
    gradients = jax.tree.map(jnp.zeros_like, network.parameters)
    gradients["layers"][1]["bias"] = jnp.array([0.5, 0.5])
    for _ in range(2):
        before = [network.forward(x) for x in states]
        network.optimise(gradients)
        for x, answer in zip(states, before, strict=True):
            np.testing.assert_allclose(network.forward(x), answer - 0.5, rtol=1e-6)


def test_what_depends_on_parameters_alone_follows_them():
    network, x = network_of("one's own"), np.ones(4, np.float32)
    before = network.forward(x)
    network.parameters = jax.tree.map(lambda leaf: 2 * leaf + 1, network.parameters)
    after = network.forward(x)
    assert not np.allclose(before, after)
    np.testing.assert_allclose(after, network.forward(jnp.asarray(x)), rtol=1e-5)


@pytest.mark.parametrize("shape", [(3,), (2, 3), ()])
@pytest.mark.parametrize("name", ["mlp", "layer norm"])
def test_refuses_states_of_another_size(name, shape):
    network = network_of(name)
    with pytest.raises(ConfigError, match=r"can't take states of shape .* expected \[\.\.\., \*state\]"):
        network.forward(np.zeros(shape, np.float32))
