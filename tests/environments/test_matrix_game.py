import itertools

import numpy as np
import pytest
from gymnasium import spaces

from rlcore.environments import MatrixGame, RockPaperScissors, as_environment
from rlcore.errors import ConfigError, EnvContractError
from rlcore.interfaces import DynamicStyle

DILEMMA = [[[-1, -1], [-3, 0]], [[0, -3], [-2, -2]]]


@pytest.mark.parametrize(("row", "column"), [*itertools.product(range(3), repeat=2)])
def test_rock_paper_scissors(row, column):
    """Paper beats rock, scissors beat paper, rock beats scissors."""
    game = as_environment(RockPaperScissors())
    game.reset()
    game.act({0: row, 1: column})
    beats = {(1, 0), (2, 1), (0, 2)}
    won = 1.0 if (row, column) in beats else -1.0 if (column, row) in beats else 0.0
    assert game.reward() == {0: won, 1: -won}
    assert game.is_terminated() and game.active_players() == ()


def test_one_round_has_one_state():
    game = as_environment(RockPaperScissors())
    assert game.dynamic_style is DynamicStyle.SIMULTANEOUS and game.state_space(0) == spaces.Discrete(1)
    game.reset()
    assert game.state() == {0: 0, 1: 0}
    game.act({0: 2, 1: 0})
    assert game.state(0) == 0
    assert as_environment(RockPaperScissors(numbered=False)).state_space(0) == spaces.Box(0.0, 1.0, (1,), np.float32)


def test_rounds_show_what_all_did_before():
    number, array = (as_environment(MatrixGame(DILEMMA, n_rounds=3, numbered=numbered)) for numbered in (True, False))
    number.reset()
    array.reset()
    seen, rewards = [], []
    for row, column in ((0, 1), (1, 1), (1, 0)):
        for game in (number, array):
            game.act({0: row, 1: column})
        seen.append(number.state(0))
        rewards.append([number.reward(0), number.reward(1)])
        assert array.state(1).tolist() == np.eye(5)[number.state(1)].tolist()
    assert seen == [1 + 1, 1 + 3, 1 + 2]
    assert rewards == [[-3, 0], [-2, -2], [0, -3]]
    assert number.is_terminated() and number.step == 3


def test_a_game_without_end_is_cut():
    game = as_environment(MatrixGame(DILEMMA, n_rounds=None))
    game.reset()
    for _ in range(50):
        game.act({0: 0, 1: 0})
    assert not game.is_over()
    game.truncate()
    assert game.is_truncated() and game.is_truncated(1) and not game.is_terminated(0)


def test_three_players_with_choices_of_their_own():
    payoffs = np.arange(2 * 3 * 4 * 3, dtype=float).reshape(2, 3, 4, 3)
    game = as_environment(MatrixGame(payoffs))
    assert [game.action_space(player).n for player in game.players()] == [2, 3, 4]
    game.reset()
    game.act({0: 1, 1: 2, 2: 3})
    assert [*game.reward().values()] == payoffs[1, 2, 3].tolist()
    game.reset()
    with pytest.raises(EnvContractError, match="player 0: the action is 2, expected an index from 0 to 1"):
        game.act({0: 2, 1: 2, 2: 3})


@pytest.mark.parametrize("payoffs", [[1, 2], [], "rock", np.zeros((2, 2, 3)), [[1, 2], [3]]])
def test_wrong_payoffs(payoffs):
    with pytest.raises(ConfigError, match=r"payoffs is .*, expected an array \[n_0, n_1\] for two players"):
        MatrixGame(payoffs)


def test_other_wrong_arguments():
    with pytest.raises(ConfigError, match="payoffs has inf in it"):
        MatrixGame([[1, np.inf], [0, 0]])
    with pytest.raises(ConfigError, match="n_rounds is 0, expected a whole number of at least 1"):
        RockPaperScissors(n_rounds=0)
