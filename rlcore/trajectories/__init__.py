"""What an agent remembers: containers, samplers, controllers."""

from rlcore.trajectories.base import Container, Controller, Sampler
from rlcore.trajectories.batch import Batch
from rlcore.trajectories.circular import CircularTraces
from rlcore.trajectories.controllers import InsertSampleRatioController
from rlcore.trajectories.latest import LatestTransition
from rlcore.trajectories.samplers import BatchSampler, WholeSampler
from rlcore.trajectories.trajectory import Trajectory

__all__ = [
    "Batch",
    "BatchSampler",
    "CircularTraces",
    "Container",
    "Controller",
    "InsertSampleRatioController",
    "LatestTransition",
    "Sampler",
    "Trajectory",
    "WholeSampler",
]
