"""Every part of the value-based learners in both engines: distributions, noise, samplers, two streams."""

import numpy as np
import optax
import pytest
from flax import nnx

from rlcore import (
    Agent,
    Approximator,
    BatchSampler,
    CircularTraces,
    DQNLearner,
    EpsilonGreedyExplorer,
    Experiment,
    InsertSampleRatioController,
    QBasedPolicy,
    StopAfterNSteps,
    TargetNetwork,
    Trajectory,
    as_environment,
    run_seeds,
)
from rlcore.approximators import TabularQApproximator
from rlcore.explorers import GreedyExplorer
from rlcore.learners import CategoricalSupport, Quantiles, RewardSplit, SplitQLearner
from rlcore.networks import DuelingNetwork, NoisyLinear
from rlcore.trajectories import LatestTransition, NStepBatchSampler, PrioritizedTraces, WholeSampler
from tests.compiled.alike import assert_alike, run_in
from tests.compiled.test_conformance import N_STATES, Case, as_vectors, episodes, masked, random_walk

SUPPORT, QUANTILES = CategoricalSupport(-1, 1, 5), Quantiles(4)


def dense(n_outputs, last=nnx.Linear):
    rngs = nnx.Rngs(0)
    return nnx.Sequential(nnx.Linear(N_STATES, 8, rngs=rngs), nnx.relu, last(8, n_outputs, rngs=rngs))


def noisy_dueling(n_atoms):
    rngs = nnx.Rngs(0)
    base = nnx.Sequential(nnx.Linear(N_STATES, 8, rngs=rngs), nnx.relu)
    return DuelingNetwork(base, NoisyLinear(8, n_atoms, rngs=rngs), NoisyLinear(8, 2 * n_atoms, rngs=rngs), n_atoms)


def agent(network, epsilon=0.25, ratio=0.2, memory=None, **named):
    approximator = TargetNetwork(Approximator(network, optax.adam(1e-2)), sync_freq=3)
    learner = DQNLearner(approximator, gamma=0.5, **named)
    container, sampler = memory or (CircularTraces(50), BatchSampler(4))
    trajectory = Trajectory(container, sampler, InsertSampleRatioController(ratio, 8))
    explorer = EpsilonGreedyExplorer(epsilon) if epsilon else GreedyExplorer()
    return Agent(QBasedPolicy(learner, explorer), trajectory)


def rainbow():
    memory = PrioritizedTraces(48), NStepBatchSampler(4, n=3, gamma=0.5)
    return agent(noisy_dueling(5), epsilon=0, memory=memory, distribution=SUPPORT, double=True)


def split(n_states, n_actions, **named):
    tables = TabularQApproximator(n_states, n_actions), TabularQApproximator(n_states, n_actions)
    learner = SplitQLearner(*tables, gamma=0.5, alpha=0.5, **named)
    memory = Trajectory(LatestTransition(), WholeSampler(), InsertSampleRatioController(1.0, 3))
    return Agent(QBasedPolicy(learner, EpsilonGreedyExplorer(0.25)), memory)


BIASED = {"reward_weight": 2.0, "punish_weight": 0.5, "reward_memory": 0.75, "punish_memory": 0.5}

CASES = {
    "categorical, double": Case(
        lambda: agent(dense(10), distribution=SUPPORT, double=True), tolerance=1e-4, transforms=as_vectors
    ),
    "quantiles, conservative": Case(
        lambda: agent(dense(8), distribution=QUANTILES, conservative_weight=0.5), tolerance=1e-4, transforms=as_vectors
    ),
    "noisy, double, explores": Case(
        lambda: agent(dense(2, NoisyLinear), double=True), stop=episodes, tolerance=1e-4, transforms=as_vectors
    ),
    "rainbow, rows": Case(rainbow, num_envs=3, tolerance=1e-4, transforms=as_vectors),
    "network, split": Case(
        lambda: agent(dense(4), split=RewardSplit(**BIASED, alpha=0.5)), tolerance=1e-4, transforms=as_vectors
    ),
    "split": Case(lambda: split(N_STATES, 2), stop=episodes),
    "split, masked, rows": Case(lambda: split(4, 3, **BIASED), masked, num_envs=3, tolerance=1e-6),
}


@pytest.mark.parametrize("name", CASES)
def test_engines_agree(name):
    case = CASES[name]
    reference = run_in(["eager", "eager"], case.make)
    assert_alike(case.make, case.tolerance, case.row_tolerance, ("compiled", "eager"), reference)


def walk(policy, seed=3, engine="eager", n=40):
    env = as_environment(random_walk(), **as_vectors)
    return Experiment(policy, env, StopAfterNSteps(n, show_progress=False), seed=seed).run(engine)


def parameters(experiment):
    leaves = experiment.policy.policy.learner.approximator.parameters["value"]
    return np.concatenate([np.ravel(leaf) for leaf in leaves.values()])


def test_noise_is_that_of_the_seed():
    one, same, other = (parameters(walk(rainbow(), seed)) for seed in (3, 3, 4))
    np.testing.assert_array_equal(one, same)
    assert not np.allclose(one, other)


def test_every_step_draws_noise_once_also_where_the_explorer_explores():
    for epsilon in (0, 0.5, 1.0):
        policy = agent(dense(2, NoisyLinear), epsilon=epsilon)
        walk(policy, n=30)
        assert policy.policy.learner.noise.count == 2 * 30
    policy(np.eye(N_STATES, dtype=np.float32)[0])  # a bare state is acted on as any other
    assert policy.policy.learner.noise.count == 2 * 31


def test_evaluation_draws_no_noise():
    policy = rainbow()
    walk(policy)
    learner, states = policy.policy.learner, np.eye(N_STATES, dtype=np.float32)
    count = learner.noise.count
    values = SUPPORT.expected(np.reshape(learner.approximator.model(states), (N_STATES, 2, 5)))
    assert policy.greedy()(states).tolist() == values.argmax(-1).tolist()
    assert learner.noise.count == count


def test_seeds_side_by_side_equal_lone_runs():
    def make(seed):
        env = as_environment(random_walk(), **as_vectors)
        return Experiment(rainbow(), env, StopAfterNSteps(40, show_progress=False), seed=seed)

    for experiment, seed in zip(run_seeds(make, [3, 4]), (3, 4), strict=True):
        np.testing.assert_allclose(parameters(experiment), parameters(walk(rainbow(), seed)), rtol=1e-3, atol=1e-4)
