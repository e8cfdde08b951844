"""The pendulum that is swung up, for compiled code."""

import math
from typing import Any

import jax.numpy as jnp
import numpy as np
from gymnasium.spaces import Box

from rlcore.arguments import check_whole
from rlcore.interfaces import Environment
from rlcore.random import Random, random_or_seeded, stream
from rlcore.struct import static, struct

_TURN = 2 * math.pi
_GRAVITY = 3 * 10.0 / 2  # 3 g / (2 l) with g = 10 m/s² and l = 1 m
_TORQUE = 3.0  # 3 / (m l²) with m = 1 kg
_SECONDS = 0.05  # per step
_STRONGEST = 2.0  # N m
_FASTEST = 8.0  # rad/s


@struct
class Pendulum(Environment):
    """A pendulum is turned by a torque of at most 2 N m, too weak to lift it at once, and shall stand upright.

    The reward is -(angle² + 0.1 angular velocity² + 0.001 torque²), from where the step began, with the angle 0 at the
    top. An episode starts at any angle, with up to 1 rad/s, never terminates, and is truncated after `max_steps`.

    Attributes:
        max_steps: Steps per episode, at least 1; `None`: no limit.
        random: Its stream; `reset` takes two numbers, `act` none.
        angle: In rad from upright, in [-π, π], float32.
        angular_velocity: In rad/s, within ±8.
        step: How many steps the episode has lasted, int32.

    Raises:
        ConfigError: `max_steps` is not a whole number of at least 1, or `seed` not one of at least 0.

    Source: Gymnasium `Pendulum-v1` (g = 10, m = l = 1).
    """

    max_steps: int | None = static()
    random: Random
    angle: Any = np.float32(0.0)
    angular_velocity: Any = np.float32(0.0)
    step: Any = np.int32(0)
    _reward: Any = np.float32(0.0)

    def __init__(self, seed: int | None = None, max_steps: int | None = 200) -> None:
        self.max_steps = None if max_steps is None else check_whole("max_steps", max_steps)
        self.random = random_or_seeded(seed, "Pendulum")

    def reset(self, seed: int | None = None) -> None:
        """Lets it hang or stand anywhere; a `seed` starts the stream again."""
        if seed is not None:
            self.random = stream(seed, "Pendulum")
        angle, velocity = self.random.uniform(2)
        self.angle, self.angular_velocity = math.pi * (2 * angle - 1), 2 * velocity - 1
        self._reward, self.step = jnp.float32(0.0), jnp.int32(0)

    def act(self, action: Any) -> None:
        """Turns with the torque `action`, `[1]` in N m; more than ±2 counts as ±2."""
        torque = jnp.clip(jnp.asarray(action, jnp.float32), -_STRONGEST, _STRONGEST)[0]
        cost = self.angle * self.angle + 0.1 * self.angular_velocity * self.angular_velocity + 0.001 * torque * torque
        speed = self.angular_velocity + (_GRAVITY * jnp.sin(self.angle) + _TORQUE * torque) * _SECONDS
        self.angular_velocity = jnp.clip(speed, -_FASTEST, _FASTEST)
        angle = self.angle + self.angular_velocity * _SECONDS
        self.angle = angle - _TURN * jnp.round(angle / _TURN)  # kept small: float32 is coarse after many turns
        self._reward, self.step = -cost, self.step + 1

    def state(self) -> Any:
        """`[3]` float32: cosine and sine of the angle, angular velocity."""
        return jnp.stack([jnp.cos(self.angle), jnp.sin(self.angle), jnp.asarray(self.angular_velocity)])

    def reward(self) -> Any:
        """Minus the cost of the step, from -16.3 to 0."""
        return self._reward

    def is_terminated(self) -> Any:
        """Never."""
        return jnp.bool_(False)

    def is_truncated(self) -> Any:
        """Whether `max_steps` are over."""
        return jnp.bool_(False) if self.max_steps is None else self.step >= self.max_steps

    def action_space(self) -> Box:
        """One torque within ±2 N m."""
        return Box(-_STRONGEST, _STRONGEST, (1,), np.float32)

    def state_space(self) -> Box:
        """Cosine and sine within ±1, the angular velocity within ±8."""
        high = np.array([1.0, 1.0, _FASTEST], np.float32)
        return Box(-high, high)
