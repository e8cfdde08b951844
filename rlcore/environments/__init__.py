"""Environments: the adapter around every kind of them, a check of them, and small built-in ones."""

from rlcore.environments.bandit import MultiArmedBandit
from rlcore.environments.check import check_environment
from rlcore.environments.convert import as_environment
from rlcore.environments.random_walk import RandomWalk1D
from rlcore.environments.single import SingleEnvironment
from rlcore.environments.vector import VectorEnvironment

__all__ = [
    "MultiArmedBandit",
    "RandomWalk1D",
    "SingleEnvironment",
    "VectorEnvironment",
    "as_environment",
    "check_environment",
]
