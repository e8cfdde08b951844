"""Windows and episodes of a ring against plain lists, one per lane."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from rlcore.errors import ConfigError
from rlcore.random import stream
from rlcore.trajectories import CircularTraces, LatestTransition

ENDS = st.sampled_from(["", "", "", "terminated", "truncated", "both"])


@st.composite
def histories(draw):
    """Lanes (`None`: a single environment), capacity, and for every push its rows of (end, is valid)."""
    lanes = draw(st.one_of(st.none(), st.integers(1, 3)))
    rows = st.lists(st.tuples(ENDS, st.integers(0, 4)), min_size=lanes or 1, max_size=lanes or 1)
    return lanes, draw(st.integers(lanes or 1, 15)), draw(st.lists(rows, min_size=1, max_size=25))


def pushed(history, kind=CircularTraces):
    """The container, and what it must hold: per lane a list of (number, is an end)."""
    lanes, capacity, pushes = history
    container, model = kind(capacity), [[] for _ in range(lanes or 1)]
    for at, rows in enumerate(pushes):
        numbers = np.array([100 * at + lane for lane in range(lanes or 1)], np.float32)
        ends = {name: np.array([end in (name, "both") for end, _ in rows]) for name in ("terminated", "truncated")}
        valid = np.array([flag > 0 for _, flag in rows])
        values = {"state": numbers, "action": numbers, "reward": numbers, "next_state": numbers + 0.5} | ends
        if lanes is None:
            container.push(**{name: value[0] for name, value in values.items()}, valid=valid[0])
        else:
            container.push(**values, valid=valid)
        for lane, (end, flag) in enumerate(rows):
            if flag:
                model[lane].append((100 * at + lane, end != ""))
    size = capacity // (lanes or 1)
    return container, [lane[-size:] for lane in model]


def episodes_in(lane):
    """The numbers of a lane, cut after every end."""
    episodes = [[]]
    for number, is_end in lane:
        episodes[-1].append(number)
        if is_end:
            episodes.append([])
    return [episode for episode in episodes if episode]


def numbers_at(container, indices):
    return container.take(indices).reward.astype(int).tolist()


def expected_windows(model, n):
    windows = {}
    for lane in model:
        for episode in episodes_in(lane):
            for at, number in enumerate(episode):
                windows[number] = episode[at : at + n]
    return windows


@given(history=histories(), n=st.integers(1, 6))
@settings(max_examples=300, deadline=None)
def test_windows_end_with_the_episode_or_at_the_newest_transition(history, n):
    container, model = pushed(history)
    expected = expected_windows(model, n)
    indices = np.arange(len(container))
    places, valid = container.window(indices, n)
    assert places.shape == valid.shape == (len(indices), n) and valid.dtype == bool
    starts = numbers_at(container, indices)
    assert sorted(starts) == sorted(expected)
    for number, window, flags in zip(starts, numbers_at(container, places), valid.tolist(), strict=True):
        k = len(expected[number])
        assert flags == [True] * k + [False] * (n - k)
        assert window == expected[number] + [expected[number][-1]] * (n - k)


@given(history=histories())
@settings(max_examples=200, deadline=None)
def test_episodes_lane_after_lane_oldest_first(history):
    container, model = pushed(history)
    found = [numbers_at(container, indices) for indices in container.episodes()]
    assert found == [episode for lane in model for episode in episodes_in(lane)]


@pytest.mark.parametrize("lanes", [None, 1, 3])
@pytest.mark.parametrize("n_pushes", [2, 5, 9])
def test_windows_in_compiled_code(lanes, n_pushes):
    generator = np.random.default_rng(n_pushes)
    kinds = ["", "", "terminated", "truncated"]
    pushes = [
        [(kinds[generator.integers(4)], generator.integers(3)) for _ in range(lanes or 1)] for _ in range(n_pushes)
    ]
    pushes[0] = [("", 1)] * (lanes or 1)
    container, _ = pushed((lanes, 4 * (lanes or 1), pushes))
    indices = np.arange(len(container))
    compiled = jax.jit(lambda container, indices: container.window(indices, 3))
    there = jax.tree.map(jnp.asarray, container)
    jax.tree.map(np.testing.assert_array_equal, compiled(there, indices), container.window(indices, 3))


@pytest.mark.parametrize("n", [0, -1, 1.5, True])
@pytest.mark.parametrize("kind", [lambda: CircularTraces(3), LatestTransition])
def test_the_length_of_a_window_is_a_whole_number(n, kind):
    container = kind()
    container.push(1, 1, 1.0, 2, False, False)
    with pytest.raises(ConfigError, match=r"n is .*, expected a whole number of at least 1"):
        container.window(np.array([0]), n)


@pytest.mark.parametrize("lanes", [None, 2])
def test_a_window_from_nowhere_is_refused(lanes):
    container, _ = pushed((lanes, 8, [[("", 1)] * (lanes or 1)]))
    for wrong in (-1, lanes or 1):
        with pytest.raises(IndexError):
            container.window(np.array([wrong]), 2)


def test_no_episodes_before_the_first_push_and_none_in_compiled_code():
    assert CircularTraces(3).episodes() == []
    container, _ = pushed((None, 3, [[("", 1)]]))
    with pytest.raises(ConfigError, match="how many episodes CircularTraces holds is not known in compiled code"):
        jax.jit(lambda container: container.episodes())(container)


def test_draws_are_uniform_and_have_neither_key_nor_weight():
    container, _ = pushed((2, 8, [[("", 1), ("", at % 2)] for at in range(4)]))
    indices, key, weight = container.draw(stream(0, "here"), 6000)
    assert key is None and weight is None
    counts = np.bincount(indices, minlength=6)
    assert len(counts) == len(container) == 6
    assert abs(counts - 1000).max() < 5 * np.sqrt(1000)
    there = jax.tree.map(jnp.asarray, container)
    drawn = jax.jit(lambda container, random: container.draw(random, 6000))(there, stream(0, "here"))
    np.testing.assert_array_equal(drawn[0], indices)


def test_the_latest_transitions_are_an_episode_each():
    container = LatestTransition()
    assert container.episodes() == []
    container.push(1, 1, 1.0, 2, False, False)
    assert [indices.tolist() for indices in container.episodes()] == [[0]]
    ends = np.zeros(3, bool)
    container.push(
        np.arange(3), np.arange(3), np.ones(3), np.arange(3), ends, ends, valid=np.array([True, False, True])
    )
    assert [indices.tolist() for indices in container.episodes()] == [[0], [1]]
    places, valid = container.window(np.array([1, 0]), 3)
    assert places.tolist() == [[1, 1, 1], [0, 0, 0]]
    assert valid.tolist() == [[True, False, False]] * 2
    places, _ = jax.jit(lambda container, indices: container.window(indices, 2))(container, np.array([1]))
    assert places.tolist() == [[1, 1]]
