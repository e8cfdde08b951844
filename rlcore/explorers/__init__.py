"""Explorers: how an action is chosen from the values of all actions."""

from rlcore.explorers.batch import BatchExplorer
from rlcore.explorers.choice import find_all_max
from rlcore.explorers.epsilon_greedy import EpsilonGreedyExplorer
from rlcore.explorers.greedy import GreedyExplorer
from rlcore.explorers.softmax import GumbelSoftmaxExplorer, WeightedSoftmaxExplorer
from rlcore.explorers.ucb import UCBExplorer
from rlcore.explorers.weighted import WeightedExplorer

__all__ = [
    "BatchExplorer",
    "EpsilonGreedyExplorer",
    "GreedyExplorer",
    "GumbelSoftmaxExplorer",
    "UCBExplorer",
    "WeightedExplorer",
    "WeightedSoftmaxExplorer",
    "find_all_max",
]
