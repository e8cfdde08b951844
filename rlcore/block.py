"""Consecutive steps of a run as the compiled engine records them."""

from collections.abc import Iterable
from functools import cached_property
from typing import Any

import jax
import numpy as np


class Block:
    """Steps 0 to `len - 1`, each with the numbers that hooks and conditions read at POST_ACT.

    Attributes:
        action: `[steps]`, for several environments `[steps, num_envs]`, then the axes of an action; or a tree of these.
        reward: `[steps]` or `[steps, num_envs]` float32.
        terminated: Likewise, bool.
        truncated: Likewise, bool; false where the episode terminated.
        seconds: How long one step took, on average.
        num_envs: How many environments side by side; `None` for a single one.
    """

    def __init__(
        self,
        action: Any,
        reward: np.ndarray,
        terminated: np.ndarray,
        truncated: np.ndarray,
        seconds: float = 0.0,
    ) -> None:
        self.action, self.reward, self.terminated, self.truncated = action, reward, terminated, truncated
        self.seconds = seconds
        self.num_envs = None if reward.ndim == 1 else reward.shape[1]

    def __len__(self) -> int:
        return len(self.reward)

    def __getitem__(self, steps: slice) -> "Block":
        """Some of the steps, in one piece."""
        action = jax.tree.map(lambda leaf: leaf[steps], self.action)
        return Block(action, self.reward[steps], self.terminated[steps], self.truncated[steps], self.seconds)

    @cached_property
    def over(self) -> np.ndarray:
        """Whether an episode ended: bool `[steps]` or `[steps, num_envs]`."""
        return self.terminated | self.truncated

    @cached_property
    def ends(self) -> tuple[np.ndarray, np.ndarray]:
        """The steps and environments (0 for a single one) at which episodes ended, both `[episodes]`, in order."""
        steps, rows = np.divmod(np.flatnonzero(self.over), self.num_envs or 1)  # quicker than nonzero along two axes
        return steps, rows

    @cached_property
    def ends_by_row(self) -> tuple[np.ndarray, np.ndarray]:
        """What puts `ends` in order of environments, each one's in order of time; whether each is its last, bool."""
        rows = self.ends[1]
        is_few = (self.num_envs or 1) <= _SHORT
        order = np.argsort(rows.astype(np.uint16) if is_few else rows, kind="stable")  # of short numbers much quicker
        rows = rows[order]
        return order, np.diff(rows, append=-1) != 0

    @cached_property
    def end_steps(self) -> np.ndarray:
        """The steps at which episodes ended, each once, in order."""
        steps = self.ends[0]
        return steps if self.num_envs is None else steps[np.diff(steps, prepend=-1) > 0]

    def __repr__(self) -> str:
        rows = "" if self.num_envs is None else f" of {self.num_envs} environments"
        return f"Block({len(self)} steps{rows})"


_SHORT = 1 << 16


def union(places: Iterable[Any]) -> np.ndarray:
    """The indices of steps that any of `places` names, in order, each once."""
    return np.unique(np.concatenate([np.asarray(indices, np.intp) for indices in places]))
