"""The adapter of one environment: a Gymnasium one, or one of the user's own."""

import warnings
from collections.abc import Callable
from math import isfinite
from typing import Any

import numpy as np
from gymnasium import spaces

from rlcore.environments.spaces import action_writer, indexed_from_zero, state_reader
from rlcore.environments.transforms import Transforms, take_mask, without_mask
from rlcore.errors import EnvContractError
from rlcore.interfaces import Environment
from rlcore.random import Random, name_streams, seed_number
from rlcore.struct import walk

Step = Callable[[Any], tuple[Any, Any, Any, Any, dict[str, Any]]]
Reset = Callable[[int | None], tuple[Any, dict[str, Any]]]


class SingleEnvironment(Environment):
    """One environment behind the contract of `Environment`, checked at every step.

    Attributes:
        source: The environment that the user passed.
        name: What error messages call it.
        episode: Number of the current episode, from 1.
        step: Number of the last step in it, from 1; 0 right after `reset`.
    """

    def __init__(
        self,
        source: Any,
        name: str,
        take_step: Step,
        begin: Reset,
        state_space: spaces.Space,
        action_space: spaces.Space,
        transforms: Transforms,
    ) -> None:
        self.source, self.name = source, name
        inside, observation_space = without_mask(state_space)
        self._begin = begin if not inside else lambda seed: take_mask(*begin(seed), inside)
        self._take_step = _transformed(take_step, inside, transforms.reward)
        self._read = transforms.reader(state_reader(observation_space))
        self._state_space = transforms.state_space(indexed_from_zero(observation_space))
        indexed = indexed_from_zero(action_space)
        self._write = transforms.writer(action_writer(action_space), indexed)
        self._action_space = transforms.action_space(indexed)
        self._n_actions = int(self._action_space.n) if isinstance(self._action_space, spaces.Discrete) else 0
        self._start = int(getattr(action_space, "start", 0)) if self._n_actions else 0
        self._n_direct = 0 if transforms.action else self._n_actions  # actions that need no function to be sent
        self._seed: int | None = None
        self.episode = self.step = 0
        self.is_in_use = False
        self._state: Any = None
        self._action: Any = None
        self._mask: Any = None
        self._reward, self._terminated, self._truncated = 0.0, False, True
        self._over, self._ended = True, _NOBODY  # until the first reset
        self._has_warned = False

    def seed(self, seed: int) -> None:
        """Makes the next `reset` start the environment's random numbers from its own stream under `seed`.

        An environment of `Random` streams keeps those that have a seed of their own; the others are named.
        """
        streams = [part for _, part in walk(self.source) if isinstance(part, Random)]
        name_streams(self.source, seed, "environment")
        self._seed = None if streams else seed_number(seed, "environment")

    def reset(self, seed: int | None = None) -> None:
        """Begins a new episode.

        Raises:
            EnvContractError: The state breaks the space's promise, or 100 episodes in a row were over at once.
        """
        seed, self._seed = self._seed if seed is None else seed, None
        self.episode, self.step, self._action = self.episode + 1, 0, None
        observation, info = self._begin(seed)
        self._reward, self._terminated, self._truncated = 0.0, False, False
        self._over, self._ended = False, _NOBODY
        self._mask = info.get("action_mask")
        try:
            self._state = self._read(observation)
        except ValueError as error:
            raise self._bad_state(error) from None

    def act(self, action: Any) -> None:
        """Takes one step.

        Raises:
            EnvContractError: An illegal action, a step after the end, or an answer that breaks the contract: a state
                of the wrong shape, a value that is not finite, a reward or an end of the wrong type.
        """
        if self._over:
            raise self._broken("act was called", "the episode is over", "call reset first")
        self._action = action
        is_index = action.__class__ is int and 0 <= action < self._n_direct
        raw_action = action + self._start if is_index else self._written(action)
        self.step += 1
        observation, reward, terminated, truncated, info = self._take_step(raw_action)
        if terminated is not False or truncated is not False:
            self._end(terminated, truncated)
        self._reward = reward if reward.__class__ is float and isfinite(reward) else self._checked_reward(reward)
        self._mask = info.get("action_mask") if info else None
        try:
            self._state = self._read(observation)
        except ValueError as error:
            raise self._bad_state(error) from None

    def _written(self, action: Any) -> Any:
        try:
            return self._write(action)
        except ValueError as error:
            raise self._broken("the policy's action is", error, f"it must come from {self._action_space}") from None

    def _end(self, terminated: Any, truncated: Any) -> None:
        self._terminated = self._flag("terminated", terminated)
        self._truncated = self._flag("truncated", truncated) and not self._terminated
        self._over = self._terminated or self._truncated
        self._ended = _FIRST if self._over else _NOBODY

    def _bad_state(self, error: ValueError) -> EnvContractError:
        return self._broken("the state is", error, "correct the environment, or its observation_space")

    def _broken(self, what: str, why: Any, remedy: str) -> EnvContractError:
        return EnvContractError(f"{self.where()}: {what} {why}; {remedy}")

    def where(self) -> str:
        """The environment, episode and step, for messages."""
        return f"{self.name}, episode {self.episode}, step {self.step}"

    def _flag(self, name: str, value: Any) -> bool:
        array = np.asarray(value)
        if array.size != 1 or array.dtype.kind not in "bui" or array.item() not in (0, 1):
            raise self._broken(f"{name} is", f"{value!r} ({type(value).__name__})", "expected a bool")
        return bool(array.item())

    def _checked_reward(self, reward: Any) -> float:
        if reward.__class__ is int:
            return float(reward)
        array = np.asarray(reward) if not isinstance(reward, str | bytes) and reward is not None else np.array("")
        if array.size != 1 or array.dtype.kind not in "biuf":
            raise self._broken("the reward is", f"{reward!r} ({type(reward).__name__})", "expected a number")
        if array.ndim and not self._has_warned:
            self._has_warned = True
            warnings.warn(f"{self.name}: the reward has shape {array.shape}, expected a number", UserWarning, stacklevel=3)
        number = float(array.item())
        if not isfinite(number):
            raise self._broken("the reward is", f"{number}, expected a finite number", "correct the environment")
        return number

    def state(self) -> Any:
        """Where the next action starts."""
        return self._state

    def reward(self) -> float:
        """The reward of the last action."""
        return self._reward

    def is_terminated(self) -> bool:
        """Whether the last action ended the episode for good."""
        return self._terminated

    def is_truncated(self) -> bool:
        """Whether the episode was cut after the last action; false if it terminated as well."""
        return self._truncated

    def is_over(self) -> bool:
        """Whether the episode ended with the last action."""
        return self._over

    needs_reset = is_over

    def ended(self) -> tuple[int, ...]:
        """`(0,)` if the episode ended with the last action, else empty."""
        return self._ended

    def truncate(self, rows: Any = None) -> None:
        """Cuts the episode after the last action, unless it is over."""
        if not self._over:
            self._truncated, self._over, self._ended = True, True, _FIRST

    def last_action(self) -> Any:
        """The action of the last step as the policy chose it; `None` right after `reset`."""
        return self._action

    def legal_action_mask(self) -> np.ndarray | None:
        """Bool `[actions]`, or `None` where the environment gives no mask.

        Raises:
            EnvContractError: The mask has the wrong length or type, or allows nothing though the episode goes on.
        """
        mask = self._mask
        if mask is None or (mask.__class__ is np.ndarray and mask.dtype is _BOOL):
            return mask
        array = np.asarray(mask)
        if array.shape != (self._n_actions,) or not is_mask(array):
            expected = f"expected {self._n_actions} flags, one per action"
            raise self._broken("the action mask is", f"{mask!r}", expected)
        self._mask = array.astype(bool)
        if not self._mask.any() and not self.is_over():
            raise self._broken("the action mask allows no action", "though the episode goes on", "end the episode instead")
        return self._mask

    def action_space(self) -> spaces.Space:
        """The space of actions; a discrete one counts from 0."""
        return self._action_space

    def state_space(self) -> spaces.Space:
        """The space of states, without an action mask that the observation carries."""
        return self._state_space

    def can_truncate_rows(self) -> bool:
        """Whether a reset condition can cut an episode: always, for a single environment."""
        return True

    def close(self) -> None:
        """Closes the environment, where it can be closed."""
        close = getattr(self.source, "close", None)
        if close is not None:
            close()


def _transformed(take_step: Step, inside: str, reward_function: Callable[[Any], Any] | None) -> Step:
    """`take_step` with the mask moved from the observation to the info, and the reward function applied."""
    if not inside and reward_function is None:
        return take_step

    def step(action: Any) -> tuple[Any, Any, Any, Any, dict[str, Any]]:
        observation, reward, terminated, truncated, info = take_step(action)
        if inside:
            observation, info = take_mask(observation, info, inside)
        return observation, reward if reward_function is None else reward_function(reward), terminated, truncated, info

    return step


_FIRST = (0,)
_NOBODY: tuple[int, ...] = ()
_BOOL = np.dtype(bool)


def is_mask(array: np.ndarray) -> bool:
    """Whether an array holds flags only: bools, or numbers that are 0 or 1."""
    return array.dtype.kind in "biuf" and bool(np.all((array == 0) | (array == 1)))
