"""The cart and the pole, for compiled code."""

import math
from typing import Any

import jax.numpy as jnp
import numpy as np
from gymnasium.spaces import Box, Discrete

from rlcore.arguments import check_whole
from rlcore.interfaces import Environment
from rlcore.random import Random, random_or_seeded, stream
from rlcore.struct import static, struct

_PUSH = 10.0 / 1.1  # the force, N, over the mass of cart and pole, kg
_POLE = 0.1 * 0.5 / 1.1  # the pole's mass, kg, times half its length, m, over the mass of both
_GRAVITY = 9.8  # m/s²
_SECONDS = 0.02  # per step
_FARTHEST = 2.4  # m
_STEEPEST = 12 * 2 * math.pi / 360  # rad


@struct
class CartPole(Environment):
    """A pole stands on a cart, which is pushed to the left (action 0) or to the right (1) so that it does not fall.

    Every step brings 1, the last one too. An episode terminates when the cart is more than 2.4 m from the middle or
    the pole leans more than 12°, and is truncated after `max_steps`. It starts within ±0.05 of rest in every number.

    Attributes:
        max_steps: Steps per episode, at least 1; `None`: no limit.
        random: Its stream; `reset` takes four numbers, `act` none.
        position: Of the cart, in m, float32.
        velocity: Of the cart, in m/s.
        angle: Of the pole, in rad from upright, to the right.
        angular_velocity: Of the pole, in rad/s.
        step: How many steps the episode has lasted, int32.

    Raises:
        ConfigError: `max_steps` is not a whole number of at least 1, or `seed` not one of at least 0.

    Source: Barto, Sutton & Anderson 1983; Gymnasium `CartPole-v1` (Euler's method, the same constants). The four
    numbers are four fields because a compiled step is quicker so than with one array of them.
    """

    max_steps: int | None = static()
    random: Random
    position: Any = np.float32(0.0)
    velocity: Any = np.float32(0.0)
    angle: Any = np.float32(0.0)
    angular_velocity: Any = np.float32(0.0)
    step: Any = np.int32(0)

    def __init__(self, seed: int | None = None, max_steps: int | None = 500) -> None:
        self.max_steps = None if max_steps is None else check_whole("max_steps", max_steps)
        self.random = random_or_seeded(seed, "CartPole")

    def reset(self, seed: int | None = None) -> None:
        """Stands the pole up, nearly; a `seed` starts the stream again."""
        if seed is not None:
            self.random = stream(seed, "CartPole")
        self.position, self.velocity, self.angle, self.angular_velocity = 0.1 * self.random.uniform(4) - 0.05
        self.step = jnp.int32(0)

    def act(self, action: Any) -> None:
        """Pushes to the left (0) or to the right (1)."""
        sine, cosine = jnp.sin(self.angle), jnp.cos(self.angle)
        push = jnp.where(action == 1, _PUSH, -_PUSH) + _POLE * self.angular_velocity * self.angular_velocity * sine
        turn = (_GRAVITY * sine - cosine * push) / (2 / 3 - _POLE * cosine * cosine)  # rad/s²
        pull = push - _POLE * turn * cosine  # m/s²
        self.position = self.position + _SECONDS * self.velocity
        self.velocity = self.velocity + _SECONDS * pull
        self.angle = self.angle + _SECONDS * self.angular_velocity
        self.angular_velocity = self.angular_velocity + _SECONDS * turn
        self.step = self.step + 1

    def state(self) -> Any:
        """`[4]` float32: position, velocity, angle, angular velocity."""
        return jnp.stack([self.position, self.velocity, self.angle, self.angular_velocity])

    def reward(self) -> Any:
        """Always 1."""
        return jnp.float32(1.0)

    def is_terminated(self) -> Any:
        """Whether the cart is too far out or the pole leans too much."""
        return (jnp.abs(self.position) > _FARTHEST) | (jnp.abs(self.angle) > _STEEPEST)

    def is_truncated(self) -> Any:
        """Whether `max_steps` are over and the pole still stands."""
        if self.max_steps is None:
            return jnp.bool_(False)
        return (self.step >= self.max_steps) & ~self.is_terminated()

    def action_space(self) -> Discrete:
        """Two actions: left, right."""
        return Discrete(2)

    def state_space(self) -> Box:
        """Twice the limits for position and angle; the velocities have none."""
        high = np.array([2 * _FARTHEST, np.inf, 2 * _STEEPEST, np.inf], np.float32)
        return Box(-high, high)
