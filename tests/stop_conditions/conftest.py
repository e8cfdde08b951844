import numpy as np
import pytest

from rlcore.hooks import Hook


class Steps(Hook):
    """Counts loop steps and transitions."""

    def pre_experiment(self, policy, env):
        self.loop_steps = self.transitions = self.episodes = 0

    def post_act(self, policy, env):
        self.loop_steps += 1
        self.transitions += int(np.sum(env.is_transition()))
        self.episodes += len(env.ended())


@pytest.fixture
def steps():
    return Steps()
