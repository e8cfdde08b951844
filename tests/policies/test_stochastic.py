"""StochasticPolicy: draws what its network says, and its greedy view takes the mode."""

import jax
import jax.numpy as jnp
import numpy as np
import optax
import pytest
from flax import nnx
from gymnasium import spaces
from scipy import stats

from rlcore.approximators import Approximator
from rlcore.environments import CartPole, Pendulum, as_environment
from rlcore.errors import ConfigError
from rlcore.experiment import Experiment, evaluate
from rlcore.interfaces import Environment
from rlcore.learners import BehaviorCloningLearner, DQNLearner
from rlcore.networks import MLP, CategoricalNetwork, GaussianNetwork
from rlcore.policies import Agent, ModePolicy, StochasticPolicy
from rlcore.stop_conditions import StopAfterNSteps
from rlcore.trajectories import BatchSampler, CircularTraces, InsertSampleRatioController, Trajectory


class Constant(nnx.Module):
    """The same numbers for every state."""

    def __init__(self, numbers):
        self.numbers = nnx.Param(jnp.asarray(numbers, jnp.float32))

    def __call__(self, state):
        return jnp.broadcast_to(self.numbers[...], (*state.shape[:-1], *self.numbers.shape))


class Place(Environment):
    """Vectors as states; the actions and masks that it is given."""

    def __init__(self, space, mask=None):
        self.space, self.mask = space, mask

    def reset(self):
        pass

    def act(self, action):
        pass

    def state(self):
        return np.zeros(3, np.float32)

    def reward(self):
        return 0.0

    def is_terminated(self):
        return False

    def legal_action_mask(self):
        return self.mask

    def action_space(self):
        return self.space

    def state_space(self):
        return spaces.Box(-1, 1, (3,))


SHARES = np.array([0.2, 0.5, 0.3])


def categorical(seed=0, shares=SHARES):
    network = CategoricalNetwork(Constant(np.log(shares)))
    return StochasticPolicy(BehaviorCloningLearner(Approximator(network, optax.sgd(1.0))), seed)


def gaussian(mean=(0.5,), std=(0.25,), seed=0):
    network = GaussianNetwork(Constant(mean), Constant(std))
    return StochasticPolicy(BehaviorCloningLearner(Approximator(network, optax.sgd(1.0))), seed)


@pytest.mark.parametrize("mask", [None, np.array([True, False, True])])
def test_actions_come_in_their_shares(mask):
    policy, n = categorical(), 4000
    states = np.zeros((n, 3), np.float32)
    actions = policy(states, None if mask is None else np.tile(mask, (n, 1)))
    expected = SHARES if mask is None else SHARES * mask / (SHARES * mask).sum()
    seen = np.bincount(actions, minlength=3)
    assert (seen[expected == 0] == 0).all()
    possible = expected > 0
    assert stats.chisquare(seen[possible], n * expected[possible]).pvalue > 1e-4
    env = as_environment(Place(spaces.Discrete(3), mask))
    env.reset()
    assert np.allclose(policy.prob(env), expected, atol=1e-6)
    assert np.allclose(policy.extras["log_prob"], np.log(expected[actions]), atol=1e-5)
    assert policy.random.count == 1


def test_one_state_gives_a_python_int():
    policy = categorical()
    action = policy(np.zeros(3, np.float32))
    assert type(action) is int
    assert np.isclose(policy.extras["log_prob"], np.log(SHARES[action]), atol=1e-6)


def test_the_greedy_view_takes_the_mode_and_draws_nothing():
    policy = categorical()
    env = as_environment(Place(spaces.Discrete(3)))
    env.reset()
    greedy = policy.greedy()
    assert isinstance(greedy, ModePolicy)
    assert type(greedy.plan(env)) is int
    assert greedy.plan(env) == 1
    assert greedy(np.zeros((4, 3), np.float32), np.tile([True, False, True], (4, 1))).tolist() == [2] * 4
    assert policy.random.count == 0
    assert greedy.extras == {}


def test_normal_actions_are_clipped_to_the_space():
    policy, space = gaussian((0.5, 0.0), (0.25, 0.0)), spaces.Box(-0.6, 0.6, (2, 1))
    policy.check(as_environment(Place(space)))
    actions = policy(np.zeros((4000, 3), np.float32))
    assert actions.shape == (4000, 2, 1)
    assert (actions[:, 1] == 0).all()
    assert actions.max() == np.float32(0.6)
    inside = actions[:, 0, 0] < 0.6
    assert abs(inside.mean() - stats.norm(0.5, 0.25).cdf(0.6)) < 0.03
    truncated = stats.truncnorm(-np.inf, (0.6 - 0.5) / 0.25, 0.5, 0.25)
    assert stats.kstest(actions[inside, 0, 0], truncated.cdf).pvalue > 1e-4
    assert policy.greedy()(np.zeros(3, np.float32)).tolist() == [0.5, 0.0]  # a bare state names no space
    env = as_environment(Place(space))
    env.reset()
    assert policy.greedy().plan(env).tolist() == [[0.5], [0.0]]
    with pytest.raises(ConfigError, match="prob needs discrete actions"):
        policy.prob(env)


class Flattened(nnx.Module):
    """Takes batches only."""

    def __init__(self):
        self.layer = nnx.Linear(64, 3, rngs=nnx.Rngs(0))

    def __call__(self, frames):
        return self.layer(frames.reshape(len(frames), -1) / 255)


class Frames(Place):
    def state(self):
        return np.zeros((8, 8, 1), np.uint8)

    def state_space(self):
        return spaces.Box(0, 255, (8, 8, 1), np.uint8)


def test_a_network_that_needs_a_batch_axis_gets_one():
    policy = StochasticPolicy(
        BehaviorCloningLearner(Approximator(CategoricalNetwork(Flattened()), optax.sgd(1.0))), seed=0
    )
    env = as_environment(Frames(spaces.Discrete(3), np.array([False, True, False])))
    env.reset()
    policy.check(env)
    assert policy.plan(env) == policy.greedy().plan(env) == 1
    assert policy(np.zeros((5, 8, 8, 1), np.uint8)).shape == (5,)


@pytest.mark.parametrize(("world", "num_envs"), [("cart-pole", None), ("pendulum", 3)])
def test_both_engines_act_store_and_learn_alike(world, num_envs):
    def run(engine):
        if world == "cart-pole":
            env, network = CartPole(), CategoricalNetwork(MLP(4, (8,), 2, rngs=nnx.Rngs(0)))
        else:
            mean, std = (nnx.Linear(3, 1, rngs=nnx.Rngs(seed)) for seed in (0, 1))
            env = Pendulum(max_steps=20)
            network = GaussianNetwork(mean, nnx.Sequential(std, nnx.softplus), min_std=0.1)
        learner = BehaviorCloningLearner(Approximator(network, optax.adam(1e-3)))
        memory = Trajectory(CircularTraces(90), BatchSampler(8), InsertSampleRatioController(0.5, 8))
        agent = Agent(StochasticPolicy(learner), memory)
        env = as_environment(env, num_envs=num_envs)
        Experiment(agent, env, StopAfterNSteps(60, show_progress=False), seed=5).run(engine)
        return agent

    eager, compiled = run("eager"), run("compiled")
    batch, other = eager.trajectory.container.whole(), compiled.trajectory.container.whole()
    assert np.allclose(batch.action, other.action, atol=1e-4)
    assert np.allclose(batch.extras["log_prob"], other.extras["log_prob"], atol=1e-4)
    assert eager.policy.random.count == compiled.policy.random.count == 60 // (num_envs or 1)
    leaves = (jax.tree.leaves(agent.policy.learner) for agent in (eager, compiled))
    assert all(np.allclose(a, b, atol=1e-4) for a, b in zip(*leaves, strict=True))
    assert "loss" in eager.metrics


def test_evaluation_takes_the_mode():
    policy = categorical(shares=[0.6, 0.4])
    assert evaluate(policy, "CartPole-v1", 5, seed=0).returns.max() <= 11  # what pushing to the left alone brings
    assert policy.random.count == 0


@pytest.mark.parametrize(
    "learner",
    [
        None,
        DQNLearner(Approximator(MLP(4, (8,), 2, rngs=nnx.Rngs(0)), optax.adam(1e-3))),
        CategoricalNetwork(Constant([0.0, 1.0])),
    ],
)
def test_what_holds_no_distribution_is_refused(learner):
    with pytest.raises(ConfigError, match="expected a Learner whose network is a distribution over actions"):
        StochasticPolicy(learner)


def test_a_network_of_other_actions_is_refused():
    with pytest.raises(ConfigError, match="expected 2 logits"):
        Experiment(categorical(), "CartPole-v1", StopAfterNSteps(1))
    with pytest.raises(ConfigError, match="expected 2 logits"):
        evaluate(categorical(), "CartPole-v1", 1)
