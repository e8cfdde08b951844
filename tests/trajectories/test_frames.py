import jax
import jax.numpy as jnp
import numpy as np
import pytest

from rlcore.errors import ConfigError, EnvContractError
from rlcore.trajectories import CircularTraces
from rlcore.trajectories.stacks import frame_shape, joined, split, stack_axis, state_shape


def stacks(n, axis=0, shape=(84, 84), seed=0, n_frames=4):
    """`n` stacks of random frames that move on by one frame."""
    frames = np.random.default_rng(seed).integers(0, 256, (n + n_frames - 1, *shape), dtype=np.uint8)
    return [np.stack(frames[at : at + n_frames], axis=axis) for at in range(n)]


def push_episodes(container, n, length, states):
    for at in range(n):
        step = at % length
        container.push(states[step], at % 3, float(at), states[step + 1], step == length - 1, False)


def n_bytes(container):
    return sum(np.asarray(leaf).nbytes for leaf in jax.tree.leaves(container))


@pytest.mark.parametrize("axis", [0, -1])
def test_a_stacked_frame_takes_at_most_two_hundredths_more_than_itself(axis):
    container, states = CircularTraces(2_000, n_frames=4), stacks(501, axis)
    push_episodes(container, 4_500, 500, states)
    assert len(container) == 2_000
    assert n_bytes(container) / len(container) <= 1.02 * 84 * 84
    batch = container.take(np.arange(2_000))
    assert batch.state.dtype == batch.next_state.dtype == np.uint8
    for at in range(0, 2_000, 97):
        step = int(batch.reward[at]) % 500
        np.testing.assert_array_equal(batch.state[at], states[step])
        np.testing.assert_array_equal(batch.next_state[at], states[step + 1])


def test_a_large_state_is_stored_once_and_a_small_one_in_columns():
    for shape, is_once in (((1024,), True), ((1023,), False)):
        container = CircularTraces(1_000)
        container.push(np.zeros(shape, np.uint8), 0, 0.0, np.ones(shape, np.uint8), False, False)
        assert (container.frames is not None) == is_once == (container.state is None)
        assert (n_bytes(container) < 1_100 * 1_000) == is_once
    for asked in (True, False):
        container = CircularTraces(4, states_once=asked)
        container.push(np.zeros(2000), 0, 0.0, np.ones(2000), False, False)
        assert (container.frames is not None) == asked


def test_states_of_two_kinds_are_columns_unless_asked():
    unlike = {"state": np.zeros(2000, np.uint8), "next_state": np.zeros(2000, np.int16)}
    rest = {"action": 0, "reward": 0.0, "terminated": False, "truncated": False}
    container = CircularTraces(4)
    container.push(**unlike, **rest)
    assert container.frames is None
    with pytest.raises(EnvContractError, match=r"state came as uint8\[2000\], next_state as int16\[2000\]"):
        CircularTraces(4, states_once=True).push(**unlike, **rest)


def test_short_episodes_take_more_room_so_that_the_oldest_are_given_up():
    container, states = CircularTraces(1_000, n_frames=4), stacks(11, shape=(4, 5))
    push_episodes(container, 3_000, 10, states)
    n_rows = 1_000 + 1_000 // 64
    assert 10 / 14 * n_rows - 14 <= len(container) <= 10 / 14 * n_rows + 14  # 10 steps take 14 rows
    assert container.whole().reward.tolist() == list(range(3_000 - len(container), 3_000))
    push_episodes(container, 3_000, 10, [state + 1 for state in states])
    everything = container.whole()
    for at in range(len(container)):
        np.testing.assert_array_equal(everything.state[at], states[int(everything.reward[at]) % 10] + 1)


def test_transitions_that_do_not_follow_each_other_are_kept_as_they_are():
    generator = np.random.default_rng(0)
    states = generator.integers(0, 256, (200, 2, 1100), dtype=np.uint8)
    container, columns = CircularTraces(100), CircularTraces(100, states_once=False)
    for at, (state, next_state) in enumerate(states):
        for each in (container, columns):
            each.push(state, 0, float(at), next_state, False, False)
    assert len(columns) == 100 and len(container) == 64  # 128 rows
    np.testing.assert_array_equal(container.whole().state, states[-64:, 0])
    np.testing.assert_array_equal(container.whole().next_state, states[-64:, 1])


def test_sampled_states_do_not_change_with_the_container():
    container, states = CircularTraces(4, n_frames=4), stacks(30, shape=(3, 3))
    push_episodes(container, 4, 29, states)
    before, pushed = container.take(np.array([0, 1, 2])), states[0].copy()
    container.push(states[4], 0, 0.0, states[5], False, False)
    states[0][:] = 0
    np.testing.assert_array_equal(before.state[0], pushed)


@pytest.mark.parametrize("shape", [(84, 84), (4,), (3, 84, 84), (84, 84, 8)])
def test_a_state_that_is_no_stack_of_so_many_frames_is_refused(shape):
    with pytest.raises(ConfigError, match=r"n_frames is 4, but state came as uint8.*FrameStackObservation"):
        CircularTraces(10, n_frames=4).push(np.zeros(shape, np.uint8), 0, 0.0, np.zeros(shape, np.uint8), False, False)


@pytest.mark.parametrize("n_frames", [0, -1, 2.5, True, "4"])
def test_n_frames_is_a_whole_number(n_frames):
    with pytest.raises(ConfigError, match=r"n_frames is .*, expected a whole number of at least 1"):
        CircularTraces(10, n_frames=n_frames)


def test_states_once_is_a_bool_and_does_not_contradict_stacks():
    with pytest.raises(ConfigError, match=r"states_once is 1, expected True, False, or None"):
        CircularTraces(10, states_once=1)
    with pytest.raises(ConfigError, match="n_frames is 4, but states_once is False"):
        CircularTraces(10, n_frames=4, states_once=False)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"state": np.zeros((4, 3, 2), np.uint8)}, r"state came as uint8\[4, 3, 2\], but uint8\[4, 3, 3\]"),
        ({"next_state": np.zeros((4, 3, 3), np.int16)}, r"next_state came as int16\[4, 3, 3\], but uint8\[4, 3, 3\]"),
        ({"action": 0.5}, r"action came as float \(0.5\), but int32"),
        ({"reward": float("nan")}, "reward is nan, expected a finite number"),
        ({"valid": np.ones(2, bool)}, r"valid has shape \(2,\)"),
    ],
)
@pytest.mark.parametrize("capacity", [1, 3, 9])
def test_a_refused_push_harms_nothing(change, message, capacity):
    container, states = CircularTraces(capacity, n_frames=4), stacks(30, shape=(3, 3))
    push_episodes(container, 6, 29, states)
    with pytest.raises(EnvContractError, match=message):
        container.push(
            **{"state": states[6], "action": 0, "reward": 6.0, "next_state": states[7]}
            | {"terminated": False, "truncated": False}
            | change
        )
    for at in range(6, 9):
        container.push(states[at], 0, float(at), states[at + 1], False, False)
        batch = container.whole()
        for state, next_state, reward in zip(batch.state, batch.next_state, batch.reward, strict=True):
            np.testing.assert_array_equal(state, states[int(reward)])
            np.testing.assert_array_equal(next_state, states[int(reward) + 1])
    assert len(container) == min(capacity, 9)


def test_stacks_beyond_the_memory_are_refused_with_their_bytes():
    state = np.zeros((4, 84, 84), np.uint8)
    size = 10**10
    expected = (size + size // 64) * 84 * 84 + size * (2 * 4 + 4 + 4 + 2)
    with pytest.raises(ConfigError, match=rf"take {expected:,} bytes, but only [\d,]+ bytes of memory are free"):
        CircularTraces(size, n_frames=4).push(state, 0, 0.0, state, False, False)


@pytest.mark.parametrize(
    ("shape", "n_frames", "axis", "frame"),
    [
        ((4, 84, 84), 4, 0, (84, 84)),
        ((84, 84, 4), 4, -1, (84, 84, 1)),
        ((84, 84, 12), 4, -1, (84, 84, 3)),
        ((4, 3), 4, 0, (3,)),
        ((4,), 4, None, (4,)),
        ((84, 84, 4), 1, None, (84, 84, 4)),
        ((), 4, None, ()),
    ],
)
def test_split_and_joined_are_inverse(shape, n_frames, axis, frame):
    assert stack_axis(shape, n_frames) == axis
    assert frame_shape(shape, n_frames) == frame
    assert state_shape(frame, axis, n_frames) == shape
    states = np.arange(2 * int(np.prod(shape)), dtype=np.float32).reshape(2, *shape)
    for array in (states, jnp.asarray(states)):
        frames = split(array, axis, n_frames)
        assert frames.shape == (2, 1 if axis is None else n_frames, *frame)
        np.testing.assert_array_equal(joined(frames, axis, 1), states)
    if axis == -1:
        width = shape[-1] // n_frames
        np.testing.assert_array_equal(split(states, axis, n_frames)[:, 1], states[..., width : 2 * width])
