import gymnasium
import jax
import jax.numpy as jnp
import numpy as np
import pytest
from gymnasium.envs.phys2d.cartpole import CartPoleFunctional, CartPoleParams
from gymnasium.envs.phys2d.pendulum import PendulumFunctional
from gymnasium.envs.tabular.blackjack import BlackjackFunctional, BlackJackParams
from gymnasium.envs.tabular.cliffwalking import CliffWalkingFunctional
from gymnasium.experimental.functional import FuncEnv
from gymnasium.spaces import Box, Dict, Discrete

from rlcore.environments.functional import FunctionalEnvironment
from rlcore.environments.pendulum import Pendulum
from rlcore.errors import ConfigError, EnvContractError
from rlcore.random import stream


@jax.jit
def reset(env):
    env.reset()
    return env, env.state()


@jax.jit
def step(env, action):
    env.act(action)
    return env, (env.state(), env.reward(), env.is_terminated(), env.is_truncated())


class Noisy(FuncEnv):
    """Every function answers a number of its own key; the state counts."""

    observation_space = Dict(noise=Box(0, 1, (), np.float64), count=Discrete(100, start=1))
    action_space = Discrete(3, start=5)

    def initial(self, rng, params=None):
        return {"count": 1, "noise": jax.random.uniform(rng)}

    def transition(self, state, action, rng, params=None):
        return {"count": state["count"] + action, "noise": jax.random.uniform(rng)}

    def observation(self, state, rng, params=None):
        return {"noise": jax.random.uniform(rng), "count": state["count"]}

    def reward(self, state, action, next_state, rng, params=None):
        return jnp.array([100 * state["count"] + next_state["count"] + jax.random.uniform(rng)])

    def terminal(self, state, rng, params=None):
        return jax.random.uniform(rng) < 0.5


def test_every_function_gets_a_key_of_its_own():
    env = FunctionalEnvironment(Noisy(), max_steps=3, seed=2)
    keys = stream(2, "FunctionalEnvironment")
    first, see, move, see_again, pay, end = (jax.random.uniform(keys.key()) for _ in range(6))
    env, state = reset(env)
    assert (env._inner["noise"], state["noise"], state["count"]) == (first, see, 1)
    env, (state, reward, terminated, truncated) = step(env, 6)
    assert (env._inner["noise"], state["noise"], state["count"]) == (move, see_again, 7)
    assert reward == np.float32(107 + pay) and reward.shape == () and terminated == (end < 0.5) and not truncated
    assert env.random.count == 6 and env.action_space() == Discrete(3, start=5)


def test_cliff_walking_is_that_of_the_toy_texts():
    """1,000 random steps; one whole number in a box became Discrete."""
    env, theirs = FunctionalEnvironment(CliffWalkingFunctional(), seed=0), gymnasium.make("CliffWalking-v1")
    assert env.state_space() == Discrete(48) and env.action_space() == Discrete(4)
    env, state = reset(env)
    assert state == theirs.reset()[0] and state.shape == ()
    actions = np.random.default_rng(0).integers(0, 4, 1000)
    _, (states, rewards, terminated, truncated) = jax.jit(lambda env: jax.lax.scan(step, env, actions))(env)
    for i, action in enumerate(actions):
        expected = theirs.step(int(action))[:3]
        assert (states[i], rewards[i], terminated[i]) == expected
    assert not truncated.any() and set(np.unique(rewards)) == {-100, -1}


def test_reaching_the_goal_terminates():
    env, _ = reset(FunctionalEnvironment(CliffWalkingFunctional(), max_steps=13, seed=0))
    for action in [0, *[1] * 11, 2]:
        env, (state, _, terminated, truncated) = step(env, action)
    assert (state, terminated, truncated) == (47, True, False)  # the limit was reached as well


def test_pendulum_is_the_built_in_one():
    env, _ = reset(FunctionalEnvironment(PendulumFunctional(), max_steps=20, seed=0))
    own = Pendulum(seed=0)
    own.angle, own.angular_velocity = env._inner
    for i in range(20):
        action = np.array([np.sin(i)], np.float32)
        env, (state, reward, terminated, truncated) = step(env, action)
        own, answers = step(own, action)
        np.testing.assert_allclose(state, answers[0], atol=1e-5)
        np.testing.assert_allclose(reward, answers[1], rtol=1e-4)
        assert not terminated and truncated == (i == 19)


def play_blackjack(env, threshold, n=3000):
    """Hits below `threshold`; the finals of `n` steps."""

    def one(env, _):
        env.act((env.state()[0] < threshold).astype(jnp.int32))
        final = (env.reward(), env.is_terminated(), env._inner.player_hand.sum(), env.state(), env.step)
        fresh = reset(env)[0]
        env.random._count = fresh.random._count
        return jax.tree.map(lambda a, b: jnp.where(final[1], a, b), fresh, env), final

    return jax.jit(lambda env: jax.lax.scan(one, reset(env)[0], None, n)[1])(env)


def test_blackjack_pays_by_its_rules():
    rewards, terminated, _, states, _ = map(
        np.asarray, play_blackjack(FunctionalEnvironment(BlackjackFunctional(), seed=0), 17)
    )
    assert states.dtype == np.int32 and (states[:, 0] >= 4).all() and set(np.unique(rewards)) == {-1, 0, 1}
    assert (rewards[~terminated] == 0).all() and (rewards[states[:, 0] > 21] == -1).all()
    assert 0.3 < (rewards[terminated] == 1).mean() < 0.5  # the dealer's own rule wins about 41 %
    assert (terminated.sum(), (~terminated).sum()) > (1000, 500)


def test_params_are_configuration():
    """A natural pays 1.5 only if the parameters say so; they are plain Python values in a trace."""
    natural = BlackJackParams(natural=True, sutton_and_barto=False)
    rewards = play_blackjack(FunctionalEnvironment(BlackjackFunctional(), natural, seed=0), 17)[0]
    assert set(np.unique(rewards)) == {-1, 0, 1, 1.5}
    env, same, other = (FunctionalEnvironment(CartPoleFunctional(), CartPoleParams(gravity=g)) for g in (1.0, 1.0, 2.0))
    structure = jax.tree.structure(env)
    assert structure == jax.tree.structure(same) and structure != jax.tree.structure(other)
    assert structure != jax.tree.structure(
        FunctionalEnvironment(CartPoleFunctional({"x": 1}), CartPoleParams(gravity=1.0))
    )


def test_a_seed_starts_again():
    env = FunctionalEnvironment(CartPoleFunctional(), seed=0)
    env.reset(seed=5)
    first = np.asarray(env.state())
    env.act(1)
    env.reset(seed=5)
    np.testing.assert_array_equal(env.state(), first)
    assert env.step == 0


class Growing(Noisy):
    def transition(self, state, action, rng, params=None):
        return {"count": jnp.zeros(3), "noise": state["noise"]}


@pytest.mark.parametrize(
    ("make", "error", "message"),
    [
        (lambda: FunctionalEnvironment(CartPoleFunctional), ConfigError, "func_env is the class CartPoleFunctional"),
        (lambda: FunctionalEnvironment("CartPole-v1"), ConfigError, "func_env is 'CartPole-v1', expected an instance"),
        (lambda: FunctionalEnvironment(Noisy(), max_steps=0), ConfigError, "max_steps is 0"),
        (lambda: FunctionalEnvironment(Growing()), EnvContractError, "Growing keeps .* after its start and .* after a"),
    ],
)
def test_wrong_arguments(make, error, message):
    with pytest.raises(error, match=message):
        make()
