"""Environments: the adapter around every kind of them, and small built-in ones."""

from rlcore.environments.convert import as_environment
from rlcore.environments.single import SingleEnvironment
from rlcore.environments.vector import VectorEnvironment

__all__ = ["SingleEnvironment", "VectorEnvironment", "as_environment"]
