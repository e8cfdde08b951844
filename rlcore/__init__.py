"""Experiments in reinforcement learning: one loop, composable hooks, stop conditions, policies and environments."""

from rlcore.approximators import Approximator, TargetNetwork
from rlcore.environments import as_environment, check_environment
from rlcore.experiment import Experiment, evaluate, run
from rlcore.explorers import EpsilonGreedyExplorer
from rlcore.hooks import Hook, StepsPerEpisode, TimePerStep, TotalRewardPerEpisode
from rlcore.learners import DQNLearner
from rlcore.networks import MLP
from rlcore.policies import Agent, QBasedPolicy, RandomPolicy
from rlcore.seeds import run_seeds
from rlcore.stages import Stage
from rlcore.stop_conditions import StopAfterNEpisodes, StopAfterNSteps, StopSignal
from rlcore.trajectories import BatchSampler, CircularTraces, InsertSampleRatioController, Trajectory

__all__ = [
    "Agent",
    "Approximator",
    "BatchSampler",
    "CircularTraces",
    "DQNLearner",
    "EpsilonGreedyExplorer",
    "Experiment",
    "Hook",
    "InsertSampleRatioController",
    "MLP",
    "QBasedPolicy",
    "RandomPolicy",
    "Stage",
    "StepsPerEpisode",
    "StopAfterNEpisodes",
    "StopAfterNSteps",
    "StopSignal",
    "TargetNetwork",
    "TimePerStep",
    "TotalRewardPerEpisode",
    "Trajectory",
    "as_environment",
    "check_environment",
    "evaluate",
    "run",
    "run_seeds",
]
