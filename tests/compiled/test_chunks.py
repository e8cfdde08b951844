"""Where a run is cut into chunks changes nothing; where the stop is not exact, the policy goes on to a chunk's end."""

from functools import partial

import jax.numpy as jnp
import numpy as np
import pytest
from gymnasium import spaces

from rlcore import Experiment, RandomPolicy, StopAfterNEpisodes, StopAfterNSteps, StopSignal, as_environment
from rlcore.compiled import planner
from rlcore.environments import RandomWalk1D
from rlcore.errors import ConfigError
from rlcore.hooks import DoEveryNSteps, StepsPerEpisode
from rlcore.interfaces import Environment
from rlcore.stop_conditions import StopAfterNoImprovement, StopCondition, StopIfEnvTerminated
from rlcore.struct import struct
from tests.compiled.alike import Tape, assert_alike, assert_same_leaves, built_in, records
from tests.compiled.test_conformance import CASES, epsilon, table

ONE_ROW = {"FIRST_ROWS": 1, "SECONDS": 1e-9}
FEW_ROWS = {"FIRST_ROWS": 7, "MOST_ROWS": 16}


def cut(monkeypatch, sizes):
    for name, value in sizes.items():
        monkeypatch.setattr(planner, name, value)


@pytest.mark.parametrize(
    ("name", "sizes"),
    [
        ("table, epsilon", ONE_ROW),
        ("random, dict, cut", ONE_ROW),
        ("table, epsilon, rows", FEW_ROWS),
        ("own, counts", FEW_ROWS),
        ("table, decay, two updates", FEW_ROWS),
    ],
)
def test_chunks_of_any_size_give_the_same_rows(name, sizes, monkeypatch):
    cut(monkeypatch, sizes)
    case = CASES[name]
    if sizes is ONE_ROW:
        case = case._replace(stop=lambda: StopAfterNSteps(25, False))
    assert_alike(case.make, case.tolerance)


@pytest.mark.parametrize("num_envs", [None, 3])
@pytest.mark.parametrize(
    ("hooks", "stop"),
    [
        (records, lambda: StopAfterNSteps(3001, False)),
        (records, lambda: StopAfterNEpisodes(150, False)),
        (built_in, lambda: StopAfterNSteps(1501, False)),
    ],
)
def test_blocks_give_the_same_results_as_steps(num_envs, hooks, stop, monkeypatch):
    """Built-in hooks are shown most steps as blocks; two chunks are under way where nobody looks at the policy."""
    cut(monkeypatch, {"FIRST_ROWS": 100, "MOST_ROWS": 512})

    def make():
        env = as_environment(RandomWalk1D(6), num_envs=num_envs)
        return {"policy": table(epsilon()), "env": env, "stop_condition": stop(), "hook": hooks(num_envs)}

    assert_alike(make)


class AtStep(StopCondition):
    """Says so from the n-th step on."""

    def __init__(self, n):
        self.n = n

    def pre_experiment(self, policy, env):
        self.count = 0

    def check(self, policy, env):
        self.count += 1
        return self.count >= self.n


def by_a_hook():
    signal = StopSignal()
    return signal, DoEveryNSteps(lambda t, policy, env: signal.set("enough"), n=70)


def without_progress():
    hook = StepsPerEpisode()
    return StopAfterNoImprovement(lambda: hook.steps[-1], patience=4), hook


INEXACT = {
    "own": lambda: (AtStep(70), StepsPerEpisode()),
    "own or steps": lambda: (AtStep(70) | StopAfterNSteps(2000, False), StepsPerEpisode()),
    "own and steps": lambda: (AtStep(70) & StopAfterNSteps(99, False), StepsPerEpisode()),
    "signal": by_a_hook,
    "no progress": without_progress,
    "terminated": lambda: (StopIfEnvTerminated(), StepsPerEpisode()),
    "terminated and episodes": lambda: (StopIfEnvTerminated() & StopAfterNEpisodes(5, False), StepsPerEpisode()),
}


@pytest.mark.parametrize("num_envs", [None, 3])
@pytest.mark.parametrize("name", INEXACT)
def test_hooks_see_the_exact_stop_and_the_engine_says_how_far_the_policy_went(name, num_envs):
    results = {}
    for engine in ("eager", "compiled"):
        stop, hook = INEXACT[name]()
        env = as_environment(RandomWalk1D(6), num_envs=num_envs)
        experiment = Experiment(table(epsilon()), env, stop, hook + Tape(), seed=3).run(engine)
        results[engine] = experiment.stop_reason, experiment.hook.result()
    assert results["compiled"] == results["eager"]
    beyond = said(experiment.engine)
    shown = sum(row["stage"] == "post_act" for row in results["eager"][1][-1][1:])
    kept = experiment.policy.trajectory.controller.inserted  # one push of all rows
    assert kept == shown + beyond


def said(engine):
    """How many steps the policy went on for, as `experiment.engine` says."""
    _, found, rest = engine.partition("the policy went on for ")
    return int(rest.split()[0]) if found else 0


def test_a_policy_that_went_on_is_that_of_the_chunks_end(monkeypatch):
    cut(monkeypatch, {"FIRST_ROWS": 16, "MOST_ROWS": 16})  # the first chunk ends where the learner begins: 2 rows
    went_on = Experiment(table(epsilon()), RandomWalk1D(6), AtStep(70), seed=3).run("compiled")
    assert said(went_on.engine) == 2 + 5 * 16 - 70
    exact = Experiment(table(epsilon()), RandomWalk1D(6), StopAfterNSteps(82, False), seed=3).run("compiled")
    assert said(exact.engine) == 0
    assert_same_leaves(went_on.policy, exact.policy)


def test_a_limit_beside_an_inexact_stop_is_never_passed():
    """The program takes no step beyond the limit, so that a stop by the limit leaves the policy exact."""
    make = partial(Experiment, env=RandomWalk1D(6), seed=3)
    both = make(table(epsilon()), stop_condition=AtStep(500) | StopAfterNSteps(130, False)).run("compiled")
    alone = Experiment(table(epsilon()), RandomWalk1D(6), StopAfterNSteps(130, False), seed=3).run("compiled")
    assert both.stop_reason == "StopAfterNSteps(130)"
    assert said(both.engine) == 0
    assert_same_leaves(both.policy, alone.policy)


def test_the_length_of_a_run_is_no_part_of_the_program():
    Experiment(RandomPolicy(), RandomWalk1D(9), StopAfterNSteps(50, False), seed=0).run("compiled")
    second = Experiment(RandomPolicy(), RandomWalk1D(9), StopAfterNSteps(5000, False), seed=1).run("compiled")
    assert second.compile_seconds == 0


@struct
class Screen(Environment):
    """Shows 28 kB a step."""

    brightness: int = 0

    def reset(self, seed=None):
        self.brightness = 0

    def act(self, action):
        self.brightness = self.brightness + 1

    def state(self):
        return jnp.full((84, 84, 4), self.brightness % 256).astype(np.uint8)

    def reward(self):
        return 0.0

    def is_terminated(self):
        return self.brightness >= 50

    def action_space(self):
        return spaces.Discrete(2)

    def state_space(self):
        return spaces.Box(0, 255, (84, 84, 4), np.uint8)


class Planned(Exception):
    """Ends a run before its first chunk."""


def test_a_record_of_large_states_is_short(monkeypatch):
    rows = []
    plan = planner.Planner.plan

    def noted(self, *arguments):
        rows.append(plan(self, *arguments)[0].n_rows)
        raise Planned

    monkeypatch.setattr(planner.Planner, "plan", noted)
    with pytest.raises(Planned):
        Experiment(RandomPolicy(), Screen(), StopAfterNSteps(10**6, False), Tape(), seed=3).run("compiled")
    assert rows[0] * 2 * 84 * 84 * 4 < 2**28


@struct
class Wall(Screen):
    """Shows 40 GB a step."""

    def state(self):
        return jnp.full((100_000, 100_000), self.brightness, np.float32)

    def state_space(self):
        return spaces.Box(0, 50, (1, 1), np.float32)


def test_a_chunk_that_does_not_fit_into_memory_is_refused_before_the_run():
    class Fails(StepsPerEpisode):
        needs_state = True

        def pre_experiment(self, policy, env):
            raise AssertionError("ran")

    experiment = Experiment(RandomPolicy(), Wall(), StopAfterNSteps(5, False), Fails(), seed=3)
    with pytest.raises(
        ConfigError, match=r"a chunk of 16 steps takes 1,280,000,\d{3},\d{3} bytes.*memory are free; take"
    ):
        experiment.run("compiled")
