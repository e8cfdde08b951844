"""A second experiment of the same kind compiles nothing; one of another kind is never run by the wrong program."""

import warnings
from functools import partial

import numpy as np
import pytest
from gymnasium import spaces

from rlcore import Experiment, RandomPolicy, StopAfterNEpisodes, StopAfterNSteps, as_environment
from rlcore.compiled import planner
from rlcore.environments import MultiArmedBandit, RandomWalk1D, TabularEnvironment
from rlcore.hooks import DoEveryNSteps, StepsPerEpisode, TotalRewardPerEpisode
from rlcore.learners import TDLearner
from rlcore.reset_conditions import ResetAfterNSteps
from tests.compiled.test_conformance import N_STATES, epsilon, network, one_hot, table


def steps(n):
    return StopAfterNSteps(n, show_progress=False)


KINDS = {
    "random": lambda: (RandomPolicy(), RandomWalk1D(N_STATES)),
    "table": lambda: (table(epsilon()), RandomWalk1D(N_STATES)),
    "rows": lambda: (table(epsilon()), as_environment(RandomWalk1D(N_STATES), num_envs=3)),
    "bandit": lambda: (RandomPolicy(), MultiArmedBandit(5)),
}


@pytest.mark.parametrize("kind", KINDS)
def test_a_second_experiment_compiles_nothing(kind):
    policy, env = KINDS[kind]()
    first = Experiment(policy, env, steps(40), seed=0).run("compiled")
    assert first.run("compiled").compile_seconds == 0
    policy, env = KINDS[kind]()
    second = Experiment(policy, env, steps(50), StepsPerEpisode(), seed=7).run("compiled")
    assert second.compile_seconds == 0
    policy, env = KINDS[kind]()
    third = Experiment(policy, env, steps(50), seed=8).run("eager").run("compiled")
    assert third.compile_seconds == 0


def test_the_first_of_its_kind_says_how_long_compiling_took():
    run = Experiment(RandomPolicy(), RandomWalk1D(23), steps(10), seed=0).run("compiled")
    assert run.compile_seconds > 0
    assert run.run("eager").compile_seconds == 0


def test_numbers_of_limits_are_no_part_of_the_program():
    make = partial(Experiment, env=RandomWalk1D(N_STATES), seed=0)
    make(RandomPolicy(), stop_condition=StopAfterNEpisodes(3, False) | steps(50)).run("compiled")
    stop = StopAfterNEpisodes(9, False) | steps(500)
    again = Experiment(RandomPolicy(), RandomWalk1D(N_STATES), stop, seed=1).run("compiled")
    assert again.compile_seconds == 0


def results(policy=None, reset=None, **transforms):
    hook = TotalRewardPerEpisode(display_on_exit=False)
    env = as_environment(RandomWalk1D(N_STATES), **transforms)
    policy = RandomPolicy() if policy is None else policy
    stop = StopAfterNSteps(40, False)
    return Experiment(policy, env, stop, hook, reset, seed=0).run("compiled").hook.result()


def test_another_function_is_another_program():
    assert {tuple(results(reward=lambda reward, x=x: reward * x)) for x in (1.0, 2.0)} == {
        tuple(results(reward=lambda reward: reward)),
        tuple(results(reward=lambda reward: reward * 2.0)),
    }
    assert len(results(reset=ResetAfterNSteps(2))) == 20
    assert len(results(reset=ResetAfterNSteps(4))) < 20


SCALE = 1.0


def scaled(reward):
    return reward * SCALE


def test_a_global_that_changed_is_another_program(monkeypatch):
    first = results(reward=scaled)
    monkeypatch.setitem(globals(), "SCALE", 3.0)
    second = results(reward=scaled)
    assert second == [3.0 * total for total in first]


def test_another_configuration_is_another_program():
    tables = []
    for alpha in (0.5, 0.25):
        agent = table(epsilon())
        agent.policy.learner = TDLearner(agent.policy.learner.approximator, gamma=1.0, alpha=alpha)
        results(agent)
        tables.append(agent.policy.learner.approximator.table)
    assert not np.array_equal(*tables)
    assert np.abs(tables[0]).max() > np.abs(tables[1]).max()


def test_two_tables_of_one_shape_are_two_programs():
    rewards = []
    for pays in (1.0, 2.0):
        env = TabularEnvironment([[[(1.0, 0, pays, False)]]], max_steps=5)
        hook = TotalRewardPerEpisode(display_on_exit=False)
        rewards.append(Experiment(RandomPolicy(), env, steps(5), hook, seed=0).run("compiled").hook.result())
    assert rewards == [[5.0], [10.0]]


@pytest.fixture
def short_chunks(monkeypatch):
    monkeypatch.setattr(planner, "FIRST_ROWS", 16)
    monkeypatch.setattr(planner, "MOST_ROWS", 16)


def test_nothing_is_warned_of_in_an_ordinary_run():
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        experiment = Experiment(network(1), as_environment(RandomWalk1D(N_STATES), state=one_hot), steps(60), seed=3)
        experiment.run("compiled")
        experiment.stop_condition = steps(30)
        assert experiment.run("compiled").compile_seconds == 0


def test_nothing_is_warned_of_where_actions_have_64_bits():
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        policy = RandomPolicy(spaces.MultiDiscrete([2]))
        env = as_environment(RandomWalk1D(N_STATES), action=(lambda action: action[..., 0], spaces.MultiDiscrete([2])))
        Experiment(policy, env, steps(20), seed=3).run("compiled")


@pytest.mark.parametrize(
    "change",
    [
        lambda policy: setattr(policy.policy.learner, "alpha", 0.25),
        lambda policy: setattr(policy.policy.learner.approximator, "table", np.zeros((9, 2), np.float32)),
    ],
    ids=["static", "shape"],
)
def test_a_hook_that_makes_the_engine_compile_again_is_warned_of(change, short_chunks):
    hook = DoEveryNSteps(lambda t, policy, env: change(policy), n=60)
    experiment = Experiment(table(epsilon()), RandomWalk1D(N_STATES), steps(119), hook, seed=3)
    with pytest.warns(UserWarning, match="compiled again during the run, because a hook changed .* change numbers"):
        experiment.run("compiled")


def test_a_change_of_numbers_compiles_nothing(short_chunks):
    def change(t, policy, env):
        policy.policy.learner.approximator.table[...] = 5.0
        policy.policy.explorer.step = 1000

    Experiment(table(epsilon()), RandomWalk1D(N_STATES), steps(10), seed=3).run("compiled")
    experiment = Experiment(table(epsilon()), RandomWalk1D(N_STATES), steps(119), DoEveryNSteps(change, n=60), seed=3)
    assert experiment.run("compiled").compile_seconds == 0
    assert experiment.policy.policy.explorer.step > 1000
