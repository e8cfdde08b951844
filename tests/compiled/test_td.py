"""Tables learn alike in both engines, by every method."""

from functools import partial

import numpy as np
import optax
import pytest

from rlcore import (
    Agent,
    EpsilonGreedyExplorer,
    Experiment,
    InsertSampleRatioController,
    QBasedPolicy,
    StopAfterNSteps,
    Trajectory,
    as_environment,
)
from rlcore.approximators import TabularQApproximator
from rlcore.environments import RandomWalk1D, TabularEnvironment
from rlcore.explorers import GreedyExplorer
from rlcore.learners import TDLearner
from rlcore.reset_conditions import ResetAfterNSteps
from rlcore.trajectories import LatestTransition, LatestTransitions, WholeSampler
from tests.compiled.alike import Tape, assert_alike, run_in


def masked():
    """Four states in a circle, in each of which other actions are legal."""
    row = [[[(0.5, (state + 1) % 4, 1.0, state == 2), (0.5, state, 0.0, False)]] * 3 for state in range(4)]
    return TabularEnvironment(row, masks=[[1, 0, 1], [0, 1, 0], [1, 1, 1], [0, 1, 1]], max_steps=6)


def greedy():
    return GreedyExplorer()


def epsilon():
    return EpsilonGreedyExplorer(0.25, break_ties=True)


def falling():
    return EpsilonGreedyExplorer(0.125, decay_steps=64, break_ties=True)


# method and arguments; an explorer of expected SARSA is made anew for every run
METHODS = {
    "q-learning": {},
    "q-learning, three steps": {"n": 2},
    "q-learning, double": {"double": True},
    "q-learning, double, three steps": {"double": True, "n": 2},
    "q-learning, alpha falls": {"alpha": optax.piecewise_constant_schedule(0.5, {40: 0.5})},
    "sarsa": {"method": "SARSA"},
    "sarsa, two steps": {"method": "SARSA", "n": 1},
    "sarsa, four steps, explorer": {"method": "SARSA", "n": 3, "explorer": greedy},
    "sarsa, double": {"method": "SARSA", "double": True},
    "expected sarsa, greedy": {"method": "ExpectedSARSA", "explorer": greedy},
    "expected sarsa, epsilon falls": {"method": "ExpectedSARSA", "explorer": falling},
    "expected sarsa": {"method": "ExpectedSARSA", "explorer": epsilon},
    "expected sarsa, double, two steps": {"method": "ExpectedSARSA", "explorer": epsilon, "double": True, "n": 1},
}


def agent(size, named, ratio=1.0):
    named = {"gamma": 0.5, "alpha": 0.5} | named
    if "explorer" in named:
        named["explorer"] = named["explorer"]()
    learner = TDLearner(TabularQApproximator(*size), **named)
    container = LatestTransition() if learner.n_transitions == 1 else LatestTransitions(learner.n_transitions)
    memory = Trajectory(container, WholeSampler(), InsertSampleRatioController(ratio, 3))
    return Agent(QBasedPolicy(learner, falling() if learner.explorer is not None else epsilon()), memory)


def make(name, env, size, num_envs=None, cut=None, ratio=1.0):
    return {
        "policy": agent(size, METHODS[name], ratio),
        "env": as_environment(env(), num_envs=num_envs),
        "stop_condition": StopAfterNSteps(90, show_progress=False),
        "hook": Tape(),
        "reset_condition": None if cut is None else ResetAfterNSteps(cut),
    }


WALK = {"env": partial(RandomWalk1D, 6), "size": (6, 2)}
MASKED = {"env": masked, "size": (4, 3)}
CASES = {
    ("q-learning, three steps", "walk, cut"): WALK | {"cut": 4},
    ("q-learning, three steps", "masked, rows, half"): MASKED | {"num_envs": 2, "ratio": 0.5},
    ("q-learning, double", "walk"): WALK,
    ("q-learning, double, three steps", "masked, rows"): MASKED | {"num_envs": 2},
    ("q-learning, alpha falls", "walk, rows"): WALK | {"num_envs": 3},
    ("sarsa", "masked"): MASKED,
    ("sarsa, two steps", "walk, rows"): WALK | {"num_envs": 3},
    ("sarsa, four steps, explorer", "walk, cut"): WALK | {"cut": 4},
    ("sarsa, double", "masked, rows"): MASKED | {"num_envs": 2},
    ("expected sarsa, greedy", "walk, rows"): WALK | {"num_envs": 3},
    ("expected sarsa, epsilon falls", "walk, rows"): WALK | {"num_envs": 3},
    ("expected sarsa", "masked"): MASKED,
    ("expected sarsa, double, two steps", "masked, rows"): MASKED | {"num_envs": 2},
}


@pytest.mark.parametrize(("name", "world"), CASES)
def test_engines_agree(name, world):
    experiment = partial(make, name, **CASES[name, world])
    tolerance = 1e-6 if "expected" in name else 0.0  # sums of products, which compiled code may round once
    reference = run_in(["eager", "eager"], experiment)
    assert np.abs(reference[0].policy.policy.learner.approximator.table).max() > 0.1
    for engines in (("compiled", "eager"), ("eager", "compiled")):
        assert_alike(experiment, tolerance, tolerance, engines, reference)


@pytest.mark.parametrize("engine", ["eager", "compiled"])
@pytest.mark.parametrize("num_envs", [None, 3])
def test_the_schedule_of_the_learners_explorer_keeps_pace_with_the_one_that_acts(engine, num_envs):
    made = make("expected sarsa, epsilon falls", **(WALK | {"num_envs": num_envs}))
    made["policy"].trajectory.controller = InsertSampleRatioController()
    policy = Experiment(**made, seed=0).run(engine).policy.policy
    assert policy.learner.explorer.step == policy.explorer.step == 91
    assert policy.learner.explorer.random.count == 0
