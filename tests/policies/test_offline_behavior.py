"""OfflineBehavior: collects once, in the environment of the experiment, through the one loop."""

import math
import os
import signal

import numpy as np
import pytest
from gymnasium.vector import AutoresetMode, SyncVectorEnv
from worlds import Corridor, Count

from rlcore.approximators import TabularQApproximator
from rlcore.environments import RandomWalk1D, as_environment
from rlcore.errors import ConfigError
from rlcore.experiment import Experiment
from rlcore.explorers import EpsilonGreedyExplorer
from rlcore.hooks import StepsPerEpisode
from rlcore.interfaces import BareState, Policy
from rlcore.learners import TDLearner
from rlcore.policies import Agent, OfflineAgent, OfflineBehavior, QBasedPolicy, RandomPolicy
from rlcore.reset_conditions import ResetAfterNSteps
from rlcore.stop_conditions import StopAfterNSteps
from rlcore.trajectories import (
    BatchSampler,
    CircularTraces,
    ElasticTraces,
    InsertSampleRatioController,
    Trajectory,
    WholeSampler,
)
from tests.offline.recorded import assert_same


class Always(Policy):
    """The same action, and a note of what it was told."""

    def __init__(self, action=1, at_step=None, act=None):
        self.action, self.at_step, self.act = action, at_step, act
        self.tape = []

    def plan(self, env):
        if len(self.tape) == self.at_step:
            self.act()
        return self.action if env.num_envs is None else np.full(env.num_envs, self.action)

    def push(self, stage, env, action=None):
        self.tape.append((stage.value, action))

    def optimise(self, stage, trajectory=None):
        self.tape.append("learns")


def memory(capacity=20, sampler=None):
    return Trajectory(CircularTraces(capacity), sampler or WholeSampler(), InsertSampleRatioController())


def steps(n):
    return StopAfterNSteps(n, show_progress=False)


def offline(agent, n=None, capacity=20, reset=None):
    return OfflineAgent(Always(0), memory(capacity), OfflineBehavior(agent, n, reset))


@pytest.mark.parametrize(("n", "expected"), [(None, 20), (7, 7)])
def test_the_data_is_that_of_the_behavior(n, expected):
    agent, hook = offline(Always(1), n), StepsPerEpisode()
    Experiment(agent, Corridor(3), steps(6), hook).run()
    batch = agent.trajectory.sample()
    assert batch.action.tolist() == [1] * expected
    assert batch.state.tolist() == [i % 3 for i in range(expected)]
    assert batch.terminated.tolist() == [i % 3 == 2 for i in range(expected)]
    assert agent.offline_behavior.collected == expected
    assert agent.offline_behavior.steps == expected
    assert agent.trajectory.controller.inserted == 6  # the steps of the run alone
    assert hook.steps == [3, 3]  # and the run began with an episode of its own


def test_the_behavior_is_told_of_every_stage_and_never_learns():
    behavior = Always(1)
    Experiment(offline(behavior, 3, 20), Corridor(2), steps(5)).run()
    act = [("pre_act", None), ("post_act", 1)]
    first = [("pre_episode", None), *act, *act, ("post_episode", None)]
    second = [("pre_episode", None), *act, ("post_episode", None)]
    assert behavior.tape == [("pre_experiment", None), *first, *second, ("post_experiment", None)]


def test_the_reset_condition_is_that_of_the_collection():
    agent, hook = offline(Always(1), 6, reset=ResetAfterNSteps(2)), StepsPerEpisode()
    Experiment(agent, Corridor(3), steps(6), hook).run()
    assert agent.trajectory.sample().truncated.tolist() == [False, True] * 3
    assert hook.steps == [3, 3]


def test_a_second_run_and_a_second_experiment_find_the_data():
    agent = offline(RandomPolicy(seed=1), 9)
    experiment = Experiment(agent, Corridor(3), steps(4), seed=0).run()
    before = agent.trajectory.container.whole()
    experiment.run()
    Experiment(agent, Corridor(3), steps(4), seed=1).run()
    assert_same(agent.trajectory.container.whole(), before)
    assert agent.offline_behavior.agent.random.count == 9


def test_data_that_is_there_already_stays():
    agent = offline(Always(1), 5)
    for i in range(3):
        agent.trajectory.container.push(i, 0, 9.0, i + 1, False, False)
    Experiment(agent, Corridor(3), steps(1)).run()
    assert agent.trajectory.sample().action.tolist() == [0] * 3 + [1] * 5


@pytest.mark.parametrize("engine", ["eager", "compiled"])
def test_the_same_seed_gives_the_same_data_whatever_runs(engine):
    def collected(seed):
        agent = OfflineAgent(RandomPolicy(), memory(50), OfflineBehavior(RandomPolicy()))
        Experiment(agent, RandomWalk1D(6), steps(7), seed=seed).run(engine)
        return agent.trajectory.container.whole()

    assert_same(collected(3), collected(3))
    assert not np.array_equal(collected(3).state, collected(4).state)


@pytest.mark.parametrize("mode", list(AutoresetMode))
def test_several_environments(mode):
    env = SyncVectorEnv([lambda length=length: Count(length) for length in (2, 3)], autoreset_mode=mode)
    agent = offline(Always(1), 12, 40)
    Experiment(agent, env, steps(4), seed=0).run()
    batch = agent.trajectory.container.whole()
    assert agent.trajectory.container.lanes == 2
    assert 12 <= len(batch.reward) <= 13
    assert (batch.next_state[:, 0] - batch.state[:, 0] == 1).all()  # no row of a reset, and true next states
    assert agent.offline_behavior.collected == len(batch.reward)


def test_of_an_agent_the_policy_acts():
    """Also of one with the same trajectory, as in Julia; and one that learnt in another run."""
    learner = TDLearner(TabularQApproximator(4, 2), gamma=1.0, alpha=0.5)
    trained = Agent(QBasedPolicy(learner, EpsilonGreedyExplorer(0.0)), memory())
    Experiment(trained, Corridor(3), steps(15), seed=0).run()
    table, n_kept = learner.approximator.table.copy(), len(trained.trajectory)
    shared = memory()
    for agent in (trained, Agent(Always(1), shared)):
        offline_agent = OfflineAgent(RandomPolicy(), shared, OfflineBehavior(agent, 4))
        Experiment(offline_agent, Corridor(3), steps(4), seed=0).run()
    assert len(shared) == 8
    assert len(trained.trajectory) == n_kept
    assert np.array_equal(learner.approximator.table, table)


def test_the_extras_of_the_behavior_are_kept():
    class Knowing(Always):
        @property
        def extras(self):
            return {"log_prob": -0.5}

    agent = offline(Knowing(1), 4)
    Experiment(agent, Corridor(3), steps(1)).run()
    assert agent.trajectory.sample().extras["log_prob"].tolist() == [-0.5] * 4


def interrupt():
    os.kill(os.getpid(), signal.SIGINT)


def test_an_interrupted_collection_is_gone_on_with():
    behavior = Always(1, at_step=7, act=interrupt)
    agent, hook = offline(behavior, 12), StepsPerEpisode()
    experiment = Experiment(agent, Corridor(3), steps(3), hook)
    with pytest.raises(KeyboardInterrupt):
        experiment.run()
    assert experiment.stop_reason == "interrupted by SIGINT"
    assert 0 < agent.offline_behavior.collected < 12
    assert hook.steps == []
    experiment.run()
    assert agent.offline_behavior.collected == len(agent.trajectory) == 12
    assert hook.steps == [3]


def test_an_error_of_the_behavior_is_raised_as_it_is():
    def fail():
        raise ZeroDivisionError("of the user's own")

    agent = offline(Always(1, at_step=5, act=fail), 12)
    with pytest.raises(ZeroDivisionError, match="of the user's own"):
        Experiment(agent, Corridor(3), steps(3)).run()


@pytest.mark.parametrize(
    ("arguments", "expected"),
    [
        ({"agent": "random"}, "agent is 'random', expected a Policy or an Agent"),
        ({"agent": RandomPolicy}, "agent is the class RandomPolicy"),
        ({"agent": RandomPolicy(), "steps": 0}, "steps is 0, expected a whole number of at least 1"),
        ({"agent": RandomPolicy(), "steps": -5}, "steps is -5"),
        ({"agent": RandomPolicy(), "steps": math.inf}, "steps is inf"),
        ({"agent": RandomPolicy(), "steps": 1e3}, "write 1_000"),
        ({"steps": 10}, "there is no agent that could collect anything"),
        ({"reset_condition": ResetAfterNSteps(3)}, "there is no agent that could collect anything"),
        ({"agent": RandomPolicy(), "reset_condition": 3}, "reset_condition is 3, expected a ResetCondition"),
    ],
)
def test_wrong_arguments_are_refused(arguments, expected):
    with pytest.raises(ConfigError, match=expected):
        OfflineBehavior(**arguments)


def test_a_reset_condition_that_cannot_cut_rows_is_refused():
    env = as_environment(RandomWalk1D(6), num_envs=2)
    with pytest.raises(ConfigError, match="reset_condition of OfflineBehavior is ResetAfterNSteps, but RandomWalk1D"):
        Experiment(offline(RandomPolicy(), 9, reset=ResetAfterNSteps(3)), env, steps(2))


def test_a_behavior_that_cannot_act_there_is_refused():
    learner = TDLearner(TabularQApproximator(2, 2), gamma=1.0, alpha=0.5)
    with pytest.raises(ConfigError, match="the table has 2 rows"):
        Experiment(offline(QBasedPolicy(learner, EpsilonGreedyExplorer(0.1)), 9), Corridor(3), steps(2))


def test_a_container_without_bounds_needs_steps():
    unbounded = Trajectory(ElasticTraces(), BatchSampler(1), InsertSampleRatioController())
    with pytest.raises(ConfigError, match="grows without bound; say how many: steps=10_000"):
        OfflineAgent(RandomPolicy(), unbounded, OfflineBehavior(RandomPolicy()))
    agent = OfflineAgent(RandomPolicy(), unbounded, OfflineBehavior(Always(1), 8))
    Experiment(agent, Corridor(3), steps(2)).run()
    assert len(unbounded) == 8


def test_one_player_of_a_game_cannot_collect():
    with pytest.raises(ConfigError, match="can't collect in a BareState, where a player can't act alone"):
        offline(RandomPolicy(), 9).offline_behavior.check(BareState(0))


def test_the_default_collects_nothing():
    behavior = OfflineBehavior()
    assert behavior.is_done()
    assert repr(behavior) == "OfflineBehavior()"
