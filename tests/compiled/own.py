"""Environments and policies of a user's, each for one thing that a compiled run must get right."""

from typing import Any

import jax.numpy as jnp
import numpy as np
from gymnasium import spaces

from rlcore.interfaces import Environment, Policy
from rlcore.random import Random
from rlcore.struct import namespace, put, static, struct


@struct
class Drift(Environment):
    """States are a dict with a number from 5 on, actions count from 3; draws numbers where it acts and resets."""

    random: Random
    at: Any = 0
    speed: Any = np.float32(0.0)

    def __init__(self):
        self.random = Random()

    def reset(self, seed=None):
        self.at, self.speed = self.random.integers(3), self.random.uniform()

    def act(self, action):
        self.at, self.speed = self.at + (action - 3), self.random.normal()

    def state(self):
        return {"at": self.at + 5, "speed": jnp.stack([self.speed, self.speed])}

    def reward(self):
        return self.speed

    def is_terminated(self):
        return self.at >= 6

    def is_truncated(self):
        return self.speed > 1.5

    def action_space(self):
        return spaces.Discrete(3, start=3)

    def state_space(self):
        return spaces.Dict(at=spaces.Discrete(10, start=5), speed=spaces.Box(-np.inf, np.inf, (2,)))


@struct
class Levers(Environment):
    """Episodes of 3 steps; the reward shows the action, whose parts count from different numbers."""

    step: Any = 0
    shown: Any = 0

    def reset(self, seed=None):
        self.step = 0

    def act(self, action):
        self.step = self.step + 1
        self.shown = 100 * action["lever"] + 10 * action["wheels"][0] + action["wheels"][1]

    def state(self):
        return 0 * self.step

    def reward(self):
        return self.shown

    def is_terminated(self):
        return self.step == 3

    def action_space(self):
        return spaces.Dict(lever=spaces.Discrete(4, start=1), wheels=spaces.MultiDiscrete([2, 3], start=[5, -1]))

    def state_space(self):
        return spaces.Discrete(1)


@struct
class Moody(Environment):
    """The first episode has 10 steps, the next one is over at once."""

    step: Any = 0
    of_episode: Any = 0

    def reset(self, seed=None):
        self.of_episode = 0

    def act(self, action):
        self.step, self.of_episode = self.step + 1, self.of_episode + 1

    def state(self):
        return self.of_episode

    def reward(self):
        return 1.0

    def is_terminated(self):
        return (self.of_episode == 10) | ((self.step == 10) & (self.of_episode == 0))

    def action_space(self):
        return spaces.Discrete(2)

    def state_space(self):
        return spaces.Discrete(11)


@struct
class Trapped(Environment):
    """Episodes of 7 steps; at the 25th step of the run no action is legal."""

    step: Any = 0
    of_episode: Any = 0

    def reset(self, seed=None):
        self.of_episode = 0

    def act(self, action):
        self.step, self.of_episode = self.step + 1, self.of_episode + 1

    def state(self):
        return self.of_episode

    def reward(self):
        return 1.0

    def is_terminated(self):
        return self.of_episode == 7

    def legal_action_mask(self):
        return jnp.stack([self.step != 24, (self.step % 5 == 0)])

    def action_space(self):
        return spaces.Discrete(2)

    def state_space(self):
        return spaces.Discrete(8)


@struct
class Answers(Environment):
    """Answers one question with something else than it should."""

    question: str = static()
    answer: Any = static()
    x: Any = np.float32(0)

    def reset(self, seed=None):
        self.x = jnp.float32(0)

    def act(self, action):
        self.x = self.x + 1

    def said(self, question, answer):
        return self.answer(self.x) if question == self.question else answer

    def state(self):
        return self.x

    def reward(self):
        return self.said("reward", 1.0)

    def is_terminated(self):
        return self.said("is_terminated", self.x > 5)

    def legal_action_mask(self):
        return self.said("legal_action_mask", None)

    def action_space(self):
        return spaces.Discrete(2)

    def state_space(self):
        return spaces.Box(0, 10, ())


@struct
class Faulty(Environment):
    """Episodes of 10 steps; at one step of the run the reward or the state is wrong."""

    step: Any = 0
    of_episode: Any = 0
    at: int = static(30)
    reward_then: float = static(1.0)
    state_then: float = static(0.0)

    def reset(self, seed=None):
        self.of_episode = 0

    def act(self, action):
        self.step, self.of_episode = self.step + 1, self.of_episode + 1

    def state(self):
        return jnp.where(self.step == self.at, jnp.float32(self.state_then), 0.0).reshape(1)

    def reward(self):
        return jnp.where(self.step == self.at, self.reward_then, 1.0)

    def is_terminated(self):
        return self.of_episode == 10

    def action_space(self):
        return spaces.Discrete(2)

    def state_space(self):
        return spaces.Box(-1, 1, (1,))


@struct
class FaultyTable(Faulty):
    """The same with three states."""

    def state(self):
        return jnp.where(self.step == self.at, jnp.int32(self.state_then), 1)

    def state_space(self):
        return spaces.Discrete(3)


@struct
class Preferences(Policy):
    """Learns which of two actions pays where it keeps what happened, from one row or several."""

    random: Random
    values: Any

    def __init__(self):
        self.random, self.values = Random(), np.zeros(2, np.float32)

    def plan(self, env):
        u = self.random.uniform(env.num_envs)
        chosen = u < 0.5 + 0.1 * (self.values[1] - self.values[0])
        return int(chosen) if isinstance(chosen, bool | np.bool_) else chosen.astype(np.int32)

    def post_act(self, env, action):
        is_taken = jnp.asarray(action)[..., None] == jnp.arange(2)
        error = jnp.asarray(env.reward(), jnp.float32)[..., None] - self.values
        self.values = self.values + 0.5 * (is_taken * error).reshape(-1, 2).sum(0)


@struct
class Recurrent(Policy):
    """Chooses by a carry of all states of the episode, which is cleared where one begins."""

    carry: Any

    def __init__(self, rows=None):
        self.carry = np.zeros(() if rows is None else rows, np.float32)

    def pre_episode(self, env):
        ended = env.ended()
        if env.num_envs is None or not len(ended):
            self.carry = self.carry * 0
        else:
            self.carry = put(self.carry, ended, 0.0)

    def plan(self, env):
        xp = namespace(env.state(), self.carry)
        self.carry = xp.asarray(0.5 * self.carry + env.state(), np.float32)
        action = (xp.sin(37 * self.carry) > 0).astype(np.int32)
        return int(action) if xp is np and env.num_envs is None else action


@struct
class Counting(Policy):
    """Counts how often it is called at every stage."""

    random: Random
    calls: Any

    def __init__(self):
        self.random, self.calls = Random(), np.zeros(6, np.int32)

    def plan(self, env):
        return self.random.integers(2, env.num_envs)

    def count(self, i):
        self.calls = put(self.calls, i, self.calls[i] + 1)

    def pre_experiment(self, env):
        self.count(0)

    def pre_episode(self, env):
        self.count(1)

    def pre_act(self, env):
        self.count(2)

    def post_act(self, env, action):
        self.count(3)

    def post_episode(self, env):
        self.count(4)

    def post_experiment(self, env):
        self.count(5)


@struct
class Pushed(Counting):
    """The same through `push`."""

    def push(self, stage, env, action=None):
        self.count(2)


@struct
class Around(Policy):
    """Hands everything to the policy inside."""

    inner: Policy

    def plan(self, env):
        return self.inner.plan(env)

    def handlers(self, stage):
        return self.inner.handlers(stage)

    def check(self, env):
        self.inner.check(env)
