"""The dense network."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from flax import nnx

from rlcore.errors import ConfigError
from rlcore.networks import MLP
from rlcore.networks.initial import kernel_init


def test_maps_the_last_axis_by_the_equation():
    net = MLP(2, (3,), 2, activation=nnx.tanh, rngs=nnx.Rngs(0))
    x = np.array([[0.5, -1.0], [2.0, 0.25]], np.float32)
    first, last = net.layers
    hidden = np.tanh(x @ np.asarray(first.kernel[...]) + np.asarray(first.bias[...]))
    expected = hidden @ np.asarray(last.kernel[...]) + np.asarray(last.bias[...])
    np.testing.assert_allclose(net(x), expected, rtol=1e-5)


@pytest.mark.parametrize("leading", [(), (5,), (2, 3)])
def test_keeps_leading_axes(leading):
    net = MLP(4, [16, 16], 2, rngs=nnx.Rngs(0))
    assert net(jnp.ones((*leading, 4))).shape == (*leading, 2)


def test_without_hidden_layers_is_linear():
    net = MLP(3, (), 2, rngs=nnx.Rngs(0))
    x, y = jnp.array([1.0, 2.0, 3.0]), jnp.array([-1.0, 0.0, 0.5])
    np.testing.assert_allclose(net(x + y) + net(jnp.zeros(3)), net(x) + net(y), atol=1e-5)


def test_dropout_drops_only_in_training():
    net = MLP(4, (16, 16), 2, dropout=0.5, rngs=nnx.Rngs(0))
    x = jnp.ones(4)
    assert float(net(x)[0]) != float(net(x)[0])  # every call draws anew
    net.eval()
    assert float(net(x)[0]) == float(net(x)[0])
    assert MLP(4, (16,), 2, rngs=nnx.Rngs(0)).dropout is None


@pytest.mark.parametrize(
    ("arguments", "named", "message"),
    [
        ((0, (4,), 2), {}, "n_inputs is 0"),
        ((4, (4, -1), 2), {}, r"hidden_sizes\[1\] is -1"),
        ((4, 64, 2), {}, "hidden_sizes is 64, expected a list or tuple"),
        ((4, (4,), True), {}, "n_outputs is True"),
        ((4, (4,), 2.0), {}, "n_outputs is 2.0"),
        ((4, (4,), 2), {"dropout": 1.0}, "dropout is 1.0"),
        ((4, (4,), 2), {"dropout": float("nan")}, "dropout is nan"),
        ((4, (4,), 2), {"activation": "relu"}, "activation is 'relu'"),
        ((4, (4,), 2), {"rngs": 0}, "rngs is 0"),
    ],
)
def test_refuses_wrong_arguments(arguments, named, message):
    with pytest.raises(ConfigError, match=message):
        MLP(*arguments, **{"rngs": nnx.Rngs(0)} | named)


@pytest.mark.parametrize("shape", [(4, 120), (120, 84), (1, 1), (3, 3, 2, 8), (200, 100)])
def test_first_kernels_are_those_of_flax(shape):
    for seed in range(3):
        key = jax.random.key(seed)
        own, flaxs = kernel_init(key, shape, jnp.float32), nnx.initializers.lecun_normal()(key, shape, jnp.float32)
        np.testing.assert_array_equal(own, flaxs)
    np.testing.assert_allclose(jax.jit(lambda key: kernel_init(key, shape, jnp.float32))(key), own, rtol=1e-6)
    assert kernel_init(key, shape, jnp.bfloat16).dtype == jnp.bfloat16
