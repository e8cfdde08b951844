"""What an agent remembers, and when it learns from it."""

from collections.abc import Iterator
from typing import Any

import numpy as np

from rlcore.arguments import named
from rlcore.errors import ConfigError
from rlcore.struct import struct
from rlcore.trajectories.batch import Batch
from rlcore.trajectories.controllers import InsertSampleRatioController
from rlcore.trajectories.latest import LatestTransition
from rlcore.trajectories.samplers import WholeSampler

_NOTHING: Iterator[Batch] = iter(())  # stays exhausted, so one serves all


@struct
class Trajectory:
    """A container of transitions, a sampler of batches, and a controller that says when one is due.

    `for batch in trajectory` gives batches as long as the controller allows and the container holds enough for one.

    Attributes:
        container: Such as `CircularTraces(capacity)` or `LatestTransition()`.
        sampler: Such as `BatchSampler(batch_size)` or `WholeSampler()`.
        controller: Such as `InsertSampleRatioController(ratio, threshold)`.

    Raises:
        ConfigError: The container can never hold what the sampler needs.

    Source: Julia `Trajectory` of ReinforcementLearningTrajectories.
    """

    container: Any
    sampler: Any
    controller: Any

    def __init__(self, container: Any, sampler: Any, controller: Any) -> None:
        for name, part, methods in (
            ("container", container, ("push", "allocate")),
            ("sampler", sampler, ("sample", "check")),
            ("controller", controller, ("on_insert", "is_due", "on_sample")),
        ):
            missing = [method for method in methods if not callable(getattr(part, method, None))]
            if missing or isinstance(part, type):
                raise ConfigError(
                    f"{name} is {named(part)}, expected an object with the methods of {name.capitalize()}"
                    f"{' (missing: ' + ', '.join(missing) + ')' if missing else ', not a class'}; the order is "
                    "Trajectory(container, sampler, controller)"
                )
        sampler.check(container)
        self.container, self.sampler, self.controller = container, sampler, controller

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
    ) -> None:
        """Keeps a transition, or of a row of them (`reward` `[rows]`) those that are `valid` (`[rows]` bool).

        Args:
            state: Where the action was chosen.
            action: The action.
            reward: What it brought.
            next_state: Where it led, also at the end of an episode.
            terminated: Whether the episode ended for good.
            truncated: Whether it was cut.
            valid: `False` where this was no transition; default: all are.
            extras: What the policy knew, a dict of arrays.
            mask: The legal actions at `state`.
            next_mask: The legal actions at `next_state`.

        Raises:
            EnvContractError: The container keeps other fields, shapes or types.
        """
        self.controller.on_insert(
            self.container.push(
                state, action, reward, next_state, terminated, truncated, valid, extras, mask, next_mask
            )
        )
        if terminated is not False or truncated is not False:
            self.count_ends(terminated, truncated, valid)

    def count_ends(self, terminated: Any, truncated: Any, valid: Any = None) -> None:
        """Tells a controller that counts episodes how many ended with transitions; see `push`."""
        on_end = getattr(self.controller, "on_end", None)
        if on_end is not None:
            on_end(_n_ended(terminated, truncated, valid))

    def allocate(self, **example: Any) -> None:
        """Fixes all shapes from the arguments of a push, without storing them; may be called before a trace.

        Raises:
            ConfigError: The columns don't fit into memory, or leave no room for a batch of the sampler.
        """
        self.container.allocate(**example)
        self.sampler.check(self.container)  # again: now the container knows how many environments share its room

    def cut(self) -> None:
        """Says that what is pushed next does not follow what was pushed last; an agent does before every run.

        The newest transition of each environment counts as truncated if nothing ended it.
        """
        cut = getattr(self.container, "cut", None)
        if cut is not None:
            cut()

    def settle(self) -> None:
        """Waits for priorities that a device still computes; an agent does after every run."""
        settle = getattr(self.container, "settle", None)
        if settle is not None:
            settle()

    def update_priorities(self, key: Any, priority: Any) -> None:
        """Tells the container the priorities `[n]` of the transitions with `key` `[n]`, as a batch gave it.

        Raises:
            ConfigError: The shapes differ, priorities are negative or not finite, or the container keeps none; see
                `PrioritizedTraces`.
        """
        update = getattr(self.container, "update_priorities", None)
        if update is None:
            raise ConfigError(
                f"{type(self.container).__name__} has no priorities that could be updated; keep the transitions in "
                "PrioritizedTraces(capacity)"
            )
        update(key, priority)

    def sample(self) -> Any:
        """What the sampler gives, mostly a `Batch`, whatever the controller says; it is not counted.

        Raises:
            ConfigError: Too little is stored (on the host; compiled code can't raise).
        """
        batch = self.sampler.sample(self.container)
        if batch is None:
            raise ConfigError(
                f"{len(self)} transitions are stored, too few for a batch of {self.sampler!r}; push more before "
                "sampling, or iterate over the trajectory, which waits until there are enough"
            )
        return batch

    def __iter__(self) -> Iterator[Batch]:
        controller, container = self.controller, self.container
        if (
            container.__class__ is LatestTransition
            and container.is_filled is True
            and controller.__class__ is InsertSampleRatioController
            and controller.ratio == 1.0
            and 0 <= controller.sampled == controller.inserted - controller.threshold
            and self.sampler.__class__ is WholeSampler
        ):  # one batch and no more is due, as with tables mostly
            controller.sampled += 1
            return iter((container,))
        if not controller.is_due():
            return _NOTHING
        batch = self.sampler.sample(self.container)
        if batch is None:
            return _NOTHING
        controller.on_sample()
        return self._from(batch) if controller.is_due() else iter((batch,))  # mostly one: quicker than a generator

    def _from(self, batch: Batch | None) -> Iterator[Batch]:
        while batch is not None:
            yield batch
            batch = self.sampler.sample(self.container) if self.controller.is_due() else None
            if batch is not None:
                self.controller.on_sample()

    def __len__(self) -> int:
        """How many transitions are stored."""
        return len(self.container)


def _n_ended(terminated: Any, truncated: Any, valid: Any) -> int:
    """How many episodes ended with the transitions that were valid, on the host."""
    ended = np.logical_or(terminated, truncated)
    return int(np.count_nonzero(ended if valid is None else np.logical_and(ended, valid)))
