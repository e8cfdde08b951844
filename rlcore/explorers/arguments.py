"""Checks of what an explorer is built with."""

import math
import operator
from numbers import Real
from typing import Any

from rlcore.errors import ConfigError


def number_between(name: str, value: Any, low: float, high: float) -> float:
    """`value` as a Python float.

    Raises:
        ConfigError: It is no number in [`low`, `high`].
    """
    if not isinstance(value, Real) or isinstance(value, bool) or not low <= float(value) <= high:
        upper = "infinity" if math.isinf(high) else f"{high:g}"
        raise ConfigError(f"{name} is {value!r}, expected a number from {low:g} to {upper}; pass one in that range")
    return float(value)


def whole_number(name: str, value: Any, low: int = 0) -> int:
    """`value` as a Python int.

    Raises:
        ConfigError: It is no whole number of at least `low`.
    """
    try:
        number = operator.index(value)
    except TypeError:
        number = low - 1
    if number < low or isinstance(value, bool):
        raise ConfigError(f"{name} is {value!r}, expected a whole number of at least {low}; pass one")
    return number


def flag(name: str, value: Any) -> bool:
    """`value` if it is a bool.

    Raises:
        ConfigError: It is not.
    """
    if not isinstance(value, bool):
        raise ConfigError(f"{name} is {value!r}, expected True or False; pass one of them")
    return value
