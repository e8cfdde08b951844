"""Experiments in reinforcement learning: one loop, composable hooks, conditions, policies and environments."""
