"""Spaces, readers and writers."""

import jax.numpy as jnp
import numpy as np
import pytest
from gymnasium import spaces
from gymnasium.vector.utils import batch_space
from hypothesis import given, settings
from hypothesis import strategies as st

from rlcore.environments.readers import flags_reader, reward_reader, state_reader
from rlcore.environments.spaces import indexed_from_zero, is_inside
from rlcore.environments.writers import action_writer
from rlcore.errors import ConfigError, EnvContractError

NESTED = spaces.Dict(
    eye=spaces.Box(0, 255, (2, 3), np.uint8),
    body=spaces.Tuple([spaces.Discrete(4, start=-2), spaces.MultiDiscrete([2, 3], start=[5, 0])]),
    keys=spaces.MultiBinary(3),
    speed=spaces.Box(-np.inf, np.inf, (2,), np.float64),
)


@pytest.mark.parametrize(
    ("space", "expected"),
    [
        (spaces.Discrete(3, start=5), spaces.Discrete(3)),
        (spaces.MultiDiscrete([2, 3], start=[5, 0]), spaces.MultiDiscrete([2, 3])),
        (spaces.MultiBinary(2), spaces.MultiBinary(2)),
        (spaces.Tuple([spaces.Discrete(2, start=1)]), spaces.Tuple([spaces.Discrete(2)])),
        (spaces.Dict(a=spaces.Discrete(2, start=1)), spaces.Dict(a=spaces.Discrete(2))),
    ],
)
def test_policies_count_from_zero(space, expected):
    assert indexed_from_zero(space) == expected


@pytest.mark.parametrize(
    ("space", "message"),
    [
        (spaces.Text(3), "not supported"),
        (spaces.Sequence(spaces.Discrete(2)), "as_environment"),
        (spaces.Dict(a=spaces.Tuple([spaces.Text(3)])), "Text"),
        (spaces.Dict(), "not supported"),
        (spaces.Box(0, 1, (0,)), "nothing is in it"),
        (spaces.Box(0, 1, (3, 0)), "nothing is in it"),
        (None, "None is not supported"),
    ],
)
def test_other_spaces_are_refused(space, message):
    with pytest.raises(ConfigError, match=message):
        indexed_from_zero(space)


def test_a_box_upside_down_is_refused():
    box = spaces.Box(0, 1, (2,))
    box.low[1] = 2
    with pytest.raises(ConfigError, match="low <= high"):
        indexed_from_zero(box)
    box.low[1] = np.nan
    with pytest.raises(ConfigError, match="low <= high"):
        indexed_from_zero(box)


@pytest.mark.parametrize("rows", [None, 1, 4])
@given(seed=st.integers(0, 1000))
@settings(max_examples=20, deadline=None)
def test_samples_are_read_into_the_space_that_policies_see(rows, seed):
    space = NESTED if rows is None else batch_space(NESTED, rows)
    space.seed(seed)
    raw = space.sample()
    state = state_reader(NESTED, rows)(raw)
    seen = indexed_from_zero(NESTED)
    assert state in (seen if rows is None else batch_space(seen, rows))
    np.testing.assert_array_equal(state["body"][0], raw["body"][0] + 2)
    np.testing.assert_array_equal(state["body"][1], raw["body"][1] - np.array([5, 0]))
    np.testing.assert_array_equal(state["eye"], raw["eye"])


@pytest.mark.parametrize("rows", [None, 1, 4])
@given(seed=st.integers(0, 1000))
@settings(max_examples=20, deadline=None)
def test_actions_are_written_into_the_space_of_the_environment(rows, seed):
    space = spaces.Dict({key: part for key, part in NESTED.spaces.items() if key != "speed"})
    own = space if rows is None else batch_space(space, rows)
    seen = indexed_from_zero(space) if rows is None else batch_space(indexed_from_zero(space), rows)
    seen.seed(seed)
    action = seen.sample()
    written = action_writer(space, rows)(action)
    assert written in own
    np.testing.assert_array_equal(written["body"][0], action["body"][0] - 2)


def test_states_are_copies():
    for space in (spaces.Box(0, 1, (3,)), spaces.Box(0, 1, (40,)), spaces.Box(0, 255, (2, 2), np.uint8)):
        raw = space.sample()
        state = state_reader(space)(raw)
        kept = state.copy()
        raw[...] = 0
        np.testing.assert_array_equal(state, kept)
    pair = spaces.Tuple([spaces.MultiBinary(2), spaces.MultiDiscrete([3, 3])])
    raw = (np.ones(2, np.int8), np.ones(2, np.int64))
    state = state_reader(pair)(raw)
    raw[0][:], raw[1][:] = 0, 0
    assert state[0].tolist() == [1, 1] and state[1].tolist() == [1, 1]


def test_actions_are_copies():
    for space in (spaces.Box(0, 1, (3,)), spaces.MultiDiscrete([3, 3, 3])):
        action = np.ones(3, space.dtype)
        action_writer(space)(action)[:] = 0
        assert action.tolist() == [1, 1, 1]


@pytest.mark.parametrize("shape", [(3,), (40,), (2, 3), ()])
@pytest.mark.parametrize("bad", [np.nan, np.inf, -np.inf])
@pytest.mark.parametrize("dtype", [np.float16, np.float32, np.float64])
def test_what_is_not_finite_is_refused(shape, bad, dtype):
    read = state_reader(spaces.Box(-np.inf, np.inf, shape, dtype))
    raw = np.zeros(shape, dtype)
    assert read(raw).dtype == dtype
    raw.flat[-1] = bad
    with pytest.raises(EnvContractError, match="not finite"):
        read(raw)


@pytest.mark.parametrize("dtype", [np.float16, np.float32, np.float64])
@pytest.mark.parametrize("shape", [(3,), (40,)])
def test_numbers_whose_sum_overflows_are_finite(dtype, shape):
    raw = np.full(shape, np.finfo(dtype).max, dtype)
    np.testing.assert_array_equal(state_reader(spaces.Box(-np.inf, np.inf, shape, dtype))(raw), raw)


def test_other_dtypes_are_cast_with_one_warning():
    read = state_reader(spaces.Box(-1, 1, (2,)))
    with pytest.warns(UserWarning, match="float64, cast to float32") as caught:
        states = [read(np.array([0.5, 0.25])), read([1, 0]), read(np.array([True, False]))]
    assert len(caught) == 1
    assert [state.tolist() for state in states] == [[0.5, 0.25], [1, 0], [1, 0]]
    assert all(state.dtype == np.float32 for state in states)


def test_a_cast_that_loses_numbers_is_refused():
    read = state_reader(spaces.Box(0, 255, (2,), np.uint8))
    with pytest.raises(EnvContractError, match="don't fit: 0 to 256, expected uint8"):
        read(np.array([0, 256]))
    with pytest.raises(EnvContractError, match="float64, expected uint8"):
        read(np.array([0.5, 1]))
    with pytest.raises(EnvContractError, match="not finite"), pytest.warns(UserWarning, match="cast"):
        state_reader(spaces.Box(-1, 1, (1,)))(np.array([1e300]))


def test_jax_arrays_become_numpy():
    state = state_reader(spaces.Box(-1, 1, (2,)))(jnp.array([0.5, 0.25]))
    assert type(state) is np.ndarray and state.tolist() == [0.5, 0.25]
    state = state_reader(spaces.Box(-1, 1, (1, 2)))(jnp.array([[0.5, 0.25]]))
    assert type(state) is np.ndarray
    assert type(state_reader(spaces.Discrete(3))(jnp.int32(2))) is int


@pytest.mark.parametrize("raw", [3, np.int8(3), np.int64(3), np.array(3), np.array([3])])
def test_whole_numbers_of_any_type(raw):
    state = state_reader(spaces.Discrete(3, start=1))(raw)
    assert state == 2 and type(state) is int


@pytest.mark.parametrize("raw", [0, 4, -1, 1.0, True, None, "1", [1, 2], np.nan])
def test_other_discrete_states_are_refused(raw):
    with pytest.raises(EnvContractError, match="expected a whole number"):
        state_reader(spaces.Discrete(3, start=1))(raw)


@pytest.mark.parametrize(
    ("space", "raw", "message"),
    [
        (spaces.Box(0, 1, (3,)), np.zeros(4, np.float32), r"shape \(4,\), expected shape \(3,\)"),
        (spaces.Box(0, 1, (3,)), np.zeros((3, 1), np.float32), "shape"),
        (spaces.Box(0, 1, (1,)), np.float32(1), "shape"),
        (spaces.Box(0, 1, (3,)), None, "NoneType"),
        (spaces.Box(0, 1, (3,)), [[1], [1, 2], 3], "expected an array of shape"),
        (spaces.Box(0, 1, (3,)), ["a", "b", "c"], "expected float32"),
        (spaces.MultiBinary(2), np.array([0, 2], np.int8), "outside"),
        (spaces.MultiDiscrete([2, 3]), np.array([0, 3]), "outside"),
        (spaces.MultiDiscrete([2, 3]), np.array([-1, 0]), "outside"),
        (spaces.Dict(a=spaces.Discrete(2)), {"b": 1}, r"\['b'\], expected a dict with the keys \['a'\]"),
        (spaces.Dict(a=spaces.Discrete(2)), 1, "int, expected a dict"),
        (spaces.Tuple([spaces.Discrete(2)]), (1, 1), "expected a tuple of 1"),
        (spaces.Dict(a=spaces.Tuple([spaces.Discrete(2)])), {"a": (7,)}, "at 'a': at 0: 7"),
    ],
)
def test_states_outside_the_space_are_refused(space, raw, message):
    with pytest.raises(EnvContractError, match=message):
        state_reader(space)(raw)


@pytest.mark.parametrize(
    ("space", "action", "message"),
    [
        (spaces.Discrete(2), 2, "expected an index from 0 to 1"),
        (spaces.Discrete(2), -1, "expected an index"),
        (spaces.Discrete(2, start=5), 5, "expected an index from 0 to 1"),
        (spaces.Discrete(2), 1.0, "whole number"),
        (spaces.Discrete(2), None, "whole number"),
        (spaces.Box(-1, 1, (2,)), np.array([0, np.nan]), "outside"),
        (spaces.Box(-1, 1, (2,)), np.array([0, 1.5]), "clip or squash"),
        (spaces.Box(-1, 1, (2,)), 0.5, "shape"),
        (spaces.Box(0, 9, (2,), np.int64), np.array([0.5, 1]), "whole numbers"),
        (spaces.Box(0, 9, (2,), np.uint8), np.array([0, 257]), "outside"),
        (spaces.MultiBinary(2), np.array([0, 256]), "indices"),
        (spaces.MultiDiscrete([2, 3]), np.array([0.0, 1.0]), "whole numbers of shape"),
        (spaces.MultiDiscrete([2, 3]), np.array([1, 3]), "indices"),
        (spaces.Dict(a=spaces.Discrete(2)), {"b": 1}, "keys"),
        (spaces.Tuple([spaces.Discrete(2)]), (1, 1), "tuple of 1"),
        (spaces.Tuple([spaces.Discrete(2)]), (2,), "index"),
    ],
)
def test_illegal_actions_are_refused(space, action, message):
    with pytest.raises(EnvContractError, match=message):
        action_writer(space)(action)


@pytest.mark.parametrize("bad", [[0, 1, 3], [0, -1, 2], [0.0, 1.0, 2.0], [0, 1], [[0, 1, 2]]])
def test_illegal_actions_of_rows_are_refused(bad):
    write = action_writer(spaces.Discrete(3, start=5), rows=3)
    assert write(np.array([0, 1, 2], np.int32)).tolist() == [5, 6, 7]
    assert write(jnp.array([2, 1, 0])).tolist() == [7, 6, 5]
    with pytest.raises(EnvContractError):
        write(np.array(bad))


@pytest.mark.parametrize("n", [3, 5000])
def test_a_row_reaches_from_the_first_action_to_the_last(n):
    write, action = action_writer(spaces.Discrete(n), rows=2), np.array([0, n - 1])
    written = write(action)
    action[:] = 1
    assert written.tolist() == [0, n - 1]
    for illegal in (-1, n, -n, 2**40):
        with pytest.raises(EnvContractError, match=f"expected indices from 0 to {n - 1}"):
            write(np.array([0, illegal]))


def test_bounds_are_compared_in_the_dtype_of_the_space():
    box = spaces.Box(np.float32(0.1), np.float32(0.3), (1,), np.float32)
    assert action_writer(box)(np.array([0.1])).dtype == np.float32
    assert action_writer(box)(np.array([0.3]))[0] == np.float32(0.3)


@given(
    values=st.lists(st.integers(-3, 9), min_size=1, max_size=80),
    start=st.integers(-2, 5),
    n=st.integers(1, 6),
    dtype=st.sampled_from([np.int8, np.int64]),
)
def test_is_inside_against_a_loop(values, start, n, dtype):
    assert is_inside(np.array(values, dtype), start, n) == all(start <= value < start + n for value in values)


@pytest.mark.parametrize("rows", [3, 100])
def test_rewards_of_rows(rows):
    read = reward_reader(rows)
    raw = np.arange(rows, dtype=np.float32)
    reward = read(raw)
    raw[:] = 0
    assert reward[-1] == rows - 1 and reward.dtype == np.float64
    assert read(np.ones(rows, int)).dtype == np.float64
    raw[2] = np.inf
    with pytest.raises(EnvContractError, match="inf in row 2"):
        read(raw)
    for bad in (np.ones(rows + 1), np.ones((rows, 1)), None, ["1"] * rows, 1.0):
        with pytest.raises(EnvContractError, match=f"expected {rows} numbers"):
            read(bad)


def test_flags_of_rows():
    read = flags_reader(3)
    assert read(np.zeros(3, bool)) is None
    assert read([0, 1, 0]).tolist() == [False, True, False]
    for bad in ([0, 2, 0], [0.0, 1.0, 0.0], [True, True], None, True):
        with pytest.raises(EnvContractError, match="expected 3 bools"):
            read(bad)
