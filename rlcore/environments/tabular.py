"""Environments that are a table of transitions."""

from collections.abc import Sequence
from typing import Any, Literal, NamedTuple

import gymnasium
import jax.numpy as jnp
import numpy as np
from gymnasium.spaces import Discrete

from rlcore.arguments import check_whole, named
from rlcore.environments.transition_table import (
    Lottery,
    Transitions,
    TransitionTable,
    distributions,
    lottery,
    transition_table,
)
from rlcore.errors import ConfigError, shorten
from rlcore.fixed import Fixed
from rlcore.interfaces import Array, Environment
from rlcore.random import Random, random_or_seeded, stream
from rlcore.struct import static, struct


class _Tables(NamedTuple):
    outcomes: TransitionTable
    start_states: np.ndarray  # int32, those that an episode can start in
    start_lottery: Lottery
    masks: np.ndarray | None  # [states, actions] bool


@struct
class TabularEnvironment(Environment):
    """A Markov decision process with few states: what follows from an action is looked up in a table.

    The tables are constants of compiled code: environments side by side share one copy, and two environments with
    equal tables share a compilation.

    Attributes:
        n_states: How many states.
        n_actions: How many actions.
        max_steps: Steps per episode, at least 1; `None`: no limit.
        random: Its stream; `act` takes one number, none if every pair has one outcome; `reset` takes one number, none
            if there is one start.
        step: How many steps the episode has lasted, int32.

    Source: Sutton & Barto 2018, section 3.1; Gymnasium's toy-text environments (their `P`).
    """

    n_states: int = static()
    n_actions: int = static()
    max_steps: int | None = static()
    _tables: Fixed = static()
    random: Random
    step: Any = np.int32(0)
    _state: Any = np.int32(0)
    _reward: Any = np.float32(0.0)
    _is_terminated: Any = np.bool_(False)

    def __init__(
        self,
        transitions: Transitions,
        start: int | Sequence[float] | Array = 0,
        max_steps: int | None = None,
        masks: Sequence[Sequence[bool]] | Array | None = None,
        seed: int | None = None,
    ) -> None:
        """Lays out the tables.

        Args:
            transitions: `transitions[state][action]` is a list of `(probability, next state, reward, terminated)`;
                dicts with the keys 0, 1, 2, ... or lists.
            start: The state in which episodes start, or the probability of each state, `[states]`.
            max_steps: After so many steps an episode is truncated; `None`: never.
            masks: `[states, actions]` bool, true where an action is legal; `None`: all are.
            seed: Of its stream; `None`: the experiment names it.

        Raises:
            ConfigError: An argument is wrong; the message says which entry.
        """
        table = transition_table(transitions)
        self.n_states, self.n_actions = table.n_states, table.n_actions
        self.max_steps = None if max_steps is None else check_whole("max_steps", max_steps)
        chances = _start_chances(start, self.n_states)
        states = np.flatnonzero(chances).astype(np.int32)
        legal = None if masks is None else _checked_masks(masks, self.n_states, self.n_actions)
        self._tables = Fixed(_Tables(table, states, lottery(chances[None, states]), legal))
        self.random = random_or_seeded(seed, "TabularEnvironment")

    @classmethod
    def from_gymnasium(
        cls,
        env: str | gymnasium.Env,
        max_steps: int | Literal["own"] | None = "own",
        seed: int | None = None,
        **kwargs: Any,
    ) -> "TabularEnvironment":
        """The same environment as a Gymnasium one that has a table `P`, such as FrozenLake, Taxi or CliffWalking.

        Args:
            env: A Gymnasium id or environment.
            max_steps: After so many steps an episode is truncated; `"own"`: as the id says, `None`: never.
            seed: Of its stream; `None`: the experiment names it.
            kwargs: What the id is made with, such as `is_slippery=False`.

        Raises:
            ConfigError: It has no table, or one that does not tell all of its transitions.
        """
        made = _made(env, kwargs)
        inner: Any = made.unwrapped
        for name in ("P", "initial_state_distrib"):
            if not hasattr(inner, name):
                raise ConfigError(f"{type(inner).__name__} has no {name}, expected one of gymnasium.envs.toy_text")
        if getattr(inner, "fickle_passenger", False):
            raise ConfigError(
                f"{type(inner).__name__} has fickle_passenger=True, expected False: destinations then change outside "
                "of its table P; run it as a Gymnasium environment"
            )
        if max_steps == "own":
            max_steps = made.spec.max_episode_steps if made.spec else None
        masks = [inner.action_mask(state) for state in range(len(inner.P))] if hasattr(inner, "action_mask") else None
        return cls(inner.P, inner.initial_state_distrib, max_steps, masks, seed)

    def reset(self, seed: int | None = None) -> None:
        """Goes to a start state; a `seed` starts the stream again."""
        if seed is not None:
            self.random = stream(seed, "TabularEnvironment")
        states = self._tables.value.start_states
        self._state = jnp.int32(states[0])
        if len(states) > 1:
            self._state = jnp.asarray(states)[_drawn(self._tables.value.start_lottery, self.random, 0, len(states))]
        self._reward, self._is_terminated, self.step = jnp.float32(0.0), jnp.bool_(False), jnp.int32(0)

    def act(self, action: Any) -> None:
        """Looks up what follows."""
        table = self._tables.value.outcomes
        outcome = self._state * self.n_actions + action
        if table.n_outcomes > 1:
            outcome = _drawn(table.lottery, self.random, outcome * table.n_outcomes, table.n_outcomes)
        self._state = jnp.asarray(table.next_state)[outcome]
        self._reward = jnp.asarray(table.reward)[outcome]
        self._is_terminated = jnp.asarray(table.terminated)[outcome]
        self.step = self.step + 1

    def state(self) -> Any:
        """The number of the state, int32."""
        return self._state

    def reward(self) -> Any:
        """The reward of the outcome, float32."""
        return self._reward

    def is_terminated(self) -> Any:
        """Whether the outcome was an end."""
        return self._is_terminated

    def is_truncated(self) -> Any:
        """Whether `max_steps` are over without an end."""
        if self.max_steps is None:
            return jnp.bool_(False)
        return (self.step >= self.max_steps) & ~self._is_terminated

    def legal_action_mask(self) -> Any:
        """The row of `masks` of the state."""
        masks = self._tables.value.masks
        return None if masks is None else jnp.asarray(masks)[self._state]

    def action_space(self) -> Discrete:
        """The actions."""
        return Discrete(self.n_actions)

    def state_space(self) -> Discrete:
        """The states."""
        return Discrete(self.n_states)


def _drawn(lots: Lottery, random: Random, first: Any, n: int) -> Any:
    """The index of the outcome that one number draws from the `n` tickets from `first` on."""
    number = random.uniform()
    ticket = first + jnp.asarray(number * n, jnp.int32)
    return jnp.where(number < jnp.asarray(lots.edge)[ticket], ticket, jnp.asarray(lots.other)[ticket])


def _made(env: Any, arguments: dict[str, Any]) -> gymnasium.Env:
    if isinstance(env, gymnasium.Env) and not arguments:
        return env
    if not isinstance(env, str):
        raise ConfigError(f"env is {named(env)} with {arguments}, expected an id with arguments, or an environment")
    try:
        return gymnasium.make(env, disable_env_checker=True, **arguments)
    except gymnasium.error.Error as error:
        raise ConfigError(f"env is {env!r}, expected the id of a Gymnasium environment: {error}") from error


def _start_chances(start: Any, n_states: int) -> np.ndarray:
    """`[n_states]`, the probability of starting in each state."""
    if isinstance(start, int) and not isinstance(start, bool) and start in range(n_states):
        return np.bincount([start], minlength=n_states).astype(np.float64)
    try:
        chances = np.asarray(start, np.float64)
    except (TypeError, ValueError):
        chances = np.zeros(())
    if chances.shape != (n_states,):
        raise ConfigError(
            f"start is {shorten(repr(start))}, expected a state from 0 to {n_states - 1}, or {n_states} probabilities"
        )
    return distributions(chances[None], ["start"])[0]


def _checked_masks(masks: Any, n_states: int, n_actions: int) -> np.ndarray:
    try:
        array = np.asarray(masks)
    except ValueError:
        array = np.zeros(0)
    if array.shape != (n_states, n_actions) or not np.all((array == 0) | (array == 1)):
        raise ConfigError(
            f"masks is {shorten(repr(masks))} of shape {array.shape}, expected bools of shape {(n_states, n_actions)}"
        )
    if not array.any(axis=1).all():
        state = int(np.flatnonzero(~array.any(axis=1))[0])
        raise ConfigError(f"masks allow no action in state {state}, expected at least one; where it is over, any")
    return array.astype(bool)
