"""When to learn."""

import math
from fractions import Fraction
from typing import Any, ClassVar

import numpy as np

from rlcore.arguments import check_whole
from rlcore.errors import ConfigError
from rlcore.struct import static, struct
from rlcore.trajectories.base import Controller


@struct
class InsertSampleRatioController(Controller):
    """Lets `ratio` batches be sampled for every transition that is stored, once `threshold` are.

    A batch is due as long as inserted >= threshold and sampled <= (inserted - threshold) * ratio, so the first one is
    due at the threshold itself. The ratio is kept as a fraction of whole numbers: 1 / 10 is exact for ever.

    Attributes:
        ratio: Batches per transition, at least 0; 0 allows one batch in all.
        threshold: Transitions before the first batch, at least 1.
        inserted: How many transitions were stored; a Python int on the host, which never overflows.
        sampled: How many batches were sampled.

    Raises:
        ConfigError: `ratio` is not finite or below 0, or `threshold` is no whole number of at least 1.

    Source: Julia `InsertSampleRatioController`.
    """

    ratio: float | Fraction = static()
    threshold: int = static()
    _batches: int = static()  # `_batches` per `_transitions` are the ratio
    _transitions: int = static()
    inserted: Any = 0
    sampled: Any = 0

    def __init__(self, ratio: float | Fraction = 1.0, threshold: int = 1) -> None:
        is_number = isinstance(ratio, int | float | Fraction) and not isinstance(ratio, bool)
        if not is_number or not math.isfinite(ratio) or ratio < 0:
            raise ConfigError(f"ratio is {ratio!r}, expected a finite number of batches, at least 0")
        self.ratio = ratio
        self.threshold = check_whole("threshold", threshold)
        self._batches, self._transitions = _fraction(ratio).as_integer_ratio()

    def on_insert(self, n: Any) -> None:
        """Counts `n` stored transitions."""
        self.inserted += n

    def is_due(self) -> Any:
        """Whether another batch may be sampled now."""
        since = self.inserted - self.threshold
        return (since >= 0) & (self.sampled * self._transitions <= since * self._batches)

    def on_sample(self) -> None:
        """Counts a sampled batch."""
        self.sampled += 1

    def allowed(self, inserted: Any) -> Any:
        """How many batches in all may have been sampled once `inserted` transitions were stored (NumPy, int64)."""
        since = inserted - self.threshold
        return np.where(since >= 0, since * self._batches // self._transitions + 1, 0)


@struct
class EpisodeSampleRatioController(Controller):
    """Lets `ratio` batches be sampled for every episode that ended, once `threshold` did.

    An episode ends where a transition that is stored is terminated or truncated; every row of several environments has
    its own. One that the run's end cuts short does not count. On the host only.

    Attributes:
        ratio: Batches per episode, at least 0; 0 allows one batch in all.
        threshold: Episodes before the first batch, at least 1.
        ended: How many episodes ended.
        sampled: How many batches were sampled.

    Raises:
        ConfigError: `ratio` is not finite or below 0, or `threshold` is no whole number of at least 1.

    Source: Julia `EpisodeSampleRatioController`.
    """

    _counts: InsertSampleRatioController  # of episodes

    why_untraced: ClassVar[str] = (
        "EpisodeSampleRatioController counts episodes, but a compiled program must know beforehand after which steps "
        "it learns; count transitions with InsertSampleRatioController(ratio, threshold), or run with engine='eager'"
    )

    def __init__(self, ratio: float | Fraction = 1.0, threshold: int = 1) -> None:
        self._counts = InsertSampleRatioController(ratio, threshold)

    @property
    def ratio(self) -> float | Fraction:
        """Batches per episode."""
        return self._counts.ratio

    @property
    def threshold(self) -> int:
        """Episodes before the first batch."""
        return self._counts.threshold

    @property
    def ended(self) -> Any:
        """How many episodes ended."""
        return self._counts.inserted

    @property
    def sampled(self) -> Any:
        """How many batches were sampled."""
        return self._counts.sampled

    def on_insert(self, n: Any) -> None:
        """Nothing: transitions don't count."""

    def on_end(self, n: Any) -> None:
        """Counts `n` episodes that ended with stored transitions; called by the trajectory's `push`."""
        self._counts.on_insert(n)

    def is_due(self) -> Any:
        """Whether another batch may be sampled now."""
        return self._counts.is_due()

    def on_sample(self) -> None:
        """Counts a sampled batch."""
        self._counts.on_sample()


def _fraction(ratio: float | Fraction) -> Fraction:
    """The simple fraction that a float such as 0.3 or 1 / 3 stands for, else the float itself."""
    simple = Fraction(ratio).limit_denominator(1_000_000)
    return simple if float(simple) == float(ratio) else Fraction(ratio)
