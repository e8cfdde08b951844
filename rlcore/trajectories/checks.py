"""Arguments that several parts of a trajectory check."""

import operator
from typing import Any

from rlcore.errors import ConfigError


def check_whole(value: Any, name: str, least: int) -> int:
    """`value` as a Python int.

    Raises:
        ConfigError: It is not a whole number of at least `least`.
    """
    try:
        number = operator.index(value)
    except TypeError:
        number = least - 1
    if number < least or isinstance(value, bool):
        raise ConfigError(f"{name} is {value!r}, expected a whole number of at least {least}")
    return number
