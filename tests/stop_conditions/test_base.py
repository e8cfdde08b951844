import pytest
from hypothesis import given
from hypothesis import strategies as st
from worlds import Corridor, Still

from rlcore.errors import ConfigError
from rlcore.experiment import run
from rlcore.stop_conditions import (
    AnyStopCondition,
    StopAfterNEpisodes,
    StopAfterNSteps,
    StopCondition,
    StopIfAll,
    StopIfAny,
    StopSignal,
)


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
