"""A hook for each player: which are refused, and what it answers."""

import pytest
from toy_games import AtOnce, Scripted
from worlds import Corridor, Still

from rlcore.errors import ConfigError, HookError
from rlcore.experiment import Experiment
from rlcore.hooks import (
    EmptyHook,
    Hook,
    MultiAgentHook,
    RewardsPerEpisode,
    StepsPerEpisode,
    TimePerStep,
    TotalRewardPerEpisode,
)
from rlcore.policies import MultiAgentPolicy
from rlcore.stop_conditions import StopAfterNEpisodes, StopAfterNSteps


def played(game, hook, stop=None):
    policy = MultiAgentPolicy({player: Still() for player in game.everybody})
    stop = stop or StopAfterNEpisodes(2, show_progress=False)
    return Experiment(policy, game, stop, hook, seed=0).run()


def test_every_player_has_its_own_rewards_and_steps():
    """Turn t pays t to a, 10 t to b, 100 t to c; what comes before a player's first decision is nobody's."""
    hook = MultiAgentHook({p: RewardsPerEpisode() + StepsPerEpisode() + TimePerStep() for p in "abc"})
    played(Scripted("abcaca", {4: "b"}, players="abc"), hook)
    results = {player: result[:2] for player, result in hook.result().items()}
    assert results == {
        "a": ([[6.0, 9.0, 6.0]] * 2, [3, 3]),
        "b": ([[90.0]] * 2, [1, 1]),
        "c": ([[700.0, 1100.0]] * 2, [2, 2]),
    }
    assert len(hook["a"][TimePerStep].times) == 6


def test_at_once():
    hook = MultiAgentHook({"b": RewardsPerEpisode()})
    played(AtOnce("xx"), hook)
    assert hook.result() == {"b": [[10.0, 20.0]] * 2}


def test_an_episode_that_the_stop_cuts_short_is_not_recorded():
    hook = MultiAgentHook({p: TotalRewardPerEpisode(display_on_exit=False) for p in "ab"})
    played(Scripted("abab"), hook, StopAfterNSteps(7, show_progress=False))
    assert hook.result() == {"a": [10.0], "b": [90.0]}


def test_a_player_that_is_out_has_finished_its_episode_whatever_becomes_of_the_game():
    hook = MultiAgentHook({p: StepsPerEpisode() for p in "ab"})
    played(Scripted("abaaaa", {2: "b"}, players="abc"), hook, StopAfterNSteps(4, show_progress=False))
    assert hook.result() == {"a": [], "b": [1]}


def test_beside_other_hooks():
    hook = StepsPerEpisode() + MultiAgentHook({"a": StepsPerEpisode()})
    played(Scripted("abab"), hook)
    assert hook.result() == ([4, 4], {"a": [2, 2]})


@pytest.mark.parametrize(
    "hook", [TotalRewardPerEpisode(display_on_exit=False), StepsPerEpisode() + RewardsPerEpisode()]
)
def test_hooks_that_read_rewards_are_refused_outside(hook):
    kind = type(hook[1] if len(getattr(hook, "hooks", ())) else hook).__name__
    with pytest.raises(ConfigError, match=rf"{kind} reads rewards, but Scripted gives one to each of its players 'a'"):
        played(Scripted("ab"), hook)


def test_unknown_players_are_named():
    hook = MultiAgentHook({"a": StepsPerEpisode(), "x": StepsPerEpisode(), "w": EmptyHook()})
    with pytest.raises(
        ConfigError, match="hooks for 'w', 'x', which are no players of Scripted; expected some of 'a', 'b'"
    ):
        played(Scripted("ab"), hook)


def test_an_environment_without_players_is_refused():
    with pytest.raises(ConfigError, match="Corridor has no players"):
        Experiment(Still(), Corridor(), StopAfterNSteps(1), MultiAgentHook({"a": StepsPerEpisode()}))


class Misspelt(Hook):
    def post_atc(self, policy, env):
        pass


def test_the_hooks_of_players_are_checked_too():
    with pytest.raises(HookError, match="rename it to post_act"):
        played(Scripted("ab"), MultiAgentHook({"a": Misspelt()}))


def test_a_hook_of_a_player_watches_one_player_alone():
    steps = StepsPerEpisode()
    for inner in (MultiAgentHook({"a": steps}), StepsPerEpisode() + MultiAgentHook({"a": steps})):
        with pytest.raises(ConfigError, match="the hook of player 'a' is a MultiAgentHook, expected a hook of one"):
            MultiAgentHook({"a": inner})
    for mine in (steps, steps + StepsPerEpisode()):
        with pytest.raises(ConfigError, match="the same StepsPerEpisode watches player 'a' and the whole game"):
            played(Scripted("ab"), MultiAgentHook({"a": mine}) + steps)


def test_what_is_no_dict_of_hooks_is_refused():
    shared = StepsPerEpisode()
    cases = [
        ({}, "expected a dict from players to their hooks"),
        ([shared], "expected a dict from players to their hooks"),
        ({"a": 3}, "3 was given as a hook of player 'a'"),
        ({"a": shared, "b": TimePerStep() + shared}, "players 'a' and 'b' have the same StepsPerEpisode"),
    ]
    for hooks, message in cases:
        with pytest.raises(ConfigError, match=message):
            MultiAgentHook(hooks)
    hook = MultiAgentHook({"a": shared})
    assert hook["a"] is shared
    with pytest.raises(ConfigError, match="there is no hook for player 'b', only for 'a'"):
        hook["b"]
