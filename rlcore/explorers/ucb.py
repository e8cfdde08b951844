"""Upper confidence bounds: the best action, if each were as good as it may well be."""

import math
from typing import Any

import numpy as np

from rlcore.arguments import check_number, check_whole
from rlcore.errors import ConfigError
from rlcore.explorers.choice import answer, answer_prob, candidates, checked, evenly, nth_of
from rlcore.explorers.counter import LARGEST, Counter
from rlcore.explorers.row import legal_part, limits
from rlcore.interfaces import Array, Explorer
from rlcore.random import Random, random_or_seeded
from rlcore.struct import namespace, static, struct


@struct
class UCBExplorer(Explorer):
    """Takes the action with the largest value + c sqrt(log(step + 1) / (count + epsilon)).

    Ties are broken evenly; every row takes one number of the stream. A NaN is never the best; where all legal values
    are NaN the choice is random. Several rows are several choices made from the same counts: all of them are counted
    after the call, and the step advances by their number. `prob` counts nothing.

    Attributes:
        counts: `[actions]` int32, how often each action was chosen; it stops at 2^31 - 1.
        counter: The step.
        random: The stream.
        c: How much an action that was seldom chosen is favoured.
        epsilon: What keeps the bound of an action that was never chosen finite.

    Source: Auer et al. 2002, UCB1; Julia `UCBExplorer`.
    """

    counts: Array
    counter: Counter
    random: Random
    c: float = static()
    epsilon: float = static()

    def __init__(self, n_actions: int, c: float = 2.0, epsilon: float = 1e-10, seed: int | None = None) -> None:
        """Builds the explorer for `n_actions` actions, none of them chosen yet.

        Raises:
            ConfigError: No action, `c` negative, or `epsilon` below 1e-30.
        """
        self.counts = np.zeros(check_whole("n_actions", n_actions, 1), np.int32)
        self.counter, self.random = Counter(1), random_or_seeded(seed, "UCBExplorer")
        self.c = check_number("c", c, 0.0, 1e30)
        self.epsilon = check_number("epsilon", epsilon, 1e-30, 1e30)

    @property
    def n_actions(self) -> int:
        """How many actions it was made for."""
        return len(self.counts)

    @property
    def step(self) -> int:
        """The number of the next choice, from 1 (on the host)."""
        return self.counter.current()

    def plan(self, values: Array, mask: Array | None = None) -> Any:
        best_of_row = self._best_of_row(values, mask)
        if best_of_row is not None:
            return self._take_one(best_of_row)
        best = self._best(values, mask)
        shape = best.shape[:-1]
        n = self.random.integers(best.sum(-1), shape if shape else None)
        action = nth_of(best, namespace(best).asarray(n))
        self._count(action, math.prod(shape))
        return answer(action, values)

    def prob(self, values: Array, mask: Array | None = None) -> Array:
        return answer_prob(evenly(self._best(values, mask)), values)

    def check(self, n_actions: int) -> None:
        if n_actions != len(self.counts):
            raise ConfigError(
                f"UCBExplorer was built for {len(self.counts)} actions, but there are {n_actions}; "
                f"build UCBExplorer({n_actions})"
            )

    def _best(self, values: Any, mask: Any) -> Any:
        """The actions with the largest bound: bool `[..., actions]`."""
        numbers, legal = checked(values, mask, self.counter.current())
        self.check(numbers.shape[-1])
        return candidates(self._bound(numbers, namespace(numbers).asarray(self.counts)), legal)

    def _bound(self, numbers: Any, counts: Any) -> Any:
        xp = namespace(numbers)
        log_step = xp.log(xp.float32(self.counter.as_float() + 1))
        return numbers + self.c * xp.sqrt(log_step / (counts.astype(np.float32) + self.epsilon))

    def _best_of_row(self, values: Any, mask: Any) -> list[int] | None:
        """The indices of the same in a NumPy row; `None` where it takes a closer look."""
        part, indices = legal_part(values, mask)
        is_on_host = type(self.counter.current()) is int and type(self.counts) is np.ndarray
        if part is None or not is_on_host or len(values) != len(self.counts):
            return None
        row = self._bound(part, self.counts if indices is None else self.counts[indices]).tolist()
        _, top = limits(row)
        if top != top:
            return None
        best = [row.index(top)] if row.count(top) == 1 else [at for at, bound in enumerate(row) if bound == top]
        return best if indices is None else indices[best].tolist()

    def _take_one(self, among: list[int]) -> int:
        action = among[self.random.integers(len(among))]
        counts = self.counts.copy()
        counts[action] = min(counts.item(action) + 1, LARGEST)
        self.counts = counts
        self.counter.advance(1)
        return action

    def _count(self, action: Any, rows: int) -> None:
        xp = namespace(action)
        chosen = (action[..., None] == xp.arange(len(self.counts))).reshape(-1, len(self.counts)).sum(0)
        counts = xp.asarray(self.counts)
        self.counts = counts + xp.minimum(chosen, LARGEST - counts).astype(np.int32)
        self.counter.advance(rows)
