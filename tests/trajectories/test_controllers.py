import math
from fractions import Fraction

import jax
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from rlcore.errors import ConfigError
from rlcore.trajectories import (
    CircularTraces,
    EpisodeSampleRatioController,
    EpisodesSampler,
    InsertSampleRatioController,
    Trajectory,
)


def batches_after(controller, inserts):
    """How many batches have been sampled in all after each insert, if all that are due are sampled."""
    counts = []
    for n in inserts:
        controller.on_insert(n)
        while controller.is_due():
            controller.on_sample()
        counts.append(controller.sampled)
    return counts


@pytest.mark.parametrize(
    ("ratio", "threshold", "expected"),
    [
        (1, 1, [1, 2, 3, 4, 5, 6]),
        (1.0, 3, [0, 0, 1, 2, 3, 4]),
        (2, 1, [1, 3, 5, 7, 9, 11]),
        (1 / 2, 1, [1, 1, 2, 2, 3, 3]),
        (1 / 3, 2, [0, 1, 1, 1, 2, 2]),
        (0.3, 1, [1, 1, 1, 1, 2, 2, 2, 3, 3, 3, 4]),
        (0, 2, [0, 1, 1, 1]),
    ],
)
def test_batches_by_hand(ratio, threshold, expected):
    controller = InsertSampleRatioController(ratio, threshold)
    assert batches_after(controller, [1] * len(expected)) == expected


@given(
    ratio=st.sampled_from([1, 2, 5, 1 / 10, 1 / 3, 0.3, 0.7, 2.5, Fraction(3, 7)]),
    threshold=st.integers(1, 20),
    inserts=st.lists(st.integers(0, 8), max_size=60),
)
@settings(max_examples=200, deadline=None)
def test_batches_like_the_definition(ratio, threshold, inserts):
    exact = Fraction(ratio).limit_denominator(1000)
    inserted = sampled = 0
    expected = []
    for n in inserts:
        inserted += n
        while inserted >= threshold and sampled <= (inserted - threshold) * exact:
            sampled += 1
        expected.append(sampled)
    assert batches_after(InsertSampleRatioController(ratio, threshold), inserts) == expected


@pytest.mark.parametrize(("ratio", "per_step", "steps_per_batch"), [(1 / 10, 1, 10), (1 / 3, 1, 3), (1 / 49, 1, 49)])
@pytest.mark.parametrize("start", [0, 10**9, 2**40, 2**62])
def test_no_drift_and_no_overflow(ratio, per_step, steps_per_batch, start):
    """After `start` periods the batches still come exactly one in `steps_per_batch` steps."""
    controller = InsertSampleRatioController(ratio)
    controller.on_insert(start * steps_per_batch + 1)
    controller.sampled = start + 1
    due = []
    for step in range(1, 5 * steps_per_batch + 1):
        controller.on_insert(per_step)
        if controller.is_due():
            controller.on_sample()
            due.append(step)
    assert due == [steps_per_batch * k for k in range(1, 6)]


def test_a_ratio_that_is_no_simple_fraction_is_kept_as_it_is():
    controller = InsertSampleRatioController(math.pi)
    controller.on_insert(10**4 + 1)
    assert batches_after(controller, [0]) == [math.floor(10**4 * math.pi) + 1]


@pytest.mark.parametrize("ratio", [-1, -0.1, math.nan, math.inf, "1", None, True])
def test_ratio_is_a_finite_number(ratio):
    with pytest.raises(ConfigError, match=r"ratio is .*, expected a finite number"):
        InsertSampleRatioController(ratio)


@pytest.mark.parametrize("threshold", [0, -5, 1.5, math.nan, True, None])
def test_threshold_is_a_whole_number(threshold):
    with pytest.raises(ConfigError, match=r"threshold is .*, expected a whole number of at least 1"):
        InsertSampleRatioController(1.0, threshold)


def test_compiled_code_counts_alike():
    @jax.jit
    def step(controller, n):
        controller.on_insert(n)
        due = controller.is_due()
        controller.sampled = controller.sampled + due
        return controller, due

    eager, compiled = InsertSampleRatioController(0.3, 4), InsertSampleRatioController(0.3, 4)
    for n in [1, 2, 0, 3, 1, 1, 5, 1]:
        eager.on_insert(n)
        due = eager.is_due()
        eager.sampled += due
        compiled, due_compiled = step(compiled, n)
        assert bool(due_compiled) == due
    np.testing.assert_array_equal([compiled.inserted, compiled.sampled], [eager.inserted, eager.sampled])


def episodes(ratio, threshold):
    return Trajectory(CircularTraces(50), EpisodesSampler(), EpisodeSampleRatioController(ratio, threshold))


@pytest.mark.parametrize(
    ("ratio", "threshold", "expected"),
    [
        (1, 1, [0, 1, 1, 2, 3, 3]),
        (2, 2, [0, 0, 0, 1, 3, 3]),
        (1 / 2, 1, [0, 1, 1, 1, 2, 2]),
    ],
)
def test_episodes_by_hand(ratio, threshold, expected):
    """The second transition terminates, the fourth is cut, the fifth does both, the sixth goes on."""
    trajectory, counts = episodes(ratio, threshold), []
    for i in range(6):
        trajectory.push(i, 0, 0.0, i + 1, i in (1, 4), i in (3, 4))
        counts.append(trajectory.controller.sampled + len(list(trajectory)))
    assert counts == expected
    assert trajectory.controller.ended == 3
    assert (trajectory.controller.ratio, trajectory.controller.threshold) == (ratio, threshold)


def test_every_row_has_its_own_episodes_and_only_valid_ones_count():
    trajectory = episodes(1, 1)
    row = np.zeros(4)
    for terminated, truncated, valid, ended in (
        ([0, 0, 0, 0], [0, 0, 0, 0], [1, 1, 1, 1], 0),
        ([1, 0, 0, 1], [0, 1, 0, 1], [1, 1, 1, 1], 3),
        ([1, 0, 0, 1], [0, 1, 0, 1], [0, 0, 1, 1], 4),
        ([1, 1, 1, 1], [0, 0, 0, 0], [0, 0, 0, 0], 4),
        ([1, 1, 0, 0], [0, 0, 0, 0], None, 6),
    ):
        flags = (np.array(terminated, bool), np.array(truncated, bool))
        trajectory.push(row, row, row, row, *flags, valid=None if valid is None else np.array(valid, bool))
        assert trajectory.controller.ended == ended
    single = episodes(1, 1)
    single.push(0, 0, 0.0, 1, True, False, valid=False)
    assert single.controller.ended == 0
    single.push(0, 0, 0.0, 1, np.bool_(True), np.bool_(False), valid=True)
    assert single.controller.ended == 1


@pytest.mark.parametrize(("arguments", "message"), [((-1,), "ratio is -1"), ((1, 0), "threshold is 0")])
def test_the_numbers_of_episodes_are_checked(arguments, message):
    with pytest.raises(ConfigError, match=message):
        EpisodeSampleRatioController(*arguments)
