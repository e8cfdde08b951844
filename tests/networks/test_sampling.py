"""Keys, and the axis of samples."""

import jax
import numpy as np
import pytest

from rlcore.errors import ConfigError
from rlcore.networks import CategoricalNetwork, GaussianNetwork
from rlcore.random import stream

NORMAL = GaussianNetwork(lambda x: x, abs)
CATEGORICAL = CategoricalNetwork(lambda x: x)
STATE = np.array([[1.0, 2.0], [3.0, 4.0]], np.float32)


@pytest.mark.parametrize("net", [NORMAL, CATEGORICAL])
def test_a_random_stands_for_its_next_key_and_gives_one_number(net):
    random = stream(0, "actions")
    expected = [net.sample(STATE, key) for key in (random.key(), random.key())]
    again = stream(0, "actions")
    for action, log_prob in expected:
        drawn, its_log_prob = net.sample(STATE, again)
        np.testing.assert_array_equal(drawn, action)
        np.testing.assert_array_equal(its_log_prob, log_prob)
    assert again.count == 2
    assert not np.array_equal(expected[0][1], expected[1][1])


def test_a_random_works_in_a_trace():
    @jax.jit
    def draw(random):
        return NORMAL.sample(STATE, random)[0], random

    action, random = draw(stream(0, "actions"))
    np.testing.assert_allclose(action, NORMAL.sample(STATE, stream(0, "actions"))[0], rtol=1e-6)
    assert random.count == 1


def test_one_key_gives_one_answer_also_an_old_style_one():
    for key in (jax.random.key(0), jax.random.PRNGKey(0)):
        np.testing.assert_array_equal(NORMAL.sample(STATE, key)[0], NORMAL.sample(STATE, jax.random.key(0))[0])


@pytest.mark.parametrize(
    ("key", "message"),
    [
        (0, "key is 0, expected one JAX key"),
        (jax.random.split(jax.random.key(0)), r"key is an array key<fry>\[2\]"),
        (np.zeros(2), r"key is an array float64\[2\]"),
    ],
)
def test_refuses_what_is_no_key(key, message):
    with pytest.raises(ConfigError, match=message):
        NORMAL.sample(STATE, key)


@pytest.mark.parametrize("n_samples", [0, 2.0, True])
def test_refuses_a_wrong_number_of_samples(n_samples):
    with pytest.raises(ConfigError, match=f"n_samples is {n_samples}, expected a whole number of at least 1"):
        NORMAL.sample(STATE, jax.random.key(0), n_samples)
