"""Hooks: they watch a run."""

from rlcore.hooks.base import ComposedHook, EmptyHook, Hook
from rlcore.hooks.do import DoEveryNEpisodes, DoEveryNSteps, DoOnExit
from rlcore.hooks.multi_agent import MultiAgentHook
from rlcore.hooks.rewards import RewardsPerEpisode, TotalBatchRewardPerEpisode, TotalRewardPerEpisode
from rlcore.hooks.rows import RowSteps, RowSums
from rlcore.hooks.steps import BatchStepsPerEpisode, StepsPerEpisode
from rlcore.hooks.time_per_step import TimePerStep

__all__ = [
    "BatchStepsPerEpisode",
    "ComposedHook",
    "DoEveryNEpisodes",
    "DoEveryNSteps",
    "DoOnExit",
    "EmptyHook",
    "Hook",
    "MultiAgentHook",
    "RewardsPerEpisode",
    "RowSteps",
    "RowSums",
    "StepsPerEpisode",
    "TimePerStep",
    "TotalBatchRewardPerEpisode",
    "TotalRewardPerEpisode",
]
