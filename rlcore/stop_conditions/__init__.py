"""Stop conditions: they decide when a run ends; one question, asked once after every step."""

from rlcore.stop_conditions.base import AnyStopCondition, StopCondition, StopIfAll, StopIfAny, leaf_conditions
from rlcore.stop_conditions.counted import StopAfterNEpisodes, StopAfterNSteps
from rlcore.stop_conditions.no_improvement import StopAfterNoImprovement
from rlcore.stop_conditions.seconds import StopAfterNSeconds
from rlcore.stop_conditions.signal import StopSignal
from rlcore.stop_conditions.terminated import StopIfEnvTerminated

__all__ = [
    "AnyStopCondition",
    "StopAfterNEpisodes",
    "StopAfterNSeconds",
    "StopAfterNSteps",
    "StopAfterNoImprovement",
    "StopCondition",
    "StopIfAll",
    "StopIfAny",
    "StopIfEnvTerminated",
    "StopSignal",
    "leaf_conditions",
]
