"""The user's plain functions between an environment and what policies see of it."""

import copy
from collections.abc import Callable
from functools import cache
from typing import Any, NamedTuple

import numpy as np
from gymnasium import spaces

from rlcore.environments.masks import MaskReader, mask_reader
from rlcore.environments.readers import state_reader
from rlcore.environments.spaces import indexed_from_zero
from rlcore.environments.stack_frames import StackFrames, check_frame
from rlcore.environments.writers import Writer, action_writer
from rlcore.errors import ConfigError, EnvContractError

Function = Callable[[Any], Any]


class _Transforms(NamedTuple):
    """Optional functions of `as_environment`; `state` and `action` may be pairs `(function, space)`.

    `stack` is the space of stacks, if what the state function answers is a frame of one. Otherwise `space` is always
    the environment's own, `rows` the number of environments side by side.
    """

    state: Any = None
    action: Any = None
    reward: Function | None = None
    stack: spaces.Box | None = None

    def function(self, name: str) -> Function | None:
        """The function of the `state` or the `action` alone."""
        return _pair(name, getattr(self, name))[0]

    def state_space(self, space: spaces.Space, rows: int | None = None) -> spaces.Space:
        """The space of states, discrete ones from 0: of stacks, or as the function answers them."""
        return self.stacked(indexed_from_zero(self.raw_state_space(space, rows)))

    def stacked(self, frame: spaces.Space) -> spaces.Space:
        """The space of stacks for that of a frame; of frames if they are not stacked.

        Raises:
            ConfigError: Such frames don't fit into the stack.
        """
        if self.stack is None:
            return frame
        if isinstance(frame, spaces.Dict | spaces.Tuple):
            raise ConfigError(
                f"a state is one of {frame}, expected one array to stack; select it: state=(function, StackFrames(...))"
            )
        check_frame("a state, as it comes from the state function if there is one,", frame, self.stack)
        return self.stack

    def new_stack(self) -> StackFrames | None:
        """A stack of frames without any yet; `None` if they are not stacked."""
        return None if self.stack is None else StackFrames(self.stack.shape, self.stack.dtype)

    def raw_state_space(self, space: spaces.Space, rows: int | None) -> spaces.Space:
        """The space of what the function answers: the given one, or found by transforming an element of `space`."""
        function, given = _pair("state", self.state)
        if function is None or given is not None:
            return given or space
        seen = indexed_from_zero(space)
        return _space_of(function(_element(seen, rows)), seen, rows)

    def state_change(self, space: spaces.Space, rows: int | None = None) -> Function | None:
        """The state function and the check of what it answers; `None` if there is no function."""
        function, _ = _pair("state", self.state)
        if function is None:
            return None
        read = state_reader(self.raw_state_space(space, rows), rows)

        def change(state: Any) -> Any:
            changed = function(state)
            try:
                return read(changed)
            except EnvContractError as error:
                raise EnvContractError(f"not what the state function promised: {error}") from None

        return change

    def action_space(self, space: spaces.Space) -> spaces.Space:
        """The space of the policy's actions, discrete ones from 0: the given one, or the environment's own."""
        return indexed_from_zero(_pair("action", self.action)[1] or space)

    def writer(self, space: spaces.Space, rows: int | None = None) -> Writer:
        """From the policy's action to the environment's."""
        function, _ = _pair("action", self.action)
        write = action_writer(space, rows)
        if function is None:
            return write
        change = self._action_change(rows)
        return lambda action: write(change(action))

    def _action_change(self, rows: int | None) -> Function:
        function, given = _pair("action", self.action)
        assert function is not None
        if given is None:
            return function
        check = action_writer(given, rows)
        return lambda action: function(check(action))

    def places(self, space: spaces.Space, rows: int | None = None) -> list[int] | None:
        """The environment's action for each of the policy's; `None` if these aren't discrete."""
        policy_space = self.action_space(space)
        if not isinstance(policy_space, spaces.Discrete):
            return None
        change, actions = self._action_change(rows), list(range(int(policy_space.n)))
        if rows is None:
            return [int(change(action)) for action in actions]
        return [int(change(np.full(rows, action))[0]) for action in actions]

    def mask_reader(self, space: spaces.Space, rows: int | None = None) -> MaskReader:
        """From the environment's mask to that of the policy's actions; to `None` where they aren't discrete."""
        read, policy_space = mask_reader(space, rows), self.action_space(space)
        if self.action is None:
            return read
        if not isinstance(policy_space, spaces.Discrete):
            return lambda raw: None
        places = cache(lambda: self.places(space, rows))

        def read_changed(raw: Any) -> np.ndarray | None:
            mask = read(raw)
            return mask if mask is None else mask[..., places()]

        return read_changed


def check_transforms(state: Any, action: Any, reward: Any) -> _Transforms:
    """The transforms of `as_environment`.

    Raises:
        ConfigError: Something else than a function, or a pair of a function and a space or stack.
    """
    stack = None
    if isinstance(state, StackFrames):
        state, stack = None, _space_of_stacks(state)
    elif isinstance(state, tuple) and len(state) == 2 and isinstance(state[1], StackFrames):
        state, stack = state[0], _space_of_stacks(state[1])
    _pair("state", state), _pair("action", action)
    if reward is not None and not callable(reward):
        raise ConfigError(f"reward is {reward!r}, expected a function of the reward")
    return _Transforms(state, action, reward, stack)


def _space_of_stacks(stack: StackFrames) -> spaces.Box:
    frames = stack.frames
    return spaces.Box(*_bounds(frames.dtype), frames.shape, frames.dtype.type)


def _pair(name: str, given: Any) -> tuple[Function | None, spaces.Space | None]:
    if given is None:
        return None, None
    function, space = given if isinstance(given, tuple) and len(given) == 2 else (given, None)
    if not callable(function) or not (space is None or isinstance(space, spaces.Space)):
        raise ConfigError(f"{name} is {given!r}, expected a function, or a pair of a function and a Gymnasium space")
    return function, space


def _element(space: spaces.Space, rows: int | None) -> Any:
    """A state as the function will be given it: of `rows` environments `[rows, ...]`."""
    space = copy.deepcopy(space)  # sampling must not move the generator of the user's space
    space.seed(0)
    return _plain(space.sample(), rows)


def _plain(sample: Any, rows: int | None) -> Any:
    if isinstance(sample, dict):
        return {key: _plain(part, rows) for key, part in sample.items()}
    if isinstance(sample, tuple):
        return tuple(_plain(part, rows) for part in sample)
    if rows is None:
        return int(sample) if np.ndim(sample) == 0 and np.asarray(sample).dtype.kind in "iu" else sample
    return np.stack([sample] * rows)


def _space_of(state: Any, before: Any, rows: int | None) -> spaces.Space:
    """The space of transformed states; a whole number out of a `Discrete` is taken to be of the same."""
    if isinstance(state, dict):
        return spaces.Dict({key: _space_of(part, before, rows) for key, part in state.items()})
    if isinstance(state, tuple):
        return spaces.Tuple([_space_of(part, before, rows) for part in state])
    array = np.asarray(state)
    if array.dtype.kind not in "biuf" or (rows is not None and array.shape[:1] != (rows,)):
        expected = "numbers or arrays of numbers" if rows is None else f"arrays whose first axis is the {rows} rows"
        raise ConfigError(
            f"the state function answers {state!r}, expected {expected}; or give the pair (function, space)"
        )
    shape = array.shape if rows is None else array.shape[1:]
    if array.dtype.kind in "iu" and not shape and isinstance(before, spaces.Discrete):
        return before
    dtype = np.dtype(np.int8) if array.dtype.kind == "b" else array.dtype
    return spaces.Box(*_bounds(dtype), shape, dtype.type)


def _bounds(dtype: np.dtype) -> tuple[float, float]:
    return (-np.inf, np.inf) if dtype.kind == "f" else (np.iinfo(dtype).min, np.iinfo(dtype).max)
