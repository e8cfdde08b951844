"""Whether parts fit each other, found when a network is built."""

import jax
import jax.numpy as jnp
import pytest
from flax import nnx

from rlcore.errors import ConfigError
from rlcore.networks import CNN, MLP, CategoricalNetwork, DuelingNetwork, GaussianNetwork
from rlcore.networks.fitting import input_shape

RNGS = nnx.Rngs(0)
LINEAR = nnx.Linear(4, 2, rngs=RNGS)


@pytest.mark.parametrize(
    ("part", "shape"),
    [
        (LINEAR, (4,)),
        (MLP(3, (8,), 2, rngs=RNGS), (3,)),
        (nnx.Sequential(nnx.Sequential(LINEAR), nnx.relu), (4,)),
        (CNN((9, 7, 2), 2, channels=(4,), kernel_sizes=(3,), strides=(2,), hidden_sizes=(), rngs=RNGS), (9, 7, 2)),
        (nnx.Sequential(nnx.relu, LINEAR), None),
        (jnp.tanh, None),
    ],
)
def test_the_shape_that_a_part_takes(part, shape):
    assert input_shape(part) == shape


@pytest.mark.parametrize("identity", [jax.nn.identity, nnx.identity])
def test_an_identity_is_looked_through(identity):
    with pytest.raises(ConfigError, match=r"parts of GaussianNetwork don't fit each other.*\(4,\) and \(5,\)"):
        GaussianNetwork(LINEAR, nnx.Linear(5, 2, rngs=RNGS), identity)
    with pytest.raises(ConfigError, match=r"parts of DuelingNetwork don't fit each other.*\(4,\) and \(5,\)"):
        DuelingNetwork(identity, nnx.Linear(4, 1, rngs=RNGS), nnx.Linear(5, 2, rngs=RNGS))


def test_images_and_parts_that_do_not_fit():
    image = CNN((9, 7, 2), 8, channels=(4,), kernel_sizes=(3,), strides=(2,), hidden_sizes=(), rngs=RNGS)
    DuelingNetwork(image, nnx.Linear(8, 1, rngs=RNGS), nnx.Linear(8, 3, rngs=RNGS))
    with pytest.raises(ConfigError, match=r"two states \(2, 9, 7, 2\).*\(8,\) and \(4,\)"):
        DuelingNetwork(image, nnx.Linear(4, 1, rngs=RNGS), nnx.Linear(8, 3, rngs=RNGS))


def test_a_network_can_be_built_without_numbers_and_keeps_its_random_streams():
    model = MLP(4, (8,), 3, dropout=0.5, rngs=nnx.Rngs(0))
    count = int(model.dropout.rngs.count[...])
    CategoricalNetwork(model)
    assert int(model.dropout.rngs.count[...]) == count
    abstract = nnx.eval_shape(lambda: CategoricalNetwork(MLP(4, (8,), 3, rngs=nnx.Rngs(0))))
    assert abstract.model.layers[1].kernel.shape == (8, 3)
