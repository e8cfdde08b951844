"""One explorer for several rows, one after the other."""

import itertools
from typing import Any

import numpy as np

from rlcore.arguments import named
from rlcore.errors import ConfigError
from rlcore.explorers.choice import answer, answer_prob, checked
from rlcore.interfaces import Array, Explorer
from rlcore.struct import namespace, struct


@struct
class BatchExplorer(Explorer):
    """Asks `explorer` for one row after the other, so that each choice moves its counters before the next.

    Every explorer takes leading axes by itself, faster; this one is for an explorer that takes single rows only, or
    whose choices in a row depend on those before. In a trace the rows are unrolled.

    Attributes:
        explorer: The explorer of each row.

    Source: Julia `BatchExplorer`.
    """

    explorer: Explorer

    def __init__(self, explorer: Explorer) -> None:
        """Puts rows before `explorer`.

        Raises:
            ConfigError: It is no explorer.
        """
        if not isinstance(explorer, Explorer):
            raise ConfigError(f"explorer is {named(explorer)}, expected an Explorer; pass one such as GreedyExplorer()")
        self.explorer = explorer

    def plan(self, values: Array, mask: Array | None = None) -> Any:
        """The action of each row: as many numbers drawn as `explorer` draws for them one by one."""
        numbers, legal = checked(values, mask)
        if numbers.ndim == 1:
            return answer(self.explorer.plan(numbers, legal), values)
        xp, shape = namespace(numbers), numbers.shape[:-1]
        actions = [self.explorer.plan(numbers[row], None if legal is None else legal[row]) for row in _rows(shape)]
        return answer(xp.asarray(actions, np.int32 if xp is not np else np.int64).reshape(shape), values)

    def prob(self, values: Array, mask: Array | None = None) -> Array:
        """The probability of each action, as if each row were the next."""
        numbers, legal = checked(values, mask)
        xp, shape = namespace(numbers), numbers.shape
        rows = [self.explorer.prob(numbers[row], None if legal is None else legal[row]) for row in _rows(shape[:-1])]
        return answer_prob(xp.asarray(rows, np.float32).reshape(shape), values)

    def check(self, n_actions: int) -> None:
        self.explorer.check(n_actions)


def _rows(shape: tuple[int, ...]) -> Any:
    return itertools.product(*(range(size) for size in shape))
