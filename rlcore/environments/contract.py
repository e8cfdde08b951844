"""What an `Environment` of the user's must have, asked of the object itself."""

import difflib
import inspect
from collections.abc import Iterable, Iterator
from typing import Any

from gymnasium import Space

from rlcore.environments.spaces import shown
from rlcore.interfaces import Environment

_REQUIRED: dict[str, tuple[str, ...]] = {
    "reset": (),
    "act": ("action",),
    "state": (),
    "reward": (),
    "is_terminated": (),
    "action_space": (),
    "state_space": (),
}
_METHODS = _REQUIRED | {"is_truncated": (), "legal_action_mask": ()}
_HABITS = {
    "step": "act",
    "observation": "state",
    "observation_space": "state_space",
    "action_mask": "legal_action_mask",
}


def contract_problems(env: Environment) -> Iterator[tuple[str, str]]:
    """What `env` lacks, or has in another form than the adapter calls: what came and was expected, and the fix."""
    name, missing = type(env).__name__, [method for method in _REQUIRED if not is_written(env, Environment, method)]
    if missing:
        plural = "s" if len(missing) > 1 else ""
        fix = f"write {', '.join(map(_definition, missing))}"
        yield f"{name} lacks the method{plural} {', '.join(missing)} of an Environment", fix
        yield from misspelt_methods(env)
    for method, arguments in _METHODS.items():
        is_property = isinstance(_static(env, method), property)
        value = None if is_property else getattr(env, method)
        if method.endswith("_space") and (is_property or isinstance(value, Space)):
            continue
        if not callable(value):
            came, fix = "a property" if is_property else shown(value), f"write {_definition(method)}"
            yield f"{name}.{method} is {came}, expected a method", f"{fix}, and keep what it answers in self._{method}"
        elif error := call_error(value, *arguments):
            came = f"{name}.{method}{inspect.signature(value)}"
            call = f"{method}({', '.join(arguments)})"
            yield f"{came} can't be called as {call} ({error})", f"write {_definition(method)}"


def misspelt_methods(
    env: Environment, contract: type = Environment, methods: Iterable[str] = _METHODS
) -> Iterator[tuple[str, str]]:
    """Methods whose names look like one of `methods` of `contract` that the class does not write."""
    name, base = type(env).__name__, set(dir(contract))
    unwritten = [method for method in methods if not is_written(env, contract, method)]
    for own in sorted(name for name in dir(env) if name not in base and not name.startswith("_")):
        nearest = difflib.get_close_matches(_HABITS.get(own, own), unwritten, n=1, cutoff=0.75)
        if nearest and _is_code(_static(env, own)):
            fix = f"rename it to {nearest[0]}, or to _{own} if it is a method of your own"
            yield f"{name}.{own} looks like {nearest[0]}, which {name} lacks", fix


def takes_seed(env: Environment) -> bool:
    """Whether `reset` can be given a seed."""
    return not call_error(env.reset, seed=0)


def space_of(env: Environment, kind: str) -> Any:
    """The space that an environment answers as a method, or has as an attribute."""
    space = getattr(env, kind)
    return space if isinstance(space, Space) else space()


def is_written(env: Environment, contract: type, method: str) -> bool:
    """Whether the object or its class has a method other than that of `contract`."""
    return _static(env, method) is not _static(contract, method)


def _static(owner: Any, name: str) -> Any:
    """What stands in the object or its class, without running a property of the user's."""
    return inspect.getattr_static(owner, name, None)


def _is_code(value: Any) -> bool:
    return callable(value) or isinstance(value, property | Space)


def _definition(method: str) -> str:
    arguments = ("self", "seed=None") if method == "reset" else ("self", *_METHODS[method])
    return f"def {method}({', '.join(arguments)})"


def call_error(method: Any, *arguments: Any, **named: Any) -> str:
    """Why a function can't be called so; empty if it can, or if it doesn't tell its signature."""
    try:
        signature = inspect.signature(method)
    except ValueError:  # written in C
        return ""
    try:
        signature.bind(*arguments, **named)
    except TypeError as error:
        return str(error)
    return ""
