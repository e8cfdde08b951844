"""What learners of single transitions are shown must be transitions side by side."""

import numpy as np
import optax
import pytest
from flax import nnx

from rlcore.approximators import Approximator, TabularQApproximator
from rlcore.errors import ConfigError
from rlcore.learners import BehaviorCloningLearner, DQNLearner, SplitQLearner, TDLearner
from rlcore.networks import MLP, CategoricalNetwork
from rlcore.trajectories import (
    BatchSampler,
    CircularTraces,
    EpisodesSampler,
    InsertSampleRatioController,
    LatestTransition,
    MetaSampler,
    MultiBatchSampler,
    MultiStepSampler,
    Trajectory,
    WholeSampler,
)


def network():
    return MLP(1, (4,), 2, rngs=nnx.Rngs(0))


def table():
    return TabularQApproximator(3, 2)


LEARNERS = {
    "DQNLearner": lambda: DQNLearner(Approximator(network(), optax.sgd(0.1))),
    "BehaviorCloningLearner": lambda: BehaviorCloningLearner(
        Approximator(CategoricalNetwork(network()), optax.sgd(0.1))
    ),
    "TDLearner": lambda: TDLearner(table(), double=True, seed=0),
    "SplitQLearner": lambda: SplitQLearner(table(), table()),
}
SAMPLERS = {
    "MultiStepBatch whose rewards have 2 axes": MultiStepSampler(2, 2, seed=0),
    "list of 1 batches": EpisodesSampler(),
    "list of 3 batches": MultiBatchSampler(BatchSampler(2, seed=0), 3),
    "dict of 1 batches": MetaSampler(one=BatchSampler(2, seed=0)),
}


def filled(container, sampler, states):
    trajectory = Trajectory(container, sampler, InsertSampleRatioController())
    for i in range(2):
        trajectory.push(states(i), 1, 1.0, states(i + 1), False, False)
    return trajectory


@pytest.mark.parametrize("came", SAMPLERS)
@pytest.mark.parametrize("name", LEARNERS)
def test_other_batches_are_refused_with_what_came(name, came):
    is_table = name in ("TDLearner", "SplitQLearner")
    states = (lambda i: i) if is_table else (lambda i: np.float32([i]))
    with pytest.raises(ConfigError, match=rf"{name} learns from transitions side by side.* was shown a {came}; keep"):
        LEARNERS[name]().optimise(None, filled(CircularTraces(9), SAMPLERS[came], states))


def test_a_network_needs_rows():
    trajectory = filled(LatestTransition(), WholeSampler(), lambda i: np.float32([i]))
    with pytest.raises(ConfigError, match=r"shown a LatestTransition whose rewards have 0 axes; .* BatchSampler"):
        LEARNERS["DQNLearner"]().optimise(None, trajectory)
