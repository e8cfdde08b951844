"""Acting through NumPy: the forward pass of a small network, without a call into JAX.

A compiled call costs more than the few thousand multiplications of a small network. So the network is traced, and where
NumPy does every operation as well, these are laid out once, with an array for each result: a pass is then a row of
calls without arguments.
"""

from typing import Any

import jax
import numpy as np

from rlcore.approximators.blueprint import CompiledViews
from rlcore.approximators.operations import MAY_WARN, Call, lay_out
from rlcore.approximators.traced_network import TracedNetwork, traced_network
from rlcore.errors import ConfigError, shorten
from rlcore.fixed import Fixed

_MOST_CALLS = 48  # with more of them compiled code is quicker
_MOST_NUMBERS = 1 << 20  # of parameters, which are copied after every update, for each shape
_MANY = 8  # shapes


class HostPass:
    """The pass of states of one shape; not for several threads at once, because they would share the arrays.

    Attributes:
        shape: Of the states.
        dtype: Of the states.
        parameters: What it answers with.
    """

    __slots__ = (
        *("_calls", "_folded", "_known", "_may_warn", "_outputs", "_state", "_structure"),
        *("dtype", "parameters", "shape"),
    )

    def __init__(self, network: TracedNetwork) -> None:
        """Lays the pass out; `renew` it before the first call.

        Raises:
            KeyError: NumPy has not all operations, there are too many, or the parameters are.
        """
        self.shape, self.dtype, self._structure = network.state.shape, network.state.dtype, network.structure
        reads = {value for one in network.operations for value in one.reads}.union(network.outputs)
        arrays = {value: value.constant for value in reads if value.constant is not None}
        self._known: list[tuple[int, np.ndarray]] = []  # of parameters and variables: which leaf, and its copy
        for place, leaf in enumerate(network.leaves):
            if leaf in reads:
                arrays[leaf] = np.empty(leaf.shape, leaf.dtype)
                self._known.append((place, arrays[leaf]))
        self._state = arrays[network.state] = np.empty(self.shape, self.dtype)
        follows = {network.state}  # what depends on the states
        self._calls: list[Call] = []
        self._folded: list[Call] = []  # for what depends on parameters and variables alone
        for one in network.operations:
            results, calls = lay_out(one.name, one.writes, [arrays[value] for value in one.reads], one.parameters)
            arrays.update(zip(one.writes, results, strict=True))
            if follows.isdisjoint(one.reads):
                self._folded += calls
            else:
                self._calls += calls
                follows.update(one.writes)
        if len(self._calls) > _MOST_CALLS or sum(array.size for _, array in self._known) > _MOST_NUMBERS:
            raise KeyError("too large")
        self._outputs = [arrays[value] for value in network.outputs]
        self._may_warn = not MAY_WARN.isdisjoint(one.name for one in network.operations)
        self.parameters: Any = None

    def renew(self, parameters: Any, leaves: list[Any]) -> None:
        """Takes parameters; `leaves` are those of parameters and variables."""
        self.parameters = parameters
        for place, array in self._known:
            array[...] = leaves[place]  # of JAX arrays quicker than np.copyto
        if self._folded:
            self._call_quietly(self._folded)

    def __call__(self, x: np.ndarray) -> Any:
        """The answer for states of its shape: arrays of the caller's own."""
        np.copyto(self._state, x)
        if self._may_warn:
            self._call_quietly(self._calls)
        else:
            for call in self._calls:
                call()
        if self._structure is _LEAF:
            return self._outputs[0].copy()
        return jax.tree.unflatten(self._structure, [output.copy() for output in self._outputs])

    def _call_quietly(self, calls: list[Call]) -> None:
        """As JAX does, which says nothing of infinities."""
        with np.errstate(all="ignore"):
            for call in calls:
                call()


_LEAF: Any = jax.tree.structure(0)


class HostViews:
    """What answers for a network on the host: a pass for every shape of states, or compiled code.

    Attributes:
        parameters: What it answers with; where an approximator holds others by now, these are old: `renew` it.
        state_ndim: See `Approximator`.
    """

    __slots__ = (
        *("_compiled", "_fixed", "_kinds", "_last", "_leaves", "_passes", "_variables"),
        *("parameters", "state_ndim"),
    )

    def __init__(self, fixed: Fixed, state_ndim: int | None, parameters: Any, variables: Any) -> None:
        self._fixed, self.state_ndim = fixed, state_ndim
        leaves, structure = jax.tree.flatten((parameters, variables))
        kinds = [jax.ShapeDtypeStruct(leaf.shape, leaf.dtype) for leaf in leaves]
        self._kinds = Fixed(jax.tree.unflatten(structure, kinds), (structure, *map(str, kinds)))
        self._passes: dict[Any, HostPass | None] = {}
        self._last: HostPass | None = None
        self._compiled: CompiledViews | None = None
        self.renew(parameters, variables)

    def renew(self, parameters: Any, variables: Any) -> None:
        """Takes other parameters and variables of the same shapes."""
        self.parameters = parameters
        self._leaves = jax.tree.leaves((parameters, variables))
        self._variables, self._compiled = variables, None
        if self._last is not None:
            self._last.renew(parameters, self._leaves)

    def forward(self, x: np.ndarray) -> Any:
        """The outputs `[..., *output]` for states `[..., *state]`, arrays of the caller's own.

        Raises:
            ConfigError: The network can't take states of this shape.
        """
        last = self._last
        if last is None or x.shape != last.shape or x.dtype is not last.dtype:
            last = self._last = self.pass_for(x)
            if last is None:
                return self._ask_compiled(x)
        return last(x)

    def _ask_compiled(self, x: np.ndarray) -> Any:
        if self._compiled is None:
            self._compiled = CompiledViews(self._fixed, self.state_ndim, self.parameters, self._variables)
        return self._compiled.forward(x)

    def pass_for(self, x: np.ndarray) -> HostPass | None:
        """The pass for states like `x`; `None` if only compiled code can answer.

        Raises:
            ConfigError: The network can't take states of this shape.
        """
        key = x.shape, x.dtype
        if key not in self._passes:
            if len(self._passes) == _MANY:
                self._passes.clear()
            self._passes[key] = self._quickest(x)
        found = self._passes[key]
        if found is not None and found.parameters is not self.parameters:
            found.renew(self.parameters, self._leaves)
        return found

    def _quickest(self, x: np.ndarray) -> HostPass | None:
        """One without a batch axis where the network answers a state alone as it does in a batch of one."""
        found = self._laid_out(x, self.state_ndim)
        if found is None or x.ndim != self.state_ndim:
            return found
        try:
            alone = self._laid_out(x, None)
        except Exception:  # whatever it is: then it gets a batch axis
            return found
        some = np.random.default_rng(0).normal(size=x.shape).astype(x.dtype)
        return alone if alone is not None and are_close(alone(some), found(some)) else found

    def _laid_out(self, x: np.ndarray, state_ndim: int | None) -> HostPass | None:
        try:
            network = traced_network(self._fixed, state_ndim, self._kinds, x.shape, x.dtype)
        except (TypeError, ValueError) as error:  # anything else is the network's own word
            raise ConfigError(
                f"the network can't take states of shape {x.shape} and type {x.dtype} ({shorten(str(error))}); "
                "expected [..., *state], as the environment has them"
            ) from error
        try:
            found = HostPass(network)
        except KeyError:
            return None
        found.renew(self.parameters, self._leaves)
        return found


def host_views(
    views: HostViews | None, fixed: Fixed, state_ndim: int | None, parameters: Any, variables: Any
) -> HostViews:
    """`views`, if they are of such states, with these parameters and variables; else new ones."""
    if views is None or views.state_ndim != state_ndim:
        return HostViews(fixed, state_ndim, parameters, variables)
    if views.parameters is not parameters:
        views.renew(parameters, variables)
    return views


def are_close(one: Any, other: Any) -> bool:
    """Whether two answers of a network have one shape, and differ by no more than rounding."""
    pairs = list(zip(jax.tree.leaves(one), jax.tree.leaves(other), strict=True))
    return all(a.shape == b.shape and np.allclose(a, b, 1e-4, 1e-5) for a, b in pairs)
