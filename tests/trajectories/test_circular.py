import copy
import pickle

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from rlcore.errors import ConfigError, EnvContractError
from rlcore.trajectories import CircularTraces

FIELDS = ("state", "action", "reward", "next_state", "terminated", "truncated")


def transition(i, kind="number"):
    """Transition number i; every field says which it is."""
    state, next_state = {
        "number": (i, i + 1),
        "vector": (np.full(3, i, np.float32), np.full(3, i + 1, np.float32)),
        "tree": tuple({"image": np.full((2, 2), k % 256, np.uint8), "rest": (np.float32(k), k)} for k in (i, i + 1)),
    }[kind]
    ends = {"terminated": i % 3 == 0, "truncated": i % 4 == 0}
    return {"state": state, "action": i % 5, "reward": i / 2, "next_state": next_state} | ends


def stacked(rows):
    return jax.tree.map(lambda *leaves: np.stack(leaves), *rows)


def numbers(container):
    """The numbers of the stored transitions, oldest first."""
    batch = container.whole()
    return [] if batch is None else [int(2 * reward) for reward in batch.reward]


@pytest.mark.parametrize("kind", ["number", "vector", "tree"])
@given(capacity=st.integers(1, 6), n=st.integers(1, 20))
@settings(max_examples=40, deadline=None)
def test_holds_the_last_transitions_field_by_field(kind, capacity, n):
    container = CircularTraces(capacity)
    for i in range(n):
        assert container.push(**transition(i, kind)) == 1
    expected = stacked([transition(i, kind) for i in range(n)][-capacity:])
    batch = container.whole()
    assert len(container) == container.n_stored == min(n, capacity)
    for name in FIELDS:
        jax.tree.map(np.testing.assert_array_equal, getattr(batch, name), expected[name])
    assert batch.mask is batch.extras is batch.discount is batch.weight is None
    taken = container.take(np.arange(len(container)))
    np.testing.assert_array_equal(np.sort(taken.reward), np.sort(batch.reward))


@given(
    lanes=st.integers(1, 4),
    per_lane=st.integers(1, 4),
    spare=st.integers(0, 3),
    valids=st.lists(st.lists(st.booleans(), min_size=4, max_size=4), min_size=1, max_size=12),
)
@settings(max_examples=100, deadline=None)
def test_every_lane_holds_the_last_valid_rows(lanes, per_lane, spare, valids):
    container = CircularTraces(lanes * per_lane + min(spare, lanes - 1))
    model = [[] for _ in range(lanes)]
    for step, flags in enumerate(valids):
        valid = np.array(flags[:lanes])
        rows = [transition(10 * step + lane, "vector") for lane in range(lanes)]
        assert container.push(**stacked(rows), valid=valid) == valid.sum()
        for lane in np.flatnonzero(valid):
            model[lane] = [*model[lane], 10 * step + lane][-per_lane:]
    expected = [number for lane in model for number in lane]
    assert container.lanes == lanes and container.n_slots == lanes * per_lane
    assert numbers(container) == expected
    taken = container.take(np.arange(len(container)))
    assert sorted((2 * taken.reward).astype(int).tolist()) == sorted(expected)
    np.testing.assert_array_equal(taken.state[:, 0] + 1, taken.next_state[:, 0])
    np.testing.assert_array_equal(taken.state[:, 0], 2 * taken.reward)


@given(
    valids=st.lists(st.lists(st.booleans(), min_size=3, max_size=3), min_size=1, max_size=12),
    kind=st.sampled_from(["number", "vector"]),
    wide=st.booleans(),
)
@settings(max_examples=60, deadline=None)
def test_plain_rows_are_kept_like_those_with_extras(valids, kind, wide):
    """Extras take the general way; plain rows a short one where lanes stand alike and all is valid."""
    plain, general = CircularTraces(12), CircularTraces(12)
    for step, flags in enumerate(valids):
        row = stacked([transition(10 * step + lane, kind) for lane in range(3)])
        row["action"] = row["action"].astype(np.int64 if wide else np.int32)
        row["reward"] = row["reward"].astype(np.float64 if wide else np.float32)
        valid = None if all(flags) else np.array(flags)
        assert plain.push(**row, valid=valid) == general.push(**row, valid=valid, extras={"step": np.full(3, step)})
    for name in (*FIELDS, "head", "filled"):
        np.testing.assert_array_equal(getattr(plain, name), getattr(general, name))
        assert getattr(plain, name).dtype == getattr(general, name).dtype
    np.testing.assert_array_equal(numbers(plain), numbers(general))


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"state": np.zeros((3, 2), np.float32)}, r"state came as float32\[2\], but float32\[3\]"),
        ({"reward": np.zeros(3, np.int32)}, r"reward came as int32\[\], but float32\[\]"),
        ({"action": np.array([0, 0, 2**40])}, "action came as int64"),
        ({"truncated": np.zeros(3, np.int8)}, "truncated came as int8"),
        ({"valid": np.ones(2, bool)}, r"valid has shape \(2,\), expected \(3,\)"),
    ],
)
def test_a_row_unlike_the_first_is_refused_and_harms_nothing(change, message):
    container = CircularTraces(6)
    rows = [stacked([transition(10 * step + lane, "vector") for lane in range(3)]) for step in range(3)]
    container.push(**rows[0])
    container.push(**rows[1])
    with pytest.raises(EnvContractError, match=message):
        container.push(**rows[2] | change)
    assert numbers(container) == [0, 10, 1, 11, 2, 12]


def test_an_index_without_a_transition_is_refused():
    container = CircularTraces(8)
    for i in range(3):
        container.push(**transition(i))
    for wrong in (np.array([0, 3]), np.array([0, -1]), np.array([[0], [-3]]), [-1], -1, 3):
        with pytest.raises(IndexError):
            container.take(wrong)
    assert container.take(np.array([], int)).reward.shape == (0,)
    rows = CircularTraces(8)
    rows.push(**stacked([transition(i) for i in range(2)]), valid=np.array([True, False]))
    for wrong in (1, -1):
        with pytest.raises(IndexError):
            rows.take(np.array([wrong]))
    for _ in range(4):
        rows.push(**stacked([transition(i) for i in range(2)]))
    for wrong in (8, -1):
        with pytest.raises(IndexError):
            rows.take(np.array([wrong]))


@pytest.mark.parametrize(
    ("value", "stored"),
    [
        (np.zeros((4, 4), np.uint8), np.uint8),
        (3, np.int32),
        (0.5, np.float32),
        (True, np.bool_),
        (np.float64(0.5), np.float32),
        (np.zeros(2, np.int64), np.int32),
        (np.zeros(2, np.int16), np.int16),
        (np.zeros(2, np.float16), np.float16),
        (jnp.zeros(2, jnp.bfloat16), jnp.bfloat16),
    ],
)
def test_types_are_kept_up_to_32_bits(value, stored):
    container = CircularTraces(4)
    for _ in range(6):
        container.push(value, value, 1, value, np.bool_(False), False)
    batch = container.take(np.array([1, 3]))
    assert batch.state.dtype == batch.action.dtype == stored
    assert batch.state.shape == (2, *np.shape(value))
    assert batch.reward.dtype == np.float32 and batch.terminated.dtype == np.bool_


def test_masks_and_extras_are_columns_of_their_own():
    container = CircularTraces(4)
    for i in range(6):
        masks = {"mask": np.arange(3) == i % 3, "next_mask": np.arange(3) != i % 3}
        container.push(**transition(i), extras={"log_prob": np.float32(-i)}, **masks)
    batch = container.whole()
    np.testing.assert_array_equal(batch.extras["log_prob"], [-2, -3, -4, -5])
    np.testing.assert_array_equal(batch.mask.argmax(axis=1), [2, 0, 1, 2])
    np.testing.assert_array_equal(batch.next_mask, ~batch.mask)


def test_empty_extras_are_no_column():
    container = CircularTraces(4)
    container.push(**transition(0), extras={})
    container.push(**transition(1), extras={})
    assert container.whole().extras is None
    assert numbers(container) == [0, 1]


def test_what_was_pushed_is_copied():
    container, state = CircularTraces(4), np.zeros(3, np.float32)
    container.push(state, 0, 0.0, state, False, False)
    state += 7
    sampled = container.take(np.array([0]))
    sampled.state[:] = 9
    np.testing.assert_array_equal(container.whole().state, [[0, 0, 0]])


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"state": np.zeros(2, np.float32)}, r"state came as float32\[2\], but float32\[3\] was stored before"),
        ({"state": np.zeros(3, np.uint8)}, r"state came as uint8\[3\], but float32\[3\]"),
        ({"state": {"x": np.zeros(3, np.float32)}}, r"state came as {x: float32\[3\]}"),
        ({"next_state": np.zeros((1, 3), np.float32)}, r"next_state came as float32\[1, 3\]"),
        ({"action": 0.5}, r"action came as float \(0.5\), but int32\[\] was stored before"),
        ({"action": 2**40}, r"action came as int \(1099511627776\).*32 bits"),
        ({"action": np.int64(2**40)}, "action came as int64"),
        ({"reward": "1.0"}, "reward came as str"),
        ({"reward": None}, "reward came as None"),
        ({"reward": np.zeros(2)}, r"reward came as float64\[2\]"),
        ({"mask": np.ones(3, bool)}, r"mask came as bool\[3\], but None was stored before"),
        ({"next_mask": np.ones(3, bool)}, r"next_mask came as bool\[3\], but None was stored before"),
        ({"extras": {"value": 1.0}}, "extras came as {value: float}, but None was stored before"),
        ({"valid": np.ones(2, bool)}, r"valid has shape \(2,\), expected \(\)"),
    ],
)
@pytest.mark.parametrize("capacity", [1, 3, 9])
def test_a_push_unlike_the_first_is_refused_and_harms_nothing(change, message, capacity):
    container = CircularTraces(capacity)
    for i in range(5):
        container.push(**transition(i, "vector"))
    with pytest.raises(EnvContractError, match=message):
        container.push(**transition(5, "vector") | change)
    batch = container.whole()
    if batch is not None:
        assert set(2 * batch.reward) <= {0, 1, 2, 3, 4}
        np.testing.assert_array_equal(batch.state[:, 0], 2 * batch.reward)
        np.testing.assert_array_equal(batch.next_state[:, 0], 2 * batch.reward + 1)
    for i in range(6, 16):
        container.push(**transition(i, "vector"))
    assert numbers(container) == list(range(16 - capacity, 16))


@pytest.mark.parametrize(
    ("rows", "message"),
    [
        ({"state": np.zeros((2, 3), np.float32)}, r"state came as float32\[2, 3\] while reward has 3 rows"),
        ({"action": 1}, "action came as int while reward has 3 rows"),
        ({"reward": np.zeros((3, 2))}, r"reward has shape \(3, 2\)"),
        ({"state": np.array(["a", "b", "c"])}, "expected an array of numbers"),
    ],
)
def test_rows_must_be_as_many_as_rewards(rows, message):
    with pytest.raises(EnvContractError, match=message):
        CircularTraces(30).push(**stacked([transition(i, "vector") for i in range(3)]) | rows)


def test_a_float_may_come_as_a_whole_number_but_not_the_reverse():
    container = CircularTraces(4)
    container.push(0.5, 0, 0.0, 0.5, False, False)
    container.push(1, 0, 1, 2, False, False)
    np.testing.assert_array_equal(container.whole().state, [0.5, 1])


def test_a_transition_that_is_not_valid_is_left_out():
    container = CircularTraces(4)
    kept = [container.push(**transition(i), valid=valid) for i, valid in enumerate([True, False, np.False_, np.True_])]
    assert kept == [1, 0, 0, 1]
    assert numbers(container) == [0, 3]


@pytest.mark.parametrize("capacity", [0, -1, 2.0, True, "9", None, float("nan")])
def test_capacity_is_a_whole_number(capacity):
    with pytest.raises(ConfigError, match=r"capacity is .*, expected a whole number of at least 1"):
        CircularTraces(capacity)


def test_capacity_is_at_least_the_rows():
    with pytest.raises(ConfigError, match="capacity is 2, but 3 environments push at once"):
        CircularTraces(2).push(**stacked([transition(i) for i in range(3)]))


def test_a_capacity_beyond_the_memory_is_refused_with_its_bytes():
    container = CircularTraces(10**12)
    image = np.zeros((84, 84), np.uint8)
    n_bytes = (10**12 + 10**12 // 64) * 84 * 84 + 10**12 * (2 * 4 + 4 + 4 + 2)  # stored once
    with pytest.raises(ConfigError, match=rf"take {n_bytes:,} bytes, but only [\d,]+ bytes of memory are free"):
        container.push(image, 0, 0.0, image, False, False)
    assert len(container) == 0


def test_allocate_fixes_shapes_and_stores_nothing():
    container = CircularTraces(5)
    container.allocate(**transition(0, "tree"))
    assert len(container) == 0 and container.whole() is None
    assert container.state["image"].shape == (5, 2, 2)
    container.allocate(**transition(1, "tree"))
    with pytest.raises(EnvContractError, match="state came as int"):
        container.allocate(**transition(0))
    container.push(**transition(3, "tree"))
    assert numbers(container) == [3]


@pytest.mark.parametrize("duplicate", [copy.deepcopy, lambda value: pickle.loads(pickle.dumps(value))])
def test_a_copy_is_independent(duplicate):
    container = CircularTraces(3)
    for i in range(2):
        container.push(**transition(i, "vector"))
    twin = duplicate(container)
    for i in range(2, 5):
        twin.push(**transition(i, "vector"))
    container.push(**transition(9, "vector"))
    assert numbers(twin) == [2, 3, 4]
    assert numbers(container) == [0, 1, 9]


def test_columns_that_were_replaced_are_the_ones_written():
    container = CircularTraces(3)
    container.push(**transition(0, "vector"))
    for name in FIELDS:
        setattr(container, name, getattr(container, name).copy())
    container.push(**transition(1, "vector"))
    container.push(**transition(2, "vector"))
    assert numbers(container) == [0, 1, 2]


@jax.jit
def push_all(container, transitions, valids):
    def step(container, given):
        values, valid = given
        kept = container.push(**values, valid=valid)
        return container, kept

    return jax.lax.scan(step, container, (transitions, valids))


@jax.jit
def taken(container, indices):
    return container.take(indices)


@pytest.mark.parametrize("kind", ["number", "vector", "tree"])
@pytest.mark.parametrize("lanes", [None, 1, 3])
@pytest.mark.parametrize("all_valid", [True, False])
def test_compiled_code_stores_the_same(kind, lanes, all_valid):
    capacity, n = 7, 12
    generator = np.random.default_rng(0)
    shape = n if lanes is None else (n, lanes)
    valids = np.ones(shape, bool) if all_valid else generator.random(shape) < 0.6
    rows = [
        transition(i, kind) if lanes is None else stacked([transition(100 * lane + i, kind) for lane in range(lanes)])
        for i in range(n)
    ]
    eager, example = CircularTraces(capacity), CircularTraces(capacity)
    kept = [eager.push(**row, valid=valid) for row, valid in zip(rows, valids, strict=True)]
    example.allocate(**rows[0])
    strong = jax.tree.map(jnp.asarray, example)
    compiled, kept_compiled = push_all(strong, stacked(rows), valids)
    np.testing.assert_array_equal(kept_compiled, kept)
    jax.tree.map(np.testing.assert_array_equal, eager, jax.tree.map(np.asarray, compiled))
    assert [leaf.dtype for leaf in jax.tree.leaves(compiled)] == [leaf.dtype for leaf in jax.tree.leaves(strong)]
    indices = np.arange(capacity) % len(eager)  # as many in every case: each length is compiled
    jax.tree.map(np.testing.assert_array_equal, eager.take(indices), taken(compiled, indices))


def test_the_first_push_may_be_compiled():
    compiled = jax.jit(lambda container, values: (container, container.push(**values)))(
        CircularTraces(3), transition(4, "tree")
    )[0]
    assert int(compiled.n_stored) == 1
    np.testing.assert_array_equal(compiled.state["image"][0], np.full((2, 2), 4))


def test_compiled_code_refuses_another_shape_and_the_whole_content():
    container = CircularTraces(3)
    container.push(**transition(0, "vector"))
    with pytest.raises(EnvContractError, match=r"state came as int32\[\], but float32\[3\]"):
        jax.jit(lambda container, values: container.push(**values))(container, transition(1))
    with pytest.raises(ConfigError, match="not known in compiled code"):
        jax.jit(lambda container: container.whole())(container)


@pytest.mark.parametrize("reward", [float("nan"), float("inf"), np.float32("-inf"), 1e300, np.float64(-4e38)])
def test_a_reward_that_is_not_finite_is_refused_at_the_door(reward):
    container = CircularTraces(3)
    for at in range(4):
        with pytest.raises(EnvContractError, match=r"reward is -?(nan|inf|\de\+\d+), expected a finite number"):
            container.push(**transition(at, "vector") | {"reward": reward})
        container.push(**transition(at, "vector"))
    assert numbers(container) == [1, 2, 3]


@pytest.mark.parametrize("extras", [None, {"value": np.ones(3)}])
def test_of_a_row_only_rewards_that_are_kept_must_be_finite(extras):
    container, row = CircularTraces(6), stacked([transition(lane, "vector") for lane in range(3)])
    container.push(**row, extras=extras)
    wrong = row | {"reward": np.array([0.0, np.nan, 1.0], np.float32)}
    with pytest.raises(EnvContractError, match="reward is nan in row 1, expected a finite number"):
        container.push(**wrong, extras=extras)
    container.push(**wrong, extras=extras, valid=np.array([True, False, True]))
    np.testing.assert_array_equal(container.whole().reward, [0, 0, 0.5, 1, 1])
    for beyond in (1e39, -1e300):
        with pytest.raises(EnvContractError, match="in row 2, expected a finite number, at most 3"):
            container.push(**row | {"reward": np.array([0.0, 1.0, beyond])}, extras=extras)
    large = row | {"reward": np.full(3, 3e38, np.float32)}
    assert container.push(**large, extras=extras) == 3


def test_a_cut_episode_goes_no_further():
    container = CircularTraces(4)
    container.cut()
    for at in (1, 2):
        container.push(**transition(at))
    container.cut()
    container.push(**transition(5))
    assert container.whole().truncated.tolist() == [False, True, False]
    places, valid = container.window(np.array([0]), 3)
    assert places.tolist() == [[0, 1, 1]] and valid.tolist() == [[True, True, False]]
    container.push(**transition(6))
    container.cut()
    assert container.whole().terminated.tolist()[-1] and not container.whole().truncated[-1]


def test_a_field_that_was_stored_before_must_come_again():
    container = CircularTraces(3)
    container.push(**transition(0), mask=np.ones(2, bool))
    with pytest.raises(EnvContractError, match=r"mask came as None, but bool\[2\] was stored before"):
        container.push(**transition(1))
    assert numbers(container) == [0]
