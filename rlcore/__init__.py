"""Experiments in reinforcement learning."""
