import io
import math
import sys
from typing import ClassVar

import pytest
from gymnasium.vector import AutoresetMode
from worlds import Corridor, Still, counts

from rlcore.errors import ConfigError
from rlcore.experiment import Experiment, run
from rlcore.hooks import Hook
from rlcore.stop_conditions import StopAfterNEpisodes, StopAfterNSteps, StopSignal, counted


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
    monkeypatch.setattr(counted, "tqdm", Bar)
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


def closed_file():
    file = io.StringIO()
    file.close()
    return file


@pytest.mark.parametrize("stderr", [None, closed_file()])  # as in a daemon, or under pythonw
def test_a_run_needs_no_standard_error(monkeypatch, stderr):
    monkeypatch.setattr(sys, "stderr", stderr)
    experiment = run(Still(), Corridor(3), StopAfterNSteps(7))
    assert experiment.stop_reason == "StopAfterNSteps(7)"


@pytest.mark.parametrize("mode", list(AutoresetMode))
@pytest.mark.parametrize("n", [1, 2, 7, 20])
@pytest.mark.parametrize("lengths", [(3,), (2, 3), (1, 2, 3, 4, 5, 6, 7)])
def test_rows_count_one_per_transition_and_the_first_step_that_reaches_n_is_the_last(steps, bars, mode, n, lengths):
    run(Still(), counts(lengths, mode), StopAfterNSteps(n), steps)
    assert n <= steps.transitions < n + len(lengths)
    assert bars[0].n == steps.transitions


@pytest.mark.parametrize("mode", list(AutoresetMode))
def test_rows_that_end_are_episodes(steps, bars, mode):
    run(Still(), counts((2, 3, 6), mode), StopAfterNEpisodes(5), steps)
    assert steps.episodes == bars[0].n
    assert 5 <= steps.episodes <= 7


@pytest.mark.parametrize("kind", [StopAfterNSteps, StopAfterNEpisodes])
@pytest.mark.parametrize("n", [0, -1, 2.0, "3", None, True, math.nan])
def test_counts_that_are_no_whole_numbers_are_refused(kind, n):
    with pytest.raises(ConfigError, match=r"n is .*expected a whole number of at least 1"):
        kind(n)


@pytest.mark.parametrize("kind", [StopAfterNSteps, StopAfterNEpisodes])
def test_show_progress_is_a_bool(kind):
    with pytest.raises(ConfigError, match=r"show_progress is 'no', expected True or False"):
        kind(3, "no")


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
