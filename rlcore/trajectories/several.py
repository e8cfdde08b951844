"""Samplers made of others: several batches at once."""

from typing import Any

from rlcore.arguments import check_whole, named
from rlcore.errors import ConfigError
from rlcore.struct import is_traced, static, struct
from rlcore.trajectories.base import Sampler


@struct
class MetaSampler(Sampler):
    """Draws one batch from each of its samplers: `MetaSampler(actor=BatchSampler(32), critic=NStepBatchSampler(...))`.

    The learner is shown a dict, `batch["actor"]` and `batch["critic"]`, and the controller counts it as one batch.

    Attributes:
        samplers: The samplers by name.

    Raises:
        ConfigError: There are none, or one of them is no sampler.

    Source: Julia `MetaSampler`.
    """

    samplers: dict[str, Any]

    def __init__(self, **samplers: Any) -> None:
        if not samplers:
            raise ConfigError(
                "MetaSampler got no samplers, expected some by name: MetaSampler(policy=BatchSampler(32))"
            )
        for name, sampler in samplers.items():
            _check_sampler(name, sampler)
        self.samplers = samplers

    @property
    def batch_size(self) -> int:
        """How many transitions must be stored before all can draw."""
        return max(getattr(sampler, "batch_size", None) or 1 for sampler in self.samplers.values())

    def sample(self, container: Any) -> dict[str, Any] | None:
        """A dict of batches; `None`, and nothing drawn, while one of the samplers has to wait."""
        if not is_traced(container.n_stored):
            for sampler in self.samplers.values():
                if not sampler.is_ready(container):
                    return sampler.sample(container)  # None, or the reason why it never will be ready
        return {name: sampler.sample(container) for name, sampler in self.samplers.items()}

    def is_ready(self, container: Any) -> Any:
        """Whether all samplers are."""
        ready = True
        for sampler in self.samplers.values():
            ready = ready & sampler.is_ready(container)
        return ready

    def check(self, container: Any) -> None:
        """Refuses a container that one of the samplers refuses.

        Raises:
            ConfigError: Which says why.
        """
        for sampler in self.samplers.values():
            sampler.check(container)

    def __repr__(self) -> str:
        return f"MetaSampler({', '.join(f'{name}={sampler!r}' for name, sampler in self.samplers.items())})"


@struct
class MultiBatchSampler(Sampler):
    """Draws `n` batches from one sampler: the learner is shown a list, and the controller counts it as one batch.

    Attributes:
        sampler: What draws each batch.
        n: How many batches.

    Raises:
        ConfigError: `sampler` is none, or `n` is not a whole number of at least 1.

    Source: Julia `MultiBatchSampler`.
    """

    sampler: Any
    n: int = static()

    def __init__(self, sampler: Any, n: int) -> None:
        _check_sampler("sampler", sampler)
        self.sampler, self.n = sampler, check_whole("n", n)

    @property
    def batch_size(self) -> int:
        """How many transitions must be stored before it can draw."""
        return getattr(self.sampler, "batch_size", None) or 1

    def sample(self, container: Any) -> list[Any] | None:
        """A list of `n` batches; `None`, and nothing drawn, while the sampler has to wait."""
        first = self.sampler.sample(container)
        if first is None:
            return None
        return [first, *(self.sampler.sample(container) for _ in range(self.n - 1))]

    def is_ready(self, container: Any) -> Any:
        """Whether the sampler is."""
        return self.sampler.is_ready(container)

    def check(self, container: Any) -> None:
        """Refuses a container that the sampler refuses.

        Raises:
            ConfigError: Which says why.
        """
        self.sampler.check(container)


def _check_sampler(name: str, sampler: Any) -> None:
    if isinstance(sampler, type) or not all(callable(getattr(sampler, method, None)) for method in _METHODS):
        raise ConfigError(f"{name} is {named(sampler)}, expected a sampler such as BatchSampler(32)")


_METHODS = ("sample", "is_ready", "check")
