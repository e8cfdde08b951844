"""What the adapter of a game refuses."""

import numpy as np
import pytest

from rlcore.environments import as_environment
from rlcore.errors import ConfigError, EnvContractError
from tests.environments.games import Simultaneous, Turns, started


@pytest.mark.parametrize(
    ("action", "message"),
    [
        (3, "the action is 3; expected a dict with an action of each of ('Ann', 'Bob')"),
        ({"Ann": 0}, "no action of player 'Bob' came, only {'Ann': 0}; expected a dict"),
        ({"Ann": 0, "Bob": 0, "Cem": 0}, "the action of player 'Cem' is 0, but 'Cem' is out of the game; expected"),
        ({"Ann": 0, "Bob": 0, "Dan": 0}, "'Dan' is none of the players ('Ann', 'Bob', 'Cem'); expected"),
        ({"Ann": 2, "Bob": 0}, ", player 'Ann': the action is 2, expected an index from 0 to 1"),
        ({"Ann": 0, "Bob": 0}, ", player 'Ann': the action is 0, which is illegal; legal are [1]"),
    ],
)
def test_simultaneous_actions_that_are_refused(action, message):
    game = as_environment(Simultaneous())
    game.reset()
    game.source.last = {"Ann": 5}
    game.act({"Ann": 1, "Bob": 0, "Cem": 0})
    with pytest.raises(EnvContractError) as caught:
        game.act(action)
    assert str(caught.value).startswith("Simultaneous, game 1, turn 2") and message in str(caught.value)
    assert len(game.source.moves) == 1 and game.step == 1


@pytest.mark.parametrize("action", [-1, 2, 1.0, "left", None, [0, 1], np.float32(1)])
def test_actions_outside_the_space(action):
    game = started()
    with pytest.raises(
        EnvContractError, match=r"Turns, game 1, turn 1, player 'Ann': the action is .*; it must come from"
    ):
        game.act(action)
    assert game.source.moves == []


@pytest.mark.parametrize("action", [1, np.int64(1), np.array(1), np.array([1])])
def test_actions_of_numpy_are_fine(action):
    game = started()
    game.act(action)
    assert game.source.moves == [("Ann", 6)]
    for _ in range(2):
        game.act(0)
    with pytest.raises(
        EnvContractError, match=r"turn 4, player 'Ann': the action is .*1.*, which is illegal; legal are"
    ):
        game.act(action)


def test_a_move_after_the_end():
    game = as_environment(Turns(n_turns=1))
    with pytest.raises(EnvContractError, match="Turns, game 0, turn 1: the action is 0, but no game is under way"):
        game.act(0)
    game.reset()
    game.act(0)
    with pytest.raises(
        EnvContractError, match="Turns, game 1, turn 2: the action is 0, but no game is under way; call res"
    ):
        game.act(0)


@pytest.mark.parametrize(
    ("answers", "message"),
    [
        ({"reward": float("nan")}, "turn 1, player 'Ann': the reward is nan, expected a finite number"),
        ({"reward": "1"}, "turn 1, player 'Ann': the reward is '1' (str), expected a number"),
        ({"reward": None}, "turn 1, player 'Ann': the reward is None (NoneType), expected a number"),
        ({"reward": np.zeros(2)}, "the reward is array([0., 0.]) (ndarray), expected a number"),
        ({"is_terminated": "yes"}, "turn 1, player 'Ann': is_terminated answered 'yes' (str), expected a bool"),
        ({"current_player": "Dan"}, "turn 1: current_player() answered 'Dan'; expected one of the active players"),
        ({"current_player": None}, "turn 1: current_player() answered None; expected one of the active players"),
        ({"players": ("Bob", "Ann", "Cem")}, "players() answered ('Bob', 'Ann', 'Cem'); expected a tuple of different"),
        ({"players": ("Ann", "Bob")}, "players() answered ('Ann', 'Bob'); expected a tuple of different"),
        ({"players": ("Ann", "Bob", "Cem", "Ann")}, "expected a tuple of different strings or ints, beginning with"),
    ],
)
def test_answers_that_break_the_contract(answers, message):
    game = started(**answers)
    with pytest.raises(EnvContractError) as caught:
        game.act(0)
    assert message in str(caught.value) and "Turns, game 1" in str(caught.value)


def test_nobody_to_move_right_after_reset():
    own = Turns()
    own.answers = {"current_player": None}
    with pytest.raises(
        EnvContractError, match=r"Turns, game 1, turn 0: current_player\(\) answered None; expected one"
    ):
        as_environment(own).reset()


@pytest.mark.parametrize(
    ("state", "message"),
    [
        (np.zeros(3), "of shape (3,), expected shape (2,)"),
        (np.full(2, np.nan, np.float32), "not finite"),
        (None, "expected shape (2,)"),
    ],
)
def test_states_that_do_not_fit(state, message):
    game = started(state=state)
    with pytest.raises(EnvContractError) as caught:
        game.state("Cem")
    assert "Turns, game 1, turn 0, player 'Cem': the state is" in str(caught.value) and message in str(caught.value)


def test_unknown_players():
    game = started()
    for question in (
        game.state,
        game.reward,
        game.legal_action_mask,
        game.action_space,
        game.is_over,
        game.last_action,
    ):
        with pytest.raises(ConfigError, match=r"player is 'Dan', expected one of \('Ann', 'Bob', 'Cem'\) of Turns"):
            question("Dan")


class Vanishing(Turns):
    def active_players(self):
        return ("Ann", "Bob", "Cem")[: 3 - self.turn]


def test_a_player_who_goes_without_an_end():
    game = as_environment(Vanishing())
    game.reset()
    with pytest.raises(
        EnvContractError, match=r"turn 1, player 'Cem': active_players\(\) lacks the player, but neither"
    ):
        game.act(0)


class Returning(Turns):
    def active_players(self):
        return ("Ann", "Bob", "Cem") if self.turn != 1 else ("Bob", "Cem")

    def is_terminated(self, player):
        return player == "Ann" and self.turn == 1


def test_a_player_who_comes_back():
    game = as_environment(Returning())
    game.reset()
    game.act(0)
    with pytest.raises(EnvContractError, match=r"turn 2, player 'Ann': active_players.* has the player again"):
        game.act(0)


@pytest.mark.parametrize("kind", ["players", "active_players"])
def test_players_that_are_no_tuple(kind):
    game = as_environment(type("Wrong", (Turns,), {kind: lambda self: None if self.seeds else ("Ann", "Bob")})())
    with pytest.raises(EnvContractError, match=rf"{kind}\(\) answered None; expected a tuple of"):
        game.reset()


def test_over_right_after_reset():
    game = as_environment(Turns(n_turns=0))
    with pytest.raises(EnvContractError, match="Turns, game 1, turn 0: the game was over right after reset, 100 times"):
        game.reset()
    assert len(game.source.seeds) == 100


def test_ends_are_bools_from_the_start():
    own = Turns()
    own.answers = {"is_terminated": 0.0}
    with pytest.raises(EnvContractError, match=r"player 'Ann': is_terminated answered 0.0 .float., expected a bool"):
        as_environment(own).reset()
