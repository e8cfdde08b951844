"""When the controller lets a learner learn, asked on the host for many steps at once."""

import copy
import math
from typing import Any

import numpy as np

from rlcore.trajectories import InsertSampleRatioController
from rlcore.trajectories.samplers import n_pushed


class Schedule:
    """How many updates come after each of the next steps.

    Attributes:
        controller: The trajectory's own; it is advanced by what was run.
    """

    def __init__(self, trajectory: Any, per_step: int) -> None:
        """Takes how many transitions a step stores."""
        container, sampler = trajectory.container, trajectory.sampler
        self.controller, self._per_step = trajectory.controller, per_step
        self._n_pushed, self._n_slots = int(n_pushed(container)), getattr(container, "n_slots", 1 << 62)
        self._batch_size = getattr(sampler, "batch_size", 1)

    def most(self, n: int) -> int:
        """How many updates `n` steps bring in the long run; at least 1."""
        if type(self.controller) is InsertSampleRatioController:
            return max(1, math.ceil(n * self._per_step * float(self.controller.ratio)) + 1)
        return max(1, int(self.updates(n).sum()))

    def is_every_step(self) -> bool:
        """Whether in the long run exactly one update comes after each step."""
        if type(self.controller) is InsertSampleRatioController:
            return float(self.controller.ratio) * self._per_step == 1.0
        return bool((self.updates(64)[-8:] == 1).all())

    def updates(self, n: int) -> np.ndarray:
        """How many updates come after each of the next `n` steps, `[n]`."""
        steps = np.arange(1, n + 1, dtype=np.int64) * self._per_step
        is_ready = np.minimum(self._n_pushed + steps, self._n_slots) >= self._batch_size
        if type(self.controller) is InsertSampleRatioController:
            inserted = int(self.controller.inserted) + steps
            allowed = np.where(is_ready, self.controller.allowed(inserted), 0)
            total = np.maximum.accumulate(np.maximum(allowed, int(self.controller.sampled)))
            return np.diff(total, prepend=int(self.controller.sampled))
        return self._asked(copy.deepcopy(self.controller), is_ready)  # planning must not count

    def _asked(self, controller: Any, is_ready: np.ndarray) -> np.ndarray:
        """Step by step, whatever the controller's rule is."""
        updates = np.zeros(len(is_ready), np.int64)
        for at, ready in enumerate(is_ready.tolist()):
            controller.on_insert(self._per_step)
            while ready and controller.is_due():
                controller.on_sample()
                updates[at] += 1
        return updates

    def advance(self, n: int, updates: int) -> None:
        """Tells the controller of `n` steps and the updates that came with them."""
        self._n_pushed = min(self._n_pushed + n * self._per_step, self._n_slots)
        if type(self.controller) is InsertSampleRatioController:
            self.controller.on_insert(n * self._per_step)
            self.controller.sampled += updates
            return
        for _ in range(n):
            self.controller.on_insert(self._per_step)
        for _ in range(updates):
            self.controller.on_sample()


def gaps_of(updates: np.ndarray) -> np.ndarray:
    """The steps before each update, counted from the update before, and the steps after the last one."""
    at = np.repeat(np.arange(1, len(updates) + 1), updates)
    return np.diff(at, prepend=0, append=len(updates))
