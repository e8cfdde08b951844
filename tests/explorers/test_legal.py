"""Masks that nobody can write to: what they allow is found once, and answers are the same as without."""

import numpy as np
import pytest

from rlcore.approximators import TabularQApproximator
from rlcore.explorers import legal
from rlcore.explorers.greedy import best_of_row
from rlcore.explorers.legal import legal_of
from rlcore.learners.bellman import update_cell


def read_only(flags):
    mask = np.array(flags, bool)
    mask.flags.writeable = False
    return mask


@pytest.mark.parametrize("flags", [[1, 0, 1, 1], [0, 0, 1, 0], [1]])
def test_it_says_what_is_legal(flags):
    indices, pick = legal_of(read_only(flags))
    assert indices == tuple(i for i, flag in enumerate(flags) if flag)
    assert pick([10 * i for i in range(len(flags))]) == tuple(10 * i for i in indices)


def test_a_mask_that_may_change_or_is_none_is_left_to_others():
    base = np.ones(4, bool)
    view = base[:3]
    view.flags.writeable = False
    numbers = np.ones(3, np.int8)
    numbers.flags.writeable = False
    for mask in (np.ones(3, bool), view, numbers, read_only([0, 0]), read_only([[1, 0]]), [True], None):
        assert legal_of(mask) is None


def test_it_keeps_apart_masks_that_follow_one_another_at_the_same_place():
    for i in range(200):
        flags = np.arange(8) == i % 8
        assert legal_of(read_only(flags)).indices == (i % 8,)


def test_it_forgets_rather_than_grows(monkeypatch):
    monkeypatch.setattr(legal, "_MANY", 10)
    monkeypatch.setattr(legal, "_known", {})
    for _ in range(100):
        assert legal_of(read_only([0, 1])).indices == (1,)
        assert len(legal._known) <= 10


def test_choices_and_updates_are_those_of_masks_that_can_be_written_to():
    random = np.random.default_rng(0)
    for _ in range(3_000):
        n = int(random.integers(1, 6))
        values = random.choice([0.0, 1.0, -1.0, np.nan, np.inf], n)
        flags = random.random(n) < 0.6
        mask, fixed = flags.copy(), read_only(flags)
        for only in (False, True):
            quick = best_of_row(values, fixed, only)
            # of several equal values one may be illegal, which asks for a closer look without need
            assert quick == best_of_row(values, mask, only) or (only and list(values[flags]).count(values[quick]) == 1)
        numbers = np.where(np.isfinite(values), values, 0.5)
        after = []
        for one in (mask, fixed):
            table = TabularQApproximator(2, n)
            table.table[1] = numbers
            update_cell(table.cells(), 0, 1, 0, 0.25, False, 0.5, 0.5, one)
            after.append(table.table.tolist())
        assert after[0] == after[1]


def test_a_mask_of_another_length_is_refused_alike():
    assert best_of_row(np.zeros(3), read_only([1, 1])) == best_of_row(np.zeros(3), np.ones(2, bool)) == -1
