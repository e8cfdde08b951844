import gymnasium
import jax
import jax.numpy as jnp
import numpy as np
import pytest
from scipy.stats import chisquare

from rlcore.environments.tabular import TabularEnvironment
from rlcore.errors import ConfigError

# two states and actions; the outcomes tell where they come from by their rewards
CHANCES = [[[0.5, 0.3, 0.2], [1.0]], [[0.1, 0.9], [0.25, 0.25, 0.25, 0.25]]]
TABLE = [
    [
        [(chance, i % 2, 100 * state + 10 * action + i, False) for i, chance in enumerate(row)]
        for action, row in enumerate(actions)
    ]
    for state, actions in enumerate(CHANCES)
]
RIGHT = [[[(1.0, 1, -1.0, False)]], [[(1.0, 2, -1.0, True)]], [[(1.0, 2, 0.0, True)]]]  # 0 → 1 → 2, where it ends


@jax.jit
def step(env, action):
    env.act(action)
    return env, (env.state(), env.reward(), env.is_terminated(), env.is_truncated())


def starts(env, n):
    def start(env, _):
        env.reset()
        return env, env.state()

    return np.asarray(jax.jit(lambda env: jax.lax.scan(start, env, None, n))(env)[1])


def test_outcomes_come_as_often_as_the_table_says():
    """Chi-square for each pair; a right one fails with probability 1e-6 each, and the seed is fixed."""
    env = TabularEnvironment(TABLE, start=[0.5, 0.5], seed=1)
    actions = np.random.default_rng(0).integers(0, 2, 20_000)
    _, (states, rewards, terminated, _) = jax.jit(lambda env: jax.lax.scan(step, env, actions))(env)
    before = np.concatenate([[0], states[:-1]])  # where it stands until the first reset
    for state in range(2):
        for action in range(2):
            here = np.asarray(rewards)[(before == state) & (actions == action)].astype(int) - 100 * state - 10 * action
            chances = CHANCES[state][action]
            counts = np.bincount(here, minlength=len(chances))
            assert len(counts) == len(chances) and len(here) > 1000
            assert len(chances) == 1 or chisquare(counts, len(here) * np.array(chances)).pvalue > 1e-6
    np.testing.assert_array_equal(states, np.asarray(rewards).astype(int) % 10 % 2)
    assert not terminated.any()


def test_starts_come_as_often_as_their_probabilities_say():
    """Chi-square; a right one fails with probability 1e-6, and the seeds are fixed."""
    chances = np.array([0.0, 0.6, 0.3, 0.1, 0.0])
    found = starts(TabularEnvironment([[[(1.0, 0, 0.0, False)]]] * 5, start=chances, seed=0), 5000)
    counts = np.bincount(found, minlength=5)
    assert counts[0] == counts[4] == 0 and chisquare(counts[1:4], 5000 * chances[1:4]).pvalue > 1e-6
    taxi = TabularEnvironment.from_gymnasium("Taxi-v4", seed=0)
    expected = gymnasium.make("Taxi-v4").unwrapped.initial_state_distrib
    counts = np.bincount(starts(taxi, 30_000), minlength=500)
    assert (counts[expected == 0] == 0).all()
    assert chisquare(counts[expected > 0], 30_000 * expected[expected > 0]).pvalue > 1e-6


@pytest.mark.parametrize(
    ("name", "arguments"), [("CliffWalking-v1", {}), ("FrozenLake-v1", {"is_slippery": False}), ("Taxi-v4", {})]
)
def test_paths_are_those_of_gymnasium(name, arguments):
    """400 random steps of what is not random: states, rewards, ends and masks, also through the time limit."""
    theirs = gymnasium.make(name, **arguments)
    env = TabularEnvironment.from_gymnasium(name, seed=0, **arguments)
    random = np.random.default_rng(2)
    state, info = theirs.reset(seed=0)
    env.reset()
    env._state = jnp.int32(state)
    for _ in range(400):
        mask, their_mask = env.legal_action_mask(), info.get("action_mask")
        assert (mask is None) == (their_mask is None)
        assert mask is None or mask.tolist() == their_mask.tolist()
        action = int(random.integers(env.n_actions))
        *expected, info = theirs.step(action)
        env, answers = step(env, action)
        assert list(answers) == expected
        if expected[2] or expected[3]:
            state, info = theirs.reset()
            env.reset()
            env._state = jnp.int32(state)


def test_by_hand():
    env = TabularEnvironment(RIGHT, max_steps=2)
    env.reset()
    assert (env.state(), env.reward(), env.is_terminated(), env.is_truncated()) == (0, 0, False, False)
    env.act(0)
    assert (env.state(), env.reward(), env.is_terminated(), env.is_truncated()) == (1, -1, False, False)
    env.act(0)
    assert (env.state(), env.reward(), env.is_terminated(), env.is_truncated()) == (2, -1, True, False)  # both: ended
    env = TabularEnvironment(RIGHT, start=0, max_steps=1)
    env.reset()
    env.act(0)
    assert (env.is_terminated(), env.is_truncated()) == (False, True)
    env.reset()
    assert (env.state(), env.reward(), env.is_terminated(), env.is_truncated()) == (0, 0, False, False)
    assert env.state_space().n == 3 and env.action_space().n == 1


def test_what_is_not_random_draws_nothing():
    env = TabularEnvironment(RIGHT, seed=0)
    env.reset()
    env.act(0)
    assert env.random.count == 0
    env = TabularEnvironment(TABLE, start=[0.5, 0.5], seed=0)
    env.reset()
    assert env.random.count == 1
    env.act(1)  # one outcome only, but other pairs have more
    assert env.random.count == 2


def test_a_seed_starts_again():
    env = TabularEnvironment(TABLE, start=[0.5, 0.5], seed=0)
    env.reset(seed=7)
    first = [int(env.state())]
    for _ in range(2):
        env.reset()
        first.append(int(env.state()))
    env.reset(seed=7)
    again = [int(env.state())]
    for _ in range(2):
        env.reset()
        again.append(int(env.state()))
    assert first == again


def test_masks():
    env = TabularEnvironment(TABLE, masks=[[True, False], [1, 1]], seed=0)
    assert env.legal_action_mask().tolist() == [True, False]
    env._state = jnp.int32(1)
    assert env.legal_action_mask().tolist() == [True, True]
    assert TabularEnvironment(TABLE).legal_action_mask() is None


def test_equal_tables_share_a_compilation():
    traces = []

    @jax.jit
    def act(env):
        traces.append(1)
        env.act(0)
        return env

    for _ in range(2):
        act(TabularEnvironment.from_gymnasium("FrozenLake-v1", seed=0))
    assert len(traces) == 1
    act(TabularEnvironment.from_gymnasium("FrozenLake-v1", seed=0, success_rate=0.5))
    assert len(traces) == 2


def test_copies_share_the_table():
    leaves = jax.tree.leaves(TabularEnvironment.from_gymnasium("Taxi-v4", seed=0))
    assert max(np.size(leaf) for leaf in leaves) == 2  # the key and the count of the stream


@pytest.mark.parametrize(
    ("env", "arguments", "limit"),
    [
        ("FrozenLake-v1", {}, 100),
        ("CliffWalking-v1", {}, None),
        ("FrozenLake-v1", {"max_steps": 7}, 7),
        ("FrozenLake-v1", {"max_steps": None}, None),
        (lambda: gymnasium.make("FrozenLake-v1", map_name="8x8", max_episode_steps=30), {}, 30),
        (lambda: gymnasium.make("FrozenLake-v1").unwrapped, {"max_steps": 9}, 9),
    ],
)
def test_time_limits(env, arguments, limit):
    env = TabularEnvironment.from_gymnasium(env if isinstance(env, str) else env(), **arguments)
    assert env.max_steps == limit


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: TabularEnvironment.from_gymnasium("Blackjack-v1"), "BlackjackEnv has no P"),
        (lambda: TabularEnvironment.from_gymnasium(3), "env is 3 with {}, expected an id"),
        (lambda: TabularEnvironment.from_gymnasium("Nothing-v0"), "env is 'Nothing-v0', expected the id"),
        (
            lambda: TabularEnvironment.from_gymnasium(gymnasium.make("Taxi-v4"), is_rainy=True),
            "env is .* with {'is_rainy': True}, expected an id",
        ),
        (lambda: TabularEnvironment.from_gymnasium("Taxi-v4", fickle_passenger=True), "fickle_passenger=True"),
        (lambda: TabularEnvironment(RIGHT, start=3), "start is 3, expected a state from 0 to 2, or 3 probabilities"),
        (lambda: TabularEnvironment(RIGHT, start=True), "start is True"),
        (lambda: TabularEnvironment(RIGHT, start="here"), "start is 'here'"),
        (lambda: TabularEnvironment(RIGHT, start=[0.5, 0.5]), "start is .*, expected a state"),
        (lambda: TabularEnvironment(RIGHT, start=[0.5, 0.4, 0.0]), "start has the probabilities .*, whose sum is 0.9"),
        (lambda: TabularEnvironment(RIGHT, masks=[[True]]), r"masks is .* of shape \(1, 1\), .* of shape \(3, 1\)"),
        (lambda: TabularEnvironment(RIGHT, masks=[[1], [2], [1]]), "masks is"),
        (lambda: TabularEnvironment(RIGHT, masks=[[True], [True, True], [True]]), "masks is"),
        (lambda: TabularEnvironment(RIGHT, masks=[[1], [0], [1]]), "masks allow no action in state 1"),
        (lambda: TabularEnvironment(RIGHT, max_steps=0), "max_steps is 0"),
        (lambda: TabularEnvironment(RIGHT, seed=-1), "seed is -1"),
    ],
)
def test_wrong_arguments(make, message):
    with pytest.raises(ConfigError, match=message):
        make()
