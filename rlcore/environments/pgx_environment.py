"""Games of pgx for one player."""

from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from gymnasium import Space
from gymnasium.spaces import Box, Discrete, MultiBinary

from rlcore.environments.foreign import held, like, zeros_after_step
from rlcore.errors import ConfigError
from rlcore.fixed import Fixed
from rlcore.interfaces import Environment
from rlcore.random import Random, random_or_seeded, stream
from rlcore.struct import static, struct


@struct
class PgxEnvironment(Environment):
    """A game of pgx for one player: 2048 and the five of MinAtar.

    Attributes:
        env: The game, in `env.value`.
        random: Its stream; `act` takes one number, `reset` one, a key each.

    Raises:
        ImportError: pgx is not installed.
        ConfigError: `env` is neither an id nor a game of pgx, it is for several players, or `seed`
            is wrong.

    Source: Koyamada et al. 2023, pgx; its `init` and `step`.
    """

    env: Fixed = static()
    random: Random
    _inner: Any = None

    def __init__(self, env: Any, seed: int | None = None) -> None:
        """Wraps `env`, an id such as `"2048"` or a game of pgx."""
        env = _checked(env)
        self.env = held(env)
        self.random = random_or_seeded(seed, "PgxEnvironment")
        key = jax.random.key(0)
        self._inner = zeros_after_step(env.id, lambda: env.init(key), lambda inner: env.step(inner, jnp.int32(0), key))

    def reset(self, seed: int | None = None) -> None:
        """Begins a game; a `seed` starts the stream again."""
        if seed is not None:
            self.random = stream(seed, "PgxEnvironment")
        self._inner = like(self._inner, self.env.value.init(self.random.key()))

    def act(self, action: Any) -> None:
        """Makes a move."""
        self._inner = like(self._inner, self.env.value.step(self._inner, action, self.random.key()))

    def state(self) -> Any:
        """The observation, with the type that `state_space` says."""
        return self._inner.observation

    def reward(self) -> Any:
        """What the move brought, float32."""
        return jnp.asarray(self._inner.rewards[0], jnp.float32)

    def is_terminated(self) -> Any:
        """Whether the game is over."""
        return self._inner.terminated

    def is_truncated(self) -> Any:
        """Whether the game was cut."""
        return self._inner.truncated & ~self._inner.terminated

    def legal_action_mask(self) -> Any:
        """The moves that the rules allow; all where the game is over."""
        return self._inner.legal_action_mask

    def action_space(self) -> Discrete:
        """The moves."""
        return Discrete(self._inner.legal_action_mask.shape[-1])

    def state_space(self) -> Space:
        """Bits as `MultiBinary`, numbers as `Box`."""
        kept = self._inner.observation
        if kept.dtype == bool:
            return MultiBinary(kept.shape)
        return Box(-np.inf, np.inf, kept.shape, kept.dtype)


def _checked(env: Any) -> Any:
    try:
        import pgx
        from pgx.core import Env
    except ImportError as error:
        raise ImportError(f"PgxEnvironment needs pgx: pip install 'rlcore[pgx]' ({error})") from error
    if isinstance(env, str):
        try:
            env = pgx.make(env)
        except ValueError as error:
            raise ConfigError(f"env is {env!r}, expected one of {pgx.available_envs()}") from error
    if not isinstance(env, Env):
        raise ConfigError(f"env is {env!r}, expected an id or a game of pgx")
    if env.num_players != 1:
        raise ConfigError(f"{env.id} is a game of {env.num_players} players, expected one of a single player")
    return env
