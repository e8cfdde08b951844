import numpy as np
import pytest
from gymnasium import spaces

from rlcore.environments import KuhnPoker, MatrixGame, RockPaperScissors, TicTacToe, as_environment, check_game
from rlcore.errors import ConfigError, EnvContractError
from rlcore.games import Game


class Dice(Game):
    """Two players throw a die in turns until somebody throws the highest number, which the other pays."""

    action_space = spaces.Box(0.0, 1.0, (2,), np.float32)
    state_space = spaces.Discrete(7)

    def __init__(self):
        self.random = np.random.default_rng()

    def reset(self, seed=None):
        if seed is not None:
            self.random = np.random.default_rng(seed)
        self.die, self.turn = 0, 0

    def act(self, action):
        self.die, self.turn = int(self.random.integers(1, 7)), self.turn + 1

    def players(self):
        return ("even", "odd")

    def current_player(self):
        return self.players()[self.turn % 2]

    def state(self, player):
        return self.die

    def reward(self, player):
        if self.die < 6:
            return 0
        return -1 if player == self.current_player() else 1

    def is_terminated(self, player):
        return self.die == 6


@pytest.mark.parametrize(
    "game",
    [TicTacToe(), TicTacToe(numbered=False), KuhnPoker(), RockPaperScissors(n_rounds=5), MatrixGame([[1, 2]]), Dice()],
    ids=lambda game: type(game).__name__,
)
def test_nothing_is_found(game):
    assert check_game(game) is None
    assert check_game(as_environment(game), n_moves=50, seed=3) is None


def test_a_generator_that_ignores_the_seed():
    class Unseeded(Dice):
        def reset(self, seed=None):
            super().reset()

    with pytest.raises(
        EnvContractError, match=r"Unseeded, game \d+, turn \d+: .* in one rollout and .* in the next with the"
    ):
        check_game(Unseeded())


def test_a_state_that_moves_when_it_is_asked():
    class Restless(Dice):
        def state(self, player):
            self.die = (self.die + 1) % 5
            return self.die

    with pytest.raises(EnvContractError, match=r"turn 0: state\('even'\) is 1, and 2 when asked again"):
        check_game(Restless())


def test_a_fault_of_one_player_deep_in_the_game():
    class Careless(Dice):
        def state(self, player):
            return self.die if player == "even" or self.turn < 3 else 9

    with pytest.raises(
        EnvContractError, match=r"turn 3, player 'odd': the state is 9, expected a whole number from 0 to"
    ):
        check_game(Careless())


def test_wrong_arguments():
    with pytest.raises(ConfigError, match="CartPole-v1, which has no players; check it with check_environment"):
        check_game("CartPole-v1")
    with pytest.raises(ConfigError, match="n_moves is 0"):
        check_game(TicTacToe(), n_moves=0)
    with pytest.raises(ConfigError, match="lacks the methods"):
        check_game(Game())


def test_games_of_pettingzoo():
    pettingzoo = pytest.importorskip("pettingzoo")
    pytest.importorskip("pygame")
    check_game(pettingzoo.make("aec", "classic/connect_four-v3"), n_moves=100)
    check_game(pettingzoo.make("parallel", "classic/rps-v2"), n_moves=100)
