"""The environments that can be checked, all with one face: how to begin, how to step, and their spaces."""

import copy
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from functools import wraps
from typing import Any, NamedTuple

import gymnasium
import numpy as np
from gymnasium import spaces
from gymnasium.vector import VectorEnv

from rlcore.environments.contract import contract_problems, space_of, takes_seed
from rlcore.environments.masks import KEY
from rlcore.interfaces import Environment
from rlcore.random import Random, name_streams
from rlcore.struct import walk


class _Face(NamedTuple):
    """One environment to be checked.

    Attributes:
        source: The environment.
        state_space: Of one row, as the environment has it.
        action_space: Likewise.
        rows: How many side by side; `None` for a single one.
        begin: `begin(seed)` answers `(state, info)`.
        step: `step(action)` answers the five of a Gymnasium step.
    """

    source: Any
    state_space: Any
    action_space: Any
    rows: int | None
    begin: Callable[[int | None], Any]
    step: Callable[[Any], Any]


def missing_methods(env: Any) -> Iterator[tuple[str, str]]:
    """What an environment must have and hasn't: what is missing, and the fix."""
    name = type(env).__name__
    if isinstance(env, Environment):
        yield from contract_problems(env)
        return
    kinds = ("single_observation_space", "single_action_space") if isinstance(env, VectorEnv) else _SPACES
    for kind in kinds:
        space = getattr(env, kind, None)
        if not isinstance(space, spaces.Space):
            yield f"{kind} of {name} is {space!r}, expected a Gymnasium space", f"set self.{kind} in __init__"
    for method in ("reset", "step"):
        inner = type(env.unwrapped)
        if getattr(inner, method) in (getattr(gymnasium.Env, method), getattr(VectorEnv, method)):
            yield (
                f"{inner.__name__} has no method {method}, expected one",
                f"write def {method}(self, ...) in the class",
            )


def face_of(env: Any, seed: int | None) -> _Face:
    """The face of a Gymnasium environment or vector environment, or of a copy of an `Environment` of the user's.

    Streams without a seed of their own get theirs from `seed`; a face with streams begins a rollout only once.
    """
    if isinstance(env, Environment):
        return _own_face(env, seed)

    def begin(seed: int | None) -> Any:
        return env.reset() if seed is None else env.reset(seed=seed)

    if isinstance(env, VectorEnv):
        return _Face(env, env.single_observation_space, env.single_action_space, env.num_envs, begin, env.step)
    return _Face(env, env.observation_space, env.action_space, None, begin, env.step)


def _own_face(env: Environment, seed: int | None) -> _Face:
    with suppress(Exception):  # where something in it can't be copied, the environment itself will do
        env = copy.deepcopy(env)
    name_streams(env, seed or 0, "environment")
    is_seeded = takes_seed(env) and not has_streams(env)

    def info() -> dict[str, Any]:
        mask = env.legal_action_mask()
        return {} if mask is None else {KEY: mask}

    def begin(seed: int | None) -> Any:
        env.reset(seed=seed) if is_seeded and seed is not None else env.reset()
        return env.state(), info()

    def step(action: Any) -> Any:
        env.act(action)
        return env.state(), env.reward(), env.is_terminated(), env.is_truncated(), info()

    return _Face(env, space_of(env, "state_space"), space_of(env, "action_space"), None, begin, step)


def has_streams(env: Any) -> bool:
    """Whether its random numbers come from `Random` streams, which the experiment seeds, and not from `reset`."""
    return any(isinstance(part, Random) for _, part in walk(env))


def is_over_at_start(face: _Face) -> bool:
    """Whether an `Environment` of the user's is over right after `reset`; Gymnasium ones can't say so."""
    own = face.source
    return isinstance(own, Environment) and bool(own.is_terminated() or own.is_truncated())


@contextmanager
def counted_resets(env: Any) -> Iterator[list[int]]:
    """A list that grows by an entry at every call of `reset` of the environment or one inside its wrappers."""
    calls: list[int] = []
    layers = [env]
    while isinstance(layers[-1], gymnasium.Wrapper):
        layers.append(layers[-1].env)
    watched = [layer for layer in layers if not isinstance(layer, VectorEnv) and _watch(layer, calls)]
    try:
        yield calls
    finally:
        for layer in watched:
            del layer.reset


def _watch(layer: Any, calls: list[int]) -> bool:
    if "reset" in getattr(layer, "__dict__", {"reset": None}):
        return False
    reset = layer.reset

    @wraps(reset)  # Gymnasium's own checker asks for its signature
    def counted(*arguments: Any, **named: Any) -> Any:
        calls.append(len(calls))
        return reset(*arguments, **named)

    layer.reset = counted
    return True


def action_drawer(face: _Face, seed: int) -> Callable[[Any], Any]:
    """A function from the mask (bool, or `None`) to an action of the environment's own space; the same every time."""
    space = copy.deepcopy(face.action_space)  # drawing must not move the generator of the user's space
    space.seed(seed)

    def draw_one(mask: Any) -> Any:
        if mask is not None and isinstance(space, spaces.Discrete):
            return space.sample(np.asarray(mask, np.int8))
        return space.sample()

    def draw(mask: Any) -> Any:
        if face.rows is None:
            action = draw_one(mask)
            return int(action) if isinstance(space, spaces.Discrete) else action
        actions = [draw_one(None if mask is None else mask[row]) for row in range(face.rows)]
        return _stacked(actions)

    return draw


def _stacked(actions: list[Any]) -> Any:
    if isinstance(actions[0], dict):
        return {key: _stacked([action[key] for action in actions]) for key in actions[0]}
    if isinstance(actions[0], tuple):
        return tuple(_stacked(list(parts)) for parts in zip(*actions, strict=True))
    return np.stack(actions)


_SPACES = ("observation_space", "action_space")
