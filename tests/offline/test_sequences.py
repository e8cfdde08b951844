"""Sequences: what a container holds goes in and comes out, and every state stands in it once."""

import jax
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from rlcore.errors import ConfigError
from rlcore.offline.sequences import sequences_of, traces_of
from rlcore.trajectories import CircularTraces, ElasticTraces, LatestTransition, PrioritizedTraces
from tests.offline.recorded import KINDS, assert_same, filled


@given(
    kind=st.sampled_from(KINDS),
    lanes=st.sampled_from([None, 1, 3]),
    n=st.integers(1, 25),
    capacity=st.integers(3, 30),
    seed=st.integers(0, 2**16),
    has_masks=st.booleans(),
    has_extras=st.booleans(),
)
@settings(max_examples=120, deadline=None)
def test_what_goes_in_comes_out(kind, lanes, n, capacity, seed, has_masks, has_extras):
    traces = filled(kind, lanes, n, capacity, seed, has_masks, has_extras)
    if not len(traces):
        with pytest.raises(ConfigError, match="holds no transition"):
            sequences_of(traces)
        return
    sequences = sequences_of(traces)
    again = traces_of(sequences, None)
    assert again.lanes == traces.lanes
    assert np.array_equal(np.atleast_1d(again.filled), np.atleast_1d(traces.filled))
    assert_same(traces.whole(), again.whole())


@given(lanes=st.sampled_from([None, 2]), n=st.integers(1, 30), seed=st.integers(0, 2**16))
@settings(max_examples=60, deadline=None)
def test_a_state_that_two_transitions_share_stands_there_once(lanes, n, seed):
    traces = filled("vector", lanes, n, 100, seed)
    if not len(traces):
        return
    sequences = sequences_of(traces)
    batch, counts = traces.whole(), np.atleast_1d(traces.filled)
    last_of_lane = set(np.cumsum(counts) - 1)
    is_last = [
        bool(batch.terminated[k] or batch.truncated[k] or k in last_of_lane)
        or not np.array_equal(batch.next_state[k], batch.state[k + 1])
        for k in range(len(batch.reward))
    ]
    assert len(sequences.length) == sum(is_last)
    assert len(sequences.state) == len(batch.reward) + sum(is_last)
    starts = np.cumsum(sequences.length + 1) - sequences.length - 1
    for start, length, first in zip(starts, sequences.length, np.cumsum(sequences.length), strict=True):
        rows = sequences.state[start : start + length + 1]
        assert np.array_equal(rows[:-1], batch.state[first - length : first])
        assert np.array_equal(rows[1:], batch.next_state[first - length : first])


def test_states_that_differ_in_one_bit_are_kept_apart():
    traces = CircularTraces(2)
    for state, next_state in ((1.0, 0.0), (-0.0, 1.0)):
        traces.push(np.float32([state]), 0, 0.0, np.float32([next_state]), False, False)
    sequences = sequences_of(traces)
    assert sequences.length.tolist() == [1, 1]
    assert np.signbit(sequences.state[:, 0]).tolist() == [False, False, True, False]


def test_a_lane_that_holds_nothing_stays_empty():
    traces = CircularTraces(6)
    rows = np.arange(3, dtype=np.float32)
    for valid in ([True, False, True], [False, False, True]):
        traces.push(rows[:, None], rows.astype(np.int32), rows, rows[:, None] + 1, rows < 0, rows < 0, np.array(valid))
    again = traces_of(sequences_of(traces), None)
    assert again.filled.tolist() == [1, 0, 2]
    assert_same(traces.whole(), again.whole())


def test_the_container_goes_on_where_it_ended():
    traces = traces_of(sequences_of(filled("vector", 2, 10, 100, 0)), 40)
    before = len(traces)
    traces.push(**jax.tree.map(lambda leaf: leaf[:2], row_of(traces.whole())))
    assert len(traces) == before + 2


def row_of(batch):
    names = ("state", "action", "reward", "next_state", "terminated", "truncated")
    return {name: getattr(batch, name) for name in names}


@pytest.mark.parametrize(("lanes", "expected"), [(None, "at least 10"), (2, r"2 lanes, the longest of which has 10")])
def test_a_capacity_that_is_too_small_is_refused(lanes, expected):
    traces = CircularTraces(100)
    for i in range(10):
        row = np.full(2, i, np.float32)
        one = (np.float32([i]), 0, 0.0, np.float32([i + 1]), False, False)
        rows = (row[:, None], row.astype(np.int32), row, row[:, None] + 1, row < 0, row < 0)
        traces.push(*(one if lanes is None else rows))
    with pytest.raises(ConfigError, match=expected):
        traces_of(sequences_of(traces), 9)


def test_a_container_without_rows_is_refused():
    latest = LatestTransition()
    latest.push(0, 1, 1.0, 1, False, False)
    with pytest.raises(ConfigError, match="LatestTransition keeps the last transition only"):
        sequences_of(latest)


@pytest.mark.parametrize("capacity", [None, 300])
def test_large_states_of_short_episodes_all_come_back(capacity):
    traces = ElasticTraces()
    states = np.random.default_rng(0).normal(size=(400, 300)).astype(np.float32)  # 1,200 bytes: stored once
    for i in range(200):
        traces.push(states[2 * i], i, float(i), states[2 * i + 1], True, False)
    assert traces.frames is not None
    again = traces_of(sequences_of(traces), capacity)
    assert_same(traces.whole(), again.whole())


def stacked_episodes(lengths, n_frames=4, lanes=None):
    """A ring of episodes of random frames, stored frame by frame."""
    frames, traces = np.random.default_rng(0).integers(0, 256, (2, 500, 5, 6), np.uint8), ElasticTraces(n_frames)
    for at, length in enumerate(lengths):
        for step in range(length):
            state, next_state = (frames[:, 7 * at + step + k : 7 * at + step + k + n_frames] for k in (0, 1))
            ends = (step == length - 1, False)
            if lanes is None:
                traces.push(state[0], at, float(step), next_state[0], *ends)
            else:
                columns = (np.full(2, at), np.full(2, float(step)))
                traces.push(state, *columns, next_state, *(np.full(2, end) for end in ends))
    return traces


@pytest.mark.parametrize("lanes", [None, 2])
@pytest.mark.parametrize("lengths", [[3], [2, 1, 4], [100, 30], [5] * 40])
def test_stacks_come_back_frame_by_frame(lengths, lanes):
    traces = stacked_episodes(lengths, lanes=lanes)
    sequences = sequences_of(traces)
    again = traces_of(sequences, None, n_frames=4)
    assert_same(traces.whole(), again.whole())
    assert again.lanes == lanes and again.frames.rows.shape[1:] == (5, 6)
    needed = again.capacity
    assert_same(traces.whole(), traces_of(sequences, needed + 10, n_frames=4).whole())
    if needed > len(traces):
        with pytest.raises(ConfigError, match=rf"do not all fit frame by frame.* expected at least {needed}, or None"):
            traces_of(sequences, needed - (lanes or 1), n_frames=4)


def test_what_is_no_stack_of_frames_is_refused():
    sequences = sequences_of(stacked_episodes([300]))
    with pytest.raises(ConfigError, match="n_frames is 3, but state came as"):
        traces_of(sequences, None, n_frames=3)
    with pytest.raises(ConfigError, match="n_frames is 0"):
        traces_of(sequences, None, n_frames=0)
    torn = sequences._replace(state=np.random.default_rng(1).integers(0, 256, sequences.state.shape, np.uint8))
    with pytest.raises(ConfigError, match=r"do not go on from the frames .* leave n_frames away"):
        traces_of(torn, None, n_frames=4)


def test_lanes_of_prioritised_transitions_stay_apart():
    ring, prioritised = CircularTraces(8), PrioritizedTraces(8)
    flags, zeros = np.zeros(2, bool), np.zeros(2, np.int32)
    for traces in (ring, prioritised):
        for i in range(3):  # the last step of lane 0 leads to where lane 1 begins
            state = np.int32([i, i + 3])
            traces.push(state, zeros, np.float32([i, i]), state + 1, flags, flags)
    assert_same(sequences_of(ring)._replace(lanes=None), sequences_of(prioritised)._replace(lanes=None))
    assert sequences_of(prioritised).lane.tolist() == [0, 1]
    assert traces_of(sequences_of(prioritised), None).filled.tolist() == [3, 3]
