import gymnasium
import jax
import numpy as np
import pytest
from gymnasium.envs.classic_control import PendulumEnv
from scipy.stats import kstest

from rlcore.environments.pendulum import Pendulum
from rlcore.errors import ConfigError


def at(angle, angular_velocity, **arguments):
    env = Pendulum(seed=0, **arguments)
    env.angle, env.angular_velocity = np.float32(angle), np.float32(angular_velocity)
    return env


@jax.jit
def step(env, action):
    env.act(action)
    return env, (env.state(), env.reward(), env.is_terminated(), env.is_truncated())


def test_one_step_is_that_of_gymnasium():
    """From 1,000 states, with torques up to twice the limit, in float32 against Gymnasium's float64."""
    random, theirs = np.random.default_rng(0), PendulumEnv()
    theirs.reset(seed=0)
    for _ in range(1000):
        angle, velocity, torque = random.uniform([-np.pi, -8, -4], [np.pi, 8, 4]).astype(np.float32)
        theirs.state = np.array([angle, velocity], np.float64)
        expected, cost, _, _, _ = theirs.step(np.array([torque], np.float64))
        env, (state, reward, *ends) = step(at(angle, velocity), np.array([torque]))
        np.testing.assert_allclose(state, expected, atol=5e-6)
        np.testing.assert_allclose(reward, cost, rtol=1e-5, atol=1e-6)
        assert ends == [False, False] and -np.pi - 1e-6 <= env.angle <= np.pi + 1e-6


def test_an_episode_is_that_of_gymnasium():
    """200 steps of constant torque, which turns it over many times; the limit comes at the same step."""
    theirs = gymnasium.make("Pendulum-v1")
    state, _ = theirs.reset(seed=1)
    env, action = at(*theirs.unwrapped.state), np.array([2.0], np.float32)
    for _ in range(200):
        state, reward, _, truncated, _ = theirs.step(action)
        env, (mine, cost, terminated, cut) = step(env, action)
        np.testing.assert_allclose(mine, state, atol=2e-3)
        np.testing.assert_allclose(cost, reward, atol=5e-3)
        assert cut == truncated and not terminated
    assert truncated


def test_no_limit():
    env = at(0.0, 0.0, max_steps=None)
    for _ in range(201):
        env, (_, reward, terminated, truncated) = step(env, np.zeros(1, np.float32))
    assert (reward, terminated, truncated) == (0, False, False)  # upright and at rest it stays


def test_starts_are_uniform():
    """Kolmogorov-Smirnov; a right one fails with probability 1e-6, and the seed is fixed."""

    def start(env, _):
        env.reset()
        return env, (env.angle, env.angular_velocity)

    angles, velocities = jax.jit(lambda env: jax.lax.scan(start, env, None, 2000))(Pendulum(seed=1))[1]
    assert kstest(angles, "uniform", (-np.pi, 2 * np.pi)).pvalue > 1e-6
    assert kstest(velocities, "uniform", (-1, 2)).pvalue > 1e-6


def test_a_seed_starts_again():
    env = Pendulum(seed=4)
    env.reset()
    first = np.asarray(env.state())
    env.act(np.ones(1))
    env.reset(seed=4)
    np.testing.assert_array_equal(env.state(), first)
    assert env.reward() == 0


def test_spaces_are_those_of_gymnasium():
    theirs, env = PendulumEnv(), Pendulum()
    assert env.state_space() == theirs.observation_space and env.action_space() == theirs.action_space


def test_max_steps_is_a_whole_number():
    with pytest.raises(ConfigError, match=r"max_steps is 0, expected a whole number of at least 1"):
        Pendulum(max_steps=0)
