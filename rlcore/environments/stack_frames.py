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
        xp = namespace(self.frames, frame)
        frame = xp.asarray(frame)
        shape, dtype = self.frames.shape[1:], self.frames.dtype
        if frame.shape != shape:
            raise ConfigError(f"frame has shape {frame.shape}, expected {shape}, one of the {len(self.frames)} frames")
        if not np.can_cast(frame.dtype, dtype, "same_kind"):
            raise ConfigError(f"frame has dtype {frame.dtype}, expected one that fits into {dtype}; convert it before")
        self.frames = xp.concatenate([self.frames[1:], frame[None].astype(dtype)])
        return self.frames

    def reset(self) -> None:
        """Forgets all frames: the stack is zeros."""
        self.frames = namespace(self.frames).zeros_like(self.frames)
