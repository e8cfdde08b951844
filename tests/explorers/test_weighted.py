import math

import numpy as np
import pytest

from rlcore.errors import ConfigError
from rlcore.explorers import GreedyExplorer, GumbelSoftmaxExplorer, WeightedExplorer, WeightedSoftmaxExplorer

NAN, INF = math.nan, math.inf


@pytest.mark.parametrize(
    ("values", "mask", "prob"),
    [
        ([1, 3], None, [0.25, 0.75]),
        ([1, 3, 4], [True, True, False], [0.25, 0.75, 0]),
        ([0, 3e38, 3e38], None, [0, 0.5, 0.5]),  # their sum is no float32
        ([0, 1e-37, 3e-37], None, [0, 0.25, 0.75]),
        ([NAN, -1, 2], [False, False, True], [0, 0, 1]),
    ],
)
def test_weights_by_hand(values, mask, prob):
    explorer = WeightedExplorer(seed=0)
    np.testing.assert_allclose(explorer.prob(np.array(values, np.float32), mask), prob, atol=1e-7)
    np.testing.assert_allclose(explorer.prob(np.array(values, np.float64), mask), prob, atol=1e-7)
    assert all(prob[explorer.plan(values, mask)] > 0 for _ in range(50))


def test_probabilities_are_normalised_over_the_legal_actions():
    explorer = WeightedExplorer(is_normalized=True, seed=0)
    values, mask = np.array([0.25, 0.25, 0.5]), [True, True, False]
    assert explorer.prob(values, mask).tolist() == [0.5, 0.5, 0]
    counted = np.bincount([explorer.plan(values, mask) for _ in range(1000)], minlength=3)
    assert 420 < counted[0] < 580 and counted[2] == 0
    explorer.plan(np.array([0.5, 0.5 + 9e-7]))
    with pytest.raises(ConfigError, match="don't sum to 1 within 1e-6, as is_normalized says"):
        explorer.plan(np.array([0.5, 0.5 + 2e-6]))


@pytest.mark.parametrize("wrong", [[0, 0], [-1, 2], [NAN, 1], [INF, 1]])
def test_wrong_weights_are_refused(wrong):
    explorer = WeightedExplorer(seed=0)
    with pytest.raises(ConfigError, match=r"weights of the legal actions are wrong: \["):
        explorer.plan(np.array(wrong, np.float32))
    with pytest.raises(ConfigError, match=r"wrong in row 1: \[.*expected finite weights of at least 0"):
        explorer.prob(np.array([[1, 1], wrong], np.float32))


SOFTMAX = [
    ([0, math.log(3)], None, [0.25, 0.75]),
    ([1e30, 1e30, -1e30], None, [0.5, 0.5, 0]),
    ([-3e38, 3e38], None, [0, 1]),
    ([-INF, 0, 0], None, [0, 0.5, 0.5]),
    ([-INF, -INF, 5], [True, True, False], [0.5, 0.5, 0]),
    ([INF, INF, 0], None, [0.5, 0.5, 0]),
    ([NAN, 0, 0], [False, True, True], [0, 0.5, 0.5]),
    ([-2000, -1000, 0], [True, True, False], [0, 1, 0]),  # exp of each is 0
]


@pytest.mark.parametrize("explorer", [WeightedSoftmaxExplorer(seed=0), GumbelSoftmaxExplorer(seed=0)])
@pytest.mark.parametrize(("values", "mask", "prob"), SOFTMAX)
def test_softmax_by_hand(explorer, values, mask, prob):
    values = np.array(values, np.float32)
    np.testing.assert_allclose(explorer.prob(values, mask), prob, atol=1e-6)
    assert {explorer.plan(values, mask) for _ in range(60)} == set(np.flatnonzero(prob).tolist())


def test_temperature():
    values = np.array([0.0, 1.0])
    assert WeightedSoftmaxExplorer(0.5).prob(values)[1] == pytest.approx(1 / (1 + math.exp(-2)), abs=1e-6)
    np.testing.assert_allclose(WeightedSoftmaxExplorer(1e30).prob(values), 0.5, atol=1e-6)
    np.testing.assert_allclose(WeightedSoftmaxExplorer(1e-30).prob(values), [0, 1], atol=1e-6)


@pytest.mark.parametrize("explorer", [WeightedSoftmaxExplorer(seed=0), GumbelSoftmaxExplorer(seed=0)])
def test_nan_logits_are_refused(explorer):
    with pytest.raises(ConfigError, match=r"a value of a legal action is NaN in row 1: \[ 0. nan\]"):
        explorer.plan(np.array([[0, 1], [0, NAN]]))


@pytest.mark.parametrize("temperature", [0, -1, NAN, INF, "warm"])
def test_wrong_temperatures_are_refused(temperature):
    with pytest.raises(ConfigError, match=f"temperature is {temperature!r}, expected a finite number from 1e-30"):
        WeightedSoftmaxExplorer(temperature)


def test_is_normalized_is_a_bool():
    with pytest.raises(ConfigError, match="is_normalized is 1"):
        WeightedExplorer(1)


@pytest.mark.parametrize("size", [4, 40])
@pytest.mark.parametrize(
    ("head", "mask", "expected"),
    [
        ([1, 3, 3, 2], None, 1),
        ([NAN, 3, NAN, 4], None, 3),
        ([5, NAN, 2, 2], [False, True, True, True], 2),
        ([5, -INF, -INF, NAN], [False, False, True, True], 2),
        ([NAN] * 4, [False, False, True, True], 2),
    ],
)
def test_greedy_takes_the_first_of_the_best(size, head, mask, expected):
    values = np.full(size, -INF)
    values[: len(head)] = head
    if mask is not None:
        mask = np.pad(mask, (0, size - 4))
    assert GreedyExplorer().plan(values, mask) == expected
    assert GreedyExplorer().plan(values[None], None if mask is None else mask[None]).tolist() == [expected]
    assert GreedyExplorer().prob(values, mask).argmax() == expected
