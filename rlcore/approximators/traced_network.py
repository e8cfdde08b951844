"""A network's forward pass as a row of elementary operations."""

from functools import lru_cache, partial
from typing import Any, NamedTuple

import jax
import numpy as np

from rlcore.approximators.blueprint import evaluate
from rlcore.fixed import Fixed


class Value:
    """One array of the pass, known by its identity.

    Attributes:
        shape: Its shape.
        dtype: Its type.
        constant: What it is, where that never changes.
    """

    __slots__ = ("constant", "dtype", "shape")

    def __init__(self, like: Any, constant: Any = None) -> None:
        self.shape, self.dtype = tuple(like.shape), like.dtype
        self.constant = None if constant is None else np.asarray(constant, self.dtype)


class Operation(NamedTuple):
    """A primitive of JAX with what it reads and writes."""

    name: str
    parameters: dict[str, Any]
    reads: list[Value]
    writes: list[Value]


class TracedNetwork(NamedTuple):
    """The operations that the answer needs, in order.

    Attributes:
        operations: These.
        leaves: Of parameters and variables.
        state: The states.
        outputs: The leaves of the answer.
        structure: Of the answer.
    """

    operations: list[Operation]
    leaves: list[Value]
    state: Value
    outputs: list[Value]
    structure: Any


@lru_cache(maxsize=256)
def traced_network(fixed: Fixed, state_ndim: int | None, kinds: Fixed, shape: tuple[int, ...], dtype: Any) -> Any:
    """The `TracedNetwork` of a blueprint.

    Args:
        fixed: The blueprint.
        state_ndim: See `evaluate`.
        kinds: The shapes and types of parameters and variables, a tree in a holder.
        shape: Of the states.
        dtype: Of the states.
    """
    state = jax.ShapeDtypeStruct(shape, dtype)
    function = partial(evaluate, fixed, state_ndim)
    closed, answer = jax.make_jaxpr(function, return_shape=True)(*kinds.value, state)
    inputs = [Value(variable.aval) for variable in closed.jaxpr.invars]
    operations: list[Operation] = []
    outputs = _inline(closed, inputs, operations)
    return TracedNetwork(_needed(operations, outputs), inputs[:-1], inputs[-1], outputs, jax.tree.structure(answer))


def _inline(closed: Any, inputs: list[Value], operations: list[Operation]) -> list[Value]:
    """Appends the operations of a function, those of the functions it calls included; the values it answers."""
    known = dict(zip(closed.jaxpr.invars, inputs, strict=True))
    known |= {
        variable: Value(variable.aval, one) for variable, one in zip(closed.jaxpr.constvars, closed.consts, strict=True)
    }

    def value(variable: Any) -> Value:
        return Value(variable.aval, variable.val) if hasattr(variable, "val") else known[variable]

    for equation in closed.jaxpr.eqns:
        reads = [value(variable) for variable in equation.invars]
        name = equation.primitive.name
        if name in _CALLED:
            writes = _inline(equation.params[_CALLED[name]], reads, operations)
        else:
            writes = [Value(variable.aval) for variable in equation.outvars]
            operations.append(Operation(name, equation.params, reads, writes))
        known |= zip(equation.outvars, writes, strict=True)
    return [value(variable) for variable in closed.jaxpr.outvars]


def _needed(operations: list[Operation], outputs: list[Value]) -> list[Operation]:
    needed, kept = set(outputs), []
    for operation in reversed(operations):
        if not needed.isdisjoint(operation.writes):
            kept.append(operation)
            needed.update(operation.reads)
    return kept[::-1]


_CALLED = {  # primitives that call a function once, and what it stands under
    "jit": "jaxpr",
    "closed_call": "call_jaxpr",
    "custom_jvp_call": "call_jaxpr",
    "custom_vjp_call": "call_jaxpr",
}
