import math
import time

import pytest
from worlds import Corridor, Still

from rlcore.errors import ConfigError
from rlcore.experiment import Experiment
from rlcore.hooks import Hook
from rlcore.stop_conditions import StopAfterNSeconds


def test_seconds_start_with_the_run_on_a_monotonic_clock(steps, monkeypatch):
    now = [100.0]
    monkeypatch.setattr(time, "monotonic", lambda: now[0])
    monkeypatch.setattr(time, "time", lambda: 0.0)

    class Passes(Hook):
        def post_act(self, policy, env):
            now[0] += 1.0

    condition = StopAfterNSeconds(2.5)
    now[0] = 500.0
    experiment = Experiment(Still(), Corridor(100), condition, Passes() + steps)
    for _ in range(2):
        assert experiment.run().stop_reason == "StopAfterNSeconds(2.5)"
        assert steps.loop_steps == 3


@pytest.mark.parametrize("seconds", [0, -1.0, math.nan, math.inf, "1", None, True])
def test_seconds_that_are_no_positive_number_are_refused(seconds):
    with pytest.raises(ConfigError, match="seconds is"):
        StopAfterNSeconds(seconds)
