import jax
import numpy as np
import pytest

from rlcore.errors import RLCoreError
from rlcore.explorers import GumbelSoftmaxExplorer, UCBExplorer, WeightedExplorer, WeightedSoftmaxExplorer
from rlcore.explorers.row import legal_part, limits

SPECIAL = np.array([np.nan, np.inf, -np.inf, -3e38, 3e38, 1e-40, 0.0, -0.0, 1e-30, 1e30, -1.0, 1.0, 0.5, 0.5, 0.25])
EXPLORERS = {
    "weighted": lambda n: WeightedExplorer(seed=1),
    "normalized": lambda n: WeightedExplorer(is_normalized=True, seed=1),
    "softmax": lambda n: WeightedSoftmaxExplorer(seed=1),
    "cold": lambda n: WeightedSoftmaxExplorer(0.01, seed=1),
    "coldest": lambda n: WeightedSoftmaxExplorer(1e-30, seed=1),
    "gumbel": lambda n: GumbelSoftmaxExplorer(seed=1),
    "ucb": lambda n: UCBExplorer(n, seed=1),
    "ucb_ties": lambda n: UCBExplorer(n, 0.0, seed=1),
}


def some_row(rng, n):
    """Weights, probabilities, ties, values that no explorer likes, and some of any size; and a mask or none."""
    row = (
        lambda: rng.random(n),
        lambda: rng.dirichlet(np.ones(n)),
        lambda: rng.integers(0, 4, n) / 4,
        lambda: SPECIAL[rng.integers(len(SPECIAL), size=n)],
        lambda: rng.normal(size=n) * 10.0 ** rng.integers(-45, 39),
    )[rng.integers(5)]()
    with np.errstate(over="ignore"):
        row = row.astype((np.float32, np.float64)[rng.integers(2)])
    return row, None if rng.random() < 0.5 else rng.random(n) < 0.6


def ask(explorer, values, mask):
    try:
        return explorer.plan(values, mask)
    except RLCoreError as error:
        return type(error)


@pytest.mark.parametrize("n", [1, 2, 4, 20])
@pytest.mark.parametrize("name", EXPLORERS)
@pytest.mark.filterwarnings("ignore:overflow:RuntimeWarning", "ignore:invalid:RuntimeWarning")
def test_one_row_is_chosen_from_as_one_of_many(name, n):
    """A leading axis takes the general way."""
    alone, among = EXPLORERS[name](n), EXPLORERS[name](n)
    rng, chosen = np.random.default_rng(n), 0
    for _ in range(300):
        values, mask = some_row(rng, n)
        action = ask(alone, values, mask)
        general = ask(among, values[None], None if mask is None else mask[None])
        if isinstance(action, int):
            assert type(action) is int and general.tolist() == [action]
            chosen += 1
        else:
            assert action == general
    assert chosen > 30
    jax.tree.map(np.testing.assert_array_equal, alone, among)


def test_one_row_is_chosen_from_as_in_a_trace():
    """Thousands of rows in one call take the numbers of one row after the other."""
    rng, names = np.random.default_rng(0), ("weighted", "softmax")
    values, mask = rng.random((3000, 6)).astype(np.float32), rng.random((3000, 6)) < 0.6
    mask[:, 0] |= ~mask.any(-1)
    traced = jax.jit(lambda explorers, values, mask: [explorer.plan(values, mask) for explorer in explorers])
    together = traced([EXPLORERS[name](6) for name in names], values, mask)
    for name, expected in zip(names, together, strict=True):
        explorer = EXPLORERS[name](6)
        assert [explorer.plan(*row) for row in zip(values, mask, strict=True)] == expected.tolist()


def test_what_is_no_plain_row_takes_the_general_way():
    row, mask = np.ones(3), np.ones(3, bool)
    part, indices = legal_part(row, np.array([False, True, True]))
    assert part.tolist() == [1, 1] and indices.tolist() == [1, 2]
    for values, legal in (
        (np.ones((1, 3)), None),
        (np.ones(3, int), None),
        (np.ones(3, np.float16), None),
        (np.ones(0), None),
        ([1.0, 1.0], None),
        (row, mask.tolist()),
        (row, mask.astype(int)),
        (row, mask[:2]),
        (row, ~mask),
    ):
        assert legal_part(values, legal) == (None, None)


def test_limits():
    assert limits([1.0, -2.0, 3.0]) == (-2, 3)
    assert all(np.isnan(limit) for limit in limits([1.0, float("nan"), 3.0]))
