"""The adapter of one environment: a Gymnasium one, or one of the user's own."""

import warnings
from collections.abc import Callable
from math import isfinite
from typing import Any

import numpy as np
from gymnasium import spaces

from rlcore.environments.masks import KEY, take_mask, without_mask
from rlcore.environments.readers import state_reader
from rlcore.environments.spaces import shown
from rlcore.environments.transforms import _Transforms
from rlcore.errors import EnvContractError
from rlcore.interfaces import Environment
from rlcore.legal import remember
from rlcore.random import begin_streams

Step = Callable[[Any], tuple[Any, Any, Any, Any, dict[str, Any]]]
Reset = Callable[[int | None], tuple[Any, dict[str, Any]]]


class SingleEnvironment(Environment):
    """One environment behind the contract of `Environment`, checked at every step.

    Attributes:
        source: The environment that the user passed.
        name: What error messages call it.
        episode: Number of the current episode, from 1.
        step: Number of the last step in it, from 1; 0 right after `reset`.
        is_in_use: Whether an experiment is running in it.
        why_untraced: Why it is no JAX environment, if it looks like one.
    """

    why_untraced = ""

    def __init__(
        self,
        source: Any,
        name: str,
        take_step: Step,
        begin: Reset,
        state_space: spaces.Space,
        action_space: spaces.Space,
        transforms: _Transforms,
    ) -> None:
        self.source, self.name = source, name
        self.num_envs = None  # type: ignore[misc]  # of the instance: found quicker than the class's
        self._inside, own_space = without_mask(state_space, action_space)
        self._state_space = transforms.state_space(own_space)
        self._action_space = transforms.action_space(action_space)
        self._begin = begin
        self._take_step = _transformed(take_step, self._inside, transforms.reward)
        self._stack = transforms.new_stack()
        read = _changed(state_reader(own_space, may_keep=True), transforms.state_change(own_space))
        self._read = _changed(read, None if self._stack is None else self._stack.push)
        self._write = transforms.writer(action_space)
        self._read_mask = transforms.mask_reader(action_space)
        self._n_direct = self._start = 0  # how many actions need nothing but the start added
        if isinstance(action_space, spaces.Discrete) and transforms.action is None:
            self._n_direct, self._start = int(action_space.n), int(action_space.start)
        self._root: int | None = None  # the seed for the next reset
        self.episode = self.step = 0
        self.is_in_use = False
        self._state: Any = None
        self._action: Any = None
        self._raw_mask: Any = None
        self._mask: np.ndarray | None = None
        self._no_mask: np.ndarray | None = None  # what stands for none: all legal, once there was a mask
        self._known_masks: dict[bytes, np.ndarray] = {}
        self._reward, self._terminated, self._truncated = 0.0, False, True
        self._over, self._ended = True, _NOBODY  # until the first reset
        self._has_warned = False

    def __repr__(self) -> str:
        return f"SingleEnvironment({self.name})"

    def seed(self, seed: int) -> None:
        """Makes the next `reset` start the environment's random numbers from its own stream under `seed`.

        An environment of `Random` streams keeps those that have a seed of their own; the others begin anew.
        """
        self._root = seed

    def _follow(self, root: int) -> int | None:
        """Takes up the seed of `seed`; what `reset` is to be given of it."""
        self._root = None
        return begin_streams(self.source, root, "environment")

    def reset(self, seed: int | None = None) -> None:
        """Begins a new episode.

        Raises:
            EnvContractError: The answer breaks the contract, or 100 episodes in a row were over at once.
        """
        if self._root is not None:
            own = self._follow(self._root)
            seed = own if seed is None else seed
        self.episode, self.step, self._action = self.episode + 1, 0, None
        self._over, self._ended = True, _NOBODY
        if self._stack is not None:
            self._stack.reset()
        answer = self._begin(seed)
        try:
            observation, info = take_mask(*answer, self._inside)
            self._raw_mask, self._mask = info.get(KEY), self._no_mask
        except (TypeError, ValueError, AttributeError):
            raise self._broken("reset answered", shown(answer), "expected the pair (state, info)") from None
        try:
            self._state = self._read(observation)
        except EnvContractError as error:
            raise self._bad_state(error) from None
        self._reward, self._terminated, self._truncated, self._over = 0.0, False, False, False

    def act(self, action: Any) -> None:
        """Takes one step.

        Raises:
            EnvContractError: An illegal action, a step after the end, or an answer that breaks the contract: a state
                of the wrong shape, a value that is not finite, a reward or an end of the wrong type.
        """
        if self._over:
            raise self._broken("act was called", "outside an episode", "call reset first")
        self._action = action
        if action.__class__ is int and 0 <= action < self._n_direct:
            raw_action = action + self._start
        else:
            raw_action = self._written(action)
        self.step += 1
        take_step, read = self._take_step, self._read  # attributes are quicker to read than to call
        answer = take_step(raw_action)
        try:
            observation, reward, terminated, truncated, info = answer
            self._raw_mask, self._mask = info.get(KEY) if info else None, self._no_mask
        except (TypeError, ValueError, AttributeError):
            raise self._broken("step answered", shown(answer), f"expected the five {_FIVE}") from None
        del answer  # else the observation would look as if somebody else had it, and be copied
        if terminated is not False or truncated is not False:
            self._end(terminated, truncated)
        if reward.__class__ is float and isfinite(reward):
            self._reward = reward
        else:
            self._reward = float(reward) if reward.__class__ is int else self._checked_reward(reward)
        try:
            self._state = read(observation)
        except EnvContractError as error:
            raise self._bad_state(error) from None

    def _written(self, action: Any) -> Any:
        try:
            return self._write(action)
        except EnvContractError as error:
            raise self._broken("the policy's action is", error, f"it must come from {self._action_space}") from None

    def _end(self, terminated: Any, truncated: Any) -> None:
        self._terminated = self._flag("terminated", terminated)
        self._truncated = self._flag("truncated", truncated) and not self._terminated
        self._over = self._terminated or self._truncated
        self._ended = _FIRST if self._over else _NOBODY

    def _flag(self, name: str, value: Any) -> bool:
        if value.__class__ is bool or value.__class__ is np.bool_:
            return bool(value)
        array = np.asarray(value)
        if array.size != 1 or array.dtype.kind not in "bui" or array.item() not in (0, 1):
            raise self._broken(f"{name} is", f"{shown(value)} ({type(value).__name__})", "expected a bool")
        return bool(array.item())

    def _checked_reward(self, reward: Any) -> float:
        array = np.asarray(reward) if not isinstance(reward, str | bytes) and reward is not None else np.array("")
        if array.size != 1 or array.dtype.kind not in "biuf":
            raise self._broken("the reward is", f"{shown(reward)} ({type(reward).__name__})", "expected a number")
        if array.ndim and not self._has_warned:
            self._has_warned = True
            warnings.warn(
                f"{self.name}: the reward has shape {array.shape}, expected a number", UserWarning, stacklevel=3
            )
        number = float(array.item())
        if not isfinite(number):
            raise self._broken("the reward is", f"{number}, expected a finite number", "correct the environment")
        return number

    def _bad_state(self, error: Exception) -> EnvContractError:
        return self._broken("the state is", error, "correct the environment, or its space of states")

    def _broken(self, what: str, why: Any, remedy: str) -> EnvContractError:
        return EnvContractError(f"{self.where()}: {what} {why}; {remedy}")

    def where(self) -> str:
        """The environment, episode and step, for messages."""
        return f"{self.name}, episode {self.episode}, step {self.step}"

    def state(self) -> Any:
        """Where the next action starts."""
        return self._state

    next_state = state

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
        """Bool `[actions]`, or `None` where the environment gives no mask and never gave one.

        Raises:
            EnvContractError: The mask has the wrong length or type, or allows nothing though the episode goes on.
        """
        if self._raw_mask is not None:
            self._mask, self._raw_mask = self._checked_mask(self._raw_mask), None
        return self._mask

    next_legal_action_mask = legal_action_mask

    def _checked_mask(self, raw_mask: Any) -> np.ndarray | None:
        """The same few masks come again and again, so that each is checked once; they are handed out read-only."""
        if raw_mask.__class__ is not np.ndarray or raw_mask.dtype is not _INT8:
            return self._fully_checked_mask(raw_mask)
        key = raw_mask.tobytes()
        mask = self._known_masks.get(key)
        if mask is None:
            mask = self._fully_checked_mask(raw_mask)
            if mask is not None and raw_mask.ndim == 1 and mask.any() and len(self._known_masks) < _MANY:
                mask = self._known_masks[key] = remember(np.array(mask))
        return mask

    def _fully_checked_mask(self, raw_mask: Any) -> np.ndarray | None:
        try:
            mask = self._read_mask(raw_mask)
        except EnvContractError as error:
            raise self._broken("the action mask is", error, "correct the environment") from None
        if mask is not None and not self._over and True not in mask.tolist():
            raise self._broken(
                "the action mask allows no action", "though the episode goes on", "end the episode instead"
            )
        if self._no_mask is None and mask is not None:
            self._no_mask = remember(np.ones_like(mask))
        return mask

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
        if callable(close):
            close()


def _transformed(take_step: Step, inside: str, reward_function: Callable[[Any], Any] | None) -> Step:
    """`take_step` with the mask moved from the observation to the info, and the reward function applied."""
    if not inside and reward_function is None:
        return take_step

    def step(action: Any) -> tuple[Any, Any, Any, Any, dict[str, Any]]:
        answer = take_step(action)
        if not isinstance(answer, tuple) or len(answer) != 5 or not isinstance(answer[-1], dict):
            return answer  # the caller says what is wrong with it
        observation, reward, terminated, truncated, info = answer
        observation, info = take_mask(observation, info, inside)
        return observation, reward if reward_function is None else reward_function(reward), terminated, truncated, info

    return step


def _changed(read: Callable[[Any], Any], change: Callable[[Any], Any] | None) -> Callable[[Any], Any]:
    return read if change is None else lambda raw: change(read(raw))


_FIVE = "(state, reward, terminated, truncated, info)"
_INT8 = np.dtype(np.int8)  # of Gymnasium's masks
_MANY = 4096
_FIRST = (0,)
_NOBODY: tuple[int, ...] = ()
