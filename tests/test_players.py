"""One player's view of a game, alone and while a game is run."""

import pytest
from toy_games import AtOnce, Scripted
from worlds import Corridor

from rlcore.environments import as_environment
from rlcore.errors import ConfigError
from rlcore.interfaces import ActionStyle
from rlcore.players import PlayerView, current_players


def test_a_view_that_stands_alone_tells_of_the_last_move():
    env = as_environment(Scripted("abac", {3: "b"}, players="abc"))
    env.reset()
    view = PlayerView(env, "b")
    assert list(view.state()) == [1, 0, 1]
    assert view.last_action() is None
    env.act(2)
    env.act(1)
    assert (view.reward(), view.last_action(), view.is_over(), view.ended()) == (20.0, 1, False, ())
    env.act(0)
    assert (view.reward(), view.is_terminated(), view.is_truncated(), view.ended()) == (30.0, True, False, (0,))
    assert list(view.next_state()) == [1, 3, 1]
    assert (view.num_envs, view.action_style, view.is_transition()) == (None, ActionStyle.MINIMAL, True)
    assert (view.action_space().n, view.state_space().shape) == (3, (3,))
    assert repr(view) == "PlayerView(Scripted, player 'b')"


def test_the_views_of_a_run_sum_rewards_since_the_decision():
    env = as_environment(Scripted("abb"))
    env.reset()
    a, b = env.view("a"), env.view("b")
    assert env.deciding() == [a]
    env.act(0)
    assert env.completed() == []
    env.act(1)
    assert env.completed() == [b]
    assert b.reward() == 20.0
    assert a.reward() == 3.0  # so far
    env.act(2)
    assert env.completed() == [a, b]
    assert [(view.reward(), view.last_action(), view.is_over()) for view in (a, b)] == [(6.0, 0, True), (30.0, 2, True)]
    assert env.deciding() == []
    env.reset()
    assert (b.reward(), b.last_action(), b.is_over()) == (0.0, None, False)
    assert env.completed() == []


def test_a_cut_game_completes_the_steps_of_all_in_the_order_of_their_decisions():
    env = as_environment(Scripted("abcab", players="abc"))
    env.reset()
    for action in range(4):
        env.act(action % 3)
    assert [view.player for view in env.completed()] == ["b"]  # who is to move
    env.truncate()
    assert [view.player for view in env.completed()] == ["b", "c", "a"]
    assert all(view.is_truncated() for view in env.completed())
    assert [view.reward() for view in env.completed()] == [90.0, 700.0, 4.0]  # turns 2 to 4, 3 and 4, 4


@pytest.mark.parametrize(
    ("game", "expected"), [(Scripted("abba"), ["a", "b", "b", "a"]), (AtOnce("xx"), [("a", "b"), ("a", "b")])]
)
@pytest.mark.parametrize("adapt", [as_environment, lambda game: game])
def test_current_players_go_on_to_the_end_of_the_game(game, expected, adapt):
    env = adapt(game)
    env.reset()
    seen = []
    for player in current_players(env):
        seen.append(player)
        env.act(0 if isinstance(player, str) else dict.fromkeys(player, 0))
    assert seen == expected


def test_what_has_no_players_is_refused():
    for env, came in ((as_environment(Corridor()), "SingleEnvironment"), (None, "None"), (Scripted, "Scripted")):
        for view in (current_players, lambda env: PlayerView(env, "a")):
            with pytest.raises(
                ConfigError, match=rf"env is .*{came}, expected a game; as_environment\(env\) makes one"
            ):
                view(env)


def test_an_unknown_player_has_no_view():
    with pytest.raises(ConfigError, match=r"player is 'c', expected one of \('a', 'b'\)"):
        PlayerView(env=as_environment(Scripted("ab")), player="c")
