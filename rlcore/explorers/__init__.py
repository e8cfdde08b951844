"""Explorers: how an action is chosen from the values of all actions."""

from rlcore.explorers.batch import BatchExplorer
from rlcore.explorers.choice import (
    answer,
    answer_prob,
    checked,
    evenly,
    find_all_max,
    nth_of,
    usable_values,
)
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
    "answer",
    "answer_prob",
    "checked",
    "evenly",
    "find_all_max",
    "nth_of",
    "usable_values",
]
