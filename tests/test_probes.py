"""Every learner finds the values of the probe environments: with its own memory, and with every other that fits."""

import numpy as np
import optax
import pytest
from flax import nnx
from probes import GAMMA, PROBES

from rlcore import Agent, Experiment, QBasedPolicy, StopAfterNSteps
from rlcore.approximators import Approximator, TabularQApproximator, TargetNetwork
from rlcore.explorers import EpsilonGreedyExplorer, WeightedSoftmaxExplorer
from rlcore.learners import CategoricalSupport, DQNLearner, Quantiles, RewardSplit, SplitQLearner, TDLearner
from rlcore.networks import MLP, DuelingNetwork, NoisyLinear
from rlcore.trajectories import (
    AsyncInsertSampleRatioController,
    BatchSampler,
    CircularTraces,
    ElasticTraces,
    InsertSampleRatioController,
    LatestTransition,
    LatestTransitions,
    NStepBatchSampler,
    PrioritizedTraces,
    Trajectory,
    WholeSampler,
)


def td(size, method="SARS", n=0, alpha=0.5, **named):
    return TDLearner(TabularQApproximator(*size), method, GAMMA, alpha, n, **named)


def split(size):
    return SplitQLearner(TabularQApproximator(*size), TabularQApproximator(*size), GAMMA, 0.5)


# one line per learner of tables `[states, actions]`
TABLES = {
    "q-learning": td,
    "q-learning, three steps": lambda size: td(size, n=2),
    "double q-learning": lambda size: td(size, double=True),
    "double q-learning, three steps": lambda size: td(size, double=True, n=2),
    "q-learning, alpha falls": lambda size: td(size, alpha=optax.linear_schedule(0.75, 0.25, 200)),
    "sarsa": lambda size: td(size, "SARSA"),
    "sarsa, three steps": lambda size: td(size, "SARSA", n=2),
    "sarsa, with an explorer": lambda size: td(size, "SARSA", explorer=EpsilonGreedyExplorer(0.5)),
    "double sarsa": lambda size: td(size, "SARSA", double=True),
    "expected sarsa": lambda size: td(size, "ExpectedSARSA", explorer=EpsilonGreedyExplorer(1.0)),
    "expected sarsa, softmax": lambda size: td(size, "ExpectedSARSA", explorer=WeightedSoftmaxExplorer()),
    "expected sarsa, three steps": lambda size: td(size, "ExpectedSARSA", n=2, explorer=EpsilonGreedyExplorer(1.0)),
    "split q-learning": split,
}


def network(n_outputs=2, module=None):
    module = MLP(2, (16,), n_outputs, rngs=nnx.Rngs(0)) if module is None else module
    return TargetNetwork(Approximator(module, optax.adam(0.02)), sync_freq=5)


def dueling():
    base = MLP(2, (), 16, rngs=nnx.Rngs(0))
    return DuelingNetwork(base, MLP(16, (), 1, rngs=nnx.Rngs(1)), MLP(16, (), 2, rngs=nnx.Rngs(2)))


def noisy():
    rngs = nnx.Rngs(0)
    return nnx.Sequential(NoisyLinear(2, 16, rngs=rngs), nnx.relu, NoisyLinear(16, 2, sigma=0.1, rngs=rngs))


# one line per kind of deep Q-learning
NETWORKS = {
    "dqn": lambda: DQNLearner(network(), GAMMA),
    "dqn, huber loss": lambda: DQNLearner(network(), GAMMA, optax.huber_loss),
    "double dqn": lambda: DQNLearner(network(), GAMMA, double=True),
    "dueling dqn": lambda: DQNLearner(network(module=dueling()), GAMMA),
    "c51": lambda: DQNLearner(network(18), GAMMA, distribution=CategoricalSupport(-2.0, 2.0, 9)),
    "double c51": lambda: DQNLearner(network(18), GAMMA, double=True, distribution=CategoricalSupport(-2.0, 2.0, 9)),
    "noisy dqn": lambda: DQNLearner(network(module=noisy()), GAMMA),
    "split dqn": lambda: DQNLearner(network(4), GAMMA, split=RewardSplit()),
    "quantile regression": lambda: DQNLearner(network(8), GAMMA, distribution=Quantiles(4)),
}

# one line per memory that gives batches
MEMORIES = {
    "ring": lambda: (CircularTraces(200), BatchSampler(32)),
    "ring, three steps": lambda: (CircularTraces(200), NStepBatchSampler(32, 3, GAMMA)),
    "ring, whole": lambda: (CircularTraces(32), WholeSampler()),
    "elastic": lambda: (ElasticTraces(), BatchSampler(32)),
    "elastic, three steps": lambda: (ElasticTraces(), NStepBatchSampler(32, 3, GAMMA)),
    "prioritised": lambda: (PrioritizedTraces(200), BatchSampler(32)),
    "prioritised, three steps": lambda: (PrioritizedTraces(200), NStepBatchSampler(32, 3, GAMMA)),
}


def learnt(learner, memory, probe, for_network, n_steps, threshold=1, num_envs=None, engine="eager", controller=None):
    """The values `[states, 2]` after `n_steps` of random actions."""
    trajectory = Trajectory(*memory, controller or InsertSampleRatioController(1.0, threshold))
    agent = Agent(QBasedPolicy(learner, EpsilonGreedyExplorer(1.0)), trajectory)
    env, stop = probe.environment(for_network, num_envs), StopAfterNSteps(n_steps, show_progress=False)
    Experiment(agent, env, stop, seed=0).run(engine)
    states = np.array(probe.features, np.float32) if for_network else np.arange(len(probe.q))
    return np.asarray(learner.forward(states))


def own_memory(learner):
    """What a learner of tables is shown by default."""
    n = getattr(learner, "n_transitions", 1)
    return (LatestTransition() if n == 1 else LatestTransitions(n)), WholeSampler()


@pytest.mark.parametrize("probe", PROBES)
@pytest.mark.parametrize("learner", TABLES)
def test_a_table_finds_the_values(learner, probe):
    made = TABLES[learner]((len(PROBES[probe].q), 2))
    q = learnt(made, own_memory(made), PROBES[probe], False, 200)
    np.testing.assert_allclose(q, PROBES[probe].q, atol=0.01)


@pytest.mark.parametrize("probe", PROBES)
@pytest.mark.parametrize("learner", NETWORKS)
def test_a_network_finds_the_values(learner, probe):
    q = learnt(NETWORKS[learner](), MEMORIES["ring"](), PROBES[probe], True, 250, threshold=32)
    np.testing.assert_allclose(q, PROBES[probe].q, atol=0.1)


@pytest.mark.parametrize("probe", PROBES)
@pytest.mark.parametrize("memory", [name for name in MEMORIES if name != "ring"])
def test_every_memory_serves(memory, probe):
    q = learnt(NETWORKS["dqn"](), MEMORIES[memory](), PROBES[probe], True, 250, threshold=32)
    np.testing.assert_allclose(q, PROBES[probe].q, atol=0.1)


@pytest.mark.parametrize("probe", ["delay", "both", "cut"])
@pytest.mark.parametrize("memory", ["ring", "prioritised"])
def test_learning_in_the_background_finds_the_values(memory, probe):
    controller = AsyncInsertSampleRatioController(1.0, 32)
    q = learnt(NETWORKS["dqn"](), MEMORIES[memory](), PROBES[probe], True, 300, controller=controller)
    np.testing.assert_allclose(q, PROBES[probe].q, atol=0.1)


@pytest.mark.parametrize("probe", PROBES)
@pytest.mark.parametrize("memory", MEMORIES)
def test_every_memory_serves_a_table(memory, probe):
    q = learnt(td((len(PROBES[probe].q), 2)), MEMORIES[memory](), PROBES[probe], False, 120, threshold=32)
    np.testing.assert_allclose(q, PROBES[probe].q, atol=0.01)


@pytest.mark.parametrize("num_envs", [None, 3])
@pytest.mark.parametrize("probe", ["delay", "both", "cut"])
def test_compiled_tables_and_rows(probe, num_envs):
    made = TABLES["sarsa, three steps"]((len(PROBES[probe].q), 2))
    q = learnt(made, own_memory(made), PROBES[probe], False, 400, num_envs=num_envs, engine="compiled")
    np.testing.assert_allclose(q, PROBES[probe].q, atol=0.01)


@pytest.mark.parametrize("memory", ["ring, three steps", "prioritised"])
def test_compiled_networks(memory):
    q = learnt(NETWORKS["dqn"](), MEMORIES[memory](), PROBES["cut"], True, 300, 32, num_envs=3, engine="compiled")
    np.testing.assert_allclose(q, PROBES["cut"].q, atol=0.1)
