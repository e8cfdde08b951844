"""A ring of transitions."""

from rlcore.arguments import check_whole
from rlcore.errors import ConfigError
from rlcore.struct import static, struct
from rlcore.trajectories.traces import Traces


@struct
class CircularTraces(Traces):
    """Keeps the last `capacity` transitions, each with its true next state.

    The first push fixes what is stored: shapes and types, whether there are masks and extras, and whether one
    transition comes at a time or a row of them. A row has one lane (ring) per environment, of `capacity // lanes`
    transitions each; lane i has the slots `i * (capacity // lanes)` to `(i + 1) * (capacity // lanes) - 1`.

    States of at least 1,024 bytes are stored once: the next state of a transition is the state of the one after it,
    and an episode's end takes the room of one state more. States that are stacks of `n_frames` frames are stored frame
    by frame; a frame is a large part of a batch only once. What comes out is what was pushed, whatever it was. There
    is room for `capacity` transitions if episodes last 64 steps or more on average, `64 * n_frames` of stacked ones;
    where they are shorter, fewer are kept.

    Args:
        capacity: How many transitions fit, over all lanes; at least 1.
        n_frames: How many frames a state is a stack of, along its first axis (`[n_frames, ...]`) or its last one
            (`[..., n_frames]`, or three times as long for colours); 1: states are no stacks.
        states_once: Whether states are stored once; default: if they are large or stacks. `False` suits transitions
            that do not follow each other.

    Raises:
        ConfigError: `capacity` or `n_frames` is not a whole number of at least 1; later, if the columns don't fit into
            memory.

    Source: Julia `CircularArraySARTSTraces`.
    """

    capacity: int = static(default=0)

    def __init__(self, capacity: int, n_frames: int = 1, states_once: bool | None = None) -> None:
        self.capacity = check_whole("capacity", capacity)
        super().__init__(n_frames, states_once)

    @property
    def n_slots(self) -> int:
        """How many transitions fit: `capacity`, rounded down to a multiple of the lanes."""
        return self.capacity // (self.lanes or 1) * (self.lanes or 1)

    def _first_size(self, lanes: int | None) -> int:
        if lanes is not None and self.capacity < lanes:
            raise ConfigError(
                f"capacity is {self.capacity}, but {lanes} environments push at once; expected at least {lanes}, "
                "better many times as much"
            )
        return self.capacity // (lanes or 1)
