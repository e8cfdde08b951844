"""Gymnasium's functional environments, for compiled code."""

from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from gymnasium import Space
from gymnasium.experimental.functional import FuncEnv
from gymnasium.spaces import Box, Discrete

from rlcore.arguments import check_whole, named
from rlcore.environments.foreign import held, like, zeros_after_step, zeros_of
from rlcore.errors import ConfigError
from rlcore.fixed import Fixed
from rlcore.interfaces import Environment
from rlcore.random import Random, random_or_seeded, stream
from rlcore.struct import static, struct


@struct
class FunctionalEnvironment(Environment):
    """A `FuncEnv` of Gymnasium, such as those of `gymnasium.envs.phys2d` and `gymnasium.envs.tabular`.

    A state or an action that is a `Box` of one whole number is `Discrete` here, so that tables can be learnt.

    Attributes:
        func_env: The functional environment, in `func_env.value`.
        params: Its parameters, in `params.value`; `None`: those that its functions take by default.
        max_steps: After so many steps an episode is truncated, at least 1; `None`: never.
        random: Its stream; `act` takes four numbers, `reset` two: one key for each function that is called.
        step: How many steps the episode has lasted, int32.

    Raises:
        ConfigError: `func_env` is no `FuncEnv` (an instance), or another argument is wrong.
        EnvContractError: Its state has another structure after a step than at the start.

    Source: Gymnasium `gymnasium.experimental.functional.FuncEnv`, called as its `FunctionalJaxEnv` does.
    """

    func_env: Fixed = static()
    params: Fixed | None = static()
    max_steps: int | None = static()
    random: Random
    step: Any = np.int32(0)
    _inner: Any = None  # what the functions call the state
    _state: Any = None  # what they call the observation
    _reward: Any = np.float32(0.0)
    _is_terminated: Any = np.bool_(False)

    def __init__(
        self, func_env: Any, params: Any = None, max_steps: int | None = None, seed: int | None = None
    ) -> None:
        if not isinstance(func_env, FuncEnv):
            raise ConfigError(f"func_env is {named(func_env)}, expected an instance of a Gymnasium FuncEnv")
        self.func_env, self.params = held(func_env), None if params is None else Fixed(params)
        self.max_steps = None if max_steps is None else check_whole("max_steps", max_steps)
        self.random = random_or_seeded(seed, "FunctionalEnvironment")
        self._state = zeros_of(self.state_space())
        self._inner = zeros_after_step(
            type(func_env).__name__,
            lambda: func_env.initial(jax.random.key(0), **self._named()),
            lambda inner: func_env.transition(
                inner, zeros_of(func_env.action_space), jax.random.key(0), **self._named()
            ),
        )

    def _named(self) -> dict[str, Any]:
        return {} if self.params is None else {"params": self.params.value}

    def reset(self, seed: int | None = None) -> None:
        """Begins an episode; a `seed` starts the stream again."""
        if seed is not None:
            self.random = stream(seed, "FunctionalEnvironment")
        env, key, named_params = self.func_env.value, self.random.key, self._named()
        self._inner = like(self._inner, env.initial(key(), **named_params))
        self._state = like(self._state, env.observation(self._inner, key(), **named_params))
        self._reward, self._is_terminated, self.step = jnp.float32(0.0), jnp.bool_(False), jnp.int32(0)

    def act(self, action: Any) -> None:
        """Takes a step."""
        env, key, named_params = self.func_env.value, self.random.key, self._named()
        before, action = self._inner, like(zeros_of(env.action_space), action)
        self._inner = like(before, env.transition(before, action, key(), **named_params))
        self._state = like(self._state, env.observation(self._inner, key(), **named_params))
        self._reward = like(self._reward, env.reward(before, action, self._inner, key(), **named_params))
        self._is_terminated = like(self._is_terminated, env.terminal(self._inner, key(), **named_params))
        self.step = self.step + 1

    def state(self) -> Any:
        """The observation, as `state_space` says."""
        return self._state

    def reward(self) -> Any:
        """The reward, float32."""
        return self._reward

    def is_terminated(self) -> Any:
        """Whether the state is terminal."""
        return self._is_terminated

    def is_truncated(self) -> Any:
        """Whether `max_steps` are over without an end."""
        if self.max_steps is None:
            return jnp.bool_(False)
        return (self.step >= self.max_steps) & ~self._is_terminated

    def action_space(self) -> Space:
        """That of the functional environment; a `Box` of one whole number is `Discrete`."""
        return _countable(self.func_env.value.action_space)

    def state_space(self) -> Space:
        """That of the functional environment's observations; a `Box` of one whole number is `Discrete`."""
        return _countable(self.func_env.value.observation_space)


def _countable(space: Space) -> Space:
    if not isinstance(space, Box) or np.dtype(space.dtype).kind not in "iu" or space.low.size != 1:
        return space
    low, high = int(space.low.item()), int(space.high.item())
    return Discrete(high - low + 1, start=low)
