import gymnasium
import jax
import jax.numpy as jnp
import numpy as np
import pytest
from gymnasium.envs.classic_control import CartPoleEnv
from scipy.stats import kstest

from rlcore.environments.cart_pole import CartPole
from rlcore.errors import ConfigError

FIELDS = ("position", "velocity", "angle", "angular_velocity")


def at(state, **arguments):
    env = CartPole(seed=0, **arguments)
    place(env, state)
    return env


def place(env, state):
    for name, value in zip(FIELDS, jnp.asarray(state, jnp.float32), strict=True):
        setattr(env, name, value)


@jax.jit
def step(env, action):
    env.act(action)
    return env, (env.state(), env.reward(), env.is_terminated(), env.is_truncated())


def test_one_step_is_that_of_gymnasium():
    """From 2,000 states, many of them beyond the limits, in float32 against Gymnasium's float64."""
    random, theirs = np.random.default_rng(0), CartPoleEnv()
    states = random.uniform([-2.6, -3, -0.25, -3], [2.6, 3, 0.25, 3], (2000, 4)).astype(np.float32)
    actions = random.integers(0, 2, len(states))
    after, rewards, terminated, truncated = jax.vmap(lambda state, action: step(at(state), action)[1])(states, actions)
    theirs.reset(seed=0)
    expected = []
    for state, action in zip(states, actions, strict=True):
        theirs.state, theirs.steps_beyond_terminated = state.astype(np.float64), None
        expected.append(theirs.step(int(action))[:3])
    their_states, their_rewards, their_ends = map(np.array, zip(*expected, strict=True))
    np.testing.assert_allclose(after, their_states, rtol=1e-5, atol=2e-6)
    np.testing.assert_array_equal(rewards, their_rewards)
    np.testing.assert_array_equal(terminated, their_ends)
    assert 0.2 < their_ends.mean() < 0.8 and not truncated.any()


def test_an_episode_is_that_of_gymnasium():
    """500 steps under a controller that keeps the pole up; at every step from Gymnasium's state, as errors grow."""
    theirs = gymnasium.make("CartPole-v1")
    state, _ = theirs.reset(seed=3)
    env = at(state)
    for _ in range(500):
        place(env, state)
        action = int(state[2] + 0.5 * state[3] + 0.05 * state[1] > 0)
        state, _, terminated, truncated, _ = theirs.step(action)
        env, (mine, _, *ends) = step(env, action)
        np.testing.assert_allclose(mine, state, atol=1e-5)
        assert ends == [terminated, truncated]
    assert ends == [False, True]


@pytest.mark.parametrize(
    ("state", "max_steps", "ends"),
    [
        ([0, 0, 0, 0], 1, (False, True)),
        ([2.4, 1, 0, 0], 1, (True, False)),  # both at once: it terminated
        ([-2.4, -1, 0, 0], 2, (True, False)),
        ([0, 0, 0.2, 1], None, (True, False)),
        ([0, 0, -0.2, -1], 2, (True, False)),
        ([0, 0, 0.2, 0], None, (False, False)),
    ],
)
def test_ends(state, max_steps, ends):
    _, (_, reward, *after) = step(at(state, max_steps=max_steps), 1)
    assert tuple(after) == ends and reward == 1


def test_starts_are_uniform():
    """Kolmogorov-Smirnov; a right one fails with probability 1e-6, and the seed is fixed."""

    def start(env, _):
        env.reset()
        return env, env.state()

    starts = jax.jit(lambda env: jax.lax.scan(start, env, None, 2000))(CartPole(seed=1))[1]
    assert starts.shape == (2000, 4)
    assert kstest(np.ravel(starts), "uniform", (-0.05, 0.1)).pvalue > 1e-6


def test_a_seed_starts_again():
    env = CartPole(seed=4)
    env.reset()
    first = np.asarray(env.state())
    env.reset()
    assert (np.asarray(env.state()) != first).all()
    env.reset(seed=4)
    np.testing.assert_array_equal(env.state(), first)


def test_spaces_are_those_of_gymnasium():
    theirs, env = CartPoleEnv(), CartPole()
    assert env.state_space() == theirs.observation_space and env.action_space() == theirs.action_space
    assert repr(env) == "CartPole()" and repr(CartPole(max_steps=200)) == "CartPole(max_steps=200)"


@pytest.mark.parametrize("max_steps", [0, 1.5, True])
def test_max_steps_is_a_whole_number(max_steps):
    with pytest.raises(ConfigError, match=r"max_steps is .*, expected a whole number of at least 1"):
        CartPole(max_steps=max_steps)
