"""A ring of transitions that are drawn by priority."""

from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from rlcore.arguments import check_number
from rlcore.errors import ConfigError, shorten
from rlcore.random import Random
from rlcore.struct import cached, is_traced, namespace, static, struct
from rlcore.trajectories.annealing import Annealed
from rlcore.trajectories.base import Container
from rlcore.trajectories.batch import Batch
from rlcore.trajectories.circular import CircularTraces
from rlcore.trajectories.columns import PLAIN
from rlcore.trajectories.slots import count_kept, next_slots
from rlcore.trajectories.sum_tree import SumTree

LARGEST_PRIORITY = 1e30  # so that the sum of all of them fits into 32 bits
_NOWHERE = 1 << 30  # past the end of every ring: compiled code drops what is written there


@struct
class PrioritizedTraces(Container):
    """Keeps the last `capacity` transitions; those of high priority are drawn more often.

    A transition i is drawn with probability p_i^alpha / sum over k of p_k^alpha. A new one has the highest priority so
    far, until `update_priorities` says otherwise: `|TD error|`, to which `epsilon` is added. A batch has `key`, for
    `update_priorities`, and `weight`: (N P(i))^-beta, divided by the largest weight of the batch. Its rows are in the
    order of their slots, for each is drawn from its own part of the sum, of as many equal parts as there are rows.

    Args:
        capacity: How many transitions fit; or the `CircularTraces` that keep them, still empty.
        alpha: From 0 (uniform) to 1 (proportional).
        beta: From 0 (no correction) to 1 (all of it), or a schedule of how many batches were drawn, such as
            `optax.linear_schedule(0.4, 1.0, 100_000)`.
        epsilon: Above 0: what a transition without an error still counts.

    Attributes:
        traces: What keeps the transitions.
        tree: p^alpha of every slot; `None` before the first push.
        highest: The largest p^alpha so far, at first 1.
        laps: How often each lane has begun anew, so that keys tell old transitions from new ones; `[lanes]` if there
            are lanes.
        is_sound: Whether compiled code could use all priorities that it was given last.

    Raises:
        ConfigError: An argument is out of its range, or the traces hold transitions already.

    Source: Schaul et al. 2016 (arXiv 1511.05952), eq. 1, section 3.4, algorithm 1; Julia `CircularPrioritizedTraces`.
    """

    alpha: float = static()
    epsilon: float = static()
    traces: CircularTraces
    beta: Annealed
    _waiting: Any = cached()  # priorities that a device may still compute, and the slots pushed since, in order
    tree: SumTree | None = None
    highest: Any = 1.0
    laps: Any = 0
    is_sound: Any = True

    def __init__(
        self, capacity: int | CircularTraces, alpha: float = 0.6, beta: Any = 0.4, epsilon: float = 1e-6
    ) -> None:
        self.traces = capacity if isinstance(capacity, CircularTraces) else CircularTraces(capacity)
        if self.traces.reward is not None:
            raise ConfigError(
                "the traces were used before, expected empty ones: priorities are kept from the first push"
            )
        self.alpha = check_number("alpha", alpha, 0, 1)
        self.beta = Annealed("beta", beta)
        self.epsilon = check_number("epsilon", epsilon, 0, above=True)

    @property
    def capacity(self) -> int:
        """How many transitions fit, over all lanes."""
        return self.traces.capacity

    @property
    def lanes(self) -> int | None:
        """How many environments push side by side; `None` for a single one."""
        return self.traces.lanes

    @property
    def n_slots(self) -> int:
        """How many transitions fit: `capacity`, rounded down to a multiple of the lanes."""
        return self.traces.n_slots

    @property
    def n_stored(self) -> Any:
        """How many transitions are stored; a JAX number when traced."""
        return self.traces.n_stored

    @property
    def n_pushed(self) -> Any:
        """How many were pushed, at most as many as fit; see `CircularTraces.n_pushed`."""
        return self.traces.n_pushed

    @property
    def filled(self) -> Any:
        """How many transitions each lane holds; `[lanes]` if there are lanes."""
        return self.traces.filled

    def push(
        self,
        state: Any,
        action: Any,
        reward: Any,
        next_state: Any,
        terminated: Any,
        truncated: Any,
        valid: Any = None,
        extras: Any = None,
        mask: Any = None,
        next_mask: Any = None,
    ) -> Any:
        """Keeps a transition, or of a row of them those that are `valid`, at the highest priority so far.

        Returns:
            How many were kept.

        Raises:
            EnvContractError: Other fields, keys, shapes or types than at the first push.
            ConfigError: At the first push, if the columns don't fit into memory or `capacity` is below the rows.
        """
        traces, values = self.traces, (state, action, reward, next_state, terminated, truncated)
        if self.tree is None:
            self.allocate(**dict(zip(PLAIN, values, strict=True)), extras=extras, mask=mask, next_mask=next_mask)
        head, filled = traces.head, traces.filled
        kept = traces.push(*values, valid, extras, mask, next_mask)
        if traces.frames is not None:
            self._forget(head, filled, count_kept(valid, traces.lanes))
        if head.__class__ is not int:
            self._insert(head, count_kept(valid, traces.lanes))
        elif kept:
            self.tree.set_one(head, self.highest)  # type: ignore[union-attr]
            if head + 1 == traces.size:
                self.laps = (self.laps + 1) % self._n_laps()
            if self._waiting:
                self._waiting.append(head)
        return kept

    def allocate(self, **example: Any) -> None:
        """Fixes all shapes from the arguments of a push without storing them; a second time they must be alike.

        Raises:
            ConfigError: The columns don't fit into memory, or `capacity` is below the rows.
            EnvContractError: No numbers, rows of unequal length, or unlike the columns there are.
        """
        self.settle()
        self.traces.allocate(**example)
        if self.tree is None:
            self.tree = SumTree(self.n_slots, in_jax=not isinstance(self.traces.reward, np.ndarray))
            if self.lanes is not None:
                self.laps = np.zeros(self.lanes, np.int32)

    def take(self, indices: Any) -> Batch:
        """The transitions at `indices` `[...]`, each from 0 to `n_stored - 1`, without keys and weights."""
        return self.traces.take(indices)

    def window(self, indices: Any, n: int) -> tuple[Any, Any]:
        """The `n` consecutive transitions from each of `indices` `[batch]` on; see `CircularTraces.window`."""
        return self.traces.window(indices, n)

    def episodes(self) -> list[np.ndarray]:
        """The indices of each episode's transitions; see `CircularTraces.episodes`."""
        return self.traces.episodes()

    def cut(self) -> None:
        """Ends the episode of each lane where it stands; see `CircularTraces.cut`."""
        self.traces.cut()

    def settle(self) -> None:
        """Waits for priorities that a device still computes, and sets them.

        Raises:
            ConfigError: They are negative or not finite.
        """
        waiting, self._waiting = self._waiting, None
        before = self.highest
        for entry in waiting or ():
            if isinstance(entry, tuple):
                self._set(np.asarray(entry[0]), np.asarray(entry[1]))
            elif self.highest != before:  # of a transition that came after them, and stands there with the old one
                self.tree.set(entry, self.highest)  # type: ignore[union-attr]

    def whole(self) -> Batch | None:
        """All that is stored, oldest first, without keys and weights; `None` if nothing is."""
        return self.traces.whole()

    def draw(self, random: Random, n: int) -> tuple[Any, Any, Any]:
        """Draws `n` transitions by priority; takes `n` numbers from `random` for each level of the tree.

        Returns:
            Their indices, keys and importance weights (float32), all `[n]`.

        Raises:
            ConfigError: On the host: priorities that were given are negative or not finite, or beta is out of range.
        """
        self.settle()
        tree: Any = self.tree
        slots, numbers = tree.find(random.uniform((len(tree.levels), n)))
        weight = (numbers / numbers.min()) ** -self.beta()
        return self.traces._indices(slots), self._keys(slots), weight

    def update_priorities(self, key: Any, priority: Any) -> None:
        """Sets the priorities of transitions, for the draws that follow.

        JAX arrays are not waited for: they are read before the next draw. A key whose transition was overwritten since
        is ignored.

        Args:
            key: `[n]`, as a batch gave it.
            priority: `[n]` finite numbers of at least 0, such as `|TD error|`.

        Raises:
            ConfigError: The shapes differ, the keys are no whole numbers or nothing was pushed that could have one, or
                a priority is negative, NaN or above 1e30; of JAX arrays this shows at the next draw, and in compiled
                code such a priority is ignored.
        """
        if self.tree is None or getattr(key, "dtype", np.dtype(object)).kind not in "iu":
            raise ConfigError(
                f"key is {shorten(repr(key))} while {len(self)} transitions are stored, expected the keys of a batch "
                "that was drawn from these: update_priorities(batch.key, priority)"
            )
        if np.shape(key) != np.shape(priority) or np.ndim(key) != 1:
            raise ConfigError(
                f"priority has shape {np.shape(priority)} and key {np.shape(key)}, expected one number per row of the "
                "batch, such as |TD error|, before any mean is taken"
            )
        if is_traced(key) or is_traced(priority) or not isinstance(priority, jax.Array):
            self.settle()
            self._set(key, priority if is_traced(priority) else np.asarray(priority))
        else:
            self._waiting = [*(self._waiting or ()), (key, priority)]

    def _insert(self, head: Any, kept: Any) -> None:
        """Gives what was pushed at `head` of each lane the highest priority so far, where it was kept."""
        tree: Any = self.tree
        slots = next_slots(head, self.lanes, self.traces.size)
        if isinstance(tree.levels[0], np.ndarray):
            slots = slots[np.asarray(kept, bool)]
        else:
            slots = jnp.where(kept == 1, slots, _NOWHERE)
        tree.set(slots, self.highest)
        self.laps = (self.laps + (head + kept) // self.traces.size) % self._n_laps()
        if self._waiting:
            self._waiting.append(slots)

    def _forget(self, head: Any, filled: Any, kept: Any) -> None:
        """Transitions that were given up to make room for states are not drawn any more."""
        tree, traces = self.tree, self.traces
        n_lost = (
            filled + kept - traces.filled
        )  # the oldest ones; in a full lane the new one takes the slot of the first
        if n_lost.__class__ is int and n_lost <= (filled == traces.size):
            return
        xp, steps = namespace(n_lost), np.arange(2 * traces.n_frames + 1)  # Frames gives up no more at a time
        offset = (xp.asarray(head - filled)[..., None] + steps) % traces.size
        slots = offset if self.lanes is None else offset + np.arange(self.lanes)[:, None] * traces.size
        is_lost = steps < xp.asarray(n_lost)[..., None]
        assert tree is not None
        if isinstance(tree.levels[0], np.ndarray):
            tree.set(slots[is_lost], np.float32(0))
        else:
            tree.set(jnp.where(is_lost, slots, _NOWHERE).ravel(), np.float32(0))

    def _set(self, key: Any, priority: Any) -> None:
        tree: Any = self.tree
        slots = key % self.n_slots
        is_fresh = key == self._keys(slots)
        if self.traces.frames is not None:
            is_fresh &= self._is_stored(slots)
        if isinstance(tree.levels[0], np.ndarray):
            _check(priority)
            numbers = (np.asarray(priority, np.float32) + np.float32(self.epsilon)) ** np.float32(self.alpha)
            self.highest = max(self.highest, numbers.max().item())
            if not is_fresh.all():
                slots, numbers = slots[is_fresh], numbers[is_fresh]
        else:
            is_sound = (priority >= 0) & (priority <= LARGEST_PRIORITY)
            priority = jnp.where(is_sound, priority, 0).astype(jnp.float32)
            numbers = (priority + np.float32(self.epsilon)) ** np.float32(self.alpha)
            self.highest, self.is_sound = jnp.maximum(self.highest, numbers.max()), is_sound.all()
            slots = jnp.where(is_fresh & is_sound, slots, _NOWHERE)
        tree.set(slots, numbers)

    def _keys(self, slots: Any) -> Any:
        """Which transitions stand in `slots`: the slot, and how often it was overwritten before."""
        offset, head, laps = self._within(slots, self.traces.head, self.laps)
        n = self.n_slots
        return namespace(slots, laps).where(offset >= head, (laps - 1) % self._n_laps() * n, laps * n) + slots

    def _is_stored(self, slots: Any) -> Any:
        """Whether the transitions in `slots` were not given up."""
        offset, head, filled = self._within(slots, self.traces.head, self.traces.filled)
        return (head - 1 - offset) % self.traces.size < filled

    def _within(self, slots: Any, *of_lanes: Any) -> tuple[Any, ...]:
        """`slots` counted from the first one of their lanes, and what each lane has, for each of them."""
        if self.lanes is None:
            return slots, *of_lanes
        lane = slots // self.traces.size
        return slots - lane * self.traces.size, *(each[lane] for each in of_lanes)

    def _n_laps(self) -> int:
        """After so many laps the keys come again: all of them fit into 31 bits."""
        return (2**31 - 1) // self.n_slots


def _check(priority: np.ndarray) -> None:
    if not priority.size:
        raise ConfigError("update_priorities was given no priority, expected one for each row of a batch")
    if not 0 <= priority.min() <= priority.max() <= LARGEST_PRIORITY:  # also where one is NaN
        row = int(((priority >= 0) & (priority <= LARGEST_PRIORITY)).argmin())
        raise ConfigError(
            f"update_priorities was given priority {priority[row]} (row {row} of {len(priority)}), expected finite "
            f"numbers from 0 to {LARGEST_PRIORITY:g}; give the absolute TD error, look for a loss that is not finite"
        )
