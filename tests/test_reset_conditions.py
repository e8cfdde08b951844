"""Reset conditions cut episodes; the environment's own end wins."""

import numpy as np
import pytest
from gymnasium.vector import AutoresetMode
from worlds import Corridor, Still, counts

from rlcore.errors import ConfigError, HookError
from rlcore.experiment import Experiment, run
from rlcore.hooks import Hook, StepsPerEpisode
from rlcore.reset_conditions import ResetAfterNSteps, ResetCondition, ResetIfAny, ResetIfEnvTerminated
from rlcore.stop_conditions import StopAfterNEpisodes, StopAfterNSteps


class FarOut(ResetCondition):
    def __init__(self, limit):
        self.limit = limit

    def check(self, policy, env):
        return np.asarray(env.state())[..., 0] % 1000 >= self.limit if env.num_envs else env.state() >= self.limit


@pytest.mark.parametrize(
    ("reset", "length"),
    [
        (ResetIfEnvTerminated(), 7),
        (ResetAfterNSteps(4), 4),
        (ResetAfterNSteps(9), 7),
        (FarOut(5), 5),
        (ResetAfterNSteps(4) | FarOut(3), 3),
        (FarOut(6) | ResetAfterNSteps(5) | ResetIfEnvTerminated(), 5),
    ],
)
def test_lengths(reset, length):
    hook = StepsPerEpisode()
    run(Still(), Corridor(7), StopAfterNEpisodes(3, show_progress=False), hook, reset)
    assert hook.steps == [length] * 3


@pytest.mark.parametrize("reset", [ResetAfterNSteps(3), FarOut(3), ResetAfterNSteps(3) | FarOut(100)])
def test_rows_are_cut_one_by_one(reset):
    """Rows of lengths 2 and 7 that are cut after 3 steps: the cut is a truncation, and the row begins anew."""
    rows = []

    class Rows(Hook):
        def post_act(self, policy, env):
            rows.append((env.is_terminated().tolist(), env.is_truncated().tolist(), env.ended().__len__()))
            following.append((env.next_state()[:, 0].tolist(), env.state()[:, 0].tolist()))

    following = []
    run(Still(), counts((2, 7), AutoresetMode.DISABLED), StopAfterNSteps(12, show_progress=False), Rows(), reset)
    assert rows == [
        ([False, False], [False, False], 0),
        ([True, False], [False, False], 1),
        ([False, False], [False, True], 1),
        ([True, False], [False, False], 1),
        ([False, False], [False, False], 0),
        ([True, False], [False, True], 2),
    ]
    assert following[2] == ([2001.0, 101003.0], [2001.0, 102000.0])  # the true last state, and the new start
    assert following[5] == ([3002.0, 102003.0], [4000.0, 103000.0])


@pytest.mark.parametrize("mode", [AutoresetMode.NEXT_STEP, AutoresetMode.SAME_STEP])
def test_environments_that_reset_themselves_are_refused_at_build(mode):
    with pytest.raises(ConfigError, match="resets its rows itself"):
        Experiment(Still(), counts((2, 3), mode), StopAfterNSteps(5), reset_condition=ResetAfterNSteps(3))
    Experiment(Still(), counts((2, 3), mode), StopAfterNSteps(5), reset_condition=ResetIfEnvTerminated())


def test_a_condition_without_check_is_refused_when_it_is_asked_wrongly():
    class Wrong(ResetCondition):
        def check(self, env):
            return False

    with pytest.raises(HookError, match=r"expected check\(self, policy, env\)"):
        Experiment(Still(), Corridor(3), StopAfterNSteps(5), reset_condition=Wrong())


@pytest.mark.parametrize("n", [0, -3, 1.5, True, None])
def test_bad_counts_are_refused(n):
    with pytest.raises(ConfigError, match="n is"):
        ResetAfterNSteps(n)


def test_bad_compositions_are_refused():
    limit = ResetAfterNSteps(3)
    with pytest.raises(ConfigError, match="twice"):
        limit | limit
    with pytest.raises(ConfigError, match="at least one"):
        ResetIfAny()
    with pytest.raises(ConfigError, match="nothing else"):
        limit | 5
