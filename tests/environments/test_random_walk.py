import jax
import numpy as np
import pytest

from rlcore.environments.random_walk import RandomWalk1D
from rlcore.errors import ConfigError
from rlcore.random import stream


def walk(env, actions):
    steps = []
    for action in actions:
        env.act(action)
        steps.append((env.state(), env.reward(), env.is_terminated()))
    return steps


def test_steps_by_hand():
    env = RandomWalk1D()
    env.reset()
    assert env.state() == 3 and env.is_terminated() is False
    assert walk(env, [1, 0, 1, 1, 1]) == [(4, 0, False), (3, 0, False), (4, 0, False), (5, 0, False), (6, 1, True)]
    env.reset()
    assert walk(env, [0, 0, 0]) == [(2, 0, False), (1, 0, False), (0, -1, True)]
    assert env.is_truncated() is False
    assert type(env.reward()) is float


@pytest.mark.parametrize(("n_states", "middle"), [(3, 1), (4, 1), (5, 2), (6, 2), (7, 3), (19, 9), (20, 9)])
def test_starts_in_the_middle(n_states, middle):
    env = RandomWalk1D(n_states)
    env.reset(seed=3)
    assert env.state() == middle
    assert env.state_space().n == n_states and env.action_space().n == 2


@pytest.mark.parametrize("start", [1, 2, 4])
def test_an_even_walk_is_worth_what_the_formula_says(start):
    """The mean of 4,000 returns; a right walk is further than 5 standard errors off with probability below 1e-6."""
    n_states, rewards, episodes = 6, (-2.0, 3.0), 4000
    env, random = RandomWalk1D(n_states, rewards, start), stream(0, "actions")
    returns = []
    for _ in range(episodes):
        env.reset()
        while not env.is_terminated():
            env.act(random.integers(2))
        returns.append(env.reward())
    expected = rewards[0] + (rewards[1] - rewards[0]) * start / (n_states - 1)
    assert abs(np.mean(returns) - expected) < 5 * np.std(returns) / np.sqrt(episodes)


def test_compiled_code_walks_the_same():
    @jax.jit
    def step(env, action):
        env.act(action)
        return env, (env.state(), env.reward(), env.is_terminated())

    eager, compiled = RandomWalk1D(5, (-1.5, 2.5)), RandomWalk1D(5, (-1.5, 2.5))
    for action in [0, 1, 1, 1]:
        compiled, seen = step(compiled, action)
        np.testing.assert_array_equal(seen, walk(eager, [action])[0])
    compiled = jax.jit(lambda env: (env.reset(), env)[1])(compiled)
    assert int(compiled.state()) == 2


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"n_states": 2}, "n_states is 2, expected a whole number at least 3"),
        ({"n_states": 7.0}, "n_states is 7.0"),
        ({"n_states": True}, "n_states is True"),
        ({"start": 0}, "start is 0, expected a whole number from 1 to 5, between the ends"),
        ({"start": 6}, "start is 6"),
        ({"start": 1.0}, "start is 1.0"),
        ({"rewards": (0, float("nan"))}, "rewards is .*, expected two finite numbers"),
        ({"rewards": (1,)}, "rewards is"),
        ({"rewards": 1.0}, "rewards is 1.0"),
    ],
)
def test_bad_arguments(arguments, message):
    with pytest.raises(ConfigError, match=message):
        RandomWalk1D(**arguments)
