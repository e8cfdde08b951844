"""Components that are plain mutable objects to Python and pytrees to JAX.

`@struct` makes a dataclass with slots and registers it with JAX. Its methods assign to `self`; inside a trace they
assign to the copy that JAX unflattened for that trace, so the same method is pure when seen from outside. A field is

- a *leaf* (the default): an array, a number, `None`, another struct, or a dict, list or tuple of these;
- `static()`: configuration, hashable and compared by value, part of what a compilation depends on;
- `cached()`: host only (views, buffers, a pending transition); dropped when flattened, `None` afterwards.
"""

import dataclasses
import enum
import functools
import inspect
import re
from collections.abc import Callable, Iterable, Iterator
from types import CellType, FunctionType, MethodType
from typing import Any, TypeVar, dataclass_transform

import jax
import jax.numpy as jnp
import numpy as np
from gymnasium import Space
from jax.tree_util import GetAttrKey

from rlcore.errors import ConfigError, shorten

C = TypeVar("C")

_MISSING_ATTRIBUTE = re.compile(r"'(\w+)' object has no attribute '(\w+)'")


def static(default: Any = dataclasses.MISSING, *, kw_only: bool = False) -> Any:
    """Declares a field of configuration: hashable, compared by value, fixed inside a trace."""
    return dataclasses.field(default=default, kw_only=kw_only, metadata={"kind": "static"})


def cached() -> Any:
    """Declares a field that only the host needs; JAX drops it, and a fresh copy holds `None`."""
    return dataclasses.field(default=None, metadata={"kind": "cached"}, repr=False, init=False)


@dataclass_transform(field_specifiers=(static, cached, dataclasses.field))
def struct(cls: type[C]) -> type[C]:
    """Makes `cls` a dataclass with slots whose instances are pytrees.

    A class may write its own `__init__` (to validate), or inherit a written one, and then gives defaults to the fields
    it adds; JAX never calls it. Two structs are equal only if they are
    the same object. An attribute that is not declared is an error. Unless the class writes `__repr__`, an instance is
    shown as the call that makes it, with shapes in place of arrays.

    Raises:
        ConfigError: A base class without `__slots__` would let undeclared attributes pass.
    """
    open_base = next((base for base in cls.__mro__[1:-1] if "__slots__" not in base.__dict__), None)
    if open_base is not None:
        raise ConfigError(
            f"{cls.__name__} inherits from {open_base.__name__}, which has no __slots__, so attributes that are not "
            f"declared would be lost in a trace; add `__slots__ = ()` to {open_base.__name__} or make it a @struct"
        )
    is_written = cls.__init__ is not object.__init__ and not hasattr(cls.__init__, "is_generated")
    made: Any = dataclasses.dataclass(cls, eq=False, slots=True, repr=False, init=not is_written)
    _point_super_at(made, cls)
    if not is_written:
        made.__init__.is_generated = True
    elif "__init__" in cls.__dict__:
        made.__init__ = _advising(made.__init__)
    if made.__repr__ is object.__repr__:
        made.__repr__ = shown_as_call
    made.__signature__ = _Signature()
    fields = dataclasses.fields(made)
    names = {
        kind: tuple(field.name for field in fields if field.metadata.get("kind", "leaf") == kind)
        for kind in ("leaf", "static", "cached")
    }
    made.__struct_fields__ = names
    leaves, statics, caches = names["leaf"], names["static"], names["cached"]
    keys = tuple(GetAttrKey(name) for name in leaves)
    defaults = [(field.name, field.default) for field in fields if field.default is not dataclasses.MISSING]
    new, assign = object.__new__, object.__setattr__

    def allocate(cls: type, *arguments: Any, **named: Any) -> Any:
        """Fields with a default hold it before `__init__` runs, also one that the class wrote itself."""
        self: Any = new(cls)
        for name, default in defaults:
            assign(self, name, default)
        return self

    def flatten(self: Any) -> tuple[tuple, tuple]:
        return tuple([getattr(self, name) for name in leaves]), tuple([getattr(self, name) for name in statics])

    def flatten_with_keys(self: Any) -> tuple[tuple, tuple]:
        children, configuration = flatten(self)
        return tuple(zip(keys, children, strict=True)), configuration

    def unflatten(configuration: tuple, children: tuple) -> Any:
        self: Any = new(made)
        for name, value in zip(leaves, children, strict=True):
            assign(self, name, value)
        for name, value in zip(statics, configuration, strict=True):
            assign(self, name, value)
        for name in caches:
            assign(self, name, None)
        return self

    if is_written:  # a generated one sets every field
        made.__new__ = allocate
    jax.tree_util.register_pytree_with_keys(made, flatten_with_keys, unflatten, flatten)  # type: ignore[arg-type]
    return made


class _Signature:
    """Makes the signature of a class that of its `__init__`; Python would show that of `__new__`."""

    def __get__(self, instance: Any, cls: Any) -> inspect.Signature:
        if instance is not None:
            raise AttributeError("__signature__")  # an instance that can be called has that of `__call__`
        signature = inspect.signature(cls.__init__)
        parameters = list(signature.parameters.values())[1:]
        return signature.replace(parameters=parameters, return_annotation=signature.empty)


def shown_as_call(self: Any) -> str:
    """The call that makes `self`, as far as its attributes tell; private and default ones are left out.

    The attribute of an argument `x` has the same name, or is a claim `is_x`.
    """
    shown, is_positional = [], True
    for name, parameter in inspect.signature(type(self)).parameters.items():
        value: Any = getattr(self, name, getattr(self, f"is_{name}", parameter.empty))
        if name.startswith("_") or value is parameter.empty or isinstance(value, MethodType):
            is_positional = False
        elif parameter.kind is parameter.VAR_POSITIONAL:
            shown += [brief(item) for item in value]
        elif parameter.default is parameter.empty and is_positional:
            shown.append(brief(value))
        elif (text := brief(value)) != brief(parameter.default):
            shown.append(f"{name}={text}")
    return f"{type(self).__name__}({', '.join(shown)})"


def brief(value: Any) -> str:
    """`value` in a few words: arrays by dtype and shape, functions by name, the first items of what is long."""
    if isinstance(value, np.ndarray | jax.Array):
        return f"{value.dtype}{list(value.shape)}"
    if isinstance(value, np.generic | enum.Enum):
        return str(value)
    if type(value) in (list, tuple):
        items = [brief(item) for item in value[:4]] + ["..."] * (len(value) > 4)
        return f"[{', '.join(items)}]" if isinstance(value, list) else f"({', '.join(items)}{',' * (len(items) == 1)})"
    if type(value) is dict:
        items = [f"{key!r}: {brief(value[key])}" for key in list(value)[:4]] + ["..."] * (len(value) > 4)
        return f"{{{', '.join(items)}}}"
    if is_struct(value):
        return repr(value)
    return (
        getattr(value, "__name__", "") if callable(value) and hasattr(value, "__name__") else shorten(repr(value), 80)
    )


def _advising(init: Callable[..., None]) -> Callable[..., None]:
    @functools.wraps(init)
    def __init__(self: Any, *arguments: Any, **named: Any) -> None:
        try:
            init(self, *arguments, **named)
        except AttributeError as error:
            explain_undeclared(error, (self,))
            raise

    return __init__


def explain_undeclared(error: AttributeError, components: Iterable[Any]) -> None:
    """Adds to the message of an error about an attribute that one of `components` lacks what to do about it."""
    found = _MISSING_ATTRIBUTE.match(str(error))
    kinds = {type(component).__name__: type(component) for component in components if is_struct(component)}
    if not found or found[1] not in kinds or "@struct" in str(error):
        return
    kind, name = found.groups()
    if name in {field for fields in kinds[kind].__struct_fields__.values() for field in fields}:
        advice = f"the field has no value yet: set it in __init__, or give it a default in the body of {kind}"
    else:
        advice = f"declare it as a field of the @struct: `{name}: Any = None` in the body of {kind}"
    error.args = (f"'{kind}' object has no attribute '{name}'; {advice}",)


def _point_super_at(made: type, original: type) -> None:
    """Slots need a new class; `super()` without arguments looks into a cell that still holds the old one."""
    for member in vars(made).values():
        for function in (member, getattr(member, "fget", None), getattr(member, "__func__", None)):
            if isinstance(function, FunctionType):
                for cell in function.__closure__ or ():
                    if isinstance(cell, CellType) and _content(cell) is original:
                        cell.cell_contents = made


def _content(cell: CellType) -> Any:
    try:
        return cell.cell_contents
    except ValueError:  # still empty
        return None


def is_struct(value: Any) -> bool:
    """Whether `value` is an instance of a class made by `@struct`."""
    return hasattr(type(value), "__struct_fields__")


def copy(tree: C) -> C:
    """New structs, dicts, lists and tuples around the same leaves; cached fields start empty."""
    return jax.tree.map(lambda leaf: leaf, tree)


def graft(old: Any, new: Any) -> Any:
    """Puts the leaves of `new` into the structs of `old`, so that references to them stay valid.

    Returns `old` where it is a struct (or a dict or list of them), else `new`.
    """
    if is_struct(new):
        for name in type(new).__struct_fields__["leaf"]:
            value = getattr(new, name)
            setattr(old, name, graft(getattr(old, name), value) if _holds_struct(value) else value)
        return old
    if isinstance(new, dict):
        return {key: graft(old[key], value) for key, value in new.items()}
    if type(new) in (list, tuple):
        return type(new)(graft(before, after) for before, after in zip(old, new, strict=True))
    return new


def _holds_struct(value: Any) -> bool:
    if value.__class__ is dict:
        return any(map(_holds_struct, value.values()))
    if value.__class__ in (list, tuple):
        return any(map(_holds_struct, value))
    return hasattr(value.__class__, "__struct_fields__")


def walk(component: Any, path: str = "") -> Iterator[tuple[str, Any]]:
    """Every part of a component with its path, the component first: `("policy.explorer.random", ...)`.

    Enters structs (their leaves), dicts, lists, tuples, and plain objects whose class derives from one of rlcore's.
    """
    yield path, component
    if is_struct(component):
        parts = [(name, getattr(component, name)) for name in type(component).__struct_fields__["leaf"]]
    elif isinstance(component, dict):
        parts = list(component.items())
    elif isinstance(component, list | tuple):
        parts = list(enumerate(component))
    elif hasattr(component, "__dict__") and any(
        base.__module__.startswith("rlcore.") for base in type(component).__mro__
    ):
        parts = list(vars(component).items())
    else:
        return
    for name, part in parts:
        yield from walk(part, f"{path}.{name}" if path else str(name))


def check_tree(component: Any, path: str) -> None:
    """Refuses a component that holds one struct in two places: a trace would silently make two of it.

    Raises:
        ConfigError: With both paths; or a class inside derives from a struct and is none.
    """
    places: dict[int, str] = {}
    for place, part in walk(component, path):
        if not is_struct(part):
            continue
        check_decorated(part, place)
        if id(part) in places:
            raise ConfigError(
                f"the same {type(part).__name__} stands at {places[id(part)]} and at {place}; expected a tree, "
                "because compiled code would make two independent copies of it. Build a second one, or keep one of them"
            )
        places[id(part)] = place


def check_decorated(component: Any, path: str) -> None:
    """Refuses an instance of a class that derives from a struct without being one.

    Raises:
        ConfigError: It says what to write.
    """
    kind = type(component)
    if is_struct(component) and "__struct_fields__" not in vars(kind):
        base = next(each.__name__ for each in kind.__mro__ if "__struct_fields__" in vars(each))
        raise ConfigError(
            f"{path} is of class {kind.__name__}, which derives from {base} but is no struct itself, so compiled code "
            f"would turn it into {base}; write @struct above class {kind.__name__} and declare its fields in its body"
        )


def put(array: Any, index: Any, value: Any) -> Any:
    """`array` with `value` at `index`: written in place on NumPy, a new array when traced. Assign the result.

    Where `index` is a mask of the first axes that is traced, `value` is one for all of them.
    """
    if isinstance(array, np.ndarray):
        array[index] = value
        return array
    if isinstance(index, list):  # of rows that ended, which JAX takes as an array only
        index = np.asarray(index, np.int32)
    if is_traced(index) and index.dtype == bool:
        return jnp.where(index.reshape(index.shape + (1,) * (array.ndim - index.ndim)), value, array)
    return array.at[index].set(value)


def namespace(*values: Any) -> Any:
    """`jax.numpy` if any of `values` is a JAX array (or traced), else `numpy`."""
    for value in values:
        if isinstance(value, jax.Array):
            return jnp
    return np


def is_traced(value: Any) -> bool:
    """Whether `value` stands for a number that is only known when the compiled program runs."""
    return isinstance(value, jax.core.Tracer)


def by_value(value: Any) -> Any:
    """A hashable key that is equal for two values that mean the same configuration.

    Functions are the same if their code and what they enclose are: two calls of `optax.adam(1e-3)` give equal keys.
    """
    return _key(value, frozenset())


def _key(value: Any, seen: frozenset[int]) -> Any:
    if id(value) in seen:
        return "recursion"
    seen = seen | {id(value)}
    if isinstance(value, FunctionType):
        enclosed = tuple(_key(_content(cell), seen) for cell in value.__closure__ or ())
        defaults = (_key(value.__defaults__, seen), _key(value.__kwdefaults__, seen))
        known = value.__globals__
        read = tuple((name, _key(known[name], seen)) for name in value.__code__.co_names if _is_plain(known.get(name)))
        return (value.__module__, value.__qualname__, value.__code__, enclosed, defaults, read)
    if hasattr(value, "func") and hasattr(value, "keywords"):  # functools.partial
        return ("partial", _key(value.func, seen), _key(value.args, seen), _key(value.keywords, seen))
    if isinstance(value, Space):  # without its generator
        return (type(value), _key({name: part for name, part in vars(value).items() if name != "_np_random"}, seen))
    if isinstance(value, tuple | list):
        return (type(value), *(_key(item, seen) for item in value))
    if isinstance(value, dict):
        return (dict, *((str(key), _key(item, seen)) for key, item in value.items()))
    if isinstance(value, np.ndarray | jax.Array):
        return (str(value.dtype), value.shape, np.asarray(value).tobytes())
    if isinstance(value, bool | int | float | complex):
        return (type(value), value)
    return value


def _is_plain(value: Any) -> bool:
    """Whether a global is a number, text or array, which a function may mean something else by tomorrow."""
    return isinstance(value, bool | int | float | complex | str | np.ndarray | jax.Array)
