"""Learners: how values move."""

from rlcore.learners.behavior_cloning import BehaviorCloningLearner
from rlcore.learners.bellman import bellman_update
from rlcore.learners.categorical_support import CategoricalSupport
from rlcore.learners.distribution import Distribution
from rlcore.learners.dqn import DQNLearner
from rlcore.learners.quantiles import Quantiles
from rlcore.learners.reward_split import RewardSplit
from rlcore.learners.split import SplitQLearner
from rlcore.learners.td import TDLearner

__all__ = [
    "BehaviorCloningLearner",
    "CategoricalSupport",
    "DQNLearner",
    "Distribution",
    "Quantiles",
    "RewardSplit",
    "SplitQLearner",
    "TDLearner",
    "bellman_update",
]
