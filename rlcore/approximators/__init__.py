"""Approximators: what values are kept in, and how they move."""

from rlcore.approximators.approximator import Approximator
from rlcore.approximators.tabular import TabularApproximator, TabularQApproximator, TabularVApproximator
from rlcore.approximators.target_network import TargetNetwork

__all__ = ["Approximator", "TabularApproximator", "TabularQApproximator", "TabularVApproximator", "TargetNetwork"]
