"""The latest frames of an episode, as one state."""

from typing import Any

import numpy as np

from rlcore.arguments import check_whole
from rlcore.errors import ConfigError
from rlcore.interfaces import Array
from rlcore.struct import namespace, struct


@struct
class StackFrames:
    """Keeps the latest frames, so that a state shows movement; zeros stand for those before the first.

    Every `push` makes a new array: a stack that was handed out before keeps its frames.

    Args:
        shape: `(n_frames, ...)`, how many frames and the shape of one.
        dtype: That of the stack; a frame must fit into it without changing its kind.

    Attributes:
        frames: `[n_frames, ...]`, the oldest first.

    Raises:
        ConfigError: `shape` holds anything but whole numbers of at least 1, or `dtype` is none.

    Source: Julia `StackFrames`, whose last axis is that of the frames.
    """

    frames: Any

    def __init__(self, shape: tuple[int, ...], dtype: Any = np.float32) -> None:
        if not isinstance(shape, list | tuple) or not shape:
            raise ConfigError(f"shape is {shape!r}, expected (n_frames, ...), such as (4, 84, 84)")
        shape = tuple(check_whole(f"shape[{place}]", size) for place, size in enumerate(shape))
        try:
            self.frames = np.zeros(shape, dtype)
        except TypeError:
            raise ConfigError(f"dtype is {dtype!r}, expected one of NumPy's, such as np.float32") from None

    def push(self, frame: Array) -> Array:
        """Drops the oldest frame and keeps `frame` as the latest.

        Args:
            frame: `[...]`, of the shape of one frame.

        Returns:
            `[n_frames, ...]`, the oldest first.

        Raises:
            ConfigError: `frame` has another shape, or a dtype that would lose its kind (floats among whole numbers).
        """
        frame = namespace(self.frames, frame).asarray(frame)
        check_frame("frame", frame, self.frames)
        self.frames = pushed(self.frames, frame)
        return self.frames

    def reset(self) -> None:
        """Forgets all frames: the stack is zeros."""
        self.frames = namespace(self.frames).zeros_like(self.frames)


def check_frame(what: str, frame: Any, stack: Any) -> None:
    """Refuses a frame that does not fit into a stack `[n_frames, ...]`; of both only shape and dtype are looked at.

    Raises:
        ConfigError: `frame` has another shape, or a dtype that would lose its kind (floats among whole numbers).
    """
    n_frames, *shape = stack.shape
    if tuple(frame.shape) != tuple(shape):
        raise ConfigError(
            f"{what} has shape {tuple(frame.shape)}, expected {tuple(shape)}, one of the {n_frames} frames"
        )
    if not np.can_cast(frame.dtype, stack.dtype, "same_kind"):
        raise ConfigError(
            f"{what} has dtype {frame.dtype}, expected one that fits into {stack.dtype}; convert it before"
        )


def pushed(frames: Array, frame: Array, axis: int = 0) -> Array:
    """`frames` without the oldest and with `frame` as the latest along `axis`; a new array."""
    xp = namespace(frames, frame)
    kept = frames[(slice(None),) * axis + (slice(1, None),)]
    return xp.concatenate([kept, xp.expand_dims(frame, axis).astype(frames.dtype)], axis=axis)
