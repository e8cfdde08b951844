"""Small changes of actions."""

import math

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from rlcore.errors import ConfigError
from rlcore.networks import PerturbationNetwork


def test_by_hand():
    net = PerturbationNetwork(lambda x: x[..., :1] + x[..., 2:], phi=0.5)
    action = net(np.array([[0.2, 9.0], [3.0, 9.0], [-3.0, 9.0]]), np.array([[0.1], [0.9], [0.0]]))
    expected = [[0.1 + 0.5 * math.tanh(0.3)], [1.0], [-0.5 * math.tanh(3.0)]]
    np.testing.assert_allclose(action, expected, rtol=1e-6)


@pytest.mark.parametrize("leading", [(), (5,), (2, 3)])
def test_changes_by_at_most_phi_and_stays_inside(leading):
    rng = np.random.default_rng(0)
    state, action = rng.normal(size=(*leading, 3)) * 100, rng.uniform(-1, 1, (*leading, 2))
    net = PerturbationNetwork(lambda x: x[..., :2])
    changed = np.asarray(net(state, action))
    assert changed.shape == action.shape
    assert (np.abs(changed - action) <= 0.05 + 1e-6).all()
    assert (np.abs(changed) <= 1).all()
    assert (changed != action).any()
    np.testing.assert_allclose(jax.jit(net)(state, action), changed, rtol=1e-6)


def test_refuses_what_does_not_fit():
    with pytest.raises(ConfigError, match="phi is -1"):
        PerturbationNetwork(lambda x: x, phi=-1)
    with pytest.raises(ConfigError, match=r"base gives an output of shape \(2, 5\), expected \(2, 2\)"):
        PerturbationNetwork(lambda x: x)(jnp.zeros((2, 3)), jnp.zeros((2, 2)))
    with pytest.raises(ConfigError, match=r"got state \(2, 3\), action \(2,\), expected vectors with the same leading"):
        PerturbationNetwork(lambda x: x)(jnp.zeros((2, 3)), jnp.zeros(2))
