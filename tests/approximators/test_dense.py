"""Acting through NumPy."""

import math

import jax
import jax.numpy as jnp
import numpy as np
import optax
import pytest
from flax import nnx

from rlcore.approximators import Approximator
from rlcore.approximators.dense import dense_layers
from rlcore.errors import ConfigError
from rlcore.networks import CNN, MLP

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
}


def network_of(name):
    return Approximator(MODELS[name](nnx.Rngs(0)), optax.sgd(0.1))


@pytest.mark.parametrize("name", MODELS)
@pytest.mark.parametrize("dtype", [np.float32, np.float64, np.int64])
def test_equals_the_jitted_network(name, dtype):
    network = network_of(name)
    states = (np.random.default_rng(0).normal(size=(7, 4)) * 3).astype(dtype)
    through_jax = network.forward(jnp.asarray(states, jnp.float32))
    assert isinstance(through_jax, jax.Array)
    for leading in ((), (1,), (7,), (2, 3)):
        n = math.prod(leading)
        through_numpy = network.forward(states[:n].reshape(*leading, 4))
        assert type(through_numpy) is np.ndarray
        assert through_numpy.dtype == np.float32
        assert through_numpy.shape == (*leading, 2)
        np.testing.assert_allclose(through_numpy.reshape(n, 2), through_jax[:n], rtol=1e-5, atol=1e-6)


def test_extreme_inputs_do_not_warn():
    network = network_of("sequential")
    with np.errstate(all="raise", under="ignore"):
        values = network.forward(np.full(4, 1e6, np.float32))
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


def test_an_update_is_seen_at_once():
    network = Approximator(MLP(2, (3,), 2, rngs=nnx.Rngs(0)), optax.sgd(1.0))
    x = np.ones(2, np.float32)
    before = network.forward(x)
    gradients = jax.tree.map(jnp.zeros_like, network.parameters)
    gradients["layers"][1]["bias"] = jnp.array([0.5, 0.5])
    network.optimise(gradients)
    np.testing.assert_allclose(network.forward(x), before - 0.5, rtol=1e-6)


@pytest.mark.parametrize(
    "model",
    [
        CNN((4, 4, 1), 2, channels=(1,), kernel_sizes=(2,), strides=(1,), hidden_sizes=(), rngs=nnx.Rngs(0)),
        MLP(4, (16,), 2, activation=nnx.gelu, rngs=nnx.Rngs(0)),
        nnx.Sequential(nnx.Linear(4, 16, dtype=jnp.bfloat16, rngs=nnx.Rngs(0))),
        nnx.Sequential(nnx.relu, nnx.Linear(4, 16, rngs=nnx.Rngs(0))),
        nnx.Sequential(nnx.Linear(4, 16, rngs=nnx.Rngs(0)), nnx.LayerNorm(16, rngs=nnx.Rngs(0))),
    ],
)
def test_any_other_network_is_left_to_jax(model):
    assert dense_layers(model) is None


@pytest.mark.parametrize("shape", [(3,), (2, 3), ()])
def test_refuses_states_of_another_size(shape):
    network = network_of("mlp")
    with pytest.raises(ConfigError, match=r"expected \[\.\.\., 4\]"):
        network.forward(np.zeros(shape, np.float32))
