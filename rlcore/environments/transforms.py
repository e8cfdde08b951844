"""What goes between an environment and its adapter: the user's plain functions, and masks inside observations."""

import copy
from collections.abc import Callable
from typing import Any, NamedTuple

import numpy as np
from gymnasium import spaces

from rlcore.errors import ConfigError

Function = Callable[[Any], Any]


class Transforms(NamedTuple):
    """Optional functions of `as_environment`; `state` and `action` may be pairs `(function, space)`."""

    state: Any = None
    action: Any = None
    reward: Function | None = None

    def reader(self, read: Function) -> Function:
        """`read`, followed by the state function."""
        function, _ = _pair("state", self.state)
        return read if function is None else lambda raw: _owned(function(read(raw)))

    def state_space(self, space: spaces.Space) -> spaces.Space:
        """The space of transformed states: the given one, or found by transforming an element of `space`."""
        function, given = _pair("state", self.state)
        if function is None or given is not None:
            return given or space
        return _space_of(function(_element(space)), space)

    def writer(self, write: Function, space: spaces.Space) -> Function:
        """The action function, followed by `write`."""
        function, _ = _pair("action", self.action)
        return write if function is None else lambda action: write(function(action))

    def action_space(self, space: spaces.Space) -> spaces.Space:
        """The space of the policy's actions: the given one, or the environment's own."""
        return _pair("action", self.action)[1] or space


def check_transforms(state: Any, action: Any, reward: Any) -> Transforms:
    """The transforms of `as_environment`.

    Raises:
        ConfigError: Something else than a function, or a pair of a function and a space.
    """
    _pair("state", state), _pair("action", action)
    if reward is not None and not callable(reward):
        raise ConfigError(f"reward is {reward!r}, expected a function of the reward")
    return Transforms(state, action, reward)


def _pair(name: str, given: Any) -> tuple[Function | None, spaces.Space | None]:
    if given is None:
        return None, None
    function, space = given if isinstance(given, tuple) and len(given) == 2 else (given, None)
    if not callable(function) or not (space is None or isinstance(space, spaces.Space)):
        raise ConfigError(f"{name} is {given!r}, expected a function, or a pair of a function and a Gymnasium space")
    return function, space


def _element(space: spaces.Space) -> Any:
    space = copy.deepcopy(space)  # sampling must not move the generator of the user's space
    space.seed(0)
    sample = space.sample()
    return int(sample) if isinstance(space, spaces.Discrete) else sample


def _owned(state: Any) -> Any:
    return state.item() if isinstance(state, np.generic) else state


def _space_of(state: Any, before: spaces.Space) -> spaces.Space:
    if isinstance(state, dict):
        return spaces.Dict({key: _space_of(part, before) for key, part in state.items()})
    if isinstance(state, tuple):
        return spaces.Tuple([_space_of(part, before) for part in state])
    array = np.asarray(state)
    if array.dtype.kind in "iu" and array.ndim == 0 and isinstance(before, spaces.Discrete):
        return before
    if array.dtype.kind not in "biuf":
        raise ConfigError(f"the state function answers {state!r}, expected numbers or arrays of numbers")
    dtype = array.dtype if array.dtype != bool else np.dtype(np.int8)
    low, high = (-np.inf, np.inf) if dtype.kind == "f" else (np.iinfo(dtype).min, np.iinfo(dtype).max)
    return spaces.Box(low, high, array.shape, dtype.type)


def without_mask(space: spaces.Space) -> tuple[str, spaces.Space]:
    """How observations carry a mask, and the space of what is left without it.

    Returns:
        `""` (no mask inside), `"mask"` (it is taken out) or `"alone"` (a lone `observation` beside it is unwrapped).
    """
    if not isinstance(space, spaces.Dict) or "action_mask" not in space.spaces:
        return "", space
    rest = {key: part for key, part in space.spaces.items() if key != "action_mask"}
    if rest.keys() == {"observation"}:
        return "alone", rest["observation"]
    return "mask", spaces.Dict(rest)


def take_mask(observation: Any, info: dict[str, Any], inside: str) -> tuple[Any, dict[str, Any]]:
    """The observation without the mask inside it, and the info with it."""
    if not inside or not isinstance(observation, dict):
        return observation, info
    info = info | {"action_mask": observation.get("action_mask")}
    if inside == "alone":
        return observation.get("observation"), info
    return {key: part for key, part in observation.items() if key != "action_mask"}, info
