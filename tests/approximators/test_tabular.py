"""Values in a table."""

import copy
import pickle

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from gymnasium import spaces

from rlcore.approximators import TabularApproximator, TabularQApproximator, TabularVApproximator
from rlcore.errors import ConfigError
from rlcore.learners import TDLearner
from rlcore.trajectories import Batch


def test_starts_with_init():
    np.testing.assert_array_equal(TabularQApproximator(2, 3, init=0.5).table, np.full((2, 3), 0.5, np.float32))
    np.testing.assert_array_equal(TabularVApproximator(2).table, np.zeros(2, np.float32))
    assert TabularQApproximator(2, 3).table.dtype == np.float32


def test_copies_and_keeps_a_floating_dtype():
    given = np.arange(6.0).reshape(2, 3)
    approximator = TabularApproximator(given)
    given[:] = 9
    assert approximator.table.dtype == np.float64
    assert approximator.table[1].tolist() == [3, 4, 5]
    assert TabularApproximator(np.arange(3)).table.dtype == np.float32
    assert TabularApproximator([[1.0, 2.0]]).table.dtype == np.float32


@pytest.mark.parametrize("dtype", [">f4", "<f8", np.float16, np.longdouble])
def test_tables_of_every_precision_and_byte_order_answer_and_learn(dtype):
    approximator = TabularApproximator(np.arange(6).reshape(3, 2).astype(dtype))
    assert approximator.table.dtype.isnative
    assert approximator.table.dtype.itemsize == np.dtype(dtype).itemsize
    assert list(approximator.row(2)) == list(approximator.forward(2)) == [4, 5]
    batch = Batch(state=[0], action=[1], reward=[2.0], next_state=[2], terminated=[False], truncated=[False])
    TDLearner(approximator, gamma=0.5, alpha=0.5).update(batch)
    assert approximator.table[0].tolist() == [0, 1 + 0.5 * (2 + 0.5 * 5 - 1)]


def test_a_row_that_needs_a_closer_look_is_left_to_forward():
    approximator = TabularQApproximator(3, 2)
    assert approximator.row(1) == (0.0, 0.0)
    assert [approximator.row(state) for state in (-1, 3, np.int64(1), 1.0, [1])] == [None] * 5
    assert TabularVApproximator(3).row(1) is None
    approximator.table = jnp.zeros((3, 2))
    assert approximator.row(1) is None


@pytest.mark.parametrize("table", [np.arange(12.0, dtype=np.float32).reshape(4, 3), np.arange(4.0, dtype=np.float32)])
@pytest.mark.parametrize("state", [2, np.int64(3), [0, 1], np.array([[0, 3], [2, 2]]), np.array(1, np.uint8)])
def test_answers_any_leading_axes_eagerly_and_traced(table, state):
    approximator = TabularApproximator(table)
    expected = table[np.asarray(state)]
    for answer in (approximator.forward, approximator.target):
        values = answer(state)
        assert not isinstance(values, jax.Array)
        np.testing.assert_array_equal(values, expected)
    traced = jax.jit(lambda approximator, state: approximator.forward(state))(approximator, np.asarray(state))
    np.testing.assert_array_equal(traced, expected)
    captured = jax.jit(lambda state: approximator.forward(state))(np.asarray(state))
    np.testing.assert_array_equal(captured, expected)


def test_never_gives_a_view():
    approximator = TabularQApproximator(2, 3)
    for values in (approximator.forward(1), approximator.forward(np.array([1, 0]))):
        values[:] = 7
    assert not approximator.table.any()


@pytest.mark.parametrize("state", [-1, 4, np.int64(-1), [0, 4], np.array([0, -1])])
def test_refuses_states_outside_the_table(state):
    wrong = -1 if np.min(state) < 0 else 4
    with pytest.raises(ConfigError, match=f"state is {wrong}, expected from 0 to 3, the rows of the table"):
        TabularQApproximator(4, 2).forward(state)


@pytest.mark.parametrize("state", [1.0, True, None, "a"])
def test_refuses_states_that_are_no_whole_numbers(state):
    with pytest.raises(ConfigError, match="expected whole numbers"):
        TabularQApproximator(4, 2).forward(state)


@pytest.mark.parametrize(
    ("build", "message"),
    [
        (lambda: TabularApproximator(np.zeros((2, 2, 2))), r"table has shape \(2, 2, 2\)"),
        (lambda: TabularApproximator(np.zeros((0, 2))), r"table has shape \(0, 2\)"),
        (lambda: TabularApproximator(3.0), r"table has shape \(\)"),
        (lambda: TabularApproximator([[0.0, 1.0], [np.nan, 0.0]]), r"table\[1, 0\] is nan"),
        (lambda: TabularApproximator("values"), "expected numbers"),
        (lambda: TabularQApproximator(0, 2), "n_states is 0"),
        (lambda: TabularQApproximator(2, -1), "n_actions is -1"),
        (lambda: TabularQApproximator(2, True), "n_actions is True"),
        (lambda: TabularVApproximator(2.0), "n_states is 2.0"),
        (lambda: TabularVApproximator(2, init=np.inf), "init is inf"),
    ],
)
def test_refuses_wrong_arguments(build, message):
    with pytest.raises(ConfigError, match=message):
        build()


def test_check_compares_with_the_state_space():
    approximator = TabularQApproximator(4, 2)
    assert approximator.check(spaces.Discrete(4)).shape == (2,)
    assert TabularVApproximator(4).check(spaces.Discrete(3)).shape == ()
    with pytest.raises(ConfigError, match="states go from 0 to 4, but the table has 4 rows; build it with n_states=5"):
        approximator.check(spaces.Discrete(5))
    with pytest.raises(ConfigError, match="states go from 1 to 4, but the table has 4 rows"):
        approximator.check(spaces.Discrete(4, start=1))
    with pytest.raises(ConfigError, match="expected Discrete states for a table"):
        approximator.check(spaces.Box(-1, 1, (2,)))


def test_is_finite_looks_at_the_table():
    approximator = TabularVApproximator(2)
    assert approximator.is_finite
    approximator.table = jnp.array([0.0, jnp.nan])
    assert not approximator.is_finite


def test_a_learner_that_has_learnt_can_be_copied():
    learner = TDLearner(TabularQApproximator(3, 2), alpha=0.5)
    learner.update(Batch(0, 1, 2.0, 1, True, False))
    learner.update(Batch(0, 1, 2.0, 1, True, False))
    for frozen in (copy.deepcopy(learner), pickle.loads(pickle.dumps(learner))):
        frozen.update(Batch(2, 0, 4.0, 1, True, False))
        assert frozen.approximator.table.tolist() == [[0, 1.5], [0, 0], [2, 0]]
        assert frozen.approximator.cells().table is frozen.approximator.table
    assert learner.approximator.table.tolist() == [[0, 1.5], [0, 0], [0, 0]]
