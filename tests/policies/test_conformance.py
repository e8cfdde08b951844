"""One step of every policy, written once: on the host and as one compiled function, with the same numbers."""

import jax
import jax.numpy as jnp
import numpy as np
import optax
import pytest
from flax import nnx
from gymnasium import spaces

from rlcore.approximators import Approximator, TabularQApproximator, TargetNetwork
from rlcore.environments import RandomWalk1D
from rlcore.explorers import EpsilonGreedyExplorer, GumbelSoftmaxExplorer, UCBExplorer, WeightedSoftmaxExplorer
from rlcore.interfaces import Environment
from rlcore.learners import DQNLearner, TDLearner
from rlcore.networks import MLP
from rlcore.policies import Agent, QBasedPolicy, RandomPolicy
from rlcore.random import Random
from rlcore.reset_conditions import ResetAfterNSteps
from rlcore.struct import copy, struct, walk
from rlcore.trajectories import (
    BatchSampler,
    CircularTraces,
    InsertSampleRatioController,
    LatestTransition,
    Trajectory,
    WholeSampler,
)

N_STATES = 6


@struct
class OneHotWalk(Environment):
    """The random walk, seen as vectors."""

    walk: RandomWalk1D

    def reset(self, seed=None):
        self.walk.reset()

    def act(self, action):
        self.walk.act(action)

    def state(self):
        position = self.walk.state()
        if isinstance(position, jax.Array):
            return (jnp.arange(N_STATES) == position).astype(jnp.float32)
        return np.eye(N_STATES, dtype=np.float32)[position]

    def reward(self):
        return self.walk.reward()

    def is_terminated(self):
        return self.walk.is_terminated()

    def action_space(self):
        return spaces.Discrete(2)

    def state_space(self):
        return spaces.Box(0, 1, (N_STATES,))


def tabular(explorer):
    learner = TDLearner(TabularQApproximator(N_STATES, 2), gamma=1.0, alpha=0.5)
    memory = Trajectory(LatestTransition(), WholeSampler(), InsertSampleRatioController())
    return Agent(QBasedPolicy(learner, explorer), memory), RandomWalk1D(N_STATES)


def network(explorer):
    model = Approximator(MLP(N_STATES, (8,), 2, rngs=nnx.Rngs(0)), optax.adam(1e-2))
    learner = DQNLearner(TargetNetwork(model, sync_freq=3))
    memory = Trajectory(CircularTraces(50), BatchSampler(4, seed=9), InsertSampleRatioController(1.0, 4))
    return Agent(QBasedPolicy(learner, explorer), memory), OneHotWalk(RandomWalk1D(N_STATES))


EXPLORERS = {
    "epsilon": lambda: EpsilonGreedyExplorer(0.25, seed=1),
    "epsilon with ties": lambda: EpsilonGreedyExplorer(0.25, break_ties=True, seed=1),
    "decaying": lambda: EpsilonGreedyExplorer(0.0, epsilon_init=1.0, warmup_steps=5, decay_steps=64, seed=1),
    "ucb": lambda: UCBExplorer(2, seed=1),
    "softmax": lambda: WeightedSoftmaxExplorer(seed=1),
    "gumbel": lambda: GumbelSoftmaxExplorer(seed=1),
}


def interact(policy, env):
    action = policy.plan(env)
    env.act(action)
    policy.post_act(env, action)
    return action


def restarted(env):
    """The environment where its next step starts: traced, both worlds are made and one is chosen."""
    fresh = copy(env)
    fresh.reset()
    over = env.is_terminated()
    return jax.tree.map(lambda new, old: jnp.where(over, new, old), fresh, env)


@jax.jit
def step_traced(policy, env):
    action = interact(policy, env)
    return policy, restarted(env), action


@jax.jit
def learn_traced(policy):
    policy.policy.learner.update(policy.trajectory.sample())
    return policy


def strong(tree):
    return jax.tree.map(jnp.asarray, tree)


def counts(policy):
    return [part.count for _, part in walk(policy) if isinstance(part, Random)]


@pytest.mark.parametrize("explorer", EXPLORERS)
@pytest.mark.parametrize("make", [tabular, network])
def test_an_agent_acts_keeps_and_learns_alike(make, explorer):
    host, world = make(EXPLORERS[explorer]())
    traced, traced_world = make(EXPLORERS[explorer]())
    world.reset()
    traced_world.reset()
    example = dict(state=traced_world.state(), action=0, reward=0.0, next_state=traced_world.state())
    traced.trajectory.allocate(**example, terminated=False, truncated=False)
    traced, traced_world = strong(traced), strong(traced_world)
    n_steps = 300 if make is tabular else 40
    for t in range(n_steps):
        action = interact(host, world)
        traced, traced_world, traced_action = step_traced(traced, traced_world)
        assert action == int(traced_action), t
        if world.is_terminated():
            world.reset()
        assert np.array_equal(world.state(), traced_world.state())
        if make is tabular or t >= 4:
            learner, batch = host.policy.learner, host.trajectory.sample()
            learner._update_compiled(batch) if learner.update_is_jitted else learner.update(batch)
            traced = learn_traced(traced)
    assert counts(host) == counts(traced)
    assert counts(host)[0] > 0
    for one, other in zip(jax.tree.leaves(host.policy.learner), jax.tree.leaves(traced.policy.learner), strict=True):
        tolerance = 0 if make is tabular else 1e-5
        assert np.allclose(np.asarray(one, np.float64), np.asarray(other, np.float64), atol=tolerance, rtol=tolerance)


def test_a_random_policy_acts_alike():
    host, traced = RandomPolicy(seed=3), strong(RandomPolicy(seed=3))
    world, traced_world = RandomWalk1D(N_STATES), RandomWalk1D(N_STATES)
    world.reset()
    traced_world.reset()
    traced_world = strong(traced_world)
    for _ in range(200):
        action = interact(host, world)
        traced, traced_world, traced_action = step_traced(traced, traced_world)
        assert action == int(traced_action)
        if world.is_terminated():
            world.reset()
    assert host.random.count == traced.random.count == 200


def test_a_reset_condition_counts_alike():
    host, traced = ResetAfterNSteps(3), strong(ResetAfterNSteps(3))
    env = RandomWalk1D(N_STATES)
    env.reset()

    @jax.jit
    def check(condition):
        cut = condition.check(None, env)
        return condition, cut

    answers = []
    for _ in range(4):
        traced, cut = check(traced)
        answers.append((host.check(None, env), bool(cut)))
    assert answers == [(False, False), (False, False), (True, True), (True, True)]
