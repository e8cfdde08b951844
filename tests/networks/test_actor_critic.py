"""An actor and a critic side by side."""

import numpy as np
import pytest
from flax import nnx

from rlcore.errors import ConfigError
from rlcore.networks import MLP, ActorCritic, CategoricalNetwork


@pytest.mark.parametrize("leading", [(), (5,), (2, 3)])
def test_gives_the_actors_output_and_one_value_for_each_state(leading):
    actor, critic = CategoricalNetwork(MLP(4, (8,), 3, rngs=nnx.Rngs(0))), MLP(4, (8,), 1, rngs=nnx.Rngs(1))
    state = np.random.default_rng(0).normal(size=(*leading, 4)).astype(np.float32)
    logits, value = ActorCritic(actor, critic)(state)
    assert value.shape == leading
    np.testing.assert_array_equal(logits, actor(state))
    np.testing.assert_array_equal(value, critic(state)[..., 0])


def test_a_shared_body_has_its_parameters_once():
    body = nnx.Linear(4, 8, rngs=nnx.Rngs(0))
    heads = [nnx.Sequential(body, nnx.tanh, nnx.Linear(8, n, rngs=nnx.Rngs(n))) for n in (3, 1)]
    state = nnx.state(ActorCritic(*heads), nnx.Param)
    assert sum(leaf.size for leaf in nnx.to_flat_state(state).leaves) == (4 * 8 + 8) + (8 * 3 + 3) + (8 + 1)


def test_refuses_a_critic_of_more_than_one_value():
    actor = MLP(4, (8,), 3, rngs=nnx.Rngs(0))
    with pytest.raises(ConfigError, match=r"critic gives an output of shape \(2, 3\), expected \[..., 1\]"):
        ActorCritic(actor, actor)
    with pytest.raises(ConfigError, match="critic is None"):
        ActorCritic(actor, None)
