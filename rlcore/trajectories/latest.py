"""A container of one push, for learners that update on every step."""

from typing import Any, ClassVar

import jax
import numpy as np

from rlcore.arguments import check_whole
from rlcore.errors import ConfigError, EnvContractError
from rlcore.struct import is_traced, namespace, struct
from rlcore.trajectories.base import Container
from rlcore.trajectories.batch import Batch
from rlcore.trajectories.columns import NAMES, check_reward, zero_of


@struct
class LatestTransition(Batch, Container):
    """Keeps what was pushed last, as it came, and is itself the batch of it.

    A single transition stays what it was, mostly plain Python numbers, so its fields have no leading axis. Of a row
    of transitions the valid ones are kept, `[rows, ...]`. A controller counts a push as one.

    Source: Julia's `CircularArraySARTSTraces(capacity = 1)` with a `DummySampler`, as its tabular examples use them.
    """

    is_filled: Any = False

    capacity: ClassVar[int] = 1

    def push(
        self,
        state: Any,
        action: Any,
        reward: Any,
        next_state: Any,
        terminated: Any,
        truncated: Any,
        valid: Any = None,
        extras: Any = None,
        mask: Any = None,
        next_mask: Any = None,
    ) -> int:
        """Keeps a transition, or of a row of them those that are `valid` (a bool, or `[rows]` bool; default: all).

        Returns:
            1 if anything was kept, else 0: all that is kept makes one batch.

        Raises:
            EnvContractError: `valid` has another length than the row, or a reward is no finite number.
            ConfigError: Which rows are valid is only known in compiled code, where shapes are fixed.
        """
        if reward.__class__ is not float or reward - reward != 0.0:
            check_reward(reward, valid)
        self.state = state
        self.action = action
        self.reward = reward
        self.next_state = next_state
        self.terminated = terminated
        self.truncated = truncated
        self.mask = mask
        self.next_mask = next_mask
        self.extras = extras or None
        self.is_filled = True
        if valid is None or valid is True:
            return 1
        return self._keep(valid)

    def allocate(self, **example: Any) -> None:
        """Fixes all shapes and types from the arguments of a push, without storing them."""
        for name in NAMES:
            value = example.get(name)
            setattr(self, name, jax.tree.map(zero_of, value or None if name == "extras" else value))
        self.is_filled = False

    @property
    def n_stored(self) -> Any:
        """How many transitions were kept of the last push; a JAX number when traced."""
        rows = np.shape(self.reward)[0] if np.ndim(self.reward) else 1
        return rows * self.is_filled

    def window(self, indices: Any, n: int) -> tuple[Any, Any]:
        """The transitions at `indices` `[batch]` alone, `[batch, n]`: nothing is kept of what follows them."""
        indices = indices if isinstance(indices, jax.Array) else np.asarray(indices)
        places = namespace(indices).repeat(indices[:, None], check_whole("n", n), axis=1)
        return places, np.broadcast_to(np.arange(n) == 0, places.shape)

    def episodes(self) -> list[np.ndarray]:
        """The index of each transition, alone."""
        return list(np.arange(len(self))[:, None])

    def whole(self) -> Batch | None:
        """Itself; `None` if the last push kept nothing."""
        return self if self.is_filled is True or is_traced(self.is_filled) or self.is_filled else None

    def _keep(self, valid: Any) -> int:
        if is_traced(valid):
            raise ConfigError(
                "LatestTransition can't leave out rows in compiled code, where their number is fixed; use "
                "CircularTraces(capacity) with BatchSampler(batch_size), or environments that reset in the same step"
            )
        if np.shape(valid) != np.shape(self.reward):
            raise EnvContractError(
                f"valid has shape {np.shape(valid)}, expected {np.shape(self.reward)}: one flag per transition"
            )
        self.is_filled = bool(np.any(valid))
        if not np.all(valid) and np.ndim(valid):
            rows = np.flatnonzero(valid)
            for name in NAMES:
                setattr(self, name, jax.tree.map(lambda leaf: leaf[rows], getattr(self, name)))
        return int(self.is_filled)
