"""Environments: the adapter around every kind of them, a check of them, and small built-in ones."""

from rlcore.environments.bandit import MultiArmedBandit
from rlcore.environments.cart_pole import CartPole
from rlcore.environments.check import check_environment
from rlcore.environments.convert import as_environment
from rlcore.environments.functional import FunctionalEnvironment
from rlcore.environments.gymnax_environment import GymnaxEnvironment
from rlcore.environments.pendulum import Pendulum
from rlcore.environments.pgx_environment import PgxEnvironment
from rlcore.environments.random_walk import RandomWalk1D
from rlcore.environments.single import SingleEnvironment
from rlcore.environments.stack_frames import StackFrames
from rlcore.environments.tabular import TabularEnvironment
from rlcore.environments.vector import VectorEnvironment

__all__ = [
    "CartPole",
    "FunctionalEnvironment",
    "GymnaxEnvironment",
    "MultiArmedBandit",
    "Pendulum",
    "PgxEnvironment",
    "RandomWalk1D",
    "SingleEnvironment",
    "StackFrames",
    "TabularEnvironment",
    "VectorEnvironment",
    "as_environment",
    "check_environment",
]
