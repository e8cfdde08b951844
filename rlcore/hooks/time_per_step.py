"""A hook that measures how long steps take."""

from collections import deque
from collections.abc import Callable
from itertools import pairwise
from time import perf_counter
from typing import Any

import numpy as np

from rlcore.arguments import check_whole
from rlcore.block import Block
from rlcore.hooks.base import Hook


class TimePerStep(Hook):
    """Measures the seconds of the latest steps, on a monotonic clock; resets are not part of any step.

    A step lasts from the POST_ACT before it (the first of an episode: from PRE_EPISODE) to its own POST_ACT. With
    several environments side by side it is one step of all of them.

    Args:
        max_steps: How many steps to keep, the latest ones.

    Raises:
        ConfigError: `max_steps` is not a whole number of at least 1.

    Source: Julia `TimePerStep`.
    """

    reads_policy = False

    def __init__(self, max_steps: int = 100) -> None:
        self._max_steps = check_whole("max_steps", max_steps)
        self._clock: Callable[[], float] = perf_counter
        self._stamps = self._no_stamps()

    @property
    def times(self) -> list[float]:
        """The seconds of the latest steps, the oldest first; a new list every time."""
        steps = [end - start for start, end in pairwise(self._stamps) if start is not None and end is not None]
        return steps[-self._max_steps :]

    def pre_experiment(self, policy: Any, env: Any) -> None:
        """Forgets the run before, and finds the clock: an environment that shows recorded steps has its own."""
        self._clock = getattr(env, "clock", perf_counter)
        self._stamps = self._no_stamps()

    def pre_episode(self, policy: Any, env: Any) -> None:
        """Starts the clock of the first step after the reset."""
        self._stamps.append(None)
        self._stamps.append(self._clock())

    def post_act(self, policy: Any, env: Any) -> None:
        """Ends the step and starts the next."""
        clock = self._clock  # an attribute is quicker to read than to call
        self._stamps.append(clock())  # subtracted when asked for: this runs every step

    def push_block(self, policy: Any, block: Block) -> None:
        """Stamps the latest steps evenly, the last one with the time that it is now."""
        n_steps = min(len(block), 3 * self._max_steps)
        stamps = (self._clock() - block.seconds * np.arange(n_steps)[::-1]).tolist()
        ends = block.end_steps - (len(block) - n_steps)
        begin = 0
        for end in ends[ends >= 0].tolist():
            self._stamps += [*stamps[begin : end + 1], None, stamps[end]]
            begin = end + 1
        self._stamps += stamps[begin:]

    def result(self) -> list[float]:
        return self.times

    def __repr__(self) -> str:
        return f"{type(self).__name__}({len(self.times)} steps)"

    def _no_stamps(self) -> deque[float | None]:
        """Room for the latest steps even if each is an episode: a gap, its start, its end."""
        return deque(maxlen=3 * self._max_steps)
