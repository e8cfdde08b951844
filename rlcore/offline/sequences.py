"""Transitions in the form that files and datasets have: runs of states, each stored once."""

from typing import Any, NamedTuple

import jax
import numpy as np

from rlcore.arguments import check_whole
from rlcore.errors import ConfigError
from rlcore.offline.space_records import misfit
from rlcore.trajectories import CircularTraces, Container
from rlcore.trajectories.frames import rows_for, slots_for
from rlcore.trajectories.memory import check_memory

_BLOCK_BYTES = 1 << 24  # that are compared at a time
_BLOCK_STEPS = 1024  # that are taken out at a time


class Sequences(NamedTuple):
    """Transitions, one sequence after the other; a sequence of n transitions has n + 1 states.

    Where an episode ends, a sequence ends. One also ends where the next transition starts in another state: at the last
    transition of a lane, or where a run was stopped in the middle of an episode.

    Attributes:
        state: `[transitions + sequences, ...]` or a tree of such arrays.
        mask: `[transitions + sequences, actions]` bool, the legal actions at each state, or `None`.
        action: `[transitions, ...]`, or a tree.
        reward: `[transitions]` float32.
        terminated: `[transitions]` bool.
        truncated: `[transitions]` bool.
        extras: What the policy knew when it acted, a dict of `[transitions, ...]`, or `None`.
        length: `[sequences]` int64, the transitions of each.
        lane: `[sequences]` int64, which of several environments each comes from, rising; 0 if there was one.
        lanes: How many environments acted side by side; `None` for a single one.
    """

    state: Any
    mask: Any
    action: Any
    reward: np.ndarray
    terminated: np.ndarray
    truncated: np.ndarray
    extras: Any
    length: np.ndarray
    lane: np.ndarray
    lanes: int | None


def sequences_of(traces: Container) -> Sequences:
    """What a container holds, lane after lane, oldest first.

    Raises:
        ConfigError: It holds nothing, or a transition without a leading axis.
    """
    batch = traces.whole()
    if batch is None:
        raise ConfigError(f"{traces!r} holds no transition, expected at least one; collect some before you save it")
    if np.ndim(batch.reward) != 1:
        raise ConfigError(
            f"{type(traces).__name__} keeps the last transition only, as it came; keep what you want to save in "
            "CircularTraces(capacity)"
        )
    batch = jax.tree.map(np.asarray, batch)
    n, lanes = len(batch.reward), getattr(traces, "lanes", None)
    counts = np.atleast_1d(getattr(traces, "filled", n)) if lanes is not None else np.array([n])
    is_last = batch.terminated | batch.truncated
    is_last[np.cumsum(counts)[counts > 0] - 1] = True
    here, there = (batch.state, batch.mask), (batch.next_state, batch.next_mask)
    is_last[:-1] |= ~_rows_agree(jax.tree.map(lambda x: x[1:], here), jax.tree.map(lambda x: x[:-1], there), n - 1)
    last = np.flatnonzero(is_last)
    sequence = np.cumsum(is_last) - is_last  # [transitions], which one each belongs to

    def once(states: np.ndarray, next_states: np.ndarray) -> np.ndarray:
        rows = np.empty((n + len(last), *states.shape[1:]), states.dtype)
        rows[np.arange(n) + sequence] = states
        rows[last + np.arange(len(last)) + 1] = next_states[last]
        return rows

    state, mask = jax.tree.map(once, here, there)
    return Sequences(
        state=state,
        mask=mask,
        action=batch.action,
        reward=batch.reward,
        terminated=batch.terminated,
        truncated=batch.truncated,
        extras=batch.extras,
        length=np.diff(last, prepend=-1).astype(np.int64),
        lane=np.repeat(np.arange(len(counts)), counts)[last].astype(np.int64),
        lanes=lanes,
    )


def traces_of(sequences: Sequences, capacity: int | None, n_frames: int = 1) -> CircularTraces:
    """A container that holds them, with the lanes that they came from.

    Args:
        sequences: At least one.
        capacity: How many transitions fit; `None`: just these.
        n_frames: How many frames a state is a stack of.

    Raises:
        ConfigError: Not all of them fit, or the states are no such stacks.
    """
    lanes = sequences.lanes
    order = _order(sequences.lane, sequences.length, lanes or 1)
    n_lanes, longest = order.shape
    needed = n_lanes * longest
    if capacity is not None and check_whole("capacity", capacity) < needed:
        by_lanes = "" if lanes is None else f" in {lanes} lanes, the longest of which has {longest}"
        raise ConfigError(
            f"capacity is {capacity}, but there are {len(sequences.reward)} transitions{by_lanes}; expected at least "
            f"{needed}, or None for just as many"
        )
    # stored once, the states of short episodes would take more rows than there are, and push out the oldest ones
    n_rows = int(np.bincount(sequences.lane, sequences.length + check_whole("n_frames", n_frames), n_lanes).max())
    if capacity is None:
        size = longest if n_frames == 1 or n_rows <= rows_for(longest, n_frames) else slots_for(n_rows)
        capacity = size * n_lanes
    fits = n_rows <= rows_for(capacity // n_lanes, n_frames)
    if n_frames > 1 and not fits:
        raise ConfigError(
            f"capacity is {capacity}, in which {len(sequences.reward)} transitions do not all fit frame by frame: each "
            f"of their {len(sequences.length)} sequences takes {n_frames} frames more; expected at least "
            f"{slots_for(n_rows) * n_lanes}, or None for just as many"
        )
    traces = CircularTraces(capacity, n_frames, states_once=None if fits else False)
    first_row = np.arange(len(sequences.reward)) + np.repeat(np.arange(len(sequences.length)), sequences.length)
    counts = np.bincount(sequences.lane, sequences.length, n_lanes)
    steps = order[0] if lanes is None else order.T
    for start in range(0, longest, _BLOCK_STEPS):
        index = steps[start : start + _BLOCK_STEPS]
        values = _transitions(sequences, index, first_row[index])
        if lanes is not None:
            values["valid"] = np.arange(start, start + len(index))[:, None] < counts
        leaves, structure = jax.tree.flatten(values)
        for row in zip(*leaves, strict=True):
            traces.push(**jax.tree.unflatten(structure, row))
    if len(traces) < len(sequences.reward):
        raise ConfigError(
            f"n_frames is {n_frames}, but next states do not go on from the frames of the states before them, so that "
            f"{len(sequences.reward) - len(traces)} transitions found no room; leave n_frames away"
        )
    return traces


def misfit_of(sequences: Sequences, state_space: Any, action_space: Any) -> str:
    """Why sequences are none of an environment with such spaces, as policies see them; empty if they are."""
    n, n_states = len(sequences.reward), len(sequences.reward) + len(sequences.length)
    if why := misfit(state_space, sequences.state, n_states):
        return f"the states are {why}"
    if why := misfit(action_space, sequences.action, n):
        return f"the actions are {why}"
    if sequences.mask is not None:
        expected = (n_states, int(getattr(action_space, "n", 0)))
        if sequences.mask.shape != expected or sequences.mask.dtype != bool:
            return f"the masks are {sequences.mask.dtype}{list(sequences.mask.shape)}, expected bool{list(expected)}"
    if not np.isfinite(sequences.reward).all():
        return "a reward is not finite"
    return ""


def _transitions(sequences: Sequences, index: np.ndarray, row: np.ndarray) -> dict[str, Any]:
    """The arguments of pushes, `[steps, ...]`: the transitions at `index`, whose states begin at `row`."""
    states = {"state": sequences.state, "mask": sequences.mask}
    columns = ("action", "reward", "terminated", "truncated", "extras")
    return {
        **jax.tree.map(lambda x: x[row], states),
        **{f"next_{name}": jax.tree.map(lambda x: x[row + 1], part) for name, part in states.items()},
        **{name: jax.tree.map(lambda x: x[index], getattr(sequences, name)) for name in columns},
    }


def _order(lane: np.ndarray, length: np.ndarray, n_lanes: int) -> np.ndarray:
    """`[lanes, longest]`, the transitions of each lane; the last one is repeated in those that are shorter."""
    counts = np.bincount(lane, length, n_lanes).astype(np.int64)
    check_memory(16 * n_lanes * int(counts.max()), f"the places of {counts.sum():,} transitions in {n_lanes:,} lanes")
    starts = np.cumsum(counts) - counts
    steps = np.minimum(np.arange(counts.max()), np.maximum(counts[:, None] - 1, 0))
    return np.minimum(starts[:, None] + steps, counts.sum() - 1)


def _rows_agree(one: Any, other: Any, n: int) -> np.ndarray:
    """`[n]` bool: where the rows of two trees of arrays `[n, ...]` are the same bits."""
    agree = np.ones(n, bool)
    for a, b in zip(jax.tree.leaves(one), jax.tree.leaves(other), strict=True):
        size = max(1, _BLOCK_BYTES // max(1, a[:1].nbytes))
        for start in range(0, n, size):
            block = slice(start, start + size)
            agree[block] &= (_bytes(a[block]) == _bytes(b[block])).all(axis=1)
    return agree


def _bytes(rows: np.ndarray) -> np.ndarray:
    return np.ascontiguousarray(rows).reshape(len(rows), -1).view(np.uint8)
