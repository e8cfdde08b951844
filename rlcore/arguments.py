"""Checks of the arguments that constructors and functions are given: what came, what was expected."""

import inspect
import math
import operator
from collections.abc import Callable
from numbers import Real
from typing import Any

import numpy as np

from rlcore.errors import ConfigError, EnvContractError, shorten
from rlcore.struct import is_traced


def named(value: Any) -> str:
    """What `value` is, for messages: numbers and short texts as they are, of anything else the type."""
    if value is None or isinstance(value, bool | int | float | complex | str):
        return shorten(repr(value), 60)
    if isinstance(value, type):
        return f"the class {value.__name__}"
    if inspect.isroutine(value):
        return f"the function {value.__name__}"
    kind = type(value).__name__
    return f"an {kind}" if kind[0] in "AEIOUaeiou" else f"a {kind}"


def check_whole(name: str, value: Any, at_least: int = 1) -> int:
    """`value` as a Python int.

    Raises:
        ConfigError: It is not a whole number of at least `at_least`; booleans are none.
    """
    try:
        number = operator.index(value)
    except TypeError:
        number = at_least - 1
    if number < at_least or isinstance(value, bool):
        is_whole = isinstance(value, float) and value.is_integer() and value >= at_least
        advice = f"; write {int(value):_}" if is_whole else ""
        raise ConfigError(f"{name} is {shorten(repr(value))}, expected a whole number of at least {at_least}{advice}")
    return number


def check_number(
    name: str, value: Any, low: float = -math.inf, high: float = math.inf, *, above: bool = False
) -> float:
    """`value` as a finite Python float.

    Raises:
        ConfigError: It is no finite number from `low` (with `above`: above it) to `high`.
    """
    is_number = isinstance(value, Real) and not isinstance(value, bool) and math.isfinite(value)
    if is_number and low <= value <= high and not (above and value == low):
        return float(value)
    if low == -math.inf:
        bounds = ""
    elif high == math.inf:
        bounds = f" above {low:g}" if above else f" of at least {low:g}"
    else:
        bounds = f" above {low:g} and at most {high:g}" if above else f" from {low:g} to {high:g}"
    raise ConfigError(f"{name} is {shorten(repr(value))}, expected a finite number{bounds}")


def check_flag(name: str, value: Any) -> bool:
    """`value` itself, if it is `True` or `False`.

    Raises:
        ConfigError: It is anything else.
    """
    if not isinstance(value, bool):
        raise ConfigError(f"{name} is {shorten(repr(value))}, expected True or False")
    return value


def check_function(name: str, function: Any, arguments: tuple[str, ...] = ()) -> Callable[..., Any]:
    """`function` itself, if it can be called with as many arguments as `arguments` names.

    Raises:
        ConfigError: It is no function, takes other arguments, or would only return a generator or a coroutine.
    """
    expected = f"expected a function f({', '.join(arguments)})"
    if not callable(function):
        raise ConfigError(f"{name} is {shorten(repr(function))}, {expected}; other arguments go by name")
    called = getattr(function, "__name__", repr(function))
    if inspect.isgeneratorfunction(function) or inspect.iscoroutinefunction(function):
        raise ConfigError(f"{name} is {called}, which is async or yields, so calling it runs nothing; {expected}")
    try:
        signature = inspect.signature(function)
    except (ValueError, TypeError):  # a function without a signature, written in C
        return function
    try:
        signature.bind(*arguments)
    except TypeError as error:
        raise ConfigError(f"{name} is {called}{signature}, which can't be called so ({error}); {expected}") from None
    return function


def checked_mask(mask: Any, shape: tuple[int, ...], xp: Any = np) -> Any:
    """`mask` as bools of `shape` `[..., actions]`, by `xp` (NumPy or `jax.numpy`).

    Raises:
        ConfigError: It has another shape, or holds neither bools nor whole numbers.
        EnvContractError: A row of a mask that is known allows nothing.
    """
    known = not is_traced(mask)
    mask = np.asarray(mask) if known else mask
    if mask.shape != shape:
        raise ConfigError(f"mask has shape {mask.shape}, expected {shape}; pass one bool for each action")
    if mask.dtype.kind not in "biu":
        raise ConfigError(f"mask has dtype {mask.dtype}, expected bool: true for each action that is legal")
    mask = mask.astype(bool, copy=False)
    if known and not mask.any(-1).all():
        raise EnvContractError(
            f"the mask allows no action{rows_in_words(~mask.any(-1))}, expected at least one true among {shape[-1]}; "
            "end the episode where there is nothing to choose, and ask for no action after its end"
        )
    return xp.asarray(mask)


def rows_in_words(wrong: np.ndarray) -> str:
    """Where `wrong` `[...]` is true, for messages; nothing without leading axes."""
    if not wrong.ndim:
        return ""
    rows = [int(row[0]) if len(row) == 1 else tuple(row.tolist()) for row in np.argwhere(wrong)]
    shown = ", ".join(map(str, rows[:8])) + (", ..." if len(rows) > 8 else "")
    return f" in row {shown}" if len(rows) == 1 else f" in rows {shown}"
