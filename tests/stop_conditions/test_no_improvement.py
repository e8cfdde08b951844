import math

import pytest
from worlds import Corridor, Still

from rlcore.errors import ConfigError
from rlcore.experiment import run
from rlcore.hooks import StepsPerEpisode
from rlcore.stop_conditions import StopAfterNoImprovement, StopAfterNSteps


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
