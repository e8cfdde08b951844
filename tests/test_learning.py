"""Probe environments with known values, and runs that must come out bit-identical."""

import hashlib
import subprocess
import sys

import jax
import numpy as np
import optax
import pytest
from flax import nnx
from gymnasium import spaces
from gymnasium.vector import AutoresetMode
from worlds import Corridor, counts

from rlcore.approximators import Approximator, TabularQApproximator, TargetNetwork
from rlcore.environments import as_environment
from rlcore.environments.random_walk import RandomWalk1D
from rlcore.errors import RLCoreError
from rlcore.experiment import Experiment, evaluate
from rlcore.explorers import EpsilonGreedyExplorer
from rlcore.hooks import DoEveryNEpisodes, EmptyHook, Hook, StepsPerEpisode, TimePerStep, TotalRewardPerEpisode
from rlcore.interfaces import Environment
from rlcore.learners import DQNLearner, TDLearner
from rlcore.networks import MLP
from rlcore.policies import Agent, QBasedPolicy
from rlcore.reset_conditions import ResetAfterNSteps
from rlcore.stop_conditions import StopAfterNEpisodes, StopAfterNSteps
from rlcore.trajectories import (
    BatchSampler,
    CircularTraces,
    InsertSampleRatioController,
    LatestTransition,
    Trajectory,
    WholeSampler,
)


def steps(n):
    return StopAfterNSteps(n, show_progress=False)


def tabular(n_states, n_actions, epsilon=1.0, gamma=1.0, alpha=0.1, seed=None):
    learner = TDLearner(TabularQApproximator(n_states, n_actions), gamma=gamma, alpha=alpha)
    explorer = EpsilonGreedyExplorer(epsilon, break_ties=True, seed=seed)
    memory = Trajectory(LatestTransition(), WholeSampler(), InsertSampleRatioController())
    return Agent(QBasedPolicy(learner, explorer), memory)


def dqn(n_inputs=4, epsilon=0.1, lr=1e-3, gamma=0.99, period=4, sync=20, seed=0, hidden=(32,), batch=32, **learner):
    network = Approximator(MLP(n_inputs, hidden, 2, rngs=nnx.Rngs(seed)), optax.adam(lr))
    learner = DQNLearner(TargetNetwork(network, sync_freq=sync), gamma=gamma, **learner)
    memory = Trajectory(CircularTraces(5000), BatchSampler(batch), InsertSampleRatioController(1 / period, batch))
    return Agent(QBasedPolicy(learner, EpsilonGreedyExplorer(epsilon)), memory)


class Loop(Environment):
    """One state, reward 1 for ever; perhaps a real end or a time limit after 5 steps. V = 1 / (1 - gamma) or less."""

    def __init__(self, end="never"):
        self.end, self.t = end, 0

    def reset(self, seed=None):
        self.t = 0

    def act(self, action):
        self.t += 1

    def state(self):
        return np.ones(1, np.float32) if self.end.startswith("network") else 0

    def reward(self):
        return 1.0

    def is_terminated(self):
        return self.end.endswith("terminates") and self.t > 0

    def is_truncated(self):
        return self.end.endswith("truncates") and self.t >= 5

    def action_space(self):
        return spaces.Discrete(2)

    def state_space(self):
        return spaces.Box(0, 1, (1,)) if self.end.startswith("network") else spaces.Discrete(1)


@pytest.mark.parametrize(("end", "value"), [("never", 10.0), ("truncates", 10.0), ("terminates", 1.0)])
def test_a_time_limit_keeps_the_value_and_a_real_end_does_not(end, value):
    agent = tabular(1, 2, gamma=0.9, alpha=0.5)
    Experiment(agent, Loop(end), steps(800), seed=0).run()
    assert np.allclose(agent.policy.learner.approximator.table, value, rtol=1e-4)

    agent = dqn(n_inputs=1, epsilon=1.0, gamma=0.9, lr=3e-3, period=1, sync=10)
    Experiment(agent, Loop(f"network {end}"), steps(1500), seed=0).run()
    assert np.allclose(agent.policy.learner.forward(np.ones(1, np.float32)), value, rtol=0.05)


def test_a_cut_by_the_reset_condition_is_a_time_limit():
    agent = tabular(1, 2, gamma=0.9, alpha=0.5)
    Experiment(agent, Loop(), steps(800), reset_condition=ResetAfterNSteps(3), seed=0).run()
    assert np.allclose(agent.policy.learner.approximator.table, 10.0, rtol=1e-4)


@pytest.mark.parametrize("engine", ["eager", "compiled"])
def test_q_learning_finds_the_values_of_the_random_walk(engine):
    """The best way out is to the right: a state is worth gamma to the power of the steps that lie before the last."""
    agent = tabular(7, 2, gamma=0.5, alpha=0.5)
    Experiment(agent, RandomWalk1D(7), steps(10_000), seed=0).run(engine)
    table = agent.policy.learner.approximator.table
    assert np.allclose(table[1:6, 1], [0.0625, 0.125, 0.25, 0.5, 1.0], atol=1e-4)
    assert np.allclose(table[1:6, 0], [-1.0, 0.03125, 0.0625, 0.125, 0.25], atol=1e-4)
    assert evaluate(agent, RandomWalk1D(7), 5).returns.tolist() == [1.0] * 5


def test_the_first_two_updates_of_q_learning_by_hand():
    """0 -> 1 -> 2 -> 3 (end), reward 1 each, alpha 0.5, gamma 1: every step learns from the step just taken."""
    agent = tabular(4, 2, epsilon=0.0, alpha=0.5)
    agent.policy.explorer = EpsilonGreedyExplorer(0.0)
    Experiment(agent, Corridor(3), StopAfterNEpisodes(2, show_progress=False), seed=0).run()
    # first episode: Q(0..2, 0) = 0.5; second: action 0 again, r + Q(s') = 1.5, 1.5, 1.0
    assert agent.policy.learner.approximator.table[:, 0].tolist() == [1.0, 1.0, 0.75, 0.0]


@pytest.mark.parametrize("mode", list(AutoresetMode))
def test_rows_learn_the_same_values_whatever_the_autoreset(mode):
    """Rows of lengths 2 and 4 pay 1 + 2 (+ 3 + 4); the state tells them apart; values of the first steps: 3 and 10."""
    agent = tabular(400_000, 2, alpha=1.0)
    env = as_environment(
        counts((2, 4), mode),
        state=(lambda x: (x[:, 0] // 100_000 * 10 + x[:, 0] % 10).astype(int), spaces.Discrete(400_000)),
    )
    Experiment(agent, env, steps(200), seed=0).run()
    table = agent.policy.learner.approximator.table
    assert table[0].max() == 3.0
    assert table[10].max() == 10.0


class Record(Hook):
    """Every number that learning produced."""

    def pre_experiment(self, policy, env):
        self.losses = []

    def post_act(self, policy, env):
        if policy.metrics:
            self.losses.append(float(policy.metrics["loss"]))


def digest(agent, record):
    leaves = [np.asarray(leaf).tobytes() for leaf in jax.tree.leaves(agent.policy.learner)]
    return hashlib.sha256(b"".join(leaves) + repr(record.losses).encode()).hexdigest()


def train(hook=None, num_envs=None):
    agent, record = dqn(), Record()
    env = as_environment("CartPole-v1", num_envs=num_envs)
    Experiment(agent, env, steps(600), record + (hook or EmptyHook()), seed=7).run()
    return digest(agent, record)


def test_the_same_seed_gives_the_same_parameters_and_metrics_and_watching_changes_nothing():
    plain = train()
    other = as_environment("CartPole-v1")
    looks = DoEveryNEpisodes(lambda t, policy, env: evaluate(policy, other, 1, seed=t), n=5)
    assert train() == plain
    assert train(StepsPerEpisode() + TotalRewardPerEpisode(display_on_exit=False) + TimePerStep() + looks) == plain
    assert train(num_envs=3) == train(num_envs=3)


def test_the_same_seed_in_a_new_process_is_bit_identical():
    code = "import sys; sys.path[:0] = sys.argv[1:]; import test_learning as t; print(t.train())"
    path = [str(directory) for directory in sys.path]
    done = subprocess.run([sys.executable, "-c", code, *path], capture_output=True, text=True, check=True)
    assert done.stdout.split()[-1] == train()


def test_a_run_cut_in_two_learns_what_one_run_learns():
    """One-step episodes, so that the cut falls between two of them."""
    whole, cut = tabular(2, 2, epsilon=0.3, seed=1), tabular(2, 2, epsilon=0.3, seed=1)
    Experiment(whole, Corridor(1), steps(200), seed=0).run()
    experiment = Experiment(cut, Corridor(1), steps(100), seed=0)
    experiment.run().run()
    assert np.array_equal(whole.policy.learner.approximator.table, cut.policy.learner.approximator.table)
    assert whole.policy.explorer.random.count == cut.policy.explorer.random.count


def test_learning_that_is_not_finite_stops_the_run_and_spoils_nothing():
    agent = dqn(lr=1e-3, loss=lambda prediction, target: (prediction - target) ** 2 * 1e38 * 1e38)
    experiment = Experiment(agent, "CartPole-v1", steps(500), StepsPerEpisode(), seed=0)
    with pytest.raises(RLCoreError, match="not finite"):
        experiment.run()
    assert all(np.isfinite(leaf).all() for leaf in jax.tree.leaves(agent.policy.learner.approximator.parameters))
    assert "not finite" in experiment.stop_reason
    assert experiment.hook.steps is not None


def test_dqn_learns_cartpole_a_little_in_a_few_seconds():
    agent = dqn(hidden=(64, 64), period=2, sync=100, batch=64)
    agent.policy.explorer = EpsilonGreedyExplorer(0.02, epsilon_init=1.0, decay_steps=3000)
    before = evaluate(agent, "CartPole-v1", 20, seed=1).returns.mean()
    Experiment(agent, "CartPole-v1", steps(8000), seed=0).run()
    assert evaluate(agent, "CartPole-v1", 20, seed=1).returns.mean() > max(100.0, 3 * before)
