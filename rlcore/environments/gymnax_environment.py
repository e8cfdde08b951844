"""Environments of gymnax."""

from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from gymnasium import Space, spaces

from rlcore.environments.foreign import held, like, zeros_after_step, zeros_of
from rlcore.errors import ConfigError
from rlcore.fixed import Fixed
from rlcore.interfaces import Environment
from rlcore.random import Random, random_or_seeded, stream
from rlcore.struct import static, struct


@struct
class GymnaxEnvironment(Environment):
    """An environment of gymnax, without its own resets; terminations and time limits are told apart.

    Attributes:
        env: The gymnax environment, in `env.value`.
        params: Its parameters, a tree of numbers: with one experiment per seed they may differ from seed to seed.
        random: Its stream; `act` takes one number, `reset` one, a key each.

    Raises:
        ImportError: gymnax is not installed.
        ConfigError: `env` is neither a gymnax id nor a gymnax environment of version 1 or later, or `seed` is wrong.
        EnvContractError: Its state has another structure after a step than at the start.

    Source: Lange 2022, gymnax; its `step_env`, `reset_env`, `is_truncated`.
    """

    env: Fixed = static()
    params: Any
    random: Random
    _inner: Any = None  # what gymnax calls the state
    _state: Any = None  # what gymnax calls the observation
    _reward: Any = np.float32(0.0)
    _is_terminated: Any = np.bool_(False)

    def __init__(self, env: Any, params: Any = None, seed: int | None = None) -> None:
        """Wraps `env`, an id such as `"CartPole-v1"` or a gymnax environment; `params` are by default its own."""
        env = _checked(env)
        self.env, self.params = held(env), env.default_params if params is None else params
        self.random = random_or_seeded(seed, "GymnaxEnvironment")
        self._state = zeros_of(self.state_space())
        action = zeros_of(self.action_space())
        self._inner = zeros_after_step(
            env.name,
            lambda: env.reset_env(jax.random.key(0), self.params)[1],
            lambda inner: env.step_env(jax.random.key(0), inner, action, self.params)[1],
        )

    def reset(self, seed: int | None = None) -> None:
        """Begins an episode; a `seed` starts the stream again."""
        if seed is not None:
            self.random = stream(seed, "GymnaxEnvironment")
        observation, inner = self.env.value.reset_env(self.random.key(), self.params)
        self._state, self._inner = like(self._state, observation), like(self._inner, inner)
        self._reward, self._is_terminated = jnp.float32(0.0), jnp.bool_(False)

    def act(self, action: Any) -> None:
        """Takes a step."""
        answer = self.env.value.step_env(self.random.key(), self._inner, action, self.params)
        observation, inner, reward, terminated, _ = answer
        self._state, self._inner = like(self._state, observation), like(self._inner, inner)
        self._reward, self._is_terminated = like(self._reward, reward), like(self._is_terminated, terminated)

    def state(self) -> Any:
        """The observation, with the type that `state_space` says."""
        return self._state

    def reward(self) -> Any:
        """The reward, float32."""
        return self._reward

    def is_terminated(self) -> Any:
        """Whether the episode ended by itself."""
        return self._is_terminated

    def is_truncated(self) -> Any:
        """Whether the time limit in `params` cut the episode."""
        return jnp.asarray(self.env.value.is_truncated(self._inner, self.params), bool) & ~self._is_terminated

    def action_space(self) -> Space:
        """That of gymnax, as a Gymnasium space."""
        return _space(self.env.value.action_space(self.params))

    def state_space(self) -> Space:
        """That of gymnax's observations, as a Gymnasium space."""
        return _space(self.env.value.observation_space(self.params))


def _checked(env: Any) -> Any:
    try:
        import gymnax
        from gymnax.environments.environment import Environment as Gymnax
    except ImportError as error:
        raise ImportError(f"GymnaxEnvironment needs gymnax: pip install 'rlcore[gymnax]' ({error})") from error
    if isinstance(env, str):
        try:
            env, _ = gymnax.make(env)
        except ValueError as error:
            raise ConfigError(f"env is {env!r}, expected one of {gymnax.registered_envs}") from error
    if not isinstance(env, Gymnax) or not hasattr(env, "is_truncated"):
        advice = "; gymnax.make returns it and its parameters" if isinstance(env, tuple) else ""
        raise ConfigError(f"env is {env!r}, expected an id or an environment of gymnax 1.0 or later{advice}")
    return env


def _space(space: Any) -> Space:
    """The Gymnasium space for one of gymnax."""
    from gymnax.environments import spaces as gymnax_spaces

    if isinstance(space, gymnax_spaces.Dict):
        return spaces.Dict({key: _space(part) for key, part in space.spaces.items()})
    if isinstance(space, gymnax_spaces.Tuple):
        return spaces.Tuple([_space(part) for part in space.spaces])
    if isinstance(space, gymnax_spaces.Discrete):
        return spaces.Discrete(int(space.n))
    low, high = (np.broadcast_to(np.asarray(bound, space.dtype), space.shape) for bound in (space.low, space.high))
    return spaces.Box(low, high, dtype=space.dtype)
