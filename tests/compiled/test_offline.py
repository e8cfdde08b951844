"""Learning from data that stays as it is, in both engines: every row, every hook, every leaf, every stream."""

from functools import partial

import numpy as np
import optax
import pytest
from flax import nnx

from rlcore import (
    MLP,
    Agent,
    Approximator,
    BatchSampler,
    CircularTraces,
    DQNLearner,
    EpsilonGreedyExplorer,
    Experiment,
    InsertSampleRatioController,
    QBasedPolicy,
    RandomPolicy,
    StopAfterNEpisodes,
    StopAfterNSteps,
    TargetNetwork,
    Trajectory,
    as_environment,
)
from rlcore.approximators import TabularQApproximator
from rlcore.environments import CartPole, RandomWalk1D
from rlcore.errors import ConfigError
from rlcore.interfaces import Policy
from rlcore.learners import BehaviorCloningLearner, TDLearner
from rlcore.networks import CategoricalNetwork
from rlcore.offline import load_traces, save_traces
from rlcore.policies import OfflineAgent, OfflineBehavior, StochasticPolicy
from rlcore.reset_conditions import ResetAfterNSteps
from tests.compiled.alike import Tape, assert_alike, built_in, run_in


def cloning():
    network = CategoricalNetwork(MLP(4, (8,), 2, rngs=nnx.Rngs(0)))
    return StochasticPolicy(BehaviorCloningLearner(Approximator(network, optax.adam(1e-2))))


def conservative():
    approximator = TargetNetwork(Approximator(MLP(4, (8,), 2, rngs=nnx.Rngs(0)), optax.adam(1e-2)), sync_freq=3)
    return QBasedPolicy(DQNLearner(approximator, conservative_weight=1.0), EpsilonGreedyExplorer(0.25))


def table():
    learner = TDLearner(TabularQApproximator(6, 2), gamma=1.0, alpha=0.5)
    return QBasedPolicy(learner, EpsilonGreedyExplorer(0.25))


def memory(capacity, batch_size, ratio, threshold=1):
    return Trajectory(CircularTraces(capacity), BatchSampler(batch_size), InsertSampleRatioController(ratio, threshold))


def filling(policy, world, num_envs, ratio, threshold=1, reset=None):
    """Data that a random policy collects."""
    behavior = OfflineBehavior(RandomPolicy(), 30, reset)
    return OfflineAgent(policy(), memory(60, 8, ratio, threshold), behavior)


def loading(policy, world, num_envs, path, ratio):
    """Data of a file, collected by one environment, or by three side by side."""
    agent = Agent(RandomPolicy(), memory(60, 1, 1.0))
    Experiment(
        agent, as_environment(world(), num_envs=num_envs), StopAfterNSteps(50, show_progress=False), seed=9
    ).run()
    save_traces(path, agent.trajectory, world())
    controller = InsertSampleRatioController(ratio)
    return OfflineAgent(policy(), Trajectory(load_traces(path, world()), BatchSampler(8), controller))


def walk():
    return RandomWalk1D(6)


CASES = {
    "clones, collected": (filling, cloning, CartPole, None, {"ratio": 0.5, "reset": ResetAfterNSteps(4)}),
    "clones, collected by rows": (filling, cloning, CartPole, 3, {"ratio": 1.0}),
    "conservative, collected, waits": (filling, conservative, CartPole, None, {"ratio": 1.0, "threshold": 7}),
    "table, collected by rows": (filling, table, walk, 3, {"ratio": 0.3}),
    "clones, loaded": (loading, cloning, CartPole, None, {"ratio": 1.0}),
    "table, loaded from rows": (loading, table, walk, 3, {"ratio": 2.0}),
}


@pytest.mark.parametrize("name", CASES)
def test_engines_agree(name, tmp_path):
    make_agent, policy, world, num_envs, arguments = CASES[name]
    if make_agent is loading:
        arguments = arguments | {"path": tmp_path / "data"}

    def make():
        return {
            "policy": make_agent(policy, world, num_envs, **arguments),
            "env": as_environment(world(), num_envs=num_envs if make_agent is filling else None),
            "stop_condition": StopAfterNSteps(50, show_progress=False),
            "hook": Tape() + built_in(num_envs if make_agent is filling else None),
        }

    tolerances = (0.0, 0.0) if policy is table else (1e-4, 1e-5)
    reference = run_in(["eager", "eager"], make)
    for engines in (("compiled", "compiled"), ("compiled", "eager"), ("eager", "compiled")):
        other = assert_alike(make, *tolerances, engines, reference)
        assert other.policy.policy.learner.metrics.keys() == reference[0].policy.policy.learner.metrics.keys()


def test_episodes_may_end_a_run():
    def make():
        agent = filling(table, walk, None, 1.0)
        return {"policy": agent, "env": walk(), "stop_condition": StopAfterNEpisodes(7, show_progress=False)}

    for engine in ("eager", "compiled"):
        experiment = Experiment(**make(), seed=2).run(engine)
        controller = experiment.policy.trajectory.controller
        assert controller.inserted == controller.sampled > 7


class Plain(Policy):
    """A behaviour that is no struct."""

    def plan(self, env):
        return 1


def test_a_behavior_that_cannot_be_traced_is_refused_with_the_way_out():
    def make():
        agent = OfflineAgent(table(), memory(30, 8, 1.0), OfflineBehavior(Plain()))
        return Experiment(agent, walk(), StopAfterNSteps(20, show_progress=False), seed=0)

    with pytest.raises(ConfigError, match=r"policy\.offline_behavior\.agent is of class Plain, which is no @struct"):
        make().run("compiled")
    experiment = make().run()
    assert experiment.engine.startswith("eager: policy.offline_behavior.agent")
    assert experiment.policy.trajectory.container.whole().action.tolist() == [1] * 30


def test_too_little_data_is_refused_as_eagerly():
    agent = OfflineAgent(table(), memory(30, 8, 1.0), OfflineBehavior(RandomPolicy(), 7))
    with pytest.raises(ConfigError, match="holds 7 transitions, too few"):
        Experiment(agent, walk(), StopAfterNSteps(20, show_progress=False), seed=0).run("compiled")


def test_the_data_is_the_same_after_a_compiled_run():
    agent = filling(partial(table), walk, None, 1.0)
    experiment = Experiment(agent, walk(), StopAfterNSteps(20, show_progress=False), seed=0).run("compiled")
    before = agent.trajectory.container.whole()
    experiment.run("compiled")
    after = agent.trajectory.container.whole()
    assert len(agent.trajectory) == 30
    assert np.array_equal(before.state, after.state)
    assert np.array_equal(before.reward, after.reward)
