"""Policies: random, by values, and an agent that remembers and learns."""

from rlcore.policies.agent import Agent
from rlcore.policies.q_based import GreedyPolicy, QBasedPolicy
from rlcore.policies.random_policy import RandomPolicy

__all__ = ["Agent", "GreedyPolicy", "QBasedPolicy", "RandomPolicy"]
