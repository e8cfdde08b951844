"""Which updates are due after a push: returns over several steps, and the rest of them where an episode ends.

A window is what happened in a lane lately, one step after the other. An update is due for its first step once the
window is full; where an episode ends, one for every step of it that still waits. So a return never goes on beyond an
end, and what it adds for later is what the true next state of its last step is worth.

Source: Sutton & Barto 2018, sections 7.1 and 7.2.
"""

from typing import Any

import jax.numpy as jnp
import numpy as np

from rlcore.learners.updates import Updates, update_on_host, update_traced

Step = tuple[int, int, float, int, bool, bool, bool]  # state, action, reward, next state, terminated, truncated, valid


def learn_window(learner: Any, window: Any, alpha: Any) -> None:
    """Does what is due after a push.

    Args:
        learner: The `TDLearner`.
        window: `LatestTransitions`, of which it looks at the last `learner.n_transitions`.
        alpha: Step size.
    """
    n = learner.n_transitions
    steps, valid = window.transitions[-n:], window.valid[-n:]
    newest = steps[-1]
    n_updates = n * int(np.size(newest.reward))
    coins = learner.coins(n_updates)
    if not learner.is_on_host(newest.reward, newest.state, valid[-1]):
        updates = _due_traced(learner, steps, list(map(jnp.asarray, valid)), jnp.asarray(coins))
        update_traced(learner, updates, jnp.full(n_updates, alpha))
        return
    alpha = learner.approximator.table.dtype.type(alpha).item()
    for (lane, mask), of_lane in zip(_lanes(steps, valid), coins.reshape(-1, n).tolist(), strict=True):
        for one in _due_on_host(learner, lane, mask, of_lane):
            update_on_host(learner, one, alpha)


def _lanes(transitions: Any, valid: Any) -> list[tuple[list[Step], Any]]:
    """The steps of each lane in plain numbers, oldest first, and the mask at the last next state, on the host."""
    newest = transitions[-1]
    columns = [
        (one.state, one.action, one.reward, one.next_state, one.terminated, one.truncated, flag)
        for one, flag in zip(transitions, valid, strict=True)
    ]
    if not np.ndim(newest.reward):
        return [([_plain(step) for step in columns], newest.next_mask)]
    rows = range(len(newest.reward))
    lists = [[_column(column, len(rows)) for column in step] for step in columns]
    masks = [None] * len(rows) if newest.next_mask is None else newest.next_mask
    return [([tuple(column[row] for column in step) for step in lists], masks[row]) for row in rows]


def _plain(step: Any) -> Step:
    """A step that a compiled run left behind holds arrays of no axes; one that was never pushed, nothing."""
    return tuple([value.item() if hasattr(value, "item") else value for value in step])


def _column(column: Any, n: int) -> list[Any]:
    return np.asarray(column).tolist() if np.ndim(column) else [column] * n


def _due_on_host(learner: Any, steps: list[Step], mask: Any, coins: list[bool]) -> list[Updates]:
    """The updates that are due in one lane, oldest first.

    Args:
        learner: Whose method, discount and table it is.
        steps: The last steps of the lane, oldest first.
        mask: The legal actions where the last one led.
        coins: For each step, whether its update moves the second table.
    """
    last, due = steps[-1], []
    if learner.method == "SARSA":
        totals = _totals(learner, steps[:-1])
        if len(totals) == len(steps) - 1 and _goes_on(steps[-2], last):
            (state, action, *_), gamma = steps[0], learner.discounts[len(totals) - 1]
            due = [Updates(state, action, totals[-1], last[0], False, gamma, None, last[1], True, True, coins[0])]
        steps, coins = steps[1:], coins[1:]
    has_ended = last[4] or last[5]
    totals = _totals(learner, steps) if has_ended or learner.method != "SARSA" else []
    if not has_ended and len(totals) < len(steps):
        return due
    for n in range(len(totals), 0 if has_ended else len(totals) - 1, -1):
        (state, action, *_), gamma = steps[-n], learner.discounts[n - 1]
        due.append(Updates(state, action, totals[n - 1], last[3], last[4], gamma, mask, None, False, True, coins[-n]))
    return due


def _totals(learner: Any, steps: list[Step]) -> list[float]:
    """The discounted sum of the last reward, of the last two, and so on, as far as they belong to one episode."""
    if not steps[-1][-1]:
        return []
    rounded, gamma = learner.approximator.cells().scratch, learner.discounts[0]
    totals, following = [steps[-1][2]], steps[-1]
    for step in steps[-2::-1]:
        if not _goes_on(step, following):
            break
        rounded[0] = totals[-1]
        rounded[0] = gamma * rounded[0]
        rounded[1] = step[2]
        rounded[0] = rounded[1] + rounded[0]
        totals.append(rounded[0])
        following = step
    return totals


def _goes_on(step: Step, following: Step) -> bool:
    """Whether `following` is the step after `step`, in the same episode."""
    return step[-1] and following[-1] and not (step[4] or step[5]) and step[3] == following[0]


def _due_traced(learner: Any, steps: Any, valid: Any, coins: Any) -> Updates:
    """The same in a trace: one update per lane and step, `[lanes * steps]`, which says itself whether it is due.

    Args:
        learner: Whose method, discount and table it is.
        steps: The last ones, oldest first, each a batch.
        valid: As many flags.
        coins: `[lanes * steps]`, whether an update moves the second table.
    """
    last, n = steps[-1], len(steps)
    has_ended = jnp.asarray(last.terminated) | last.truncated
    if learner.method == "SARSA":
        totals, are_whole = _totals_traced(learner, steps[:-1], valid[:-1])
        first = are_whole[-1] & _goes_on_traced(steps[-2], last, valid[-2] & valid[-1])
        rest, belong = _totals_traced(learner, steps[1:], valid[1:])
        rewards = [totals[-1], *rest[::-1]]
        is_due = [first, *[has_ended & belongs for belongs in belong[::-1]]]
        lengths = [n - 1, *range(n - 1, 0, -1)]
    else:
        totals, belong = _totals_traced(learner, steps, valid)
        rewards = totals[::-1]
        is_due = [belong[-1], *[has_ended & belongs for belongs in belong[-2::-1]]]
        lengths = list(range(n, 0, -1))
    is_known = np.arange(n) < (learner.method == "SARSA")

    def columns(values: list[Any]) -> Any:
        return jnp.stack(list(map(jnp.asarray, values)), axis=-1).reshape(-1)

    def column(value: Any, otherwise: Any = None) -> Any:
        values = [value] * n
        if learner.method == "SARSA" and otherwise is not None:
            values[0] = otherwise
        return columns(values)

    masks = None
    if last.next_mask is not None:
        masks = jnp.repeat(jnp.asarray(last.next_mask).reshape(-1, jnp.shape(last.next_mask)[-1]), n, axis=0)
    n_lanes = coins.shape[0] // n
    return Updates(
        state=columns([step.state for step in steps]),
        action=columns([step.action for step in steps]),
        reward=columns(rewards),
        next_state=column(last.next_state, last.state),
        terminated=column(last.terminated, jnp.zeros_like(has_ended)),
        gamma=jnp.asarray(np.tile([learner.discounts[length - 1] for length in lengths], n_lanes), totals[0].dtype),
        next_mask=masks,
        next_action=column(last.action),
        is_known=jnp.asarray(np.tile(is_known, n_lanes)),
        is_due=columns(is_due),
        is_second=coins,
    )


def _totals_traced(learner: Any, steps: Any, valid: Any) -> tuple[list[Any], list[Any]]:
    """As on the host, for every number of steps, and whether they belong to one episode."""
    dtype = jnp.asarray(learner.approximator.table).dtype
    totals, belong = [jnp.asarray(steps[-1].reward).astype(dtype)], [valid[-1]]
    for at in range(len(steps) - 2, -1, -1):
        reward = jnp.asarray(steps[at].reward).astype(dtype)
        totals.append(reward + jnp.asarray(learner.discounts[0], dtype) * totals[-1])
        belong.append(belong[-1] & _goes_on_traced(steps[at], steps[at + 1], valid[at]))
    return totals, belong


def _goes_on_traced(step: Any, following: Any, valid: Any) -> Any:
    is_over = jnp.asarray(step.terminated) | step.truncated
    return valid & ~is_over & (jnp.asarray(step.next_state) == following.state)
