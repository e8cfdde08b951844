"""Environments that follow a script, and a driver that calls the stages in the loop's order."""

import numpy as np
import pytest

from rlcore.stages import Stage


class ScriptedEnv:
    """A single environment: one reward per step; an episode ends at the steps (from 1) that `ends` names."""

    num_envs = None

    def __init__(self, rewards, ends=()):
        self.rewards, self.ends = rewards, set(ends)
        self.steps = 0
        self.over = False

    def reset(self):
        self.over = False

    def step(self):
        self.steps += 1
        self.over = self.steps in self.ends

    def reward(self):
        return self.rewards[self.steps - 1]

    def is_over(self):
        return self.over

    def ended(self):
        return (0,) if self.over else ()

    def is_transition(self):
        return True


class ScriptedRows:
    """Environments side by side; `ends[step]` names the rows that end at a step (from 1).

    With `next_step` the step after a row's end is spent on its reset: no transition, and the reward means nothing.
    """

    def __init__(self, rewards, ends, next_step=False):
        self.rewards = np.asarray(rewards)
        self.num_envs = self.rewards.shape[1]
        self.ends, self.next_step = ends, next_step
        self.steps = 0
        self.rows = ()
        self.mask = np.ones(self.num_envs, bool)

    def reset(self):
        self.rows = ()
        self.mask = np.ones(self.num_envs, bool)

    def step(self):
        self.mask = np.ones(self.num_envs, bool)
        if self.next_step:
            self.mask[list(self.rows)] = False
        self.steps += 1
        rows = self.ends.get(self.steps, ())
        self.rows = np.array(rows) if len(rows) else ()

    def reward(self):
        return self.rewards[self.steps - 1]

    def is_over(self):
        return np.isin(np.arange(self.num_envs), self.rows)

    def ended(self):
        return self.rows

    def is_transition(self):
        return self.mask


def drive_hook(hook, env, n_steps):
    """Runs `n_steps` and then stops, whether or not an episode is over."""
    handlers = {stage: hook.handlers(stage) for stage in Stage}

    def call(stage):
        for handler in handlers[stage]:
            handler("policy", env)

    call(Stage.PRE_EXPERIMENT)
    env.reset()
    call(Stage.PRE_EPISODE)
    for step in range(1, n_steps + 1):
        call(Stage.PRE_ACT)
        env.step()
        call(Stage.POST_ACT)
        if step < n_steps and len(env.ended()):
            call(Stage.POST_EPISODE)
            if env.num_envs is None:
                env.reset()
            call(Stage.PRE_EPISODE)
    call(Stage.POST_EPISODE)
    call(Stage.POST_EXPERIMENT)
    return hook


@pytest.fixture(scope="session")
def single():
    return ScriptedEnv


@pytest.fixture(scope="session")
def rows():
    return ScriptedRows


@pytest.fixture(scope="session")
def drive():
    return drive_hook
