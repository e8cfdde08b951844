"""Environments: the adapter around every kind of them, a check of them, and small built-in ones."""

from rlcore.environments.bandit import MultiArmedBandit
from rlcore.environments.cart_pole import CartPole
from rlcore.environments.check import check_environment
from rlcore.environments.check_game import check_game
from rlcore.environments.convert import as_environment
from rlcore.environments.functional import FunctionalEnvironment
from rlcore.environments.game import GameEnvironment
from rlcore.environments.gymnax_environment import GymnaxEnvironment
from rlcore.environments.kuhn_poker import KuhnPoker
from rlcore.environments.matrix_game import MatrixGame, RockPaperScissors
from rlcore.environments.openspiel_game import OpenSpielGame
from rlcore.environments.pendulum import Pendulum
from rlcore.environments.pgx_environment import PgxEnvironment
from rlcore.environments.random_walk import RandomWalk1D
from rlcore.environments.single import SingleEnvironment
from rlcore.environments.stack_frames import StackFrames
from rlcore.environments.tabular import TabularEnvironment
from rlcore.environments.tic_tac_toe import TicTacToe
from rlcore.environments.vector import VectorEnvironment

__all__ = [
    "CartPole",
    "FunctionalEnvironment",
    "GameEnvironment",
    "GymnaxEnvironment",
    "KuhnPoker",
    "MatrixGame",
    "MultiArmedBandit",
    "OpenSpielGame",
    "Pendulum",
    "PgxEnvironment",
    "RandomWalk1D",
    "RockPaperScissors",
    "SingleEnvironment",
    "StackFrames",
    "TabularEnvironment",
    "TicTacToe",
    "VectorEnvironment",
    "as_environment",
    "check_environment",
    "check_game",
]
