"""Epsilon-greedy: a random action with probability epsilon, else the best one."""

import math
from collections.abc import Callable
from typing import Any

import jax.numpy as jnp
import numpy as np

from rlcore.arguments import check_flag, check_whole, checked_mask
from rlcore.errors import ConfigError
from rlcore.explorers.choice import (
    answer,
    answer_prob,
    candidates,
    checked,
    evenly,
    first_of,
    legal_indices,
    legal_ranks,
    nth_of,
    usable_values,
)
from rlcore.explorers.counter import LARGEST, Counter
from rlcore.explorers.greedy import best_of_numbers, best_of_row, best_of_rows
from rlcore.explorers.schedule import Decay, Schedule, block_from, decay_of, schedule_of
from rlcore.explorers.shares import UNIT, WHOLE, index_of, split, split_traced
from rlcore.interfaces import Array, Explorer
from rlcore.legal import legal_of
from rlcore.random import Random, random_or_seeded
from rlcore.struct import cached, is_traced, namespace, static, struct


@struct
class EpsilonGreedyExplorer(Explorer):
    """Explores with probability epsilon, which may change with the step; else takes the best legal action.

    Every row takes one number u of the stream: it explores if u < epsilon, with the floor(u n / epsilon)-th of the n
    legal actions; else (u - epsilon) / (1 - epsilon) breaks ties. Epsilon is rounded to a multiple of 2^-24, like u,
    and the arithmetic is exact, so that NumPy and compiled code choose alike; actions are explored evenly to within
    n 2^-24 / epsilon. A NaN is never the best; where all legal values are NaN the choice is random.

    All rows of a call share the epsilon of the step before it; then the step advances by their number.

    Attributes:
        counter: The step.
        random: The stream.
        schedule: Epsilon by step.
        break_ties: Whether equally good actions are chosen evenly; else the first of them.

    Source: Julia `EpsilonGreedyExplorer`.
    """

    counter: Counter
    random: Random
    schedule: Decay | Schedule = static()
    break_ties: bool = static()
    _constant: float | None = static()
    _block: Any = cached()

    def __init__(
        self,
        epsilon_stable: float | Callable[[Any], Any],
        kind: str = "linear",
        epsilon_init: float = 1.0,
        warmup_steps: int = 0,
        decay_steps: int = 0,
        step: int = 1,
        break_ties: bool = False,
        seed: int | None = None,
    ) -> None:
        """Builds the explorer; without warm-up and decay `epsilon_stable` holds from the first step on.

        Args:
            epsilon_stable: Epsilon after warm-up and decay, in [0, 1]. Or a function of the step, such as an Optax
                schedule, that says it at every step; then nothing may be given of the next four.
            kind: How it decays: `"linear"` arrives after `decay_steps`, `"exp"` has come 1 - 1/e of the way by then.
            epsilon_init: Epsilon until `warmup_steps`, in [0, 1].
            warmup_steps: The last step of `epsilon_init`.
            decay_steps: How many steps the decay takes.
            step: The number of the first step.
            break_ties: Whether equally good actions are chosen evenly; else the first of them.
            seed: Seed of the stream; `None`: the experiment names it.

        Raises:
            ConfigError: An epsilon outside [0, 1] or NaN, an unknown kind, a negative step; a function beside `kind`.
        """
        self.counter = Counter(check_whole("step", step, 0))
        decay = decay_of(
            0.0 if callable(epsilon_stable) else epsilon_stable, kind, epsilon_init, warmup_steps, decay_steps
        )
        if callable(epsilon_stable) and decay != decay_of(0.0):
            raise ConfigError(
                "epsilon_stable is a function of the step, expected no kind, epsilon_init, warmup_steps or decay_steps "
                "beside it; put them into the function, or pass a number"
            )
        self.schedule = schedule_of(epsilon_stable, self.step) if callable(epsilon_stable) else decay
        self.break_ties = check_flag("break_ties", break_ties)
        self.random = random_or_seeded(seed, "EpsilonGreedyExplorer")
        self._constant = self.schedule.constant()

    @property
    def step(self) -> int:
        """The number of the next choice (on the host)."""
        return self.counter.current()

    @step.setter
    def step(self, step: int) -> None:
        self.counter = Counter(check_whole("step", step, 0))

    def epsilon(self, step: Any = None) -> Any:
        """Epsilon at `step`, a whole number or an array of them, by default the current one.

        Returns:
            A Python float for a whole number, else a float32 array of the same shape.

        Raises:
            ConfigError: A schedule's value is no probability (in a trace: NaN).
        """
        step = self.counter.capped() if step is None else step
        if is_traced(step):
            units = self.schedule.units(jnp.minimum(step, LARGEST).astype(jnp.int32))
            return jnp.where(units < 0, jnp.nan, units.astype(jnp.float32) * np.float32(UNIT))
        if np.ndim(step) == 0:
            return self._scheduled(int(step)) if self._constant is None else self._constant
        epsilons = [self.epsilon(one) for one in np.ravel(step).tolist()]
        return namespace(step).asarray(epsilons, np.float32).reshape(np.shape(step))

    def decide(self, n_actions: int, shape: tuple[int, ...] = (), mask: Array | None = None) -> tuple[Any, Any]:
        """Whether to explore, and with which action.

        Returns:
            `explore`, a bool or bools `shape`, and as many actions. Where `explore` is false the action is what
            `finish` breaks ties with. Without leading axes, on the host: (`True`, int) or (`False`, float).

        Raises:
            ConfigError: The mask has the wrong shape, or a schedule's value is no probability (in a trace: -1).
            EnvContractError: The mask allows nothing (in a trace: -1).
        """
        step = self.counter.value
        is_known = mask is None or mask.__class__ is np.ndarray or not is_traced(mask)
        if shape or type(step) is not int or not is_known:
            return self._decide_rows(n_actions, shape, mask)
        epsilon = self._constant
        if epsilon is None:
            epsilon = self._scheduled(step)
        self.counter.value = step + 1
        uniform = self.random.uniform()
        if uniform >= epsilon:
            return False, (uniform - epsilon) / (1.0 - epsilon)
        if mask is None:
            return True, int(uniform * n_actions / epsilon)  # `split`, faster
        known = legal_of(mask)
        if known is not None and len(mask) == n_actions:
            return True, known.indices[int(uniform * len(known.indices) / epsilon)]
        legal = legal_indices(mask, n_actions)
        return True, legal.item(int(uniform * len(legal) / epsilon))

    def finish(self, explore: Any, action: Any, values: Array, mask: Array | None = None) -> Any:
        if explore is True:
            return action
        if explore is False:
            best_of = best_of_numbers if values.__class__ is tuple else best_of_row
            best = best_of(values, mask, self.break_ties)
            if best >= 0:
                return best
        return self._finish_rows(explore, action, values, mask)

    def plan(self, values: Array, mask: Array | None = None) -> Any:
        given = values
        if type(values) is not np.ndarray or not values.ndim or not values.shape[-1] or is_traced(mask):
            values, mask = checked(values, mask, self.counter.value)
        shape = values.shape
        explore, action = self.decide(shape[-1], shape[:-1], mask)
        action = self.finish(explore, action, values, mask)
        return action if values is given and type(action) in (int, np.ndarray) else answer(action, given)

    def prob(self, values: Array, mask: Array | None = None) -> Array:
        epsilon = self.epsilon()
        numbers, legal = checked(values, mask, epsilon)
        xp = namespace(numbers)
        best = candidates(numbers, legal)
        if not self.break_ties:
            first = xp.arange(best.shape[-1]) == first_of(best)[..., None]
            best = xp.where(usable_values(numbers, legal).any(-1, keepdims=True), first, best)
        allowed = xp.ones_like(best) if legal is None else legal
        return answer_prob(evenly(allowed) * epsilon + evenly(best) * (1 - epsilon), values)

    def __repr__(self) -> str:
        return f"{type(self).__name__}({self.schedule}{', break_ties=True' if self.break_ties else ''})"

    def _scheduled(self, step: int) -> float:
        """Epsilon at `step`, out of a block evaluated before."""
        try:
            return self._block[step]
        except (KeyError, TypeError):
            self._block = block_from(self.schedule, step)
        if step not in self._block:
            self.schedule.refuse(step)
        return self._block[step]

    def _decide_rows(self, n_actions: int, shape: tuple[int, ...], mask: Any) -> tuple[Any, Any]:
        if isinstance(self.counter.current(), int) and not is_traced(mask):
            # without a shape it is right after a trace
            return self._decide_known(n_actions, shape, mask) if shape else self.decide(n_actions, shape, mask)
        if mask is not None:
            mask = checked_mask(mask, (*shape, n_actions), jnp)
        units = self._units()
        self.counter.advance(math.prod(shape) if shape else 1)
        uniform = self.random.uniform(shape if shape else None)
        n_legal = n_actions if mask is None else mask.sum(-1)
        explore, explored, left = split_traced(uniform, units, n_legal, n_actions)
        action = jnp.where(explore, explored if mask is None else nth_of(mask, explored), left)
        if self._constant is not None:
            return explore, action
        return explore | (units < 0), jnp.where(units < 0, -1, action)  # no probability: to be seen

    def _decide_known(self, n_actions: int, shape: tuple[int, ...], mask: Any) -> tuple[Any, Any]:
        """The same for rows on the host."""
        ranks = None if mask is None else legal_ranks(mask, (*shape, n_actions))
        epsilon = self._scheduled(self.counter.value) if self._constant is None else self._constant
        self.counter.advance(math.prod(shape))
        n_legal = n_actions if ranks is None else ranks[..., -1]
        explore, explored, left = split(self.random.uniform(shape), epsilon, n_legal)
        if ranks is not None:
            explored = (ranks > explored[..., None]).argmax(-1)  # `nth_of`, faster
        return explore, np.where(explore, explored, left)

    def _units(self) -> Any:
        """Epsilon of the current step in units of 2^-24, perhaps traced."""
        step = self.counter.capped()
        is_known = self._constant is not None or isinstance(step, int)
        return round(self.epsilon() * WHOLE) if is_known else self.schedule.units(step)

    def _finish_rows(self, explore: Any, action: Any, values: Any, mask: Any) -> Any:
        if type(explore) is np.ndarray and not self.break_ties:
            bests = best_of_rows(values, mask)
            if bests is not None:
                return np.where(explore, action, bests)
        numbers, legal = checked(values, mask, explore, action)
        xp = namespace(numbers)
        best = candidates(numbers, legal)
        drawn = index_of(action, best.sum(-1), best.shape[-1])
        if self.break_ties:
            chosen = nth_of(best, drawn)
        else:
            every = drawn if legal is None else nth_of(best, drawn)
            chosen = xp.where(usable_values(numbers, legal).any(-1), first_of(best), every)
        return answer(xp.where(explore, action, chosen), values)
