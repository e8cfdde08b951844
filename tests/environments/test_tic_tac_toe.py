"""The whole tree of the game, against plain rules on a list of nine cells."""

import numpy as np
import pytest
from gymnasium import spaces

from rlcore.environments import TicTacToe, as_environment
from rlcore.errors import ConfigError, EnvContractError
from rlcore.struct import copy

LINES = [(0, 1, 2), (3, 4, 5), (6, 7, 8), (0, 3, 6), (1, 4, 7), (2, 5, 8), (0, 4, 8), (2, 4, 6)]


def winner(board):
    return next((board[a] for a, b, c in LINES if board[a] != " " and board[a] == board[b] == board[c]), None)


def check_position(game, board, player):
    """Everything the game says of a position; the number is Σ 3^i (1: own, 2: other)."""
    won = winner(board)
    is_over = won is not None or " " not in board
    assert game.current_player() == (None if is_over else player)
    assert game.active_players() == (() if is_over else ("x", "o"))
    assert game.legal_action_mask().tolist() == [cell == " " for cell in board]
    for own, other in ("xo", "ox"):
        assert game.is_terminated(own) is is_over
        assert game.reward(own) == (0.0 if won is None else 1.0 if won == own else -1.0)
        assert game.state(own) == sum(3**i * {" ": 0, own: 1, other: 2}[cell] for i, cell in enumerate(board))
    return is_over, won


def test_the_whole_tree():
    """255,168 games: 131,184 won by x, 77,904 by o, 46,080 drawn; every position is checked once."""
    seen = {}

    def walk(game, board, player):
        key = "".join(board)
        if key not in seen:
            is_over, won = check_position(game, board, player)
            counts = np.zeros(3, int)
            if is_over:
                counts[{"x": 0, "o": 1, None: 2}[won]] = 1
            for cell in [] if is_over else [i for i in range(9) if board[i] == " "]:
                after = copy(game)
                after.act(cell)
                board[cell] = player
                counts += walk(after, board, "o" if player == "x" else "x")
                board[cell] = " "
            seen[key] = counts
        return seen[key]

    game = TicTacToe()
    game.reset()
    assert walk(game, [" "] * 9, "x").tolist() == [131_184, 77_904, 46_080]
    assert len(seen) == 5478


def test_arrays_show_the_own_marks_first():
    game = as_environment(TicTacToe(numbered=False))
    game.reset()
    game.act(1)
    game.act(5)
    x, o = game.state("x"), game.state("o")
    assert x.dtype == np.float32 and game.state_space() == spaces.Box(0.0, 1.0, (3, 3, 2), np.float32)
    assert x[..., 0].tolist() == [[0, 1, 0], [0, 0, 0], [0, 0, 0]]
    assert x[..., 1].tolist() == [[0, 0, 0], [0, 0, 1], [0, 0, 0]]
    np.testing.assert_array_equal(o, x[..., ::-1])


def test_a_reset_clears_the_board():
    game = as_environment(TicTacToe())
    for _ in range(2):
        game.reset()
        assert (game.state(), game.current_player(), game.step) == (0, "x", 0)
        for cell in (0, 3, 1, 4):
            game.act(cell)
        game.act(2)
        assert game.is_over() and game.reward() == {"x": 1.0, "o": -1.0}


def test_a_marked_cell_is_refused():
    game = as_environment(TicTacToe())
    game.reset()
    game.act(8)
    with pytest.raises(
        EnvContractError, match=r"TicTacToe, game 1, turn 2, player 'o': the action is 8, which is illegal"
    ):
        game.act(8)


def test_wrong_arguments():
    with pytest.raises(ConfigError, match="numbered is 'planes', expected True or False"):
        TicTacToe(numbered="planes")


@pytest.mark.parametrize("n_games", [20, pytest.param(1000, marks=pytest.mark.proof)])
def test_it_is_the_game_of_openspiel(n_games):
    pyspiel = pytest.importorskip("pyspiel")
    theirs, ours = as_environment(pyspiel.load_game("tic_tac_toe")), as_environment(TicTacToe(numbered=False))
    random = np.random.default_rng(0)
    for _ in range(n_games):
        theirs.reset()
        ours.reset()
        while not ours.is_over():
            np.testing.assert_array_equal(ours.legal_action_mask(), theirs.legal_action_mask())
            planes = ours.state("x")  # OpenSpiel's planes: empty, noughts, crosses
            np.testing.assert_array_equal(
                np.stack((1 - planes.sum(-1), planes[..., 1], planes[..., 0])), theirs.state(0)
            )
            cell = int(random.choice(np.flatnonzero(ours.legal_action_mask())))
            ours.act(cell)
            theirs.act(cell)
            assert [*ours.reward().values()] == [*theirs.reward().values()]
        assert theirs.is_over()
