"""Masks that nobody can write to: what they allow is found once, and answers are the same as without."""

from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pytest

from rlcore import legal
from rlcore.approximators import TabularQApproximator
from rlcore.explorers.greedy import best_of_row
from rlcore.learners.bellman import update_cell
from rlcore.legal import legal_of, remember


def read_only(flags):
    mask = np.array(flags, bool)
    mask.flags.writeable = False
    return mask


@pytest.mark.parametrize("flags", [[1, 0, 1, 1], [0, 0, 1, 0], [1]])
def test_it_says_what_is_legal(flags):
    mask = remember(np.array(flags, bool))
    indices, pick = legal_of(mask)
    assert indices == tuple(i for i, flag in enumerate(flags) if flag)
    assert pick([10 * i for i in range(len(flags))]) == tuple(10 * i for i in indices)
    with pytest.raises(ValueError, match="read-only"):
        mask[0] = True


def test_it_says_nothing_of_others():
    mask = remember(np.ones(3, bool))
    for other in (np.ones(3, bool), read_only([1, 1]), mask[:2], mask.copy(), [True], None):
        assert legal_of(other) is None


def test_it_forgets_masks_that_nobody_holds():
    before = len(legal._known)
    for i in range(200):  # mostly at the same place in memory
        mask = remember(np.arange(8) == i % 8)
        assert legal_of(mask).indices == (i % 8,)
    assert len(legal._known) == len(legal._alive) == before + 1
    del mask
    assert len(legal._known) == len(legal._alive) == before


def test_threads_may_meet_new_masks_at_the_same_time():
    def meet(seed):
        random = np.random.default_rng(seed)
        for _ in range(2_000):
            flags = random.random(5) < 0.5
            flags[seed % 5] = True
            assert legal_of(remember(flags)).indices == tuple(np.flatnonzero(flags))
        return True

    with ThreadPoolExecutor(4) as pool:
        assert all(pool.map(meet, range(4)))


def test_choices_and_updates_are_those_of_masks_that_can_be_written_to():
    random = np.random.default_rng(0)
    for _ in range(3_000):
        n = int(random.integers(1, 6))
        values = random.choice([0.0, 1.0, -1.0, np.nan, np.inf], n)
        flags = random.random(n) < 0.6
        if not flags.any():
            continue
        mask, fixed = flags.copy(), remember(flags.copy())
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
    assert best_of_row(np.zeros(3), remember(np.ones(2, bool))) == best_of_row(np.zeros(3), np.ones(2, bool)) == -1
