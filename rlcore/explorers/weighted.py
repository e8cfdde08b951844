"""An action by its weight."""

import math
from typing import Any

import numpy as np

from rlcore.arguments import check_flag
from rlcore.explorers.choice import answer, answer_prob, by_weight, checked, refuse_rows
from rlcore.explorers.row import draw_by_weight, legal_part, limits
from rlcore.interfaces import Array, Explorer
from rlcore.random import Random, random_or_seeded
from rlcore.struct import is_traced, namespace, static, struct

_TOLERANCE = 1e-6  # how far from 1 rounding may carry the sum of probabilities
_SMALL, _LARGE = 1e-30, 1e30  # between them a power of two that brings a weight near 1 is a number of its type
_ROUNDING = 2.0**-23  # what each term of a sum of float32 may add to that


@struct
class WeightedExplorer(Explorer):
    """Takes each legal action with a probability in proportion to its value, a weight of at least 0.

    Every row takes one number of the stream: the action at which the running sum of the legal weights passes that
    share of their total. Weights of illegal actions are ignored (only `is_normalized` asks for their sum).

    Weights that are NaN, infinite, negative, or all 0 are refused, and in a trace `plan` is -1 and `prob` NaN.

    Attributes:
        random: The stream.
        is_normalized: Whether the weights of all actions, legal or not, must sum to 1, within 1e-6.

    Source: Julia `WeightedExplorer`.
    """

    random: Random
    is_normalized: bool = static()

    def __init__(self, is_normalized: bool = False, seed: int | None = None) -> None:
        """Builds the explorer; `seed` is that of the stream, `None`: the experiment names it.

        Raises:
            ConfigError: `is_normalized` is no bool.
        """
        self.is_normalized = check_flag("is_normalized", is_normalized)
        self.random = random_or_seeded(seed, "WeightedExplorer")

    def plan(self, values: Array, mask: Array | None = None) -> Any:
        weights, indices = self._weights_of_row(values, mask)
        if weights is not None:
            return answer(draw_by_weight(self.random, weights, indices), values)
        weights = self._weights(values, mask)
        shape = weights.shape[:-1]
        return answer(by_weight(self.random.uniform(shape if shape else None), weights), values)

    def prob(self, values: Array, mask: Array | None = None) -> Array:
        weights = self._weights(values, mask)
        return answer_prob(weights / weights.sum(-1, keepdims=True), values)

    def _weights(self, values: Any, mask: Any) -> Any:
        """`[..., actions]` float32, the largest of a row in [0.5, 1), illegal ones 0; all 0 where a trace met wrong."""
        numbers, legal = checked(values, mask)
        xp = namespace(numbers)
        weights = numbers if legal is None else xp.where(legal, numbers, 0)
        top = weights.max(-1, keepdims=True)
        is_right = (weights >= 0).all(-1, keepdims=True) & (top > 0) & (top < np.inf)
        if not is_traced(numbers):
            do = (
                "expected finite weights of at least 0, one above 0; pass such weights, or logits to a softmax explorer"
            )
            refuse_rows(~is_right[..., 0], numbers, "the weights of the legal actions are wrong", do)
        if self.is_normalized:
            is_right = is_right & self._sum_to_one(numbers)
        _, exponent = xp.frexp(xp.where(is_right, top, 1))  # a power of two: XLA rounds a quotient otherwise than NumPy
        return xp.where(is_right, xp.ldexp(weights, -exponent), 0).astype(np.float32)

    def _weights_of_row(self, values: Any, mask: Any) -> tuple[Any, Any]:
        """The same of the legal ones alone, and their indices; (`None`, `None`) where it takes a closer look."""
        weights, indices = legal_part(values, mask)
        if weights is None or (self.is_normalized and not abs(sum(values.tolist()) - 1) < _TOLERANCE / 2):
            return None, None
        least, top = limits(weights.tolist())
        if not (least >= 0 and _SMALL < top < _LARGE):
            return None, None
        return weights * 2.0 ** -math.frexp(top)[1], indices

    def _sum_to_one(self, numbers: Any) -> Any:
        xp = namespace(numbers)
        if is_traced(numbers):
            tolerance = _TOLERANCE + _ROUNDING * numbers.shape[-1]
            return abs(numbers.sum(-1, keepdims=True) - 1) <= tolerance
        total = numbers.sum(-1, keepdims=True, dtype=np.float64)
        is_one = abs(total - 1) <= _TOLERANCE
        do = "pass the probabilities of all actions, legal or not, or is_normalized=False"
        refuse_rows(~is_one[..., 0], numbers, "the weights don't sum to 1 within 1e-6, as is_normalized says", do)
        return xp.asarray(is_one)
