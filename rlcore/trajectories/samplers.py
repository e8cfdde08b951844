"""What a learner is shown of the stored transitions."""

from typing import Any, ClassVar

from rlcore.arguments import check_whole
from rlcore.errors import ConfigError
from rlcore.random import Random, random_or_seeded
from rlcore.struct import is_traced, static, struct
from rlcore.trajectories.base import Container, Sampler
from rlcore.trajectories.batch import Batch


@struct
class BatchSampler(Sampler):
    """Draws transitions as the container says: uniformly, each draw among all that are stored, or by priority.

    Attributes:
        batch_size: How many are drawn at once; nothing is drawn before so many were pushed.
        random: Its stream; a batch takes `batch_size` numbers, by priority a few times as many.

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
        """A batch `[batch_size, ...]`; on the host `None`, and nothing drawn, while fewer were pushed."""
        if not holds(container, self.batch_size):
            return None
        indices, key, weight = container.draw(self.random, self.batch_size)
        batch = container.take(indices)
        if key is not None:
            batch.key, batch.weight = key, weight
        return batch

    def is_ready(self, container: Any) -> Any:
        """Whether at least `batch_size` transitions were pushed."""
        return n_pushed(container) >= self.batch_size

    def check(self, container: Any) -> None:
        """Refuses a container that never holds a batch.

        Raises:
            ConfigError: Its capacity is below `batch_size`, or it gives no single transitions.
        """
        check_gives(container, "BatchSampler", "take")
        check_room(container, self.batch_size)


@struct
class WholeSampler(Sampler):
    """Gives everything that is stored, oldest first; draws no random numbers.

    Source: Julia `DummySampler`.
    """

    def sample(self, container: Any) -> Batch | None:
        """The whole content as one batch; `None` if nothing is stored."""
        return container.whole()


@struct
class EpisodesSampler(Sampler):
    """Gives whole episodes, each as a batch `[steps, ...]`, oldest first; on the host only.

    The first one of a lane may have lost its beginning to newer transitions, and the last one may still go on: neither
    its `terminated` nor its `truncated` ends in true.

    Attributes:
        batch_size: How many episodes are drawn, uniformly among all that are stored; `None`: each once, lane after
            lane.
        random: Its stream; a list of drawn episodes takes `batch_size` numbers.

    Raises:
        ConfigError: `batch_size` is not `None` or a whole number of at least 1, or `seed` not one of at least 0.

    Source: Julia `EpisodesSampler`.
    """

    batch_size: int | None = static(None)
    random: Random

    why_untraced: ClassVar[str] = (
        "EpisodesSampler gives episodes of many lengths, but a compiled program must know every length beforehand; "
        "sample with MultiStepSampler(batch_size, n), or run with engine='eager'"
    )

    def __init__(self, batch_size: int | None = None, seed: int | None = None) -> None:
        self.batch_size = None if batch_size is None else check_whole("batch_size", batch_size)
        self.random = random_or_seeded(seed, "EpisodesSampler")

    def sample(self, container: Any) -> list[Batch] | None:
        """A list of batches, one per episode; `None`, and nothing drawn, if nothing is stored.

        Raises:
            ConfigError: In compiled code, where the lengths of episodes are not known.
        """
        if is_traced(container.n_stored):
            raise ConfigError(self.why_untraced)
        episodes = container.episodes()
        if not episodes:
            return None
        if self.batch_size is not None:
            episodes = [episodes[i] for i in self.random.integers(len(episodes), self.batch_size).tolist()]
        return [container.take(indices) for indices in episodes]

    def check(self, container: Any) -> None:
        """Refuses a container that does not know its episodes.

        Raises:
            ConfigError: It has no `take` or no `episodes`.
        """
        check_gives(container, "EpisodesSampler", "take", "episodes")


def holds(container: Any, batch_size: int) -> bool:
    """Whether at least `batch_size` transitions were pushed; compiled code, which can't wait, takes it for granted.

    Raises:
        ConfigError: So many never fit.
    """
    n = n_pushed(container)
    if is_traced(n) or n >= batch_size:
        return True
    check_room(container, batch_size)
    return False


def n_pushed(container: Any) -> Any:
    """`Container.n_pushed`; of a container of another class what it holds."""
    return container.n_pushed if isinstance(container, Container) else container.n_stored


def check_room(container: Any, batch_size: int) -> None:
    """Refuses a batch that never fits; of several environments each lane has the same room.

    Raises:
        ConfigError: With both numbers.
    """
    capacity = getattr(container, "n_slots", getattr(container, "capacity", batch_size))
    if capacity < batch_size:
        raise ConfigError(
            f"batch_size is {batch_size}, but only {capacity} transitions can be stored, so no batch could "
            f"ever be drawn; raise the capacity to at least {batch_size}, or lower batch_size"
        )


def check_gives(container: Any, sampler: str, *methods: str) -> None:
    """Refuses a container that has not written what a sampler asks.

    Raises:
        ConfigError: Which method, and what to do.
    """
    for method in methods:
        if isinstance(container, Container) and getattr(type(container), method) is getattr(Container, method):
            raise ConfigError(
                f"{sampler} can't draw from {type(container).__name__}, which has no {method}(); use "
                "WholeSampler(), or keep the transitions in CircularTraces(capacity)"
            )
