import jax
import jax.numpy as jnp
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from rlcore.errors import ConfigError
from rlcore.trajectories import (
    BatchSampler,
    CircularTraces,
    InsertSampleRatioController,
    LatestTransition,
    Trajectory,
    WholeSampler,
)


def make(capacity=100, batch_size=4, ratio=1.0, threshold=1):
    sampler = BatchSampler(batch_size, seed=7)
    return Trajectory(CircularTraces(capacity), sampler, InsertSampleRatioController(ratio, threshold))


def push_number(trajectory, i, **more):
    trajectory.push(
        state=np.full(2, i, np.float32),
        action=i % 3,
        reward=float(i),
        next_state=np.full(2, i + 1, np.float32),
        terminated=False,
        truncated=False,
        **more,
    )


@given(
    capacity=st.integers(4, 12),
    lengths=st.lists(st.integers(1, 6), min_size=4, max_size=12),
    lanes=st.sampled_from([None, 2]),
)
@settings(max_examples=30, deadline=None)
def test_a_batch_never_joins_two_episodes_and_has_only_what_was_pushed(capacity, lengths, lanes):
    trajectory = make(capacity, batch_size=3)
    pushed, batches = set(), []
    for episode, length in enumerate(lengths):
        for step in range(length):
            state, end = 100 * episode + step, step == length - 1
            row = (state, step % 2, float(state), state + 1, end, False)
            if lanes:  # the second environment is ten thousand ahead and sleeps in every other episode
                row = tuple(
                    np.array([value, value if i in (1, 4, 5) else value + 10_000]) for i, value in enumerate(row)
                )
                trajectory.push(*row, valid=np.array([True, episode % 2 == 0]))
                pushed |= {state + 10_000} if episode % 2 == 0 else set()
            else:
                trajectory.push(*row)
            pushed.add(state)
            batches += trajectory
    for batch in batches:
        assert set(batch.state.tolist()) <= pushed
        np.testing.assert_array_equal(batch.next_state, batch.state + 1)
        np.testing.assert_array_equal(batch.reward, batch.state)
        ends = [state % 100 == lengths[state % 10_000 // 100] - 1 for state in batch.state.tolist()]
        np.testing.assert_array_equal(batch.terminated, ends)


def test_batches_wait_for_the_sampler_and_none_is_lost():
    trajectory = make(batch_size=4, ratio=1.0, threshold=2)
    counts = []
    for i in range(6):
        push_number(trajectory, i)
        counts.append(len(list(trajectory)))
    assert counts == [0, 0, 0, 3, 1, 1]  # at the fourth those of the second and third are made up for
    assert trajectory.controller.sampled == 5


def test_a_loop_that_is_left_early_goes_on_where_it_was():
    trajectory = make(batch_size=2, ratio=3)
    push_number(trajectory, 0)
    push_number(trajectory, 1)
    for _ in trajectory:
        break
    assert trajectory.controller.sampled == 1
    assert len(list(trajectory)) == 3  # (2 - 1) * 3 + 1 in all
    assert list(trajectory) == list(trajectory) == []


class Derived(InsertSampleRatioController):
    """The same rule in a class for which nothing can be taken for granted."""


def test_the_latest_transition_comes_as_often_as_the_controller_says():
    random = np.random.default_rng(0)
    for _ in range(200):
        ratio, threshold = float(random.choice([1.0, 1.0, 0.5, 2.0, 0.0])), int(random.integers(1, 5))
        kinds = (InsertSampleRatioController, Derived)
        both = [Trajectory(LatestTransition(), WholeSampler(), kind(ratio, threshold)) for kind in kinds]
        for i in range(12):
            valid, sampled = random.random() < 0.8, int(random.integers(-2, 8))
            is_set, is_read = random.random() < 0.1, random.random() < 0.8
            counts = []
            for one in both:
                push_number(one, i, valid=valid)
                if is_set:
                    one.controller.sampled = sampled
                batches = list(one) if is_read else []
                assert all(batch is one.container for batch in batches)
                counts.append((len(batches), one.controller.inserted, one.controller.sampled))
            assert counts[0] == counts[1]


def test_the_controller_counts_valid_rows_only():
    trajectory = make(batch_size=1, ratio=1 / 2)
    zeros, ends = np.zeros(3), np.zeros(3, bool)
    for valid in ([True, False, False], [False, False, False], [True, True, True]):
        trajectory.push(zeros, zeros, zeros, zeros, ends, ends, valid=np.array(valid))
    assert trajectory.controller.inserted == len(trajectory) == 4
    assert len(list(trajectory)) == 2
    single = make()
    push_number(single, 0, valid=False)
    push_number(single, 1, valid=True)
    assert single.controller.inserted == len(single) == 1


def test_sample_does_not_count_and_says_when_too_little_is_stored():
    trajectory = make(batch_size=2)
    push_number(trajectory, 0)
    with pytest.raises(ConfigError, match="1 transitions are stored, too few for a batch of BatchSampler"):
        trajectory.sample()
    push_number(trajectory, 1)
    assert trajectory.sample().reward.shape == (2,)
    assert trajectory.controller.sampled == 0


@pytest.mark.parametrize(
    ("parts", "message"),
    [
        (
            (BatchSampler(1), CircularTraces(2), InsertSampleRatioController()),
            "container is a BatchSampler.*missing: push",
        ),
        ((CircularTraces(2), BatchSampler, InsertSampleRatioController()), "sampler is .*not a class"),
        ((CircularTraces(2), WholeSampler(), None), "controller is None.*missing: on_insert, is_due, on_sample"),
    ],
)
def test_parts_in_the_wrong_place_are_refused(parts, message):
    with pytest.raises(ConfigError, match=message):
        Trajectory(*parts)


@pytest.mark.parametrize("lanes", [None, 3])
def test_compiled_code_pushes_and_samples_the_same(lanes):
    n, capacity, batch_size = 30, 20, 5
    generator = np.random.default_rng(1)
    shape = (n,) if lanes is None else (n, lanes)
    given = {
        "state": generator.normal(size=(*shape, 2)).astype(np.float32),
        "action": generator.integers(4, size=shape),
        "reward": generator.normal(size=shape).astype(np.float32),
        "next_state": generator.normal(size=(*shape, 2)).astype(np.float32),
        "terminated": generator.random(shape) < 0.1,
        "truncated": generator.random(shape) < 0.1,
        "valid": generator.random(shape) < 0.7,
        "mask": generator.random((*shape, 4)) < 0.5,
        "next_mask": generator.random((*shape, 4)) < 0.5,
        "extras": {"log_prob": generator.normal(size=shape).astype(np.float32)},
    }
    rows = [jax.tree.map(lambda leaf, i=i: leaf[i], given) for i in range(n)]

    def step(trajectory, row):
        trajectory.push(**row)
        return trajectory, trajectory.sample()

    eager, compiled = (make(capacity, batch_size) for _ in range(2))
    for trajectory in (eager, compiled):
        for row in rows[:12]:
            trajectory.push(**row)
    expected = []
    for row in rows[12:]:
        eager.push(**row)
        expected.append(eager.sample())
    rest = jax.tree.map(lambda leaf: leaf[12:], given)
    strong = jax.tree.map(jnp.asarray, compiled)
    compiled, batches = jax.jit(lambda trajectory, rows: jax.lax.scan(step, trajectory, rows))(strong, rest)
    jax.tree.map(np.testing.assert_array_equal, jax.tree.map(lambda *leaves: np.stack(leaves), *expected), batches)
    jax.tree.map(np.testing.assert_array_equal, eager, jax.tree.map(np.asarray, compiled))
    assert compiled.sampler.random.count == eager.sampler.random.count == 18 * batch_size


def test_a_trajectory_of_its_own_parts():
    """A user's container, sampler and controller need only the methods that are asked."""

    class Newest(WholeSampler):
        def sample(self, container):
            return container.take(np.array([len(container) - 1])) if len(container) else None

    class Always(InsertSampleRatioController):
        def is_due(self):
            return self.sampled < 2

    trajectory = Trajectory(CircularTraces(5), Newest(), Always())
    assert list(trajectory) == []
    push_number(trajectory, 8)
    assert [batch.reward.tolist() for batch in trajectory] == [[8.0], [8.0]]


def test_priorities_of_a_container_without_any_are_refused():
    with pytest.raises(ConfigError, match=r"CircularTraces has no priorities .* PrioritizedTraces"):
        make().update_priorities(np.zeros(1, np.int64), np.ones(1))
