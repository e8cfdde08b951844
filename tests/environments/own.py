"""An environment of a user's."""

from gymnasium import spaces

from rlcore.interfaces import Environment


class Own(Environment):
    """Counts to `length`."""

    def __init__(self, length=3, start=0):
        self.length, self.start = length, start
        self.position = 0
        self.seeds = []

    def reset(self, seed=None):
        self.seeds.append(seed)
        self.position = 0

    def act(self, action):
        self.position += action

    def state(self):
        return self.position + self.start

    def reward(self):
        return -1

    def is_terminated(self):
        return self.position >= self.length

    def action_space(self):
        return spaces.Discrete(2)

    def state_space(self):
        return spaces.Discrete(self.length + 1, start=self.start)
