"""Checks of what the constructors of hooks are given."""

import inspect
import operator
from collections.abc import Callable
from typing import Any

from rlcore.errors import ConfigError


def check_count(value: Any, name: str) -> int:
    """`value` as a Python int of at least 1.

    Raises:
        ConfigError: It is not a whole number of at least 1; booleans are none.
    """
    try:
        count = operator.index(value)
    except TypeError:
        count = 0
    if count < 1 or isinstance(value, bool):
        raise ConfigError(f"{name} is {value!r}, expected a whole number of at least 1")
    return count


def check_keep(keep: Any) -> int | None:
    """`keep` of a hook: how many episodes to keep, `None` for all.

    Raises:
        ConfigError: It is neither `None` nor a whole number of at least 1.
    """
    return None if keep is None else check_count(keep, "keep (how many episodes to keep; None: all)")


def check_flag(value: Any, name: str) -> bool:
    """`value` itself, if it is `True` or `False`.

    Raises:
        ConfigError: It is anything else.
    """
    if not isinstance(value, bool):
        raise ConfigError(f"{name} is {value!r}, expected True or False")
    return value


def check_function(f: Any, arguments: tuple[str, ...], hook: str) -> Callable[..., Any]:
    """`f` itself, if it can be called with as many arguments as `arguments` names.

    Raises:
        ConfigError: It is no function, takes other arguments, or would only return a generator or a coroutine.
    """
    expected = f"expected a function f({', '.join(arguments)})"
    if not callable(f):
        raise ConfigError(f"{hook} was given {f!r} to call, {expected}; other arguments go by name")
    name = getattr(f, "__name__", repr(f))
    if inspect.isgeneratorfunction(f) or inspect.iscoroutinefunction(f):
        raise ConfigError(f"{hook} was given {name}, which is async or yields, so calling it runs nothing; {expected}")
    try:
        signature = inspect.signature(f)
    except (ValueError, TypeError):  # a function without a signature, written in C
        return f
    try:
        signature.bind(*arguments)
    except TypeError as error:
        raise ConfigError(f"{hook} can't call {name}{signature} ({error}); {expected}") from None
    return f
