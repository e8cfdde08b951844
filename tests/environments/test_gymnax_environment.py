import sys

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from gymnasium import spaces

from rlcore.environments.cart_pole import CartPole
from rlcore.environments.gymnax_environment import GymnaxEnvironment
from rlcore.errors import ConfigError
from rlcore.random import stream


def test_without_gymnax_the_error_names_the_extra(monkeypatch):
    monkeypatch.setitem(sys.modules, "gymnax", None)
    with pytest.raises(ImportError, match=r"pip install 'rlcore\[gymnax\]'"):
        GymnaxEnvironment("CartPole-v1")


@pytest.fixture
def gymnax():
    return pytest.importorskip("gymnax")


@jax.jit
def reset(env):
    env.reset()
    return env, env.state()


@jax.jit
def step(env, action):
    env.act(action)
    return env, (env.state(), env.reward(), env.is_terminated(), env.is_truncated())


def test_cart_pole_is_the_built_in_one(gymnax):
    """A whole episode from the same start, to a fall; it terminates and is not truncated."""
    env, state = reset(GymnaxEnvironment("CartPole-v1", seed=1))
    own = CartPole(seed=0)
    own.position, own.velocity, own.angle, own.angular_velocity = state
    terminated = False
    while not terminated:
        env, (state, reward, terminated, truncated) = step(env, 1)
        own, answers = step(own, 1)
        np.testing.assert_allclose(state, answers[0], atol=1e-5)
        assert (reward, terminated, truncated) == (answers[1], answers[2], False)
    assert 5 < own.step < 20


@pytest.mark.parametrize(
    ("name", "limit", "ends"),
    [
        ("CartPole-v1", 3, [(False, False), (False, False), (False, True)]),
        ("Catch-bsuite", 9, [(False, False)] * 8 + [(True, False)]),  # the ball is down as the time is up
    ],
)
def test_terminations_and_time_limits_are_told_apart(gymnax, name, limit, ends):
    env, params = gymnax.make(name)
    env, _ = reset(GymnaxEnvironment(env, params.replace(max_steps_in_episode=limit), seed=0))
    found = []
    for i in range(limit):
        env, (_, _, *after) = step(env, i % 2)
        found.append(tuple(map(bool, after)))
    assert found == ends


def test_keys_are_those_of_its_stream(gymnax):
    """The states of a random environment are those of gymnax's own functions with the same keys."""
    theirs, params = gymnax.make("FrozenLake-misc")
    keys = stream(6, "GymnaxEnvironment")
    env, state = reset(GymnaxEnvironment(theirs, seed=6))
    observation, inner = theirs.reset_env(keys.key(), params)
    np.testing.assert_array_equal(state, observation)
    take = jax.jit(theirs.step_env)
    for action in (0, 1, 2, 3, 0, 1, 2, 3):
        observation, inner, reward, terminated, _ = take(keys.key(), inner, action, params)
        env, answers = step(env, action)
        np.testing.assert_array_equal(answers[0], observation)
        assert answers[1:3] == (reward, terminated)
    assert env.random.count == 9


def test_parameters_may_differ_between_copies(gymnax):
    theirs, params = gymnax.make("CartPole-v1")
    weak, strong = (GymnaxEnvironment(theirs, params.replace(force_mag=force), seed=0) for force in (1.0, 10.0))
    assert jax.tree.structure(weak) == jax.tree.structure(strong)
    rows = jax.tree.map(lambda *leaves: jnp.stack(leaves), weak, strong)
    rows, _ = jax.vmap(reset)(rows)
    _, (states, *_) = jax.vmap(step, (0, None))(rows, 1)
    one = step(reset(strong)[0], 1)[1][0]
    np.testing.assert_allclose(states[1], one, rtol=1e-6)
    faster = states[:, 1] - rows._state[:, 1]
    assert 9.5 < faster[1] / faster[0] < 10.5  # ten times the force


def test_spaces(gymnax):
    env = GymnaxEnvironment("Pendulum-v1")
    assert env.action_space() == spaces.Box(-2, 2, (1,)) and env.state_space().shape == (3,)
    env = GymnaxEnvironment("Catch-bsuite")  # says int32 of states that are float32
    assert env.state_space() == spaces.Box(0, 1, (10, 5), np.int32) and env.action_space() == spaces.Discrete(3)
    assert reset(GymnaxEnvironment("Catch-bsuite", seed=0))[1].dtype == np.int32


def test_two_that_are_built_alike_are_equal(gymnax):
    one, same, other = (GymnaxEnvironment(gymnax.make("DeepSea-bsuite", size=size)[0]) for size in (5, 5, 6))
    assert jax.tree.structure(one) == jax.tree.structure(same) != jax.tree.structure(other)


@pytest.mark.parametrize(
    ("env", "message"),
    [
        (lambda gymnax: "CartPole-v7", r"env is 'CartPole-v7', expected one of \['CartPole-v1'"),
        (lambda gymnax: gymnax.make("CartPole-v1"), "expected an id or an environment of gymnax 1.0 .*; gymnax.make"),
        (lambda gymnax: None, "env is None, expected an id or an environment of gymnax"),
    ],
)
def test_wrong_arguments(gymnax, env, message):
    with pytest.raises(ConfigError, match=message):
        GymnaxEnvironment(env(gymnax))
