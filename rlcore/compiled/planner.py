"""How long the next chunk is, and which program runs it."""

import math
from typing import Any

import numpy as np

from rlcore.compiled.limits import counts_episodes, numbered, steps_at_most
from rlcore.compiled.prepare import Traced
from rlcore.compiled.program import Plan
from rlcore.compiled.schedule import Schedule
from rlcore.errors import ConfigError
from rlcore.trajectories.memory import available_bytes

MOST_ROWS = 65_536  # of a chunk
MOST_BYTES = 1 << 24  # of the record of a chunk, over all experiments
MOST_NUMBERS = 1_000_000  # random numbers that are drawn beforehand for a chunk, so that they stay in the cache
FEW_ROWS = 512  # with fewer steps a chunk would mostly be overhead, however many numbers they take
FIRST_ROWS = 64
_NUMBER_BYTES = 4
SECONDS = 0.3  # that a chunk should take, so that bars move and Ctrl-C is answered


class Planner:
    """Plans the chunks of a run.

    A chunk is as long as its record and its random numbers allow, and as the time that the last one took suggests.

    Attributes:
        is_measured: Whether a chunk has told yet how long its steps take.
    """

    def __init__(self, traced: Traced, needs_state: bool, num_envs: int | None, n_lanes: int) -> None:
        """Raises `ConfigError` if not even a short chunk fits into memory."""
        self._traced, self._needs_state, self._num_envs = traced, needs_state, num_envs or 1
        self._n_lanes = n_lanes
        self._rows = FIRST_ROWS
        self.is_measured = False
        self._check_memory()

    def _check_memory(self) -> None:
        rows, one, free = self._most_rows(None), self._traced, available_bytes()
        of_steps = rows * (one.row_bytes + _NUMBER_BYTES * one.step_numbers)
        n_bytes = self._n_lanes * (one.course_bytes + of_steps)
        if n_bytes > free:
            raise ConfigError(
                f"a chunk of {rows} steps takes {n_bytes:,} bytes with all that it changes, but only {free:,} bytes of "
                "memory are free; take fewer environments side by side or fewer seeds, or hooks that need no states"
            )

    def plan(self, limits: list[Any], schedule: Schedule | None) -> tuple[Plan, np.ndarray]:
        """The program for the next chunk, and how many updates come after each of its steps.

        Args:
            limits: Of each experiment, when it ends at the latest.
            schedule: When the learners learn; the same for all.
        """
        most = self._most_rows(schedule)
        n = min(self._rows, most)
        steps = max(map(steps_at_most, limits))
        if math.isfinite(steps):
            n = min(n, -(-int(steps) // self._num_envs))
        is_counted = any(map(counts_episodes, limits)) or len(set(map(steps_at_most, limits))) > 1
        limit = numbered(limits[0])[0] if is_counted else None
        one = self._traced
        if schedule is None:
            return Plan(most, 0, one.step_draws, one.update_draws, self._needs_state, False, limit), np.zeros(n, int)
        updates, at_once = _in_one_way(schedule.updates(n), schedule.is_every_step())
        n_updates = max(schedule.most(most), int(updates[0]))
        fitting = max(1, int(np.searchsorted(np.cumsum(updates), n_updates, side="right")))
        plan = Plan(most, n_updates, one.step_draws, one.update_draws, self._needs_state, at_once, limit)
        return plan, updates[:fitting]

    def learn_from(self, rows: int, seconds: float) -> None:
        """Takes into account how long a chunk of `rows` steps took."""
        self.is_measured = True
        self._rows = max(1, min(8 * max(rows, FIRST_ROWS), int(rows * SECONDS / max(seconds, 1e-9))))

    def _most_rows(self, schedule: Schedule | None) -> int:
        """A power of two, at least 16."""
        numbers = self._traced.step_numbers + 1.0
        if schedule is not None:
            numbers += self._traced.update_numbers * schedule.most(1024) / 1024
        rows = MOST_BYTES / (self._traced.row_bytes * self._n_lanes)
        return 1 << max(
            4, int(math.log2(min(MOST_ROWS, rows, max(FEW_ROWS, MOST_NUMBERS / (numbers * self._n_lanes)))))
        )


def _in_one_way(updates: np.ndarray, is_every_step: bool) -> tuple[np.ndarray, bool]:
    """As many of the steps as can be run in one way, and whether that is an update after every step."""
    if not is_every_step:
        return updates, False
    if updates[0] == 1:
        return updates[: int(np.argmax(updates != 1)) or None], True
    waiting = updates[: int(np.argmax(updates != 0)) or None] if updates[0] == 0 else updates[:1]
    return waiting, updates[0] == 0
