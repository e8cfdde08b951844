"""What a learner is shown of the stored transitions."""

from typing import Any

from rlcore.arguments import check_whole
from rlcore.errors import ConfigError
from rlcore.random import Random, random_or_seeded
from rlcore.struct import is_traced, static, struct
from rlcore.trajectories.base import Container, Sampler
from rlcore.trajectories.batch import Batch


@struct
class BatchSampler(Sampler):
    """Draws transitions uniformly, each draw among all that are stored.

    Attributes:
        batch_size: How many are drawn at once; nothing is drawn while fewer are stored.
        random: Its stream; a batch takes `batch_size` numbers.

    Raises:
        ConfigError: `batch_size` is not a whole number of at least 1, or `seed` not one of at least 0.

    Source: Julia `BatchSampler`.
    """

    batch_size: int = static()
    random: Random

    def __init__(self, batch_size: int, seed: int | None = None) -> None:
        self.batch_size = check_whole("batch_size", batch_size)
        self.random = random_or_seeded(seed, "BatchSampler")

    def sample(self, container: Any) -> Batch | None:
        """A batch `[batch_size, ...]`; on the host `None`, and nothing drawn, while fewer transitions are stored."""
        n_stored = container.n_stored
        if not is_traced(n_stored) and n_stored < self.batch_size:
            self._check_room(getattr(container, "n_slots", container.capacity))
            return None
        return container.take(self.random.integers(n_stored, self.batch_size))

    def is_ready(self, container: Any) -> Any:
        """Whether at least `batch_size` transitions are stored."""
        return container.n_stored >= self.batch_size

    def check(self, container: Any) -> None:
        """Refuses a container that never holds a batch.

        Raises:
            ConfigError: Its capacity is below `batch_size`, or it gives no single transitions.
        """
        if isinstance(container, Container) and type(container).take is Container.take:
            raise ConfigError(
                f"BatchSampler can't draw from {type(container).__name__}, which has no take(indices); use "
                "WholeSampler(), or keep the transitions in CircularTraces(capacity)"
            )
        self._check_room(getattr(container, "capacity", self.batch_size))

    def _check_room(self, capacity: int) -> None:
        if capacity < self.batch_size:
            raise ConfigError(
                f"batch_size is {self.batch_size}, but only {capacity} transitions can be stored, so no batch could "
                f"ever be drawn; raise the capacity to at least {self.batch_size}, or lower batch_size"
            )


@struct
class WholeSampler(Sampler):
    """Gives everything that is stored, oldest first; draws no random numbers.

    Source: Julia `DummySampler`.
    """

    def sample(self, container: Any) -> Batch | None:
        """The whole content as one batch; `None` if nothing is stored."""
        return container.whole()
