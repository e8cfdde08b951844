"""Learners: how values move."""

from rlcore.learners.bellman import bellman_update
from rlcore.learners.dqn import DQNLearner
from rlcore.learners.td import TDLearner

__all__ = ["DQNLearner", "TDLearner", "bellman_update"]
