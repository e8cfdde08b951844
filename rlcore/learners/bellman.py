"""One step of a table of values towards what was seen."""

import math
from itertools import compress
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from rlcore.approximators.tabular import Cells, TabularApproximator
from rlcore.errors import ConfigError, RLCoreError
from rlcore.learners.targets import bellman_target, best_value
from rlcore.legal import legal_of
from rlcore.struct import is_traced


def bellman_update(
    approximator: TabularApproximator,
    state: Any,
    next_state: Any,
    action: Any,
    reward: Any,
    terminated: Any,
    gamma: Any,
    alpha: Any,
    next_mask: Any = None,
) -> None:
    """Moves the value of every transition towards its target, one after the other.

    Args:
        approximator: The table; traced, it gets a new one.
        state: `[B]` indices, or one, as all that follow.
        next_state: Where it led.
        action: What was done; ignored by a table of state values.
        reward: What it gave.
        terminated: Whether nothing comes after.
        gamma: Discount, a number for all or `[B]`.
        alpha: Step size, likewise.
        next_mask: `[B, actions]` bool, the actions among which the best next one is; `None`: all.

    Raises:
        ConfigError: On the host, a state or action outside the table.
        RLCoreError: On the host, a value that would not be finite; it is not written.

    Source: Sutton & Barto 2018, eq. 6.8; Julia `bellman_update!`.
    """
    table = approximator.table
    if reward.__class__ is float and table.__class__ is np.ndarray:
        gamma, alpha = table.dtype.type(gamma).item(), table.dtype.type(alpha).item()
        update_cell(approximator.cells(), state, next_state, action, reward, terminated, gamma, alpha, next_mask)
        return
    rows = (state, next_state, action, reward, terminated, gamma, alpha, next_mask)
    if isinstance(table, np.ndarray) and not any(map(is_traced, rows)):
        _update_host(approximator.cells(), *rows)
    else:
        approximator.table = _update_traced(jnp.asarray(table), *rows)


def update_cell(
    cells: Cells,
    state: int,
    next_state: int,
    action: int,
    reward: float,
    terminated: bool,
    gamma: float,
    alpha: float,
    next_mask: Any,
    value: float | None = None,
) -> float:
    """One transition, in plain numbers: each number and operation is rounded to the table's dtype, as in a trace.

    A product or sum of two such numbers is exact in Python's floats, or rounds alike.

    Args:
        cells: Of the table.
        state: Where the action was chosen.
        next_state: Where it led.
        action: What was done.
        reward: What it gave, perhaps over several steps.
        terminated: Whether nothing comes after.
        gamma: Discount of what comes after, rounded already.
        alpha: Step size, rounded already.
        next_mask: `[actions]` bool, the legal ones among which the best next action is; `None`: all.
        value: What `next_state` is worth; `None`: its best action.

    Returns:
        How far the value was off: target minus value.

    Raises:
        ConfigError: A state or action outside the table.
        RLCoreError: A value that would not be finite; it is not written.
    """
    if cells.is_state_value:
        action, next_mask = 0, None
    n_states, n_actions = cells.n_states, cells.n_actions
    if not (0 <= state < n_states and 0 <= next_state < n_states and 0 <= action < n_actions):
        raise _outside(cells, state, next_state, action)
    numbers, rounded = cells.numbers, cells.scratch
    at = state * n_actions + action
    old, target = numbers[at], 0.0
    if reward:  # as nothing else, 0 need not be rounded
        rounded[0] = reward
        target = rounded[0]
    if not terminated:
        if value is None:
            values: Any = cells.row_at(next_state * cells.row_size)
            if next_mask is not None:
                known = legal_of(next_mask)
                if known is not None:
                    values = known.pick(values)
                else:
                    values = compress(values, next_mask.tolist() if next_mask.__class__ is np.ndarray else next_mask)
            try:
                value = max(values)
            except ValueError:  # nothing is legal, as after the end of a game
                value = 0.0
        rounded[0] = gamma * value
        target += rounded[0]
        if reward:
            rounded[0] = target
            target = rounded[0]
    rounded[0] = target - old
    error = rounded[0]
    rounded[0] = alpha * error
    numbers[at] = old + rounded[0]
    if not math.isfinite(new := numbers[at]):
        numbers[at] = old
        raise RLCoreError(
            f"the new value of state {state}, action {action} would be {new} (it was {old}; reward {reward}, "
            f"gamma {gamma}, alpha {alpha}) and was not written; look for extreme rewards"
        )
    return error


def _update_host(cells: Cells, *columns: Any) -> None:
    *numbers, gamma, alpha, next_mask = columns
    numbers += [np.asarray(gamma, cells.table.dtype), np.asarray(alpha, cells.table.dtype)]
    n_rows = np.size(columns[3])  # of the reward
    rows = [[0] * n_rows if number is None else np.broadcast_to(number, (n_rows,)).tolist() for number in numbers]
    masks = [None] * n_rows if next_mask is None else np.reshape(next_mask, (n_rows, -1)).tolist()
    for row in zip(*rows, masks, strict=True):
        update_cell(cells, *row)


def _update_traced(table: jax.Array, *columns: Any) -> jax.Array:
    *numbers, next_mask = [None if column is None else jnp.asarray(column) for column in columns]
    n_rows = jnp.size(columns[3])  # of the reward
    rows = [None if number is None else jnp.broadcast_to(number, (n_rows,)) for number in numbers]
    masks = None if next_mask is None else next_mask.reshape(n_rows, -1)
    if n_rows == 1:
        return _update_row(table, *jax.tree.map(lambda column: column[0], (*rows, masks)))
    return jax.lax.scan(lambda table, row: (_update_row(table, *row), None), table, (*rows, masks))[0]


def _update_row(
    table: jax.Array,
    state: Any,
    next_state: Any,
    action: Any,
    reward: Any,
    terminated: Any,
    gamma: Any,
    alpha: Any,
    next_mask: Any,
) -> jax.Array:
    """One transition, in the same order of operations as `update_cell`."""
    future = table[next_state]
    value, at = (future, state) if table.ndim == 1 else (best_value(future, next_mask), (state, action))
    old = table[at]
    target = bellman_target(reward.astype(table.dtype), value, gamma.astype(table.dtype), terminated)
    return table.at[at].set(old + alpha.astype(table.dtype) * (target - old))


def _outside(cells: Cells, state: Any, next_state: Any, action: Any) -> ConfigError:
    if not 0 <= action < cells.n_actions:
        return ConfigError(f"action is {action}, expected from 0 to {cells.n_actions - 1}, the columns of the table")
    name, wrong = ("next_state", next_state) if 0 <= state < cells.n_states else ("state", state)
    return ConfigError(f"{name} is {wrong}, expected from 0 to {cells.n_states - 1}, the rows of the table")
