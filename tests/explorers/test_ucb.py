import math

import jax
import numpy as np
import pytest
from scipy import stats

from rlcore.errors import ConfigError
from rlcore.explorers import BatchExplorer, EpsilonGreedyExplorer, GreedyExplorer, UCBExplorer


def test_bounds_by_hand():
    explorer = UCBExplorer(3, c=1.5, seed=0)
    counts, values = [1e-10] * 3, np.array([0.25, 0.5, 0.125], np.float32)
    for step in range(1, 200):
        bounds = [v + 1.5 * math.sqrt(math.log(step + 1) / n) for v, n in zip(values, counts, strict=True)]
        action = explorer.plan(values)
        assert bounds[action] == pytest.approx(max(bounds), rel=1e-5)
        counts[action] += 1
    assert explorer.counts.tolist() == [round(n) for n in counts]
    assert explorer.step == 200


def test_ties_are_broken_evenly():
    """Chi-square, error probability 1e-4."""
    first = [UCBExplorer(4, seed=seed).plan(np.zeros(4)) for seed in range(1000)]
    assert stats.chisquare(np.bincount(first, minlength=4)).pvalue > 1e-4


def test_rows_are_choices_from_the_same_counts():
    explorer = UCBExplorer(4, c=0.0, seed=0)
    values = np.eye(4)[[2, 2, 3]]
    assert explorer.plan(values).tolist() == [2, 2, 3]
    assert explorer.counts.tolist() == [0, 0, 2, 1] and explorer.step == 4
    apart = BatchExplorer(UCBExplorer(4, seed=0))
    assert sorted(apart.plan(np.zeros((4, 4))).tolist()) == [0, 1, 2, 3]  # one after the other: each a new one


def test_counts_stop_before_they_overflow():
    explorer = UCBExplorer(2, c=0.0, seed=0)
    explorer.counts = np.full(2, 2**31 - 2, np.int32)
    for _ in range(3):
        explorer.plan(np.array([0.0, 1.0]))
    assert explorer.counts.tolist() == [2**31 - 2, 2**31 - 1]
    traced, _ = jax.jit(lambda explorer, values: (explorer, explorer.plan(values)))(explorer, np.array([0.0, 1.0]))
    assert traced.counts.tolist() == [2**31 - 2, 2**31 - 1]


def test_other_numbers_of_actions_are_refused():
    explorer = UCBExplorer(3)
    explorer.check(3)
    for ask in (
        lambda: explorer.check(4),
        lambda: explorer.plan(np.zeros(4)),
        lambda: BatchExplorer(explorer).check(4),
    ):
        with pytest.raises(ConfigError, match=r"built for 3 actions, but there are 4; build UCBExplorer\(4\)"):
            ask()
    GreedyExplorer().check(4)
    EpsilonGreedyExplorer(0.1).check(4)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ((0,), "n_actions is 0, expected a whole number of at least 1"),
        ((2, -1.0), "c is -1.0, expected a finite number from 0"),
        ((2, math.nan), "c is nan"),
        ((2, 2.0, 0.0), "epsilon is 0.0, expected a finite number from 1e-30"),
    ],
)
def test_wrong_arguments_are_refused(arguments, message):
    with pytest.raises(ConfigError, match=message):
        UCBExplorer(*arguments)


def test_batch_refuses_what_is_no_explorer():
    with pytest.raises(ConfigError, match="explorer is 3, expected an Explorer"):
        BatchExplorer(3)
