import sys

import jax
import numpy as np
import pytest
from gymnasium.spaces import Discrete, MultiBinary

from rlcore.environments.pgx_environment import PgxEnvironment
from rlcore.errors import ConfigError
from rlcore.random import stream


def test_without_pgx_the_error_names_the_extra(monkeypatch):
    monkeypatch.setitem(sys.modules, "pgx", None)
    with pytest.raises(ImportError, match=r"pip install 'rlcore\[pgx\]'"):
        PgxEnvironment("2048")


@pytest.fixture
def pgx():
    return pytest.importorskip("pgx")


@jax.jit
def reset(env):
    env.reset()
    return env, (env.state(), env.legal_action_mask())


@jax.jit
def step(env, action):
    env.act(action)
    ends = env.is_terminated(), env.is_truncated()
    return env, (env.state(), env.legal_action_mask(), env.reward(), *ends)


def test_a_game_is_that_of_pgx(pgx):
    """A whole game of 2048 with the same keys: boards, masks, rewards and the end."""
    theirs = pgx.make("2048")
    keys = stream(3, "PgxEnvironment")
    env, (state, mask) = reset(PgxEnvironment("2048", seed=3))
    board = jax.jit(theirs.init)(keys.key())
    take, is_over, total = jax.jit(theirs.step), False, 0.0
    while not is_over:
        np.testing.assert_array_equal(state, board.observation)
        np.testing.assert_array_equal(mask, board.legal_action_mask)
        action = int(np.flatnonzero(mask)[-1])
        board = take(board, action, keys.key())
        env, (state, mask, reward, is_over, truncated) = step(env, action)
        assert (reward, is_over, truncated) == (board.rewards[0], board.terminated, False)
        total += float(reward)
    assert total > 100 and mask.all()  # over: everything counts as legal
    assert env.state_space() == MultiBinary((4, 4, 31)) and env.action_space() == Discrete(4)


def test_a_seed_starts_again(pgx):
    env = PgxEnvironment("2048", seed=0)
    env.reset(seed=9)
    first = np.asarray(env.state())
    env.reset(seed=9)
    np.testing.assert_array_equal(env.state(), first)
    assert jax.tree.structure(env) == jax.tree.structure(PgxEnvironment("2048", seed=1))


@pytest.mark.parametrize(
    ("env", "message"),
    [
        (lambda pgx: "tic_tac_toe", "tic_tac_toe is a game of 2 players, expected one of a single player"),
        (lambda pgx: pgx.make("connect_four"), "connect_four is a game of 2 players"),
        (lambda pgx: "2049", r"env is '2049', expected one of \('2048'"),
        (lambda pgx: None, "env is None, expected an id or a game of pgx"),
    ],
)
def test_wrong_arguments(pgx, env, message):
    with pytest.raises(ConfigError, match=message):
        PgxEnvironment(env(pgx))
