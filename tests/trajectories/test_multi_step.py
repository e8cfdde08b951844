import jax
import jax.numpy as jnp
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from rlcore.errors import ConfigError
from rlcore.trajectories import (
    CircularTraces,
    InsertSampleRatioController,
    LatestTransition,
    MultiStepSampler,
    NStepBatchSampler,
    PrioritizedTraces,
    Trajectory,
)
from tests.trajectories.pushed import fill, pushes

GAMMA = 0.5  # sums of small numbers are exact

cases = {
    "capacity": st.sampled_from([1, 2, 3, 5, 7, 12, 40, 64]),
    "n": st.integers(1, 6),
    "data": st.data(),
    "lanes": st.sampled_from([None, 1, 3]),
    "kind": st.sampled_from([CircularTraces, PrioritizedTraces]),
}


def expected_row(window, n):
    """Reward, next state, flags and discount of a window, as one writes them down."""
    reward = sum(GAMMA**i * one.reward for i, one in enumerate(window))
    last = window[-1]
    discount = 0.0 if last.terminated else GAMMA ** len(window)
    return reward, last.next_state, last.terminated, last.truncated, discount


def sized(capacity, lanes, n):
    """A capacity that takes the lanes and the window, and the size of a lane."""
    capacity = max(capacity, n * (lanes or 1))
    return capacity, capacity // (lanes or 1)


@given(**cases)
@settings(max_examples=100, deadline=None)
def test_n_steps_like_the_definition(capacity, n, data, lanes, kind):
    pushed = data.draw(pushes(lanes))
    capacity, size = sized(capacity, lanes, n)
    container = fill(pushed, lanes, kind(capacity))
    if not container.n_stored:
        return
    batch = NStepBatchSampler(container.n_stored, n, GAMMA, seed=data.draw(st.integers(0, 9))).sample(container)
    for i, state in enumerate(batch.state.tolist()):
        window = pushed.window(size, state, n)
        row = (batch.reward[i], batch.next_state[i], batch.terminated[i], batch.truncated[i], batch.discount[i])
        assert tuple(map(float, row)) == tuple(map(float, expected_row(window, n)))
        assert batch.action[i] == window[0].action
    assert batch.reward.dtype == batch.discount.dtype == np.float32


@given(**cases)
@settings(max_examples=100, deadline=None)
def test_windows_like_the_definition(capacity, n, data, lanes, kind):
    pushed = data.draw(pushes(lanes))
    capacity, size = sized(capacity, lanes, n)
    container = fill(pushed, lanes, kind(capacity))
    if not container.n_stored:
        return
    batch = MultiStepSampler(container.n_stored, n, seed=data.draw(st.integers(0, 9))).sample(container)
    assert batch.valid.shape == batch.reward.shape == (container.n_stored, n)
    for i in range(container.n_stored):
        window = pushed.window(size, batch.state[i, 0].item(), n)
        assert batch.valid[i].tolist() == [True] * len(window) + [False] * (n - len(window))
        padded = window + [window[-1]] * (n - len(window))
        for name in window[0]._fields:
            assert getattr(batch, name)[i].tolist() == [getattr(one, name) for one in padded]


@pytest.mark.parametrize("lanes", [None, 3])
@pytest.mark.parametrize("kind", [CircularTraces, PrioritizedTraces])
@pytest.mark.parametrize(
    "sampler", [lambda: NStepBatchSampler(5, 3, GAMMA, seed=1), lambda: MultiStepSampler(5, 3, seed=1)]
)
def test_compiled_code_draws_the_same(lanes, kind, sampler):
    generator = np.random.default_rng(2)
    n = 40

    def column(draw):
        return np.stack([draw(() if lanes is None else (lanes,)) for _ in range(n)])

    given = {
        "state": np.arange(n * (lanes or 1), dtype=np.float32).reshape((n,) if lanes is None else (n, lanes)),
        "action": column(lambda shape: generator.integers(4, size=shape)),
        "reward": column(lambda shape: generator.normal(size=shape)).astype(np.float32),
        "next_state": column(lambda shape: generator.normal(size=shape)).astype(np.float32),
        "terminated": column(lambda shape: generator.random(shape) < 0.2),
        "truncated": column(lambda shape: generator.random(shape) < 0.2),
        "valid": column(lambda shape: generator.random(shape) < 0.8),
        "extras": {"log_prob": column(lambda shape: generator.normal(size=shape)).astype(np.float32)},
    }
    eager, compiled = (Trajectory(kind(12), sampler(), InsertSampleRatioController()) for _ in range(2))
    rows = [jax.tree.map(lambda leaf, i=i: leaf[i], given) for i in range(n)]
    for trajectory in (eager, compiled):
        for row in rows[:10]:
            trajectory.push(**row)
    expected = []
    for row in rows[10:]:
        eager.push(**row)
        expected.append(eager.sample())

    def step(trajectory, row):
        trajectory.push(**row)
        return trajectory, trajectory.sample()

    rest = jax.tree.map(lambda leaf: leaf[10:], given)
    compiled, batches = jax.jit(lambda one, rows: jax.lax.scan(step, one, rows))(
        jax.tree.map(jnp.asarray, compiled), rest
    )
    expected = jax.tree.map(lambda *leaves: np.stack(leaves), *expected)
    jax.tree.map(lambda one, two: np.testing.assert_allclose(one, two, 1e-6), expected, batches)
    assert type(batches) is type(expected)


def test_n_steps_by_hand():
    """Rewards 1, 2, 4, 8, 16; the third transition terminates, the fifth is the newest."""
    container = CircularTraces(5)
    for i in range(5):
        container.push(
            float(i),
            i,
            float(2**i),
            i + 1.0,
            i == 2,
            False,
            mask=np.array([i > 0, True]),
            next_mask=np.array([i > 1, True]),
        )
    batch = NStepBatchSampler(200, 3, GAMMA, seed=0).sample(fill_up(container))
    rows = {
        state: (reward, next_state, terminated, discount)
        for state, reward, next_state, terminated, discount in zip(
            *(getattr(batch, name).tolist() for name in ("state", "reward", "next_state", "terminated", "discount")),
            strict=True,
        )
    }
    assert rows == {
        0.0: (1 + 1 + 1, 3.0, True, 0.0),
        1.0: (2 + 2, 3.0, True, 0.0),
        2.0: (4.0, 3.0, True, 0.0),
        3.0: (8 + 8, 5.0, False, 0.25),
        4.0: (16.0, 5.0, False, 0.5),
    }
    np.testing.assert_array_equal(batch.mask[:, 0], batch.state > 0)
    np.testing.assert_array_equal(batch.next_mask[:, 0], batch.next_state > 2)


def fill_up(container):
    """The same container, which claims to hold enough for any batch."""

    class Claims:
        n_stored = 10**6

        def __getattr__(self, name):
            return getattr(container, name)

    return Claims()


def test_extras_and_trees_are_those_of_the_drawn_transition():
    container = CircularTraces(6)
    for i in range(6):
        state = {"image": np.full((2, 2), i, np.uint8), "speed": np.float32(i)}
        after = {"image": np.full((2, 2), i + 1, np.uint8), "speed": np.float32(i + 1)}
        container.push(state, i, 1.0, after, False, i == 5, extras={"log_prob": np.float32(-i)})
    batch = NStepBatchSampler(6, 2, 1.0, seed=3).sample(container)
    np.testing.assert_array_equal(batch.extras["log_prob"], -batch.state["speed"])
    np.testing.assert_array_equal(batch.next_state["speed"], np.minimum(batch.state["speed"] + 2, 6))
    np.testing.assert_array_equal(batch.next_state["image"][:, 0, 0], batch.next_state["speed"])
    windows = MultiStepSampler(6, 2, seed=3).sample(container)
    assert windows.state["image"].shape == (6, 2, 2, 2) and windows.state["image"].dtype == np.uint8
    np.testing.assert_array_equal(windows.extras["log_prob"], -windows.state["speed"])


@pytest.mark.parametrize("kind", [lambda *a: NStepBatchSampler(*a, 0.9), MultiStepSampler])
def test_waits_and_draws_nothing(kind):
    container, sampler = CircularTraces(10), kind(4, 3)
    for i in range(3):
        container.push(i, 0, 0.0, i, False, False)
        assert sampler.sample(container) is None and not sampler.is_ready(container)
    assert sampler.random.count == 0
    container.push(3, 0, 0.0, 3, False, False)
    assert sampler.is_ready(container) and len(sampler.sample(container).reward) == 4


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: NStepBatchSampler(0, 3, 0.9), "batch_size is 0"),
        (lambda: NStepBatchSampler(4, 0, 0.9), "n is 0, expected a whole number of at least 1"),
        (lambda: NStepBatchSampler(4, 2.0, 0.9), "n is 2.0"),
        (lambda: NStepBatchSampler(4, 3, 1.1), "gamma is 1.1"),
        (lambda: NStepBatchSampler(4, 3, np.nan), "gamma is nan"),
        (lambda: MultiStepSampler(-1, 3), "batch_size is -1"),
        (lambda: MultiStepSampler(4, True), "n is True"),
        (lambda: trajectory(CircularTraces(3), MultiStepSampler(4, 2)), "batch_size is 4, but only 3 transitions"),
        (lambda: trajectory(CircularTraces(4), NStepBatchSampler(4, 5, 0.9)), "n is 5, but only 4 transitions"),
        (lambda: trajectory(PrioritizedTraces(4), MultiStepSampler(4, 5)), "n is 5, but only 4 transitions"),
        (
            lambda: trajectory(LatestTransition(), NStepBatchSampler(1, 2, 0.9)),
            "NStepBatchSampler can't draw from Latest",
        ),
    ],
)
def test_numbers_that_can_not_work_are_refused(make, message):
    with pytest.raises(ConfigError, match=message):
        make()


def trajectory(container, sampler):
    return Trajectory(container, sampler, InsertSampleRatioController())


def test_a_window_longer_than_a_lane_is_refused():
    one = trajectory(CircularTraces(10), NStepBatchSampler(2, 3, 0.9))
    zeros, ends = np.zeros(4), np.zeros(4, bool)
    one.push(zeros, zeros, zeros, zeros, ends, ends)
    with pytest.raises(ConfigError, match="n is 3, but only 2 transitions in a row can be stored of each of 4"):
        list(one)
