"""Environments whose states say where they come from, and ones that break the contract at a chosen step.

Nothing of rlcore is imported, so that processes which only step them start quickly.
"""

import gymnasium
import numpy as np
from gymnasium import spaces
from gymnasium.vector import SyncVectorEnv

FAR = 1e8


class Counter(gymnasium.Env):
    """Observes `base + 1000 * episode + step`, pays `10 * step + action`; the seed decides how long episodes last."""

    def __init__(self, base=0, end="terminated", reuse=False, mask=None, length=None):
        self.observation_space = spaces.Box(-FAR, FAR, (2,), np.float32)
        self.action_space = spaces.Discrete(3)
        self.base, self.end, self.reuse, self.mask, self.length = base, end, reuse, mask, length
        self.buffer = np.zeros(2, np.float32)
        self.flags = np.zeros(3, bool)
        self.episode = self.step_number = 0
        if mask == "observation":
            self.observation_space = spaces.Dict(
                observation=self.observation_space, action_mask=spaces.Box(0, 1, (3,), np.int8)
            )

    def legal(self):
        """One action is illegal: it names the step, so that a mask of another step shows."""
        flags = self.flags if self.reuse else self.flags.copy()
        flags[:] = True
        flags[(self.episode + self.step_number) % 3] = False
        return flags

    def answer(self):
        observation = self.buffer if self.reuse else self.buffer.copy()
        observation[:] = self.base + 1000 * self.episode + self.step_number, self.step_number
        if self.mask == "observation":
            return {"observation": observation, "action_mask": self.legal().astype(np.int8)}, {}
        return observation, {"action_mask": self.legal()} if self.mask == "info" else {}

    def reset(self, *, seed=None, options=None):
        super().reset(seed=seed)
        self.episode = 1 if seed is not None else self.episode + 1
        self.step_number = 0
        self.last = self.length or int(self.np_random.integers(1, 6))
        return self.answer()

    def step(self, action):
        assert action in (0, 1, 2)
        self.step_number += 1
        over = self.step_number >= self.last
        observation, info = self.answer()
        reward = 10.0 * self.step_number + float(action)
        return observation, reward, over and self.end != "truncated", over and self.end != "terminated", info


def counters(n, mode, **options):
    return SyncVectorEnv([lambda i=i: Counter(100_000 * i, **options) for i in range(n)], autoreset_mode=mode)


def choose(state):
    """An action that depends on nothing but the state, so that rows don't have to keep step."""
    return np.asarray(state)[..., 0].astype(np.int64) % 3


def bare_transitions(env, seed, n):
    """The first `n` transitions of a plain loop over one environment."""
    transitions = []
    observation, _ = env.reset(seed=seed)
    while len(transitions) < n:
        action = int(choose(observation))
        following, reward, terminated, truncated, _ = env.step(action)
        ends = (terminated, truncated and not terminated)
        transitions.append((observation.tolist(), action, reward, following.tolist(), *ends))
        observation = env.reset()[0] if terminated or truncated else following
    return transitions


class Faulty(gymnasium.Env):
    """Correct but for what the keyword arguments replace from step `at` of an episode on."""

    def __init__(self, at=2, length=5, space=None, actions=None, **faults):
        self.observation_space = spaces.Box(-1, 1, (3,), np.float32) if space is None else space
        self.action_space = spaces.Discrete(2) if actions is None else actions
        self.at, self.length, self.faults = at, length, faults
        self.steps = 0

    def good(self, name):
        return {
            "observation": np.zeros(3, np.float32),
            "reward": 1.0,
            "terminated": self.steps >= self.length,
            "truncated": False,
            "info": {},
        }[name]

    def value(self, name):
        return self.faults[name] if name in self.faults and self.steps >= self.at else self.good(name)

    def reset(self, *, seed=None, options=None):
        super().reset(seed=seed)
        self.steps = 0
        return self.value("observation"), self.value("info")

    def step(self, action):
        self.steps += 1
        if "raises" in self.faults and self.steps >= self.at:
            raise self.faults["raises"]
        return tuple(self.value(name) for name in ("observation", "reward", "terminated", "truncated", "info"))
