"""An action by the exponential of its value, in two ways that differ in how they draw."""

from typing import Any

import numpy as np

from rlcore.arguments import check_number
from rlcore.explorers.choice import answer, answer_prob, by_weight, candidates, checked, first_of, refuse_rows
from rlcore.explorers.row import draw_by_weight, legal_part, limits
from rlcore.interfaces import Array, Explorer
from rlcore.random import Random, random_or_seeded
from rlcore.struct import is_traced, namespace, static, struct

_FAR = 1e37  # so far below the largest a value may be without its logit leaving the range of float32


@struct
class WeightedSoftmaxExplorer(Explorer):
    """Takes each legal action with probability exp(value / temperature), normalised over the legal actions.

    Every row takes one number of the stream. Values of -infinity have probability 0, unless all legal ones are:
    then these are equally likely, as are several of +infinity. Illegal values are ignored. A NaN among the legal ones
    is refused, and in a trace `plan` is -1 and `prob` NaN.

    Attributes:
        random: The stream.
        temperature: Small: nearly greedy; large: nearly even.

    Source: Julia `WeightedSoftmaxExplorer`.
    """

    random: Random
    temperature: float = static()

    def __init__(self, temperature: float = 1.0, seed: int | None = None) -> None:
        """Builds the explorer; `seed` is that of the stream, `None`: the experiment names it.

        Raises:
            ConfigError: `temperature` is not between 1e-30 and 1e30.
        """
        self.temperature = check_number("temperature", temperature, 1e-30, 1e30)
        self.random = random_or_seeded(seed, "WeightedSoftmaxExplorer")

    def plan(self, values: Array, mask: Array | None = None) -> Any:
        logits, indices = _shifted_row(values, mask, self.temperature)
        if logits is not None:
            return answer(draw_by_weight(self.random, np.exp(logits), indices), values)
        weights = self._weights(values, mask)
        shape = weights.shape[:-1]
        return answer(by_weight(self.random.uniform(shape if shape else None), weights), values)

    def prob(self, values: Array, mask: Array | None = None) -> Array:
        weights = self._weights(values, mask)
        return answer_prob(weights / weights.sum(-1, keepdims=True), values)

    def _weights(self, values: Any, mask: Any) -> Any:
        logits, legal = _shifted(values, mask, self.temperature)
        xp = namespace(logits)
        weights = xp.exp(logits)
        weights = xp.where(xp.isnan(weights).any(-1, keepdims=True), 0, weights)
        return weights if legal is None else xp.where(legal, weights, 0)


@struct
class GumbelSoftmaxExplorer(Explorer):
    """Takes the legal action with the largest value + Gumbel noise: each with the probability exp(value), normalised.

    Every action takes one number of the stream, legal or not. Infinite values, illegal ones and NaNs as in
    `WeightedSoftmaxExplorer`.

    Attributes:
        random: The stream.

    Source: Maddison et al. 2014 (arXiv 1411.0030), eq. 3; Julia `GumbelSoftmaxExplorer`.
    """

    random: Random

    def __init__(self, seed: int | None = None) -> None:
        """Builds the explorer; `seed` is that of the stream, `None`: the experiment names it."""
        self.random = random_or_seeded(seed, "GumbelSoftmaxExplorer")

    def plan(self, values: Array, mask: Array | None = None) -> Any:
        logits, indices = _shifted_row(values, mask)
        if logits is not None:
            noise = self.random.gumbel(len(values))
            best = (logits + (noise if indices is None else noise[indices])).argmax()
            return answer(best if indices is None else namespace(best).asarray(indices)[best], values)
        logits, legal = _shifted(values, mask)
        best = candidates(logits + self.random.gumbel(logits.shape), legal)
        return answer(namespace(logits).where(_has_nan(logits), -1, first_of(best)), values)

    def prob(self, values: Array, mask: Array | None = None) -> Array:
        logits, legal = _shifted(values, mask)
        xp = namespace(logits)
        weights = xp.exp(logits) if legal is None else xp.where(legal, xp.exp(logits), 0)
        weights = xp.where(_has_nan(logits)[..., None], np.nan, weights)
        return answer_prob(weights / weights.sum(-1, keepdims=True), values)


def _has_nan(logits: Any) -> Any:
    return namespace(logits).isnan(logits).any(-1)


def _shifted_row(values: Any, mask: Any, temperature: float = 1.0) -> tuple[Any, Any]:
    """`_shifted` of the legal values of a NumPy row alone, and their indices; (`None`, `None`) for a closer look."""
    part, indices = legal_part(values, mask)
    if part is None:
        return None, None
    least, top = limits(part.tolist())
    if not top - least <= _FAR * min(temperature, 1.0):
        return None, None
    return ((part - top) * (1 / temperature)).astype(np.float32, copy=False), indices


def _shifted(values: Any, mask: Any, temperature: float = 1.0) -> tuple[Any, Any]:
    """The values below the largest legal one, by temperature: `[..., actions]` float32, at most 0; and the mask.

    Where illegal it is -infinity, also where the legal ones were; a row with a NaN that is legal is all NaN, and on the
    host refused.
    """
    numbers, legal = checked(values, mask)
    xp = namespace(numbers)
    if legal is not None:
        numbers = xp.where(legal, numbers, -np.inf)
    if not is_traced(numbers):
        do = "expected numbers, perhaps infinite; look for NaNs in what computed them, such as a network's parameters"
        refuse_rows(_has_nan(numbers), numbers, "a value of a legal action is NaN", do)
    top = numbers.max(-1, keepdims=True)  # a NaN is the largest
    with np.errstate(over="ignore", invalid="ignore"):
        below = ((numbers - top) * np.asarray(1 / temperature, numbers.dtype)).astype(np.float32)
    logits = xp.where(numbers == top, 0, below)  # also infinity - infinity
    return xp.asarray(logits if legal is None else xp.where(legal, logits, -np.inf), np.float32), legal
