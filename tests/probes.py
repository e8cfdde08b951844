"""Probe environments of rising difficulty: what each action is worth is known, so that a failure tells what is broken.

Every state is a number for tables, and two features for networks; all have two actions, so that the learners of one
kind share their compiled code.
"""

from typing import Any, NamedTuple

import jax.numpy as jnp
import numpy as np
from gymnasium import spaces

from rlcore.environments import TabularEnvironment, as_environment

GAMMA = 0.5


class Probe(NamedTuple):
    """An environment and its values.

    Attributes:
        world: `world[state][action]` is the next state, the reward, and whether that is the end.
        features: `[states, 2]`, what a network sees.
        q: `[states, 2]`, what each action is worth, whatever is done afterwards.
        max_steps: After so many steps an episode is cut.
    """

    world: list[list[tuple[int, float, bool]]]
    features: list[list[float]]
    q: list[list[float]]
    start: Any = 0
    max_steps: int | None = None

    def environment(self, for_network: bool, num_envs: int | None = None) -> Any:
        """It, ready for an experiment; a JAX environment, for both engines."""
        transitions = [[[(1.0, *outcome)] for outcome in actions] for actions in self.world]
        env = TabularEnvironment(transitions, self.start, self.max_steps)
        if not for_network:
            return as_environment(env, num_envs=num_envs)
        features = np.array(self.features, np.float32)
        space = spaces.Box(-1, 1, (2,), np.float32)
        return as_environment(env, state=(lambda state: jnp.asarray(features)[state], space), num_envs=num_envs)


def ends(*rewards):
    """What the two actions bring at a state that is the last one."""
    return [(0, reward, True) for reward in rewards]


ONE_HOT = [[1.0, 0.0], [0.0, 1.0]]
PROBES = {
    # one state, one step, reward 1: does a value move at all?
    "constant": Probe([ends(1.0, 1.0)], [[0.0, 0.0]], [[1.0, 1.0]]),
    # the reward is what is seen: do values depend on the state?
    "observation": Probe([ends(-1.0, -1.0), ends(1.0, 1.0)], ONE_HOT, [[-1.0, -1.0], [1.0, 1.0]], [0.5, 0.5]),
    # the reward comes a step later: is it discounted?
    "delay": Probe([[(1, 0.0, False)] * 2, ends(1.0, 1.0)], ONE_HOT, [[GAMMA, GAMMA], [1.0, 1.0]]),
    # the reward is for the action: do values depend on it?
    "action": Probe([ends(-1.0, 1.0)], [[0.0, 0.0]], [[-1.0, 1.0]]),
    # the right action depends on what is seen
    "both": Probe([ends(1.0, -1.0), ends(-1.0, 1.0)], ONE_HOT, [[1.0, -1.0], [-1.0, 1.0]], [0.5, 0.5]),
    # reward 1 for ever, cut after three steps: does the value at a cut count? (At an end, as above, it does not.)
    "cut": Probe([[(0, 1.0, False)] * 2], [[1.0, 0.0]], [[1 / (1 - GAMMA)] * 2], max_steps=3),
}
