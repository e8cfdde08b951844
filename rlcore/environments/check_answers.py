"""What can be wrong with one answer of an environment; each problem is what came, what was expected, and the fix."""

import warnings
from collections.abc import Callable, Iterator
from math import isfinite
from typing import Any

import numpy as np
from gymnasium import spaces

from rlcore.environments.masks import is_flags
from rlcore.environments.spaces import shown
from rlcore.errors import EnvContractError

Problems = Iterator[tuple[str, str]]


def state_problems(raw: Any, space: spaces.Space, read: Callable[[Any], Any]) -> Problems:
    """Of a state `raw` that should lie in `space`, and that `read` reads."""
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # of a cast: it is reported below
            read(raw)
    except EnvContractError as error:
        yield f"the state is {error}", "correct what the environment answers, or its space of states"
        return
    for place, part, array in _leaves(space, raw):
        if isinstance(part, spaces.Discrete):
            continue
        if array.dtype != part.dtype:
            fix = f"answer np.asarray(state, np.{part.dtype}), so that it needn't be cast at every step"
            yield f"the state{place} has dtype {array.dtype}, expected {part.dtype}", fix
        if isinstance(part, spaces.Box):
            yield from _bound_problems(place, part, array)


def _bound_problems(place: str, box: spaces.Box, array: np.ndarray) -> Problems:
    outside = np.argwhere((array < box.low) | (array > box.high))
    if len(outside):
        index = tuple(outside[0].tolist())
        low, high = (np.broadcast_to(bound, array.shape)[index] for bound in (box.low, box.high))
        at = f" at index {list(index)}" if index else ""
        yield (
            f"the state{place} is {array[index]}{at}, expected {low} to {high}",
            "widen the bounds of the space, or clip the state",
        )


def _leaves(space: Any, raw: Any, place: str = "") -> Iterator[tuple[str, Any, np.ndarray]]:
    if isinstance(space, spaces.Dict):
        for key, part in space.spaces.items():
            yield from _leaves(part, raw[key], f"{place} at {key!r}")
    elif isinstance(space, spaces.Tuple):
        for i, part in enumerate(space.spaces):
            yield from _leaves(part, raw[i], f"{place} at {i}")
    else:
        yield place, space, np.asarray(raw)


def reward_problems(raw: Any, rows: int | None) -> Problems:
    """Of a reward, or of those of `rows` environments side by side."""
    array = np.asarray("" if raw is None or isinstance(raw, str | bytes) else raw)
    shape = () if rows is None else (rows,)
    expected = "a number such as 1.0" if rows is None else f"{rows} numbers"
    if array.dtype.kind not in "biuf" or array.shape != shape:
        kind = type(raw).__name__ if array.dtype.kind not in "biuf" else f"{array.dtype} of shape {array.shape}"
        yield f"the reward is {shown(raw)} ({kind}), expected {expected}", "answer float(reward), or float32 `[rows]`"
    elif not all(isfinite(number) for number in array.ravel().tolist()):
        yield f"the reward is {shown(raw)}, expected finite numbers", "find where it becomes NaN or infinite"


def flag_problems(name: str, raw: Any, rows: int | None) -> Problems:
    """Of the `terminated` or `truncated` flag, or of those of `rows` environments side by side."""
    array = np.asarray(raw)
    if rows is None and (array.shape or array.dtype != bool):
        yield f"{name} is {shown(raw)} ({type(raw).__name__}), expected a bool", f"answer bool({name})"
    elif rows is not None and (array.shape != (rows,) or not is_flags(array)):
        yield f"{name} is {shown(raw)}, expected {rows} bools", f"answer a bool array of shape ({rows},)"


def mask_problems(raw: Any, read: Callable[[Any], Any], is_exempt: Any) -> Problems:
    """Of an action mask that `read` reads; where `is_exempt` it may allow nothing."""
    try:
        mask = read(raw)
    except EnvContractError as error:
        yield f"the action mask is {error}", "answer one bool per action"
        return
    if not np.all(mask.any(axis=-1) | is_exempt):
        yield "the action mask allows no action, expected at least one", "end the episode where nothing is legal"


def same(one: Any, other: Any) -> bool:
    """Whether two answers are equal, NaN being equal to NaN."""
    if isinstance(one, dict) and isinstance(other, dict):
        return one.keys() == other.keys() and all(same(part, other[key]) for key, part in one.items())
    if isinstance(one, tuple | list) and isinstance(other, tuple | list):
        return len(one) == len(other) and all(map(same, one, other))
    try:
        return bool(np.array_equal(one, other, equal_nan=True))
    except TypeError:  # no numbers
        return bool(np.array_equal(one, other))
