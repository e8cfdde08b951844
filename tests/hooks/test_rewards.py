import io
import sys

import pytest

from rlcore.errors import ConfigError
from rlcore.hooks import RewardsPerEpisode, TotalRewardPerEpisode

REWARDS = [1.0, 2.0, 4.0, 8.0, 16.0]


@pytest.mark.parametrize(
    ("ends", "n_steps", "expected"),
    [
        ([2, 5], 5, [[1.0, 2.0], [4.0, 8.0, 16.0]]),
        ([2, 5], 4, [[1.0, 2.0]]),  # the unfinished one is not kept
        ([1], 1, [[1.0]]),
        ([], 5, []),
    ],
)
def test_rewards_of_a_single_environment(single, drive, ends, n_steps, expected):
    both = RewardsPerEpisode() + TotalRewardPerEpisode(display_on_exit=False)
    assert drive(both, single(REWARDS, ends), n_steps).result() == (expected, [sum(rewards) for rewards in expected])


@pytest.mark.parametrize("kind", [RewardsPerEpisode, lambda **keep: TotalRewardPerEpisode(False, **keep)])
def test_a_second_run_starts_clean_and_keep_bounds_it(single, drive, kind):
    hook = kind(keep=2)
    assert hook.rewards == []
    first = drive(hook, single([1, 1, 1, 1, 7], [1, 2, 4]), 5).rewards  # the 7 belongs to no episode that ended
    second = drive(hook, single([3], [1]), 1).rewards
    assert first in ([1.0, 2.0], [[1.0], [1.0, 1.0]])
    assert second in ([3.0], [[3.0]])


def test_an_abandoned_episode_does_not_leak(single):
    hook, env = RewardsPerEpisode() + TotalRewardPerEpisode(False), single(REWARDS, [2])
    hook.pre_experiment(None, env)
    for _ in range(2):
        hook.pre_episode(None, env)
        env.step()
        hook.post_act(None, env)
    assert hook.result() == ([[2.0]], [2.0])


def test_the_sums_are_drawn_at_the_end_of_the_run(single, drive, capsys):
    drive(TotalRewardPerEpisode(keep=2), single([5.0, -1.0, 3.5, 9.0], [1, 2, 3]), 4)
    printed = capsys.readouterr().out.splitlines()
    assert printed[0].strip() == "Total reward per episode"
    assert printed[2].startswith("3.5 │")
    assert printed[-3].startswith(" -1 │")
    assert printed[-1].split() == ["2", "Episode", "3"]  # of three episodes the first is no longer kept


def test_the_axis_counts_the_episodes_of_this_run(single, drive, capsys):
    hook = TotalRewardPerEpisode()
    for _ in range(2):
        drive(hook, single([5.0, -1.0], [1, 2]), 2)
        assert capsys.readouterr().out.splitlines()[-1].split() == ["1", "Episode", "2"]


def test_nothing_is_printed_without_display(single, drive, capsys):
    drive(TotalRewardPerEpisode(display_on_exit=False), single(REWARDS, [2]), 2)
    assert capsys.readouterr().out == ""


def test_a_run_without_an_end_says_so(single, drive, capsys):
    drive(TotalRewardPerEpisode(), single(REWARDS), 3)
    assert capsys.readouterr().out == "Total reward per episode: no values\n"


class Broken(io.StringIO):
    def write(self, text):
        raise BrokenPipeError(32, "Broken pipe")


def closed():
    stream = io.StringIO()
    stream.close()
    return stream


@pytest.mark.parametrize("stream", [closed, Broken, lambda: None], ids=["closed", "broken pipe", "none"])
def test_an_output_that_is_gone_does_not_end_the_run(single, drive, monkeypatch, stream):
    monkeypatch.setattr(sys, "stdout", stream())
    assert drive(TotalRewardPerEpisode(), single(REWARDS, [2, 5]), 5).rewards == [3.0, 28.0]


def test_display_on_exit_is_a_flag():
    with pytest.raises(ConfigError, match="display_on_exit is 100, expected True or False"):
        TotalRewardPerEpisode(100)
