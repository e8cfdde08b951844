"""What the adapter of a game answers."""

import jax.numpy as jnp
import numpy as np
import pytest
from gymnasium import spaces

from rlcore import Experiment, RandomPolicy, StepsPerEpisode, StopAfterNEpisodes, StopAfterNSteps
from rlcore.environments import GameEnvironment, TicTacToe, as_environment
from rlcore.errors import ConfigError, EnvContractError
from rlcore.interfaces import ActionStyle, DynamicStyle, Environment
from rlcore.policies import MultiAgentPolicy
from rlcore.reset_conditions import ResetAfterNSteps
from tests.environments.games import Simultaneous, Turns, legal, started


def test_a_whole_game():
    own = Turns()
    game = as_environment(own)
    for number in (1, 2):
        game.reset()
        seen = []
        while not game.is_over():
            player = game.current_player()
            seen.append((player, game.state().tolist(), game.active_players(), legal(game)))
            game.act(legal(game))
            assert game.last_action() == game.last_action(player) == seen[-1][-1]
            assert game.next_state("Ann").tolist() == [game.step, 0]
        assert (
            seen
            == [
                ("Ann", [0, 0], ("Ann", "Bob", "Cem"), 0),
                ("Bob", [1, 1], ("Ann", "Bob", "Cem"), 0),
                ("Cem", [2, 2], ("Ann", "Bob", "Cem"), 0),
                ("Ann", [3, 0], ("Ann", "Bob", "Cem"), 1),
                ("Bob", [4, 1], ("Ann", "Bob", "Cem"), 1),
                ("Cem", [5, 2], ("Ann", "Cem"), 1),
                ("Ann", [6, 0], ("Ann", "Cem"), 0),
                ("Cem", [7, 2], ("Ann", "Cem"), 0),
                ("Ann", [8, 0], ("Ann", "Cem"), 0),
            ]
            or own.moves[-1][0] == "Ann"
        )
        assert game.state("Bob").tolist() == [5, 1]  # what he saw when he went out
        assert game.state("Cem").tolist() == [9, 2]
        assert (game.episode, game.step) == (number, 9)


def test_each_player_is_paid_what_the_last_move_brought_it():
    game = started()
    game.act(0)
    assert game.reward() == {"Ann": 1.0, "Bob": -1.0, "Cem": 0.0}
    assert (game.reward("Ann"), game.reward("Bob"), game.reward("Cem")) == (1.0, -1.0, 0.0)
    game.act(2)
    assert game.reward() == {"Ann": 0.0, "Bob": 2.0, "Cem": -1.0}
    assert all(type(reward) is float for reward in game.reward().values())


@pytest.mark.parametrize("kind", [int, np.float32, np.array, jnp.float32, jnp.asarray])
def test_a_reward_may_be_any_kind_of_number(kind):
    game = started(reward=kind(2))
    game.act(0)
    assert game.reward() == {"Ann": 2.0, "Bob": 2.0, "Cem": 2.0}
    assert all(type(reward) is float for reward in game.reward().values())


@pytest.mark.parametrize("xp", [np, jnp])
def test_an_array_of_one_reward_is_taken_with_a_warning(xp):
    game = started(reward=xp.ones(1))
    with pytest.warns(UserWarning, match=r"Turns: the reward has shape \(1,\), expected a number") as caught:
        game.act(0)
        game.act(0)
    assert len(caught) == 1 and game.reward("Ann") == 1.0


def test_questions_without_a_player_are_those_of_who_moves():
    game = started()
    assert game.action_space() == spaces.Discrete(2) and game.action_space("Bob") == spaces.Discrete(3)
    game.act(1)
    assert game.action_space() == spaces.Discrete(3) and game.state().tolist() == [1, 1]
    assert game.legal_action_mask().tolist() == [True] * 3
    assert game.legal_action_mask("Ann").tolist() == [True, False]
    assert game.next_legal_action_mask("Ann").tolist() == [True, False]
    assert game.source.moves == [("Ann", 6)]  # the game's own actions start at 5
    assert game.last_action() == game.last_action("Ann") == 1 and game.last_action("Bob") is None


def test_states_are_copies():
    game = started()
    first = game.state()
    game.act(0)
    game.state("Cem")
    assert first.tolist() == [0, 0]


def test_what_an_environment_answers():
    game = as_environment(Turns())
    assert isinstance(game, GameEnvironment) and isinstance(game, Environment) and as_environment(game) is game
    assert game.num_envs is None and game.dynamic_style is DynamicStyle.SEQUENTIAL
    assert game.needs_reset() and game.ended() == () and game.current_player() is None
    assert game.action_style is ActionStyle.MINIMAL
    game.reset()
    assert game.action_style is ActionStyle.FULL and game.is_transition() is True
    assert not game.needs_reset() and game.ended() == ()
    while not game.is_over():
        game.act(legal(game))
    assert game.ended() == (0,) and game.needs_reset() and game.active_players() == ()
    assert game.is_terminated() and not game.is_truncated() and game.current_player() is None
    assert game.players() == ("Ann", "Bob", "Cem")
    assert game.where() == "Turns, game 1, turn 9"


def test_truncation_cuts_those_who_are_in():
    game = started()
    for _ in range(5):
        game.act(legal(game))
    assert game.active_players() == ("Ann", "Cem")
    game.truncate()
    assert [game.is_truncated(player) for player in game.players()] == [True, False, True]
    assert [game.is_terminated(player) for player in game.players()] == [False, True, False]
    assert game.is_truncated() and not game.is_terminated() and game.is_over() and game.ended() == (0,)
    game.reset()
    assert not any(game.is_over(player) for player in game.players())


def test_a_game_that_is_over_is_not_cut():
    game = as_environment(Turns(n_turns=1))
    game.reset()
    game.act(0)
    game.truncate()
    assert game.is_terminated() and not game.is_truncated() and not game.is_truncated("Ann")


def test_seeds_reach_the_game():
    own = Turns()
    game = as_environment(own)
    game.reset(seed=3)
    game.reset()
    game.seed(7)
    game.reset()
    game.reset()
    assert own.seeds[:2] == [3, None] and own.seeds[3] is None
    assert isinstance(own.seeds[2], int)


def test_functions_are_applied_for_each_player():
    game = as_environment(Turns(), state=lambda state: state[:1] * 2, reward=lambda reward: reward / 2)
    game.reset()
    game.act(0)
    assert game.state("Ann").tolist() == [2.0] and game.reward() == {"Ann": 0.5, "Bob": -0.5, "Cem": 0.0}
    swapped = as_environment(Turns(), action=(lambda action: 1 - action, spaces.Discrete(2)))
    swapped.reset()
    swapped.act(1)
    assert swapped.source.moves == [("Ann", 5)] and swapped.last_action() == 1
    with pytest.raises(EnvContractError, match=r"the action is 1, which is illegal; legal are \[0\]"):
        [swapped.act(1) for _ in range(3)]


def test_simultaneous_moves():
    game = as_environment(Simultaneous())
    game.reset()
    assert game.current_player() is None and game.active_players() == ("Ann", "Bob", "Cem")
    assert {player: state.tolist() for player, state in game.state().items()} == {
        "Ann": [0, 0],
        "Bob": [0, 1],
        "Cem": [0, 2],
    }
    assert game.action_space() == spaces.Dict({p: spaces.Discrete(3 if p == "Bob" else 2) for p in game.players()})
    game.act({"Cem": 1, "Ann": 0, "Bob": 2})
    assert game.source.moves == [{"Ann": 5, "Bob": 7, "Cem": 6}]
    assert game.reward() == {"Ann": 5.0, "Bob": 7.0, "Cem": 6.0}
    assert game.active_players() == ("Ann", "Bob") and game.is_over("Cem") and not game.is_over()
    assert game.state().keys() == game.legal_action_mask().keys() == {"Ann", "Bob"}
    assert game.action_space().spaces.keys() == {"Ann", "Bob"}
    assert game.state("Cem").tolist() == [1, 2]
    game.act({"Ann": 1, "Bob": 1})
    game.act({"Bob": 0})
    assert game.is_over() and game.state("Cem").tolist() == [1, 2] and game.state("Ann").tolist() == [2, 0]
    assert game.last_action() == {"Bob": 0} and game.last_action("Cem") == 1
    assert game.reward() == {"Ann": 0.0, "Bob": 5.0, "Cem": 0.0}


class Growing(Turns):
    def players(self):
        return ("Ann", "Bob", "Cem", "Dan")[: 3 + (self.turn > 0)]

    def reset(self, seed=None):
        self.turn = 0
        super().reset(seed)

    turn = 0


def test_a_player_is_added():
    game = as_environment(Growing())
    for _ in range(2):
        game.reset()
        assert game.players() == ("Ann", "Bob", "Cem")
        with pytest.raises(ConfigError, match="player is 'Dan'"):
            game.state("Dan")
        game.source.state = lambda player: np.array([game.source.turn, 3], np.float32)
        game.act(0)
        assert game.players() == game.active_players() == ("Ann", "Bob", "Cem", "Dan")
        assert game.state("Dan").tolist() == [1, 3] and game.reward("Dan") == 0.0
        assert game.action_space("Dan") == spaces.Discrete(2)


def test_lists_of_players_are_fine():
    class Lists(Turns):
        def players(self):
            return ["Ann", "Bob", "Cem"]

        def active_players(self):
            return [player for player in self.players() if not self.is_terminated(player)]

    game = as_environment(Lists())
    for _ in range(2):
        game.reset()
        while not game.is_over():
            game.act(legal(game))
        assert game.step == 9 and game.players() == ("Ann", "Bob", "Cem") and game.active_players() == ()


def random_players():
    return MultiAgentPolicy({player: RandomPolicy() for player in "xo"})


def test_the_loop_plays_games():
    hook = StepsPerEpisode()
    Experiment(random_players(), TicTacToe(), StopAfterNEpisodes(30, show_progress=False), hook, seed=0).run()
    assert len(hook.steps) == 30 and min(hook.steps) >= 5 and max(hook.steps) == 9


def test_a_reset_condition_cuts_games():
    hook, stop = StepsPerEpisode(), StopAfterNSteps(30, show_progress=False)
    experiment = Experiment(random_players(), TicTacToe(), stop, hook, ResetAfterNSteps(3), seed=0).run()
    assert hook.steps == [3] * 10
    assert experiment.env.is_truncated() and experiment.env.is_truncated("o")
