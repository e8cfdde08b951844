"""The three parts of a trajectory: what keeps transitions, what picks them, what says when."""

from typing import Any

import numpy as np

from rlcore.random import Random
from rlcore.stages import not_written
from rlcore.trajectories.batch import Batch


class Container:
    """Keeps transitions.

    A class of your own is a `@struct` and writes `push`, `n_stored`, and of `whole`, `take`, `window` and `episodes`
    what its sampler asks; `draw` and `cut` where its rule is another one. It may have, and is then asked for,
    `capacity` and `n_slots` (how many transitions fit), `lanes` (how many rows push side by side, `None` for one),
    `update_priorities(key, priority)` and `settle()` (see `Trajectory`), and `why_untraced`: the reason why a compiled
    program can't hold it.
    """

    __slots__ = ()

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
    ) -> Any:
        """Keeps one transition, or a row of them (`reward` has one axis); returns how many a controller counts."""
        raise not_written(self, "push")

    @property
    def n_stored(self) -> Any:
        """How many transitions are stored; a JAX number when traced."""
        raise not_written(self, "n_stored")

    @property
    def n_pushed(self) -> Any:
        """How many of the last transitions were pushed, at most as many as fit; samplers wait for these.

        As many as are stored, unless a container holds fewer than it was built for.
        """
        return self.n_stored

    def take(self, indices: Any) -> Batch:
        """The transitions at `indices` `[...]`, each from 0 to `n_stored - 1`; a batch `[..., ...]`."""
        raise not_written(self, "take")

    def window(self, indices: Any, n: int) -> tuple[Any, Any]:
        """The `n` consecutive transitions of one lane and one episode from each of `indices` `[batch]` on.

        Returns:
            Their indices `[batch, n]`, to give to `take`; and `[batch, n]` bool, false after the window met the end of
            its episode or the newest transition, where the last one that is in it is repeated.
        """
        raise not_written(self, "window")

    def episodes(self) -> list[np.ndarray]:
        """The indices of each episode's transitions, lane after lane, each oldest first (on the host).

        Of the oldest episode of a lane only the end may be left, of the newest one more may follow.
        """
        raise not_written(self, "episodes")

    def draw(self, random: Random, n: int) -> tuple[Any, Any, Any]:
        """Draws `n` transitions, uniformly unless the class has its own rule; takes `n` numbers from `random`.

        Returns:
            Their indices `[n]`; their keys for `update_priorities` and importance weights `[n]`, `None` if uniform.
        """
        return random.integers(self.n_stored, n), None, None

    def cut(self) -> None:
        """Told that what is pushed next does not follow what was pushed last."""

    def whole(self) -> Batch | None:
        """All that is stored, oldest first; `None` if nothing is."""
        raise not_written(self, "whole")

    def allocate(self, **example: Any) -> None:
        """Fixes all shapes from the arguments of a push, without storing them; may be called before a trace."""

    def __len__(self) -> int:
        """How many transitions are stored, on the host."""
        return int(self.n_stored)


class Sampler:
    """Picks what a learner is shown. A class of your own is a `@struct` and writes `sample`.

    It may have `batch_size`, the transitions it waits for, which a compiled program must know; and `why_untraced`.
    """

    __slots__ = ()

    def sample(self, container: Any) -> Any:
        """A batch out of `container`; on the host `None`, and nothing drawn, if it holds too little."""
        raise not_written(self, "sample")

    def is_ready(self, container: Any) -> Any:
        """Whether `container` holds enough."""
        return container.n_stored > 0

    def check(self, container: Any) -> None:
        """Raises `ConfigError` if `container` can never hold enough; called when a trajectory is built."""


class Controller:
    """Says when to learn. A class of your own is a `@struct` and writes all three methods.

    It may have `on_end(n)`, told on the host that `n` episodes ended with stored transitions; and `why_untraced`.
    """

    __slots__ = ()

    def on_insert(self, n: Any) -> None:
        """Told that `n` transitions were stored."""
        raise not_written(self, "on_insert")

    def is_due(self) -> Any:
        """Whether another batch may be sampled now."""
        raise not_written(self, "is_due")

    def on_sample(self) -> None:
        """Told that a batch was sampled."""
        raise not_written(self, "on_sample")
