"""Policies: random, by values, by a distribution, and agents that remember and learn."""

from rlcore.policies.agent import Agent
from rlcore.policies.function_policy import FunctionPolicy
from rlcore.policies.multi_agent import MultiAgentPolicy
from rlcore.policies.offline import OfflineAgent
from rlcore.policies.offline_behavior import OfflineBehavior
from rlcore.policies.q_based import GreedyPolicy, QBasedPolicy
from rlcore.policies.random_policy import RandomPolicy
from rlcore.policies.self_play import SelfPlay
from rlcore.policies.stochastic import ModePolicy, StochasticPolicy

__all__ = [
    "Agent",
    "FunctionPolicy",
    "GreedyPolicy",
    "ModePolicy",
    "MultiAgentPolicy",
    "OfflineAgent",
    "OfflineBehavior",
    "QBasedPolicy",
    "RandomPolicy",
    "SelfPlay",
    "StochasticPolicy",
]
