"""The updates of a table that a learner does one after the other, and what the next state is worth by each method."""

from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np

from rlcore.learners.bellman import update_cell
from rlcore.learners.targets import bellman_target, best_value

METHODS = ("SARS", "SARSA", "ExpectedSARSA")


class Updates(NamedTuple):
    """Updates in their order; on the host one of them, in plain numbers, or a column is `None`.

    Attributes:
        state: `[n]` whose value moves, as all that follow.
        action: Of the value.
        reward: What came in all, the later steps discounted.
        next_state: Where that led.
        terminated: Whether nothing comes after.
        gamma: Discount of what comes after.
        next_mask: `[n, actions]` bool, what is legal there; `None`: everything.
        next_action: What was done there; `None`: nobody knows.
        is_known: Whether `next_action` was done in the same episode.
        is_due: Whether the update takes place.
        is_second: Whether the second table of double learning is the one that moves.
    """

    state: Any
    action: Any
    reward: Any
    next_state: Any
    terminated: Any
    gamma: Any
    next_mask: Any = None
    next_action: Any = None
    is_known: Any = False
    is_due: Any = True
    is_second: Any = False


def learn_batch(learner: Any, batch: Any, gamma: Any, terminated: Any, alpha: Any) -> Any:
    """Learns from transitions that need not follow each other, in their order.

    Args:
        learner: The `TDLearner`.
        batch: `[batch, ...]`, or one in plain numbers.
        gamma: Discount of what comes after, a number or `[batch]`, as all that follow.
        terminated: Whether nothing comes after.
        alpha: Step size.

    Returns:
        `[batch]` float32, how far each value was off.
    """
    n = int(np.size(batch.reward))
    columns = [batch.state, batch.action, batch.reward, batch.next_state, terminated, gamma]
    coins = learner.coins(n)
    if learner.is_on_host(*columns, alpha):
        dtype = learner.approximator.table.dtype
        columns[-1], alpha = np.asarray(gamma, dtype), np.asarray(alpha, dtype)
        lists: Any = [np.broadcast_to(0 if one is None else one, (n,)).tolist() for one in (*columns, coins, alpha)]
        masks = [None] * n if batch.next_mask is None else np.reshape(batch.next_mask, (n, -1))
        errors = []
        for *row, coin, size, mask in zip(*lists, masks, strict=True):
            one = Updates._make([*row, mask, None, False, True, coin])
            errors.append(update_on_host(learner, one, size))
        return np.array(errors, np.float32)
    arrays: Any = [jnp.broadcast_to(jnp.asarray(0 if one is None else one), (n,)) for one in columns]
    mask = None if batch.next_mask is None else jnp.reshape(batch.next_mask, (n, -1))
    no = jnp.zeros(n, bool)
    updates = Updates._make([*arrays, mask, arrays[1], no, ~no, jnp.asarray(coins)])
    return update_traced(learner, updates, jnp.broadcast_to(jnp.asarray(alpha), (n,)))


def update_on_host(learner: Any, one: Updates, alpha: float) -> float:
    """Does one update in plain numbers, gamma and alpha in the table's precision; answers how far the value was off.

    Raises:
        ConfigError: A state or action outside the table.
        RLCoreError: A value that would not be finite; it is not written.
    """
    moving, other = learner.approximator.cells(), None
    if learner.second is not None:
        other = learner.second.cells()
        if one.is_second:
            moving, other = other, moving
    value = None if one.terminated else _value_on_host(learner, one, moving, other)
    return update_cell(
        moving,
        one.state,
        one.next_state,
        one.action,
        one.reward,
        one.terminated,
        one.gamma,
        alpha,
        one.next_mask,
        value,
    )


def _value_on_host(learner: Any, one: Updates, moving: Any, other: Any) -> float | None:
    """What the next state is worth; `None`: its best action by the table that moves, or `update_cell` refuses it."""
    if moving.is_state_value or not 0 <= one.next_state < moving.n_states:
        return None
    values = (moving if other is None else other).row_at(one.next_state * moving.row_size)
    if learner.method == "SARSA" and one.is_known:
        return values[one.next_action] if 0 <= one.next_action < moving.n_actions else None
    mask = None if one.next_mask is None else np.asarray(one.next_mask)
    if mask is not None and not mask.any():
        return 0.0
    if learner.method != "SARS" and learner.explorer is not None:
        probabilities = learner.explorer.prob(learner.forward(one.next_state), mask)
        return float((probabilities * np.asarray(values, moving.table.dtype)).sum())
    if other is None:
        return None
    best = moving.table[one.next_state] if mask is None else np.where(mask, moving.table[one.next_state], -np.inf)
    return values[best.argmax()]


def update_traced(learner: Any, updates: Updates, alpha: Any) -> jax.Array:
    """Does all updates in their order; the learner gets new tables.

    Args:
        learner: Whose tables, method and explorer it is.
        updates: `[n]`, or `[n, actions]`.
        alpha: Step sizes `[n]`.

    Returns:
        `[n]`, how far each value was off, 0 where the update was not due.
    """
    tables = [jnp.asarray(one.table) for one in (learner.approximator, learner.second) if one is not None]
    rows = (updates, alpha)
    if np.shape(alpha)[0] == 1:
        tables, error = _update_row(learner, tables, *jax.tree.map(lambda column: column[0], rows))
        errors = error[None]
    else:
        tables, errors = jax.lax.scan(lambda tables, row: _update_row(learner, tables, *row), tables, rows)
    for one, table in zip((learner.approximator, learner.second), tables, strict=False):
        one.table = table
    return errors


def _update_row(learner: Any, tables: list[Any], one: Updates, alpha: Any) -> tuple[list[Any], Any]:
    """One update, in the same order of operations as on the host."""
    dtype = tables[0].dtype
    value = _value_traced(learner, one, [table[one.next_state] for table in tables])
    at = one.state if tables[0].ndim == 1 else (one.state, one.action)
    olds = [table[at] for table in tables]
    old = olds[0] if len(tables) == 1 else jnp.where(one.is_second, olds[1], olds[0])
    error = bellman_target(one.reward.astype(dtype), value, one.gamma.astype(dtype), one.terminated) - old
    new = old + alpha.astype(dtype) * error
    moves = [one.is_due] if len(tables) == 1 else [one.is_due & ~one.is_second, one.is_due & one.is_second]
    tables = [
        table.at[at].set(jnp.where(moved, new, before))
        for table, before, moved in zip(tables, olds, moves, strict=True)
    ]
    return tables, jnp.where(one.is_due, error, 0)


def _value_traced(learner: Any, one: Updates, rows: list[Any]) -> Any:
    """What the next state is worth; `rows` are its values in each table, `[actions]`, or one number."""
    if rows[0].ndim == 0:
        return rows[0]
    if len(rows) == 2:
        values, chosen_by = jnp.where(one.is_second, rows[0], rows[1]), jnp.where(one.is_second, rows[1], rows[0])
        acted_by = (rows[0] + rows[1]) / 2
    else:
        values, chosen_by, acted_by = rows[0], None, rows[0]
    if learner.method == "SARS" or learner.explorer is None:
        value = best_value(values, one.next_mask, chosen_by)
    else:
        value = (learner.explorer.prob(acted_by, one.next_mask) * values).sum(-1)
        if one.next_mask is not None:
            value = jnp.where(one.next_mask.any(-1), value, 0)
    if learner.method != "SARSA":
        return value
    return jnp.where(one.is_known, values[one.next_action], value)
