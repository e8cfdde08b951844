"""The convolutional network."""

import jax.numpy as jnp
import numpy as np
import pytest
from flax import nnx

from rlcore.errors import ConfigError
from rlcore.networks import CNN


def small(n_outputs=2, **named):
    sizes = {"channels": (4,), "kernel_sizes": (3,), "strides": (2,), "hidden_sizes": (16,)}
    return CNN((9, 7, 2), n_outputs, **sizes | named, rngs=nnx.Rngs(0))


@pytest.mark.parametrize("leading", [(), (5,), (2, 3)])
def test_keeps_leading_axes(leading):
    net = small()
    images = np.random.default_rng(0).random((*leading, 9, 7, 2), np.float32)
    values = net(images)
    assert values.shape == (*leading, 2)
    rows = jnp.stack([net(image) for image in images.reshape(-1, 9, 7, 2)])
    np.testing.assert_allclose(values.reshape(-1, 2), rows, atol=1e-5)


def test_scales_bytes_to_unit_floats():
    net = small()
    image = np.arange(9 * 7 * 2, dtype=np.uint8).reshape(9, 7, 2)
    np.testing.assert_allclose(net(image), net(image.astype(np.float32) / 255), rtol=1e-6)


def test_one_convolution_by_hand():
    net = CNN((3, 3, 1), 1, channels=(1,), kernel_sizes=(3,), strides=(1,), hidden_sizes=(), rngs=nnx.Rngs(0))
    net.convolutions[0].kernel[...] = jnp.arange(9.0).reshape(3, 3, 1, 1)
    net.dense.layers[0].kernel[...] = jnp.full((1, 1), 2.0)
    image = np.eye(3, dtype=np.float32)[..., None]
    assert net(image).tolist() == [2 * (0 + 4 + 8)]


def test_atari_defaults_give_3136_features():
    net = nnx.eval_shape(lambda: CNN((84, 84, 4), 6, rngs=nnx.Rngs(0)))
    assert [layer.kernel.shape for layer in net.dense.layers] == [(3136, 512), (512, 6)]


def test_refuses_images_of_another_shape():
    with pytest.raises(ConfigError, match=r"shape \(2, 9, 7\), expected \[\.\.\., 9, 7, 2\]"):
        small()(np.zeros((2, 9, 7), np.float32))


@pytest.mark.parametrize(
    ("named", "message"),
    [
        ({"channels": (4, 4)}, "got 2 channels, 1 kernel_sizes, 1 strides"),
        ({"kernel_sizes": (8,)}, r"kernel_sizes\[0\] is 8, but only 9 x 7 pixels are left"),
        ({"strides": (0,)}, r"strides\[0\] is 0"),
        ({"n_outputs": 0}, "n_outputs is 0"),
    ],
)
def test_refuses_wrong_arguments(named, message):
    with pytest.raises(ConfigError, match=message):
        small(**named)


def test_refuses_a_shape_without_channels():
    with pytest.raises(ConfigError, match=r"input_shape is \(84, 84\), expected \(height, width, channels\)"):
        CNN((84, 84), 2, rngs=nnx.Rngs(0))
