"""Small environments and policies whose every number is known."""

from typing import Any

import gymnasium
import numpy as np
from gymnasium import spaces

from rlcore.hooks import Hook
from rlcore.interfaces import Environment, Policy
from rlcore.stages import Stage


class Corridor(Environment):
    """Walks right, whatever the action, `length` steps; the state is the position, every step pays 1."""

    def __init__(self, length: int = 3, truncates: bool = False) -> None:
        self.length, self.truncates = length, truncates
        self.position = 0
        self.resets = 0

    def reset(self, seed: int | None = None) -> None:
        self.position = 0
        self.resets += 1

    def act(self, action: int) -> None:
        self.position += 1

    def state(self) -> int:
        return self.position

    def reward(self) -> float:
        return 1.0

    def is_terminated(self) -> bool:
        return self.position >= self.length and not self.truncates

    def is_truncated(self) -> bool:
        return self.position >= self.length and self.truncates

    def action_space(self) -> spaces.Space:
        return spaces.Discrete(2)

    def state_space(self) -> spaces.Space:
        return spaces.Discrete(self.length + 1)


class Count(gymnasium.Env):
    """Gymnasium: observes `base + 1000 * episode + step`; episodes last `length` steps and pay their step number."""

    def __init__(self, length: int = 3, base: int = 0, truncates: bool = False) -> None:
        self.observation_space = spaces.Box(-1e9, 1e9, (1,))
        self.action_space = spaces.Discrete(2)
        self.length, self.base, self.truncates = length, base, truncates
        self.episode = self.steps = 0

    def _observe(self) -> np.ndarray:
        return np.array([self.base + 1000 * self.episode + self.steps], np.float32)

    def reset(self, *, seed: int | None = None, options: Any = None) -> tuple[np.ndarray, dict]:
        super().reset(seed=seed)
        self.episode += 1
        self.steps = 0
        return self._observe(), {}

    def step(self, action: int) -> tuple[np.ndarray, float, bool, bool, dict]:
        self.steps += 1
        over = self.steps >= self.length
        return self._observe(), float(self.steps), over and not self.truncates, over and self.truncates, {}


def counts(lengths: tuple[int, ...], mode: Any, truncates: bool = False) -> gymnasium.vector.SyncVectorEnv:
    """Several `Count`s side by side, row i with base 100,000 i."""
    makers = [
        lambda row=row, length=length: Count(length, 100_000 * row, truncates) for row, length in enumerate(lengths)
    ]
    return gymnasium.vector.SyncVectorEnv(makers, autoreset_mode=mode)


class Still(Policy):
    """Always takes action 0."""

    def plan(self, env: Environment) -> Any:
        return 0 if env.num_envs is None else np.zeros(env.num_envs, int)


class TapePolicy(Still):
    """Writes down when it is called to plan, to keep and to learn."""

    def __init__(self, tape: list[str]) -> None:
        self.tape = tape

    def plan(self, env: Environment) -> Any:
        self.tape.append("plan")
        return super().plan(env)

    def push(self, stage: Stage, env: Environment, action: Any = None) -> None:
        self.tape.append(f"keep {stage.value}")

    def optimise(self, stage: Stage, trajectory: Any = None) -> None:
        self.tape.append(f"learn {stage.value}")


class TapeHook(Hook):
    """Writes down every stage."""

    def __init__(self, tape: list[str], name: str = "hook") -> None:
        self.tape, self.name = tape, name

    def push(self, stage: Stage, policy: Policy, env: Environment) -> None:
        self.tape.append(f"{self.name} {stage.value}")
