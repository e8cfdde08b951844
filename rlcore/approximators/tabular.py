"""Values in a table."""

import functools
from collections.abc import Callable, Sequence
from struct import Struct
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from gymnasium import Space, spaces

from rlcore.arguments import check_number, check_whole
from rlcore.errors import ConfigError, shorten
from rlcore.struct import cached, is_traced, struct

Array = np.ndarray | jax.Array


class Cells:
    """The numbers of a NumPy table one by one, as Python floats: quicker than indexing the array.

    Attributes:
        table: What they belong to; a change here is a change there.
        numbers: All of them in one row: the value of (state, action) is at `state * n_actions + action`.
        scratch: Two cells of the same dtype: writing a number and reading it again rounds it.
        n_states: Rows of the table.
        n_actions: Columns of the table, 1 for a table of state values.
        is_state_value: Whether the table has no actions.
        row_at: Answers the values of all actions of a state, asked with `state * row_size`.
        row_size: In bytes.
    """

    __slots__ = ("is_state_value", "n_actions", "n_states", "numbers", "row_at", "row_size", "scratch", "table")

    def __init__(self, table: np.ndarray) -> None:
        self.table = table
        numbers: Any = table.reshape(-1)
        scratch: Any = np.empty(2, table.dtype)
        self.is_state_value = table.ndim == 1
        self.n_states, self.n_actions = table.shape if table.ndim == 2 else (len(table), 1)
        self.row_size = self.n_actions * table.itemsize
        self.row_at: Callable[[int], Sequence[float]] = self._slice_at
        if table.dtype.char in "fd":  # those that Python itself can read and write
            numbers, scratch = memoryview(numbers), memoryview(scratch)
            self.row_at = functools.partial(Struct(f"{self.n_actions}{table.dtype.char}").unpack_from, numbers)
        self.numbers, self.scratch = numbers, scratch

    def _slice_at(self, place: int) -> Sequence[float]:
        start = place // self.row_size * self.n_actions
        return self.numbers[start : start + self.n_actions].tolist()

    def __reduce__(self) -> tuple[Any, ...]:
        """A copy is made anew around the copy of the table, because memory views can't be copied."""
        return Cells, (self.table,)


@struct
class TabularApproximator:
    """One value per state, or per state and action.

    Attributes:
        table: `[states]` or `[states, actions]`, its own copy; updates on the host write into it.

    Source: Julia `TabularApproximator`.
    """

    table: Any
    _cells: Any = cached()

    def __init__(self, table: Any) -> None:
        """Copies `table`; a NumPy array of floats keeps its dtype, anything else becomes float32.

        Raises:
            ConfigError: Not one or two axes, an empty axis, or numbers that are not finite.
        """
        try:
            given = np.asarray(table)
            keeps = isinstance(table, np.ndarray) and np.issubdtype(given.dtype, np.floating)
            dtype = given.dtype.newbyteorder("=") if keeps else np.float32  # in this machine's order
            self.table = np.array(given, dtype, order="C")
        except (TypeError, ValueError) as error:
            raise ConfigError(
                f"table is {shorten(repr(table))}, expected numbers [states] or [states, actions] ({error})"
            ) from None
        if self.table.ndim not in (1, 2) or 0 in self.table.shape:
            raise ConfigError(
                f"table has shape {self.table.shape}, expected [states] or [states, actions], at least one of each"
            )
        if not np.isfinite(self.table).all():
            place = tuple(np.argwhere(~np.isfinite(self.table))[0].tolist())
            raise ConfigError(f"table{list(place)} is {self.table[place]}, expected finite numbers everywhere")

    def forward(self, state: Any) -> Any:
        """The values at `state`.

        Args:
            state: `[...]` indices of states, from 0.

        Returns:
            `[..., actions]`, or `[...]` of a table of state values; never a view of the table.

        Raises:
            ConfigError: On the host, an index outside the table or no whole number. (Traced, the last state answers.)
        """
        table = self.table
        if state.__class__ is int and table.__class__ is np.ndarray:
            if 0 <= state < len(table):
                return table[state].copy()
        elif is_traced(state) or is_traced(table):
            return jnp.asarray(table)[state]
        return table[_indices("state", state, len(table))].copy()

    def row(self, state: Any) -> Sequence[float] | None:
        """The values of all actions at `state` as plain numbers, fast; `None` where `forward` takes a closer look."""
        table, cells = self.table, self._cells
        if self.__class__ is not TabularApproximator:  # `forward` may be another one
            return None
        if cells is None or cells.table is not table:
            if table.__class__ is not np.ndarray:
                return None
            cells = self.cells()
        is_known = state.__class__ is int and 0 <= state < cells.n_states
        return cells.row_at(state * cells.row_size) if is_known and not cells.is_state_value else None

    def target(self, state: Any) -> Any:
        """The same as `forward(state)`."""
        return self.forward(state)

    @property
    def is_finite(self) -> bool:
        """Whether all values are finite."""
        return bool(np.isfinite(np.asarray(self.table)).all())

    def cells(self) -> Cells:
        """The numbers of the table for updates on the host."""
        cells = self._cells
        if cells is None or cells.table is not self.table:
            if not self.table.flags.c_contiguous or not self.table.flags.writeable:
                self.table = np.array(self.table, order="C")
            cells = self._cells = Cells(self.table)
        return cells

    def check(self, state_space: Space) -> Any:
        """The shape and dtype of the values of one state.

        Raises:
            ConfigError: The states are not discrete, or more than the table has.
        """
        if not isinstance(state_space, spaces.Discrete):
            raise ConfigError(
                f"states are {state_space}, expected Discrete states for a table: number the states where the "
                "environment is converted, or use an Approximator with a network"
            )
        end = int(state_space.start) + int(state_space.n)
        if state_space.start < 0 or end > len(self.table):
            raise ConfigError(
                f"states go from {int(state_space.start)} to {end - 1}, but the table has {len(self.table)} rows; "
                f"build it with n_states={end}, and states from 0"
            )
        return jax.ShapeDtypeStruct(self.table.shape[1:], self.table.dtype)


def TabularVApproximator(n_states: int, init: float = 0.0) -> TabularApproximator:
    """A table of state values `[n_states]`, all `init`.

    Raises:
        ConfigError: `n_states` is below 1 or `init` not finite.

    Source: Julia `TabularVApproximator`.
    """
    return TabularApproximator(np.full(check_whole("n_states", n_states), check_number("init", init), np.float32))


def TabularQApproximator(n_states: int, n_actions: int, init: float = 0.0) -> TabularApproximator:
    """A table of action values `[n_states, n_actions]`, all `init`.

    Raises:
        ConfigError: A size is below 1 or `init` not finite.

    Source: Julia `TabularQApproximator`.
    """
    shape = (check_whole("n_states", n_states), check_whole("n_actions", n_actions))
    return TabularApproximator(np.full(shape, check_number("init", init), np.float32))


def _indices(name: str, given: Any, size: int) -> np.ndarray:
    """`given` as an array of indices below `size`; NumPy itself would take a negative one from the end."""
    indices = np.asarray(given)
    if not np.issubdtype(indices.dtype, np.integer):
        raise ConfigError(
            f"{name} is {shorten(repr(given))}, expected whole numbers: rows of the table, from 0 to {size - 1}"
        )
    if indices.size and (indices.min() < 0 or indices.max() >= size):
        wrong = indices[(indices < 0) | (indices >= size)].flat[0]
        raise ConfigError(f"{name} is {wrong}, expected from 0 to {size - 1}, the rows of the table")
    return indices
