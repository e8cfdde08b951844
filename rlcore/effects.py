"""Python's side effects in methods that are traced: a program would have them once, when it is made.

What a user's functions reach beside the fields of structs is looked at before and after a trace: variables of modules
and of enclosing functions, attributes of classes, generators of random numbers; and whether they print. Lists, dicts
and arrays are put back as they were.
"""

import contextlib
import io
import random
import sys
from collections import deque
from collections.abc import Iterable, Iterator
from types import CodeType, FunctionType
from typing import Any

import numpy as np

from rlcore.blame import LIBRARIES
from rlcore.errors import ConfigError
from rlcore.struct import is_struct, walk

_DEPTH = 3  # of lists in lists
_MANY = 1_000  # of whose items the first ones are looked into
_LARGE = 1 << 20  # bytes of an array that nobody looks into
_TRUSTED = frozenset(LIBRARIES) | sys.stdlib_module_names
_GENERATORS = (np.random.Generator, np.random.RandomState, random.Random)
_GLOBAL: Any = (  # generators that functions of modules draw from
    (random._inst, (random, random.random, random.randint, random.choice)),
    (np.random.mtrand._rand, (np, np.random)),
)


@contextlib.contextmanager
def without_side_effects(*components: Any) -> Iterator[None]:
    """Refuses what changes anything but the fields of `components` while they are traced.

    Args:
        components: Structs and functions; what belongs to libraries is trusted.

    Raises:
        ConfigError: It names the function, what it changes, and what to do.
    """
    functions = list(_functions(components))
    if not functions:
        yield
        return
    reached = [*_reached(functions), *_around(components)]
    holders = {id(one): (what, one, _contents(one)) for what, one in reached[::-1]}
    printer = next((one.__qualname__ for one in functions if "print" in _names(one.__code__)), None)
    printed = io.StringIO()
    with contextlib.redirect_stdout(sys.stdout if printer is None else printed):
        yield
    effects = [f"{printer} prints"] if printed.getvalue() else []
    for what, holder, before in holders.values():
        if not _is_same(before, _contents(holder)):
            _put_back(holder, before)
            effects.insert(0, what)
    if effects:
        raise ConfigError(
            f"{effects[0]}: a side effect that a program would have once, when it is made, and not at every step; keep "
            "what changes in declared fields, draw random numbers from a Random, write down and print in a hook"
        )


class _Variables:
    """Those of its module that a function names, and those that it encloses."""

    def __init__(self, function: FunctionType) -> None:
        self._function, self._names = function, _names(function.__code__)

    def read(self) -> dict[str, Any]:
        """Their values; without those that have none."""
        known, code = self._function.__globals__, self._function.__code__
        values = {name: known[name] for name in self._names if name in known}
        for name, cell in zip(code.co_freevars, self._function.__closure__ or (), strict=True):
            with contextlib.suppress(ValueError):  # still empty
                values[name] = cell.cell_contents
        return values


def _names(code: CodeType) -> set[str]:
    """What the code names, also inside the functions that it makes."""
    inner = [part for part in code.co_consts if isinstance(part, CodeType)]
    return set(code.co_names).union(*map(_names, inner))


def _root(part: Any) -> str:
    return str(getattr(part, "__module__", "")).partition(".")[0]


def _functions(components: Iterable[Any]) -> Iterator[FunctionType]:
    """Those that a user has written: in the classes of structs, in their `static()` fields, and by themselves."""
    seen: set[Any] = set()
    for _, part in walk(list(components)):
        members = [part]
        if is_struct(part):
            members += [getattr(part, name) for name in type(part).__struct_fields__["static"]]
            members += [member for kind in type(part).__mro__ for member in vars(kind).values()]
        for member in members:
            for one in (member, getattr(member, "fget", None), getattr(member, "__func__", None)):
                yield from _with_called(one, seen)


def _with_called(function: Any, seen: set[Any]) -> Iterator[FunctionType]:
    """A function, and those of the same package that it names."""
    if isinstance(function, FunctionType) and function not in seen and _root(function) not in _TRUSTED:
        seen.add(function)
        yield function
        for value in _Variables(function).read().values():
            if _root(value) == _root(function):
                yield from _with_called(value, seen)


def _reached(functions: Iterable[FunctionType]) -> Iterator[tuple[str, Any]]:
    """What they could change, with words for it."""
    for function in functions:
        name, variables = function.__qualname__, _Variables(function)
        yield f"{name} gives a variable outside of it another value", variables
        for variable, value in variables.read().items():
            for holder in _holders(value, _DEPTH):
                yield f"{name} changes {variable}", holder
        for generator, modules in _GLOBAL:
            values = variables.read().values()
            if any(value is one for value in values for one in modules):
                yield f"{name} draws random numbers that no struct keeps", generator


def _around(components: Iterable[Any]) -> Iterator[tuple[str, Any]]:
    """What the structs in components could change of their classes, and in `static()` fields."""
    for _, part in walk(list(components)):
        if is_struct(part):
            name = type(part).__name__
            for field in type(part).__struct_fields__["static"]:
                for holder in _holders(getattr(part, field), _DEPTH):
                    yield f"{name} changes its static() field {field}", holder
            for kind in type(part).__mro__:
                for holder in _holders(kind, _DEPTH):
                    yield f"{name} changes an attribute of its class", holder


def _holders(value: Any, depth: int) -> Iterator[Any]:
    """The objects that may change in a value."""
    contents = _contents(value) if depth else None
    if contents is not None:
        yield value
        parts = contents.values() if isinstance(contents, dict) else contents if isinstance(contents, list) else ()
        for part in list(parts)[:_MANY]:
            yield from _holders(part, depth - 1)


def _contents(holder: Any) -> Any:
    """A copy of what an object holds; `None` if it can't change, or belongs to a library."""
    if isinstance(holder, _Variables):
        return holder.read()
    if isinstance(holder, list | tuple | deque):
        return list(holder)
    if isinstance(holder, np.ndarray):
        return holder.copy() if holder.nbytes < _LARGE else None
    if isinstance(holder, dict | set):
        return holder.copy()
    if isinstance(holder, _GENERATORS):
        return repr(_state_of(holder))
    is_own = _root(holder if isinstance(holder, type) else type(holder)) not in _TRUSTED
    return dict(vars(holder)) if is_own and hasattr(holder, "__dict__") else None


def _state_of(generator: Any) -> Any:
    if isinstance(generator, np.random.Generator):
        return generator.bit_generator.state
    return generator.get_state() if isinstance(generator, np.random.RandomState) else generator.getstate()


def _is_same(before: Any, after: Any) -> bool:
    if isinstance(before, dict):
        return before.keys() == after.keys() and all(before[key] is after[key] for key in before)
    if isinstance(before, list):
        return len(before) == len(after) and all(one is two for one, two in zip(before, after, strict=True))
    return before.tobytes() == after.tobytes() if isinstance(before, np.ndarray) else bool(before == after)


def _put_back(holder: Any, before: Any) -> None:
    """Takes what a trace has left, which is worth nothing, out of lists, dicts and arrays again."""
    if isinstance(holder, list | deque):
        holder.clear()
        holder.extend(before)
    elif isinstance(holder, dict | set):
        holder.clear()
        holder.update(before)
    elif isinstance(holder, np.ndarray):
        np.copyto(holder, before)
