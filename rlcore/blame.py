"""Errors of a trace in words: which component, which method, which field, and what to write instead."""

import linecache
import re
import sys
from typing import Any

import jax

from rlcore.errors import shorten
from rlcore.struct import is_struct

_ADVICE = {
    jax.errors.TracerBoolConversionError: "an if or while can't ask a number that is only known when the program runs; "
    "choose between both results with jnp.where(condition, a, b)",
    jax.errors.TracerArrayConversionError: "NumPy can't compute with numbers that are only known when the program "
    "runs; use jax.numpy",
    jax.errors.TracerIntegerConversionError: "a Python index must be known beforehand; index an array with jnp, or "
    "write with put(array, index, value)",
    jax.errors.NonConcreteBooleanIndexError: "how many a mask selects is only known when the program runs; use "
    "jnp.where(mask, a, b)",
    jax.errors.ConcretizationTypeError: "a Python number is needed where the number is only known when the program "
    "runs; keep it an array, or declare it with static()",
}

LIBRARIES = ("rlcore", "jax", "jaxlib", "flax", "optax", "numpy", "gymnasium", "contextlib", "functools")


def explained(error: Exception) -> str:
    """What could not be traced, where, and what to do."""
    advice = next((text for kind, text in _ADVICE.items() if isinstance(error, kind)), "")
    what = f"{type(error).__name__}: {shorten(str(error), 120)}" if not advice else type(error).__name__
    return f"{_place(error)} can't be traced ({what})" + (f": {advice}" if advice else "")


def asker(kinds: Any = None) -> str:
    """The component whose method has asked: the nearest struct, or instance of `kinds`, that is running."""
    frame = sys._getframe(2)
    while frame is not None:
        owner = frame.f_locals.get("self")
        if isinstance(owner, kinds) if kinds else is_struct(owner):
            return f"{type(owner).__name__}.{frame.f_code.co_name}"
        frame = frame.f_back  # type: ignore[assignment]
    return "somebody"


def _place(error: Exception) -> str:
    """The innermost method of a component that was running, or function of a user's that one called."""
    place, traceback = "a step", error.__traceback__
    while traceback is not None:
        frame, code = traceback.tb_frame, traceback.tb_frame.f_code
        owner, line = frame.f_locals.get("self"), linecache.getline(code.co_filename, traceback.tb_lineno).strip()
        where = f"line {traceback.tb_lineno}: `{line}`,"
        if is_struct(owner):
            place = f"{type(owner).__name__}.{code.co_name}{_fields(owner, line)}, {where}"
        elif str(frame.f_globals.get("__name__")).partition(".")[0] not in LIBRARIES:
            place = f"the function {code.co_name}, {where}"
        traceback = traceback.tb_next
    return place


def _fields(owner: Any, line: str) -> str:
    """The fields that a line reads or writes."""
    declared = {name for names in type(owner).__struct_fields__.values() for name in names}
    fields = [name for name in re.findall(r"self\.(\w+)", line) if name in declared]
    return f" (field {', '.join(dict.fromkeys(fields))})" if fields else ""
