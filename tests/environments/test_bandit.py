import jax
import jax.numpy as jnp
import numpy as np
import pytest
from scipy.stats import kstest

from rlcore.environments.bandit import MultiArmedBandit
from rlcore.errors import ConfigError
from rlcore.random import stream


def test_an_episode_is_one_step():
    env = MultiArmedBandit(3, seed=0)
    for _ in range(2):
        env.reset()
        assert (env.state(), env.reward(), env.is_terminated()) == (0, 0.0, False)
        env.act(1)
        assert env.state() == 0 and env.is_terminated() is True and env.is_truncated() is False
    assert env.action_space().n == 3 and env.state_space().n == 1


def test_true_values_stay_until_a_new_seed():
    env = MultiArmedBandit(10, seed=5)
    values = env.true_values.copy()
    for action in range(10):
        env.reset()
        env.act(action)
    np.testing.assert_array_equal(env.true_values, values)
    env.reset(seed=6)
    assert (env.true_values != values).all()
    env.reset(seed=5)
    np.testing.assert_array_equal(env.true_values, values)
    assert env.best_action == int(np.argmax(values))


def test_without_a_seed_the_first_reset_draws():
    env = MultiArmedBandit(4)
    assert np.isnan(env.true_values).all() and not env.random.is_named()
    env.random = stream(1, "given by an experiment")
    env.reset()
    values = env.true_values
    assert np.isfinite(values).all()
    env.reset()
    np.testing.assert_array_equal(env.true_values, values)


def test_rewards_are_normal_around_the_true_value():
    """Kolmogorov-Smirnov; a right bandit fails with probability 1e-6, and the seeds are fixed."""
    env = MultiArmedBandit(3, seed=2)
    noise = []
    for i in range(6000):
        env.reset()
        env.act(i % 3)
        noise.append(env.reward() - env.true_values[i % 3])
    assert kstest(noise, "norm").pvalue > 1e-6
    for arm in range(3):
        assert abs(np.mean(noise[arm::3])) < 5 / np.sqrt(2000)


def test_true_values_are_standard_normal():
    """Kolmogorov-Smirnov; a right bandit fails with probability 1e-6, and the seeds are fixed."""
    values = np.concatenate([MultiArmedBandit(100, seed=seed).true_values for seed in range(30)])
    assert kstest(values, "norm").pvalue > 1e-6


def test_the_same_seed_gives_the_same_rewards():
    first, second = MultiArmedBandit(5, seed=9), MultiArmedBandit(5, seed=1)
    first.reset(seed=4)
    second.reset(seed=4)
    for action in [0, 3, 3]:
        first.act(action)
        second.act(action)
        assert first.reward() == second.reward()


def test_compiled_code_draws_the_same():
    def step(env, action):
        env.reset()
        env.act(action)
        return env, (env.reward(), env.is_terminated(), env.best_action)

    eager, compiled = MultiArmedBandit(6, seed=3), MultiArmedBandit(6, seed=3)
    actions = np.array([0, 5, 2, 2, 1])
    expected = [step(eager, int(action))[1] for action in actions]
    scan = jax.jit(lambda env, actions: jax.lax.scan(step, env, actions))
    compiled, seen = scan(jax.tree.map(jnp.asarray, compiled), actions)
    for column, values in zip(seen, zip(*expected, strict=True), strict=True):
        np.testing.assert_array_equal(column, values)
    assert compiled.random.count == eager.random.count == 6 + 5 * 7
    np.testing.assert_array_equal(compiled.true_values, eager.true_values)


@pytest.mark.parametrize("n_arms", [0, -1, 2.0, True, None])
def test_n_arms_is_a_whole_number(n_arms):
    with pytest.raises(ConfigError, match=r"n_arms is .*, expected a whole number of at least 1"):
        MultiArmedBandit(n_arms)


def test_seed_is_checked():
    with pytest.raises(ConfigError, match=r"seed is 1\.5"):
        MultiArmedBandit(3, seed=1.5)
