"""Both ways to learn from a fixed dataset balance the pole longer than the player who left it.

The bounds hold for any distribution of returns within [0, 500] (Hoeffding): the mean of 200 independent episodes is
less than 93 away from the true mean, but for a chance of one in a million.
"""

import math
from typing import Any

import numpy as np
import optax
import pytest
from flax import nnx

from rlcore.approximators import Approximator, TargetNetwork
from rlcore.environments import CartPole, as_environment
from rlcore.experiment import Experiment, evaluate
from rlcore.explorers import EpsilonGreedyExplorer, GreedyExplorer
from rlcore.interfaces import Policy
from rlcore.learners import BehaviorCloningLearner, DQNLearner
from rlcore.networks import MLP, CategoricalNetwork
from rlcore.offline import load_traces, save_traces
from rlcore.policies import Agent, OfflineAgent, QBasedPolicy, StochasticPolicy
from rlcore.stop_conditions import StopAfterNSteps
from rlcore.struct import struct
from rlcore.trajectories import BatchSampler, CircularTraces, InsertSampleRatioController, Trajectory

N = 200
DISTANCE = 500 * math.sqrt(math.log(1e6) / (2 * N))


@struct
class Player(Policy):
    """Pushes to where the pole falls, and every second time anywhere."""

    explorer: EpsilonGreedyExplorer

    def __init__(self) -> None:
        self.explorer = EpsilonGreedyExplorer(0.5)

    def plan(self, env: Any) -> Any:
        state = env.state()
        to_the_right = state[..., 2] + 0.5 * state[..., 3] + 0.1 * (state[..., 0] + state[..., 1])
        return self.explorer.plan(to_the_right[..., None] * np.float32([-1, 1]))


def mean_return(policy):
    return evaluate(policy, as_environment(CartPole(), num_envs=N), N, seed=7).returns.mean()


@pytest.fixture(scope="module")
def dataset(tmp_path_factory):
    memory = Trajectory(CircularTraces(10_000), BatchSampler(1), InsertSampleRatioController())
    Experiment(Agent(Player(), memory), CartPole(), StopAfterNSteps(10_000, show_progress=False), seed=2).run()
    assert mean_return(Player()) + DISTANCE < 300
    return save_traces(tmp_path_factory.mktemp("data") / "player", memory, CartPole())


def cloning():
    network = CategoricalNetwork(MLP(4, (64, 64), 2, rngs=nnx.Rngs(0)))
    return StochasticPolicy(BehaviorCloningLearner(Approximator(network, optax.adam(1e-3))))


def conservative():
    network = Approximator(MLP(4, (64, 64), 2, rngs=nnx.Rngs(0)), optax.adam(1e-3))
    learner = DQNLearner(TargetNetwork(network, sync_freq=100), double=True, conservative_weight=5.0)
    return QBasedPolicy(learner, GreedyExplorer())


@pytest.mark.parametrize(("make", "n_updates"), [(cloning, 1_000), (conservative, 3_000)])
def test_it_learns_from_the_file(dataset, make, n_updates):
    policy, memory = make(), Trajectory(load_traces(dataset), BatchSampler(64), InsertSampleRatioController())
    stop = StopAfterNSteps(n_updates, show_progress=False)
    Experiment(OfflineAgent(policy, memory), CartPole(), stop, seed=2).run("compiled")
    assert mean_return(policy) - DISTANCE > 300
