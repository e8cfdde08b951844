"""Behaviour cloning: the likelihood of the data, and nothing but that."""

import jax
import jax.numpy as jnp
import numpy as np
import optax
import pytest
from flax import nnx
from gymnasium import spaces
from scipy import stats

from rlcore.approximators import Approximator, TargetNetwork
from rlcore.environments import CartPole, Pendulum, RandomWalk1D, as_environment
from rlcore.errors import ConfigError
from rlcore.interfaces import Environment
from rlcore.learners import BehaviorCloningLearner
from rlcore.networks import MLP, CategoricalNetwork, GaussianNetwork
from rlcore.trajectories import Batch


class Table(nnx.Module):
    """Row s of a table of parameters for state s."""

    def __init__(self, rows):
        self.rows = nnx.Param(jnp.asarray(rows, jnp.float32))

    def __call__(self, state):
        return self.rows[...][state]


def categorical(rows, learning_rate=1.0):
    return BehaviorCloningLearner(Approximator(CategoricalNetwork(Table(rows)), optax.sgd(learning_rate)))


def batch(state, action, **more):
    n = len(state)
    ends = {"terminated": np.zeros(n, bool), "truncated": np.zeros(n, bool)}
    return Batch(np.array(state), np.array(action), np.full(n, np.nan, np.float32), None, **ends, **more)


def test_the_loss_is_the_mean_negative_log_likelihood():
    rows = np.log([[0.5, 0.25, 0.25], [0.1, 0.2, 0.7]])
    learner = categorical(rows)
    loss, metrics = learner.objective(learner.approximator.parameters, batch([0, 1, 1], [1, 2, 0]))
    assert np.isclose(loss, -np.log([0.25, 0.7, 0.1]).mean(), atol=1e-6)
    assert metrics == {}


def test_weights_masks_and_priorities():
    learner = categorical(np.log([[0.5, 0.25, 0.25]]))
    rows = batch(
        [0, 0], [0, 1], mask=np.array([[1, 1, 0], [0, 1, 1]], bool), weight=np.float32([3, 1]), key=np.arange(2)
    )
    loss, metrics = learner.objective(learner.approximator.parameters, rows)
    each = -np.log([2 / 3, 1 / 2])
    assert np.isclose(loss, (3 * each[0] + each[1]) / 2, atol=1e-6)
    assert np.allclose(metrics["priority"], each, atol=1e-6)


def test_an_update_is_one_step_down_the_gradient():
    """d(-log p(a))/d(logits) = p - onehot(a)."""
    learner = categorical(np.zeros((1, 4)), learning_rate=0.5)
    learner.update(batch([0, 0], [3, 1]))
    expected = -0.5 * (np.full(4, 0.25) - np.array([0, 0.5, 0, 0.5]))
    assert np.allclose(learner.approximator.model.model.rows[...][0], expected, atol=1e-6)


def test_it_ends_at_the_shares_of_the_data():
    """The optimum of the likelihood: in each state the relative frequency of each action."""
    random = np.random.default_rng(0)
    state, action = random.integers(3, size=400), random.integers(4, size=400) ** 2 % 4
    learner = BehaviorCloningLearner(Approximator(CategoricalNetwork(Table(np.zeros((3, 4)))), optax.adam(0.3)))
    for _ in range(200):
        learner._update_compiled(batch(state, action))
    shares = jax.nn.softmax(learner.forward(np.arange(3)))
    expected = [[np.mean(action[state == s] == a) for a in range(4)] for s in range(3)]
    assert np.allclose(shares, expected, atol=0.01)


@pytest.mark.parametrize("shape", [(2,), (2, 1)])
def test_continuous_actions_have_a_density(shape):
    network = GaussianNetwork(Table([[1.0, -2.0]]), Table([[0.5, 2.0]]))
    learner = BehaviorCloningLearner(Approximator(network, optax.sgd(1.0)))
    action = np.float32([[0.0, 1.0], [1.5, -2.0]])
    rows = batch([0, 0], action.reshape(2, *shape), key=np.arange(2))
    loss, metrics = learner.objective(learner.approximator.parameters, rows)
    each = -stats.norm(np.array([1.0, -2.0]), np.array([0.5, 2.0])).logpdf(action).sum(1)
    assert np.isclose(loss, each.mean(), atol=1e-4)
    assert np.allclose(metrics["priority"], np.maximum(each, 0), atol=1e-4)


def test_what_holds_no_distribution_is_refused():
    network = MLP(4, (8,), 2, rngs=nnx.Rngs(0))
    approximator = Approximator(CategoricalNetwork(network), optax.adam(1e-3))
    for wrong, expected in (
        (network, "expected an Approximator of a distribution"),
        (TargetNetwork(approximator), "a TargetNetwork, expected an Approximator"),
        (Approximator(network, optax.adam(1e-3)), "a MLP|an MLP"),
    ):
        with pytest.raises(ConfigError, match=expected):
            BehaviorCloningLearner(wrong)


class Choosing(Environment):
    """An environment with several choices at once."""

    def reset(self):
        pass

    def act(self, action):
        pass

    def state(self):
        return np.zeros(4, np.float32)

    def reward(self):
        return 0.0

    def is_terminated(self):
        return False

    def action_space(self):
        return spaces.MultiDiscrete([2, 2])

    def state_space(self):
        return spaces.Box(-1, 1, (4,))


def dense(n, inputs=4):
    return BehaviorCloningLearner(
        Approximator(CategoricalNetwork(MLP(inputs, (8,), n, rngs=nnx.Rngs(0))), optax.adam(1e-3))
    )


def gaussian(n, inputs=3):
    heads = (nnx.Linear(inputs, n, rngs=nnx.Rngs(0)), nnx.Sequential(nnx.Linear(inputs, n, rngs=nnx.Rngs(1)), nnx.relu))
    return BehaviorCloningLearner(Approximator(GaussianNetwork(*heads, min_std=0.1), optax.adam(1e-3)))


@pytest.mark.parametrize(
    ("learner", "env", "expected"),
    [
        (dense(2), CartPole(), None),
        (gaussian(1), Pendulum(), None),
        (dense(3), CartPole(), "expected 2 logits"),
        (dense(2, 5), CartPole(), "can't take a batch of two states"),
        (gaussian(2), Pendulum(), r"expected means and standard deviations of shape \(1,\)"),
        (dense(1, 3), Pendulum(), r"expected means and standard deviations of shape \(1,\)"),
        (gaussian(2, 4), CartPole(), "expected 2 logits"),
        (dense(2), RandomWalk1D(6), "can't take a batch of two states"),
        (dense(2), Choosing(), "clones actions of a Discrete space or of a Box of floats"),
    ],
)
def test_the_network_must_fit_the_environment(learner, env, expected):
    if expected is None:
        learner.check(as_environment(env))
        return
    with pytest.raises(ConfigError, match=expected):
        learner.check(as_environment(env))
