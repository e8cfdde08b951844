"""Acting through NumPy."""

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


def models():
    rngs = nnx.Rngs(0)
    return {
        "mlp": MLP(4, (120, 84), 2, rngs=rngs),
        "tanh": MLP(4, (16,), 3, activation=nnx.tanh, rngs=rngs),
        "linear": MLP(4, (), 2, rngs=rngs),
        "dropout": MLP(4, (16, 16), 2, dropout=0.5, rngs=rngs),
        "sequential": nnx.Sequential(
            nnx.Linear(4, 8, use_bias=False, rngs=rngs),
            jax.nn.sigmoid,
            nnx.Linear(8, 8, rngs=rngs),
            nnx.Dropout(0.5, rngs=rngs),
            jnp.tanh,
            nnx.Linear(8, 2, rngs=rngs),
            nnx.relu,
        ),
        "two in a row": nnx.Sequential(nnx.Linear(4, 8, rngs=rngs), nnx.Linear(8, 2, rngs=rngs), nnx.identity),
    }


@pytest.mark.parametrize("name", models())
@pytest.mark.parametrize("shape", [(4,), (1, 4), (7, 4), (2, 3, 4)])
@pytest.mark.parametrize("dtype", [np.float32, np.float64, np.int64])
def test_equals_the_jitted_network(name, shape, dtype):
    network = Approximator(models()[name], optax.sgd(0.1))
    x = (np.random.default_rng(0).normal(size=shape) * 3).astype(dtype)
    through_jax = network.forward(jnp.asarray(x))
    through_numpy = network.forward(x)
    assert isinstance(through_jax, jax.Array)
    assert type(through_numpy) is np.ndarray
    assert through_numpy.dtype == np.float32
    np.testing.assert_allclose(through_numpy, through_jax, rtol=1e-5, atol=1e-6)


def test_extreme_inputs_do_not_warn():
    network = Approximator(models()["sequential"], optax.sgd(0.1))
    with np.errstate(all="raise", under="ignore"):
        values = network.forward(np.full(4, 1e6, np.float32))
    assert np.isfinite(values).all()


def test_every_answer_is_an_array_of_its_own():
    for name in ("mlp", "linear"):
        network = Approximator(models()[name], optax.sgd(0.1))
        first = network.forward(np.ones(4, np.float32))
        kept = first.copy()
        second = network.forward(np.zeros(4, np.float32))
        assert not np.shares_memory(first, second)
        np.testing.assert_array_equal(first, kept)
        first[:] = 0  # and may be written to
        assert not np.array_equal(network.forward(np.ones(4, np.float32)), first)


def test_an_update_is_seen_at_once():
    network = Approximator(MLP(2, (3,), 1, rngs=nnx.Rngs(0)), optax.sgd(1.0))
    x = np.ones(2, np.float32)
    before = network.forward(x)
    gradients = jax.tree.map(jnp.zeros_like, network.parameters)
    gradients["layers"][1]["bias"] = jnp.array([0.5])
    network.optimise(gradients)
    np.testing.assert_allclose(network.forward(x), before - 0.5, rtol=1e-6)


@pytest.mark.parametrize(
    "model",
    [
        CNN((4, 4, 1), 2, channels=(1,), kernel_sizes=(2,), strides=(1,), rngs=nnx.Rngs(0)),
        MLP(4, (8,), 2, activation=nnx.gelu, rngs=nnx.Rngs(0)),
        nnx.Sequential(nnx.Linear(4, 8, dtype=jnp.bfloat16, rngs=nnx.Rngs(0))),
        nnx.Sequential(nnx.relu, nnx.Linear(4, 8, rngs=nnx.Rngs(0))),
        nnx.Sequential(nnx.Linear(4, 8, rngs=nnx.Rngs(0)), nnx.LayerNorm(8, rngs=nnx.Rngs(0))),
    ],
)
def test_any_other_network_is_left_to_jax(model):
    assert dense_layers(model) is None


@pytest.mark.parametrize("shape", [(3,), (2, 3), ()])
def test_refuses_states_of_another_size(shape):
    network = Approximator(models()["mlp"], optax.sgd(0.1))
    with pytest.raises(ConfigError, match=r"expected \[\.\.\., 4\]"):
        network.forward(np.zeros(shape, np.float32))
