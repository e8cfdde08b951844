import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.stats import chi2

from rlcore.errors import ConfigError
from rlcore.trajectories import (
    BatchSampler,
    CircularTraces,
    EpisodesSampler,
    InsertSampleRatioController,
    LatestTransition,
    MultiStepSampler,
    NStepBatchSampler,
    PrioritizedTraces,
    Trajectory,
    WholeSampler,
)
from tests.trajectories.pushed import fill, pushes


def filled(capacity, n):
    container = CircularTraces(capacity)
    for i in range(n):
        container.push(i, 0, float(i), i + 1, False, False)
    return container


def filled_unevenly():
    container = CircularTraces(12)
    states = np.arange(3)
    for step in range(6):
        valid = np.array([True, step < 1, step % 2 == 0])  # the lanes hold 4 (wrapped), 1 and 3 transitions
        state = 10 * states + step
        container.push(state, states, state / 1.0, state + 1, np.zeros(3, bool), np.zeros(3, bool), valid=valid)
    return container, [2, 3, 4, 5, 10, 20, 22, 24]


@pytest.mark.parametrize(
    ("container", "stored"),
    [
        (filled(10, 7), list(range(7))),
        (filled(8, 8), list(range(8))),
        (filled(9, 21), list(range(12, 21))),
        filled_unevenly(),
    ],
    ids=["half full", "exactly full", "wrapped", "lanes"],
)
def test_draws_are_uniform_over_what_is_stored(container, stored):
    """Chi-square; a right sampler fails with probability 1e-6, and the seed is fixed."""
    sampler = BatchSampler(5, seed=1)
    drawn = np.concatenate([sampler.sample(container).state for _ in range(4000)])
    counts = np.array([(drawn == state).sum() for state in stored])
    assert counts.sum() == drawn.size
    expected = drawn.size / len(stored)
    assert ((counts - expected) ** 2 / expected).sum() < chi2.isf(1e-6, len(stored) - 1)


def test_waits_until_a_batch_is_stored_and_draws_nothing():
    container, sampler = CircularTraces(10), BatchSampler(4, seed=0)
    for i in range(3):
        container.push(i, 0, 0.0, i, False, False)
        assert sampler.sample(container) is None and not sampler.is_ready(container)
    assert sampler.random.count == 0
    container.push(3, 0, 0.0, 3, False, False)
    assert sampler.is_ready(container)
    assert sampler.sample(container).state.shape == (4,)
    assert sampler.random.count == 4


def test_the_same_seed_draws_the_same():
    container = filled(50, 50)
    first, same, other = (BatchSampler(20, seed=seed).sample(container).state for seed in (3, 3, 4))
    np.testing.assert_array_equal(first, same)
    assert (first != other).any()


def test_the_whole_content_comes_oldest_first():
    np.testing.assert_array_equal(WholeSampler().sample(filled(4, 7)).state, [3, 4, 5, 6])
    container, stored = filled_unevenly()
    np.testing.assert_array_equal(WholeSampler().sample(container).state, stored)
    assert WholeSampler().sample(CircularTraces(3)) is None
    assert WholeSampler().is_ready(container) and not WholeSampler().is_ready(CircularTraces(3))


@pytest.mark.parametrize("batch_size", [0, -3, 2.0, True, "8", None])
def test_batch_size_is_a_whole_number(batch_size):
    with pytest.raises(ConfigError, match=r"batch_size is .*, expected a whole number of at least 1"):
        BatchSampler(batch_size)


def test_seed_is_checked():
    with pytest.raises(ConfigError, match="seed is -1"):
        BatchSampler(2, seed=-1)


def test_a_container_that_never_holds_a_batch_is_refused_when_built():
    with pytest.raises(ConfigError, match="batch_size is 32, but only 31 transitions can be stored"):
        Trajectory(CircularTraces(31), BatchSampler(32), InsertSampleRatioController())


def test_a_capacity_that_lanes_cut_below_a_batch_is_refused():
    trajectory = Trajectory(CircularTraces(10), BatchSampler(10), InsertSampleRatioController())
    zeros, ends = np.zeros(4), np.zeros(4, bool)
    trajectory.push(zeros, zeros, zeros, zeros, ends, ends)
    with pytest.raises(ConfigError, match="batch_size is 10, but only 8 transitions can be stored"):
        list(trajectory)
    columns = {"state": zeros, "action": zeros, "reward": zeros, "next_state": zeros}
    with pytest.raises(ConfigError, match="batch_size is 10, but only 8 transitions can be stored"):
        Trajectory(CircularTraces(10), BatchSampler(10), InsertSampleRatioController()).allocate(
            **columns, terminated=ends, truncated=ends
        )


@pytest.mark.parametrize("rows", [(), (2,)])
@pytest.mark.parametrize("sampler", [BatchSampler(150), NStepBatchSampler(150, 2, 0.5), MultiStepSampler(150, 2)])
@pytest.mark.parametrize("is_prioritised", [False, True])
def test_states_that_are_stored_once_wait_for_pushes_and_not_for_room_that_never_comes(rows, sampler, is_prioritised):
    """Episodes of one step take two places for each of their states, so that not 150 fit into 200 places."""
    traces = CircularTraces(200, states_once=True)
    trajectory = Trajectory(
        PrioritizedTraces(traces) if is_prioritised else traces, sampler, InsertSampleRatioController()
    )
    for at in range(500):
        state, next_state = np.full((*rows, 3), 2.0 * at), np.full((*rows, 3), 2.0 * at + 1)
        reward, ends = np.full(rows, float(at))[()], np.ones(rows, bool)[()]
        trajectory.push(state, np.zeros(rows, int)[()], reward, next_state, ends, ends)
        pushed = (at + 1) * (rows[0] if rows else 1)
        assert trajectory.container.n_pushed == min(pushed, 200)
        batches = list(trajectory)
        assert bool(batches) == (pushed >= 150)
        assert all((batch.state[:, ..., 0] % 2 == 0).all() and len(batch.reward) == 150 for batch in batches)
    assert len(trajectory) < 150


@given(capacity=st.sampled_from([1, 3, 8, 40]), lanes=st.sampled_from([None, 1, 3]), data=st.data())
@settings(max_examples=60, deadline=None)
def test_episodes_like_the_definition(capacity, lanes, data):
    pushed = data.draw(pushes(lanes))
    container = fill(pushed, lanes, capacity=capacity * (lanes or 1))
    expected = []
    for lane in pushed.stored(capacity):
        episode = []
        for one in lane:
            episode.append(one)
            if one.terminated or one.truncated or one is lane[-1]:
                expected.append(episode)
                episode = []
    batches = EpisodesSampler().sample(container)
    if not expected:
        assert batches is None
        return
    assert [batch.state.tolist() for batch in batches] == [[one.state for one in episode] for episode in expected]
    assert [batch.truncated.tolist() for batch in batches] == [[one.truncated for one in each] for each in expected]
    drawn = EpisodesSampler(50, seed=3).sample(container)
    assert len(drawn) == 50
    assert {tuple(batch.state.tolist()) for batch in drawn} <= {tuple(batch.state.tolist()) for batch in batches}


def test_episodes_are_drawn_uniformly_whatever_their_length():
    """Chi-square; a right sampler fails with probability 1e-6, and the seed is fixed."""
    container = CircularTraces(50)
    for length in (1, 2, 9, 20):
        for step in range(length):
            container.push(length, 0, 0.0, length, step == length - 1, False)
    lengths = [len(batch.state) for batch in EpisodesSampler(4000, seed=2).sample(container)]
    counts = np.array([lengths.count(length) for length in (1, 2, 9, 20)])
    assert counts.sum() == 4000
    assert ((counts - 1000) ** 2 / 1000).sum() < chi2.isf(1e-6, 3)


def test_what_can_give_no_episodes_is_refused():
    with pytest.raises(ConfigError, match="EpisodesSampler can't draw from LatestTransition, which has no take"):
        Trajectory(LatestTransition(), EpisodesSampler(), InsertSampleRatioController())
    with pytest.raises(ConfigError, match="batch_size is 0"):
        EpisodesSampler(0)
