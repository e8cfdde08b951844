"""Limits on steps and episodes, as the compiled program takes them.

A limit is what `StopCondition.limit` answers: `("steps", left)`, `("episodes", left)`, `("any", limits)` or
`("all", limits)`.
"""

import math
from collections.abc import Callable
from typing import Any

import jax.numpy as jnp


def steps_at_most(limit: Any) -> float:
    """How many steps a run takes at most; infinite where only episodes are counted."""
    if limit is None:
        return math.inf
    kind, what = limit
    if kind in ("steps", "episodes"):
        return what if kind == "steps" else math.inf
    return (min if kind == "any" else max)(map(steps_at_most, what))


def counts_episodes(limit: Any) -> bool:
    """Whether episodes matter."""
    if limit is None:
        return False
    kind, what = limit
    return kind == "episodes" or (kind != "steps" and any(map(counts_episodes, what)))


def numbered(limit: Any) -> tuple[Any, list[int]]:
    """The limit with indices in place of numbers, and the numbers."""
    numbers: list[int] = []

    def number(limit: Any) -> Any:
        kind, what = limit
        if kind in ("any", "all"):
            return kind, tuple(map(number, what))
        numbers.append(what)
        return kind, len(numbers) - 1

    return number(limit), numbers


def structure_of(limit: Any) -> Any:
    """The limit without its numbers."""
    return None if limit is None else numbered(limit)[0]


def after(limit: Any, steps: int) -> Any:
    """The limit that is left after `steps` in which no episode counted."""
    if limit is None or not steps:
        return limit
    kind, what = limit
    if kind in ("any", "all"):
        return kind, tuple(after(one, steps) for one in what)
    return kind, what - steps if kind == "steps" else what


def is_reached(limit: Any, left: Any, steps: Any, episodes: Any) -> Any:
    """Whether `steps` and `episodes` reach `limit`; `("steps", i)` is reached at `left[i]` steps, and so on."""
    kind, what = limit
    if kind == "steps":
        return steps >= left[what]
    if kind == "episodes":
        return episodes >= left[what]
    answers = [is_reached(one, left, steps, episodes) for one in what]
    combine: Callable[..., Any] = jnp.logical_or if kind == "any" else jnp.logical_and
    result = answers[0]
    for answer in answers[1:]:
        result = combine(result, answer)
    return result
