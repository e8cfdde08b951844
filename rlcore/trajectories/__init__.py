"""What an agent remembers: containers, samplers, controllers."""

from rlcore.trajectories.asynchronous import AsyncInsertSampleRatioController
from rlcore.trajectories.base import Container, Controller, Sampler
from rlcore.trajectories.batch import Batch
from rlcore.trajectories.circular import CircularTraces
from rlcore.trajectories.controllers import EpisodeSampleRatioController, InsertSampleRatioController
from rlcore.trajectories.elastic import ElasticTraces
from rlcore.trajectories.latest import LatestTransition
from rlcore.trajectories.latest_transitions import LatestTransitions
from rlcore.trajectories.multi_step import MultiStepBatch, MultiStepSampler, NStepBatchSampler
from rlcore.trajectories.prioritized import PrioritizedTraces
from rlcore.trajectories.samplers import BatchSampler, EpisodesSampler, WholeSampler
from rlcore.trajectories.several import MetaSampler, MultiBatchSampler
from rlcore.trajectories.trajectory import Trajectory

__all__ = [
    "AsyncInsertSampleRatioController",
    "Batch",
    "BatchSampler",
    "CircularTraces",
    "Container",
    "Controller",
    "ElasticTraces",
    "EpisodeSampleRatioController",
    "EpisodesSampler",
    "InsertSampleRatioController",
    "LatestTransition",
    "LatestTransitions",
    "MetaSampler",
    "MultiBatchSampler",
    "MultiStepBatch",
    "MultiStepSampler",
    "NStepBatchSampler",
    "PrioritizedTraces",
    "Sampler",
    "Trajectory",
    "WholeSampler",
]
