"""What policies see of several environments side by side: after a function, as stacks of frames, or both."""

from collections.abc import Callable
from typing import Any

import numpy as np

from rlcore.environments.rows import chosen_rows
from rlcore.environments.stack_frames import StackFrames, pushed


class RowStates:
    """Makes the states `[rows, ...]` that policies see of those of the environments.

    What it answers is never overwritten.

    Args:
        change: From states to states, or to frames; `None`: they stay.
        stack: The stack of one row, without frames; `None`: nothing is stacked.
        rows: Number of environments.
    """

    def __init__(self, change: Callable[[Any], Any] | None, stack: StackFrames | None, rows: int) -> None:
        self._change = change
        self._nothing: Any = None if stack is None else np.zeros((rows, *stack.frames.shape), stack.frames.dtype)
        self._frames: Any = self._nothing  # [rows, n_frames, ...]

    def follow(self, seen: Any, begun: np.ndarray | None = None) -> Any:
        """The states after a step of every row; in the rows `begun` (`None`: none) the first of an episode."""
        state = seen if self._change is None else self._change(seen)
        if self._frames is None:
            return state
        before = self._frames if begun is None else chosen_rows(begun, self._nothing, self._frames)
        self._frames = pushed(before, state, axis=1)
        return self._frames

    def restart(self, rows: np.ndarray, seen: Any) -> Any:
        """The states once an episode began in `rows`, bools, with what is seen there; the other rows stay."""
        state = seen if self._change is None else self._change(seen)
        if self._frames is None:
            return state
        self._frames = chosen_rows(rows, pushed(self._nothing, state, axis=1), self._frames)
        return self._frames
