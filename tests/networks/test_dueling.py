"""Action values as a state value plus advantages."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from flax import nnx

from rlcore.errors import ConfigError
from rlcore.networks import DuelingNetwork


def test_by_hand():
    net = DuelingNetwork(lambda x: 2 * x, lambda x: x[..., :1], lambda x: x)
    q = net(jnp.array([[1.0, 2.0, 6.0], [0.0, 0.0, 3.0]]))
    assert q.tolist() == [[2 + 2 - 6, 2 + 4 - 6, 2 + 12 - 6], [-2, -2, 4]]


@pytest.mark.parametrize("leading", [(), (5,), (2, 3)])
def test_the_mean_over_actions_is_the_value(leading):
    rngs = nnx.Rngs(0)
    net = DuelingNetwork(nnx.Linear(4, 8, rngs=rngs), nnx.Linear(8, 1, rngs=rngs), nnx.Linear(8, 3, rngs=rngs))
    state = np.random.default_rng(0).normal(size=(*leading, 4)).astype(np.float32)
    q = net(state)
    assert q.shape == (*leading, 3)
    np.testing.assert_allclose(q.mean(-1), net.value(net.base(state))[..., 0], atol=1e-6)


def test_dropout_in_the_base_is_the_same_for_both_heads():
    base = nnx.Dropout(0.5, rngs=nnx.Rngs(0))
    net = DuelingNetwork(base, lambda x: x[..., :1], lambda x: jnp.concatenate([x[..., :1], 0 * x[..., :1]], -1))
    q = net(jnp.ones((50, 1)))  # features are 0 or 2, and Q is 1.5 and 0.5 times them
    np.testing.assert_allclose(q[:, 0], 3 * q[:, 1])
    assert set(np.asarray(q[:, 0]).tolist()) == {0.0, 3.0}


def test_a_gradient_of_one_action_moves_all_advantages():
    gradient = jax.grad(lambda a: DuelingNetwork(lambda x: x, lambda x: x[..., :1] * 0, lambda x: x)(a)[0])(jnp.ones(4))
    np.testing.assert_allclose(gradient, [0.75, -0.25, -0.25, -0.25])


def test_refuses_heads_that_do_not_fit():
    rngs = nnx.Rngs(0)
    base, value = nnx.Linear(4, 8, rngs=rngs), nnx.Linear(8, 1, rngs=rngs)
    with pytest.raises(ConfigError, match=r"value gives an output of shape \(2, 3\), expected \[..., 1\]"):
        DuelingNetwork(base, nnx.Linear(8, 3, rngs=rngs), nnx.Linear(8, 3, rngs=rngs))
    with pytest.raises(ConfigError, match=r"parts of DuelingNetwork don't fit each other.*\(8,\) and \(7,\)"):
        DuelingNetwork(base, value, nnx.Linear(7, 3, rngs=rngs))
    with pytest.raises(ConfigError, match="same leading axes"):
        DuelingNetwork(base, value, lambda x: x.sum(-1, keepdims=True).sum(0))


def test_over_atoms_by_hand():
    """Two actions of three atoms; each atom is a dueling network of its own."""
    net = DuelingNetwork(lambda x: x, lambda x: x[..., :3], lambda x: x, n_atoms=3)
    outputs = net(jnp.array([[1.0, 2.0, 6.0, 3.0, 0.0, 2.0]]))
    values, advantages = np.array([1.0, 2.0, 6.0]), np.array([[1.0, 2.0, 6.0], [3.0, 0.0, 2.0]])
    expected = values + advantages - advantages.mean(0)
    assert outputs.shape == (1, 6)
    np.testing.assert_allclose(outputs.reshape(2, 3), expected)


def test_refuses_heads_that_lack_atoms():
    rngs = nnx.Rngs(0)
    base, value = nnx.Linear(4, 8, rngs=rngs), nnx.Linear(8, 3, rngs=rngs)
    with pytest.raises(ConfigError, match=r"\(2, 3\) and advantage one of shape \(2, 8\), expected \[..., 3\] and"):
        DuelingNetwork(base, value, nnx.Linear(8, 8, rngs=rngs), n_atoms=3)
    with pytest.raises(ConfigError, match=r"expected \[..., 5\] and \[..., actions \* 5\] with the same leading axes"):
        DuelingNetwork(base, value, nnx.Linear(8, 10, rngs=rngs), n_atoms=5)
    with pytest.raises(ConfigError, match="n_atoms is 0"):
        DuelingNetwork(base, value, nnx.Linear(8, 6, rngs=rngs), n_atoms=0)
