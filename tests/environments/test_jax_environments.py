"""What every JAX environment must do, whatever is inside: one form for ever, the same draws at every step."""

from functools import cache

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from gymnasium import spaces
from gymnasium.envs.phys2d.cartpole import CartPoleFunctional
from gymnasium.envs.phys2d.pendulum import PendulumFunctional
from gymnasium.envs.tabular.blackjack import BlackjackFunctional
from gymnasium.envs.tabular.cliffwalking import CliffWalkingFunctional

from rlcore.environments import (
    CartPole,
    FunctionalEnvironment,
    GymnaxEnvironment,
    MultiArmedBandit,
    Pendulum,
    PgxEnvironment,
    RandomWalk1D,
    TabularEnvironment,
    as_environment,
)
from rlcore.errors import ConfigError
from rlcore.random import Random, name_streams
from rlcore.struct import copy, struct, walk
from tests.compiled.own import Answers, Levers

N_STEPS = 1000


def of_gymnax(name):
    pytest.importorskip("gymnax")
    return GymnaxEnvironment(name)


def of_pgx(name):
    pytest.importorskip("pgx")
    return PgxEnvironment(name)


CASES = {
    "walk": RandomWalk1D,
    "bandit": MultiArmedBandit,
    "cart-pole": CartPole,
    "pendulum": Pendulum,
    "frozen lake": lambda: TabularEnvironment.from_gymnasium("FrozenLake-v1"),
    "taxi": lambda: TabularEnvironment.from_gymnasium("Taxi-v4"),
    "cliff": lambda: TabularEnvironment.from_gymnasium("CliffWalking-v1", max_steps=50),
    "functional cart-pole": lambda: FunctionalEnvironment(CartPoleFunctional(), max_steps=500),
    "functional pendulum": lambda: FunctionalEnvironment(PendulumFunctional(), max_steps=200),
    "functional blackjack": lambda: FunctionalEnvironment(BlackjackFunctional()),
    "functional cliff": lambda: FunctionalEnvironment(CliffWalkingFunctional(), max_steps=50),
    "gymnax cart-pole": lambda: of_gymnax("CartPole-v1"),
    "gymnax pendulum": lambda: of_gymnax("Pendulum-v1"),
    "gymnax catch": lambda: of_gymnax("Catch-bsuite"),
    "gymnax frozen lake": lambda: of_gymnax("FrozenLake-misc"),
    "gymnax umbrella": lambda: of_gymnax("UmbrellaChain-bsuite"),
    "pgx 2048": lambda: of_pgx("2048"),
    "pgx breakout": lambda: of_pgx("minatar-breakout"),
}
each = pytest.mark.parametrize("name", CASES)


def begun(env):
    """After a traced reset, from leaves that are arrays of one type."""
    name_streams(env, 0, "environment")
    return jax.jit(reset)(jax.tree.map(lambda leaf: jnp.asarray(leaf, jnp.result_type(leaf)), env))


def reset(env):
    env.reset()
    return env


def act(env, action):
    env.act(action)
    return env


def streams(env):
    return [part for _, part in walk(env) if isinstance(part, Random)]


def some_action(space, key):
    if isinstance(space, spaces.Discrete):
        return int(space.start) + jax.random.randint(key, (), 0, int(space.n))
    return jax.random.uniform(key, space.shape, minval=space.low, maxval=space.high)


def step(env, action):
    """One step, then a fresh start if the episode ended; the streams move on alike in both cases."""
    env.act(action)
    answers = (env.state(), env.reward(), env.is_terminated(), env.is_truncated(), env.legal_action_mask())
    fresh = reset(copy(env))
    for mine, later in zip(streams(env), streams(fresh), strict=True):
        mine._count = later._count
    over = env.is_terminated() | env.is_truncated()
    return jax.tree.map(lambda new, old: jnp.where(over, new, old), fresh, env), answers


@cache
def played(name):
    """The start, the end after 1,000 random steps, and what was answered at each of them."""
    env = CASES[name]()
    space = env.action_space()

    @jax.jit
    def play(start):
        keys = jax.random.split(jax.random.key(1), N_STEPS)
        return jax.lax.scan(lambda env, key: step(env, some_action(space, key)), start, keys)

    start = begun(env)
    end, answers = play(start)
    return start, end, jax.device_get(answers)


def example_action(env):
    return some_action(env.action_space(), jax.random.key(0))


@each
def test_fields_keep_one_form(name):
    env = CASES[name]()
    start = played(name)[0]
    after = jax.eval_shape(act, start, example_action(env))
    again = jax.eval_shape(reset, after)
    form, structure = jax.tree.flatten(jax.eval_shape(lambda: start))
    for other in (after, again):
        leaves, other_structure = jax.tree.flatten(other)
        assert other_structure == structure
        for one, two in zip(form, leaves, strict=True):
            assert (one.shape, one.dtype, one.weak_type) == (two.shape, two.dtype, two.weak_type)
    assert all(leaf.dtype.itemsize <= 4 and not leaf.weak_type for leaf in form)


@each
def test_the_constructor_gives_the_form(name):
    env = CASES[name]()
    name_streams(env, 0, "environment")
    for built, leaf in zip(jax.tree.leaves(env), jax.tree.leaves(played(name)[0]), strict=True):
        assert (np.shape(built), jnp.result_type(built)) == (leaf.shape, leaf.dtype)


@each
def test_two_equal_environments_share_a_compilation(name):
    assert jax.tree.structure(CASES[name]()) == jax.tree.structure(CASES[name]())


@each
def test_every_step_draws_the_same(name):
    start, end, _ = played(name)
    once = jax.jit(act)(start, example_action(CASES[name]()))
    for first, then, last in zip(streams(start), streams(once), streams(end), strict=True):
        per_reset, per_act = first.count, then.count - first.count
        assert last.count == per_reset + N_STEPS * (per_act + per_reset)


@each
def test_answers_are_what_the_spaces_promise(name):
    env = CASES[name]()
    states, rewards, terminated, truncated, masks = played(name)[2]
    space = env.state_space()
    assert states.shape == (N_STEPS, *space.shape)
    for state in states:
        element = int(state) if isinstance(space, spaces.Discrete) else state.astype(space.dtype)
        assert element in space
    assert rewards.dtype == np.float32 and rewards.shape == (N_STEPS,) and np.isfinite(rewards).all()
    assert terminated.dtype == truncated.dtype == bool and terminated.shape == truncated.shape == (N_STEPS,)
    assert not (terminated & truncated).any() and (terminated | truncated).any()
    assert masks is None or (masks.shape == (N_STEPS, env.action_space().n) and masks.dtype == bool)
    assert masks is None or masks.any(axis=1).all()


@each
def test_copies_run_side_by_side(name):
    """Shapes only: every answer gets a leading axis."""
    start = played(name)[0]
    action = example_action(CASES[name]())
    one = jax.eval_shape(step, start, action)
    rows = jax.tree.map(lambda leaf: jnp.stack([leaf] * 3), (start, action))
    many = jax.eval_shape(jax.vmap(step), *rows)
    shapes = [[leaf.shape for leaf in jax.tree.leaves(tree)] for tree in (one, many)]
    assert shapes[1] == [(3, *shape) for shape in shapes[0]]


@pytest.mark.parametrize("num_envs", [None, 2])
def test_every_part_of_an_action_counts_from_its_own_start(num_envs):
    env = as_environment(Levers(), num_envs=num_envs)
    env.reset()
    action = {"lever": 3, "wheels": np.array([1, 2])}
    env.act(action if num_envs is None else {key: np.stack([part] * num_envs) for key, part in action.items()})
    assert np.all(env.reward() == 100 * (1 + 3) + 10 * (5 + 1) + (-1 + 2))


@pytest.mark.parametrize(
    ("question", "answer", "came"),
    [
        ("reward", lambda x: jnp.ones(2), r"an array of shape \(2,\), expected one number"),
        ("reward", lambda x: x[None], r"an array of shape \(1,\), expected one number"),
        ("reward", lambda x: None, "None, expected one number"),
        ("is_terminated", lambda x: jnp.stack([x, x]) > 5, r"an array of shape \(2,\), expected one number"),
        ("legal_action_mask", lambda x: jnp.ones(3, bool), r"an array of shape \(3,\), expected one bool for each"),
        ("legal_action_mask", lambda x: x < 7, r"an array of shape \(\), expected one bool for each action"),
    ],
)
def test_answers_of_a_wrong_shape_are_named(question, answer, came):
    with pytest.raises(ConfigError, match=rf"Answers\.{question} answers {came}.*correct the environment"):
        as_environment(Answers(question, answer), num_envs=2)
    assert f"Answers.{question} answers" in as_environment(Answers(question, answer)).why_untraced


@struct
class Widens(RandomWalk1D):
    """Its position is a whole number after `reset`, and none after `act`."""

    def reset(self, seed=None):
        self.position = jnp.int32(self.start)

    def act(self, action):
        self.position = self.position + (action - 0.5)


def test_a_field_that_changes_its_type_is_named():
    with pytest.raises(ConfigError, match="its field position is int32 after reset and float32 after act; give each"):
        as_environment(Widens(), num_envs=2)
