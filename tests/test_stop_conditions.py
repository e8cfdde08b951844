"""Stop conditions: exact counts, honest bars, clean second runs."""

import math
import time
from typing import ClassVar

import numpy as np
import pytest
from gymnasium.vector import AutoresetMode
from hypothesis import given
from hypothesis import strategies as st
from worlds import Corridor, Still, counts

from rlcore import stop_conditions
from rlcore.errors import ConfigError
from rlcore.experiment import Experiment, run
from rlcore.hooks import Hook, StepsPerEpisode
from rlcore.stop_conditions import (
    AnyStopCondition,
    StopAfterNEpisodes,
    StopAfterNoImprovement,
    StopAfterNSeconds,
    StopAfterNSteps,
    StopCondition,
    StopIfAll,
    StopIfAny,
    StopIfEnvTerminated,
    StopSignal,
)


class Steps(Hook):
    """Counts loop steps and transitions."""

    def pre_experiment(self, policy, env):
        self.loop_steps = self.transitions = self.episodes = 0

    def post_act(self, policy, env):
        self.loop_steps += 1
        self.transitions += int(np.sum(env.is_transition()))
        self.episodes += len(env.ended())


class Bar:
    """Stands in for tqdm."""

    made: ClassVar = []

    def __init__(self, total, unit, disable):
        self.total, self.unit, self.disable, self.n, self.is_closed = total, unit, False, 0, False
        self.wanted = disable
        Bar.made.append(self)

    def update(self, n=1):
        self.n += n

    def close(self):
        self.is_closed = True


@pytest.fixture
def bars(monkeypatch):
    monkeypatch.setattr(Bar, "made", [])
    monkeypatch.setattr(stop_conditions, "tqdm", Bar)
    return Bar.made


def test_step_bars_tell_the_truth_and_close(bars):
    experiment = Experiment(Still(), Corridor(3), StopAfterNSteps(7)).run()
    experiment.run()
    assert [(bar.total, bar.n, bar.unit, bar.is_closed) for bar in bars] == [(7, 7, "step", True)] * 2


def test_a_bar_stops_where_another_condition_ended_the_run(bars):
    run(Still(), Corridor(3), StopAfterNEpisodes(10) | StopAfterNSteps(8))
    assert {bar.unit: bar.n for bar in bars} == {"episode": 2, "step": 8}
    assert all(bar.is_closed for bar in bars)


def test_bars_close_when_something_fails(bars):
    class Breaks(Hook):
        def post_act(self, policy, env):
            raise RuntimeError("boom")

    with pytest.raises(RuntimeError):
        run(Still(), Corridor(3), StopAfterNSteps(7), Breaks())
    assert [(bar.n, bar.is_closed) for bar in bars] == [(0, True)]


def test_bars_are_off_where_nobody_looks(bars):
    run(Still(), Corridor(3), StopAfterNSteps(2) & StopAfterNEpisodes(1, show_progress=False))
    assert [bar.wanted for bar in bars] == [None, True]  # None: tqdm shows it in terminals and notebooks only


@pytest.mark.parametrize("mode", list(AutoresetMode))
@pytest.mark.parametrize("n", [1, 2, 7, 20])
@pytest.mark.parametrize("lengths", [(3,), (2, 3), (1, 2, 3, 4, 5, 6, 7)])
def test_rows_count_one_per_transition_and_the_first_step_that_reaches_n_is_the_last(bars, mode, n, lengths):
    steps = Steps()
    run(Still(), counts(lengths, mode), StopAfterNSteps(n), steps)
    assert n <= steps.transitions < n + len(lengths)
    assert bars[0].n == steps.transitions


@pytest.mark.parametrize("mode", list(AutoresetMode))
def test_rows_that_end_are_episodes(bars, mode):
    steps = Steps()
    run(Still(), counts((2, 3, 6), mode), StopAfterNEpisodes(5), steps)
    assert steps.episodes == bars[0].n
    assert 5 <= steps.episodes <= 7


def test_seconds_start_with_the_run_on_a_monotonic_clock(monkeypatch):
    now = [100.0]
    monkeypatch.setattr(time, "monotonic", lambda: now[0])
    monkeypatch.setattr(time, "time", lambda: 0.0)

    class Passes(Hook):
        def post_act(self, policy, env):
            now[0] += 1.0

    condition, steps = StopAfterNSeconds(2.5), Steps()
    now[0] = 500.0
    experiment = Experiment(Still(), Corridor(100), condition, Passes() + steps)
    for _ in range(2):
        assert experiment.run().stop_reason == "StopAfterNSeconds(2.5)"
        assert steps.loop_steps == 3


@pytest.mark.parametrize(
    ("answers", "patience", "delta", "episodes"),
    [
        ([1, 2, 3, 3, 3], 2, 0.0, 5),
        ([5, 4, 6, 5, 5, 5], 3, 0.0, 6),
        ([0, 0.5, 1.0, 1.5], 1, 1.0, 2),  # half a point is no improvement of one
        ([0, 1.0, 1.9], 1, 1.0, 3),  # one is
        ([1, 1], 1, 0.0, 2),  # equal is never one
        ([-5, -6], 1, 0.0, 2),
        ([2**60, 2**60 + 4096, 2**60], 1, 1.0, 3),  # float64
    ],
)
def test_no_improvement(answers, patience, delta, episodes):
    calls = iter(answers)
    hook = StepsPerEpisode()
    condition = StopAfterNoImprovement(lambda: next(calls), patience, delta)
    run(Still(), Corridor(2), condition | StopAfterNSteps(1000, show_progress=False), hook)
    assert len(hook.steps) == episodes


def test_no_improvement_reads_the_episode_that_just_ended():
    hook = StepsPerEpisode()
    seen = []
    condition = StopAfterNoImprovement(lambda: seen.append(len(hook.steps)) or -len(seen), patience=3)
    run(Still(), Corridor(2), condition, hook)
    assert seen == [1, 2, 3, 4]


@pytest.mark.parametrize("answer", [math.nan, None, "high"])
def test_no_improvement_refuses_what_is_no_number(answer):
    with pytest.raises(ConfigError, match="expected a number"):
        run(Still(), Corridor(2), StopAfterNoImprovement(lambda: answer, 2))


def test_stop_if_terminated():
    steps = Steps()
    run(Still(), Corridor(4), StopIfEnvTerminated(), steps)
    assert steps.loop_steps == 4
    run(Still(), counts((5, 2), AutoresetMode.SAME_STEP), StopIfEnvTerminated(), steps)
    assert steps.loop_steps == 2


def test_a_signal_of_an_earlier_run_does_not_stop_the_next():
    signal, steps = StopSignal(), Steps()
    experiment = Experiment(Still(), Corridor(4), signal | StopAfterNSteps(3, show_progress=False), steps)
    signal.set("too early: before the run")
    experiment.run()
    assert (steps.loop_steps, signal.is_set()) == (3, False)


class Says(StopCondition):
    """Answers from a list, and counts how often it is asked."""

    def __init__(self, answers):
        self.answers, self.asked = answers, 0

    def check(self, policy, env):
        self.asked += 1
        return self.answers[self.asked - 1]


@given(st.lists(st.tuples(st.booleans(), st.booleans(), st.booleans()), min_size=1, max_size=8))
def test_composed_conditions_ask_everybody_at_every_step(table):
    for build, law in (
        (lambda a, b, c: a | b | c, lambda row: row[0] or row[1] or row[2]),
        (lambda a, b, c: a & b & c, lambda row: row[0] and row[1] and row[2]),
        (lambda a, b, c: (a | b) & c, lambda row: (row[0] or row[1]) and row[2]),
        (lambda a, b, c: StopIfAny(StopIfAll(a, b), c), lambda row: (row[0] and row[1]) or row[2]),
    ):
        parts = [Says(list(column)) for column in zip(*table, strict=True)]
        composed = build(*parts)
        assert [composed.check(None, None) for _ in table] == [law(row) for row in table]
        assert {part.asked for part in parts} == {len(table)}


def test_operators_are_flat_and_names_agree():
    a, b, c = (StopSignal() for _ in range(3))
    assert (a | b | c).conditions == (a, b, c)
    assert (a & b & c).conditions == (a, b, c)
    assert AnyStopCondition is StopIfAny
    deep = a
    for _ in range(50):
        deep = StopIfAll(deep)
    assert (deep | b).check(None, None) is False


def test_the_reason_names_those_that_said_so():
    either = StopAfterNSteps(2, show_progress=False) | StopAfterNEpisodes(9, show_progress=False)
    assert run(Still(), Corridor(5), either).stop_reason == "StopAfterNSteps(2)"
    both = StopAfterNSteps(2, show_progress=False) & StopAfterNEpisodes(1, show_progress=False)
    assert run(Still(), Corridor(3), both).stop_reason == "StopAfterNSteps(2) and StopAfterNEpisodes(1)"


@pytest.mark.parametrize("kind", [StopAfterNSteps, StopAfterNEpisodes])
@pytest.mark.parametrize("n", [0, -1, 2.0, "3", None, True, math.nan])
def test_counts_that_are_no_whole_numbers_are_refused(kind, n):
    with pytest.raises(ConfigError, match=r"n is .*expected a whole number of at least 1"):
        kind(n)


@pytest.mark.parametrize("seconds", [0, -1.0, math.nan, math.inf, "1", None, True])
def test_seconds_that_are_no_positive_number_are_refused(seconds):
    with pytest.raises(ConfigError, match="seconds is"):
        StopAfterNSeconds(seconds)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ((3, 2), "expected a function"),
        ((lambda x: x, 2), "can.t be called so"),
        ((lambda: 1, 0), "patience"),
        ((lambda: 1, 1, -0.1), "delta"),
        ((lambda: 1, 1, math.nan), "delta"),
    ],
)
def test_no_improvement_refuses_bad_arguments(arguments, message):
    with pytest.raises(ConfigError, match=message):
        StopAfterNoImprovement(*arguments)


def test_compositions_that_mean_nothing_are_refused():
    twice = StopSignal()
    with pytest.raises(ConfigError, match="no conditions"):
        StopIfAny()
    with pytest.raises(ConfigError, match="no conditions"):
        StopIfAll()
    with pytest.raises(ConfigError, match="twice"):
        twice | twice
    with pytest.raises(ConfigError, match="twice"):
        (twice & StopSignal()) | twice
    with pytest.raises(ConfigError, match="stop conditions only"):
        StopSignal() | 3


def test_counters_are_right_beyond_32_bits():
    condition = StopAfterNSteps(2**40 + 2, show_progress=False)
    env = Experiment(Still(), Corridor(5), StopSignal()).env
    condition.pre_experiment(None, env)
    condition._count = 2**40
    assert [condition.check(None, env) for _ in range(2)] == [False, True]


def test_a_whole_number_that_is_a_float_is_written_out():
    with pytest.raises(ConfigError, match=r"n is 10000\.0, expected a whole number of at least 1; write 10_000$"):
        StopAfterNSteps(1e4)
    with pytest.raises(ConfigError, match=r"n is 1\.5, expected a whole number of at least 1$"):
        StopAfterNSteps(1.5)
