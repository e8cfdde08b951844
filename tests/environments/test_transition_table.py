import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from rlcore.environments.transition_table import lottery, transition_table
from rlcore.errors import ConfigError


def chances(lots, n):
    """`[distributions, n]`, how likely every outcome is: the length of the numbers that lead to it."""
    total = np.zeros(len(lots.edge))
    for ticket, (edge, other) in enumerate(zip(lots.edge.astype(float), lots.other, strict=True)):
        start, end = ticket % n / n, (ticket % n + 1) / n
        own = np.clip(edge, start, end) - start
        total[ticket] += own
        total[other] += end - start - own
    return total.reshape(-1, n)


weights = st.lists(st.one_of(st.just(0.0), st.floats(1e-3, 1.0)), min_size=1, max_size=12).filter(any)


@given(st.lists(weights, min_size=1, max_size=4))
def test_every_outcome_wins_as_often_as_its_probability_says(rows):
    n = max(map(len, rows))
    table = np.array([row + [0.0] * (n - len(row)) for row in rows])
    table /= table.sum(axis=1, keepdims=True)
    found = chances(lottery(table), n)
    np.testing.assert_allclose(found, table, atol=1e-6)
    assert (found[table == 0] == 0).all()


@pytest.mark.parametrize("row", [[1.0, 0.0, 0.0], [0.0, 0.0, 1.0], [0.0, 0.5, 0.5]])
def test_the_impossible_never_wins(row):
    """Also not for the numbers at the borders between tickets, nor for the first and the last of all numbers."""
    n, lots = len(row), lottery(np.array([row]))
    borders = np.arange(n + 1, dtype=np.float32) / np.float32(n)
    numbers = np.concatenate([borders, np.nextafter(borders, np.float32(0)), np.nextafter(borders, np.float32(1))])
    numbers = numbers[(numbers >= 0) & (numbers < 1)]
    tickets = (numbers * np.float32(n)).astype(int)
    winners = np.where(numbers < lots.edge[tickets], tickets, lots.other[tickets])
    assert all(row[winner] > 0 for winner in winners)


def test_layout():
    table = transition_table(
        [[[(1, 1, 5, True)], [(0.25, 0, -1, False), (0.75, 1, 2, True)]], {0: [(1, 0, 0, 0)]} | {1: [(1, 1, 0, 1)]}]
    )
    assert (table.n_states, table.n_actions, table.n_outcomes) == (2, 2, 2)
    assert table.next_state.reshape(4, 2)[:2].tolist() == [[1, 0], [0, 1]]
    assert table.reward.reshape(4, 2)[:2].tolist() == [[5, 0], [-1, 2]]
    assert table.terminated.reshape(4, 2)[:2].tolist() == [[True, False], [False, True]]
    np.testing.assert_allclose(chances(table.lottery, 2), [[1, 0], [0.25, 0.75], [1, 0], [1, 0]], atol=1e-7)


ONE = [(1.0, 0, 0.0, False)]


@pytest.mark.parametrize(
    ("transitions", "message"),
    [
        ({}, "transitions is .*, expected a dict or list of states"),
        (3, "transitions is 3, expected a dict or list of states"),
        ({0: {0: ONE}, 2: {0: ONE}}, r"transitions has the keys \[0, 2\], expected states from 0 on"),
        ([[ONE], []], r"transitions\[1\] is \[\], expected a dict or list of actions"),
        ([[ONE], {1: ONE}], r"transitions\[1\] has the keys \[1\], expected actions from 0 on"),
        ([[ONE, ONE], [ONE]], "state 0 has 2 actions and state 1 has 1, expected the same number"),
        ([[[]]], r"transitions\[0\]\[0\] is \[\], expected a list of \(probability"),
        ([[[(1.0, 0, 0.0)]]], r"transitions\[0\]\[0\] is \[\(1.0, 0, 0.0\)\], expected a list"),
        ([[ONE], [[(0.5, 0, 0.0, False)]]], r"transitions\[1\]\[0\] has the probabilities \[0.5\], whose sum is 0.5"),
        (
            [[[(1.5, 0, 0, False), (-0.5, 0, 0, False)]]],
            r"\[1.5, -0.5\], whose sum is 1; expected numbers of at least 0",
        ),
        ([[[(float("nan"), 0, 0.0, False)]]], r"has the probabilities \[nan\]"),
        (
            [[ONE, [(1.0, 1, 0.0, False)]]],
            r"transitions\[0\]\[1\] leads to state 1, expected a whole number from 0 to 0",
        ),
        ([[[(1.0, -1, 0.0, False)]]], r"leads to state -1"),
        ([[[(1.0, 0.5, 0.0, False)]]], r"leads to state 0.5"),
        ([[[(1.0, 0, float("inf"), False)]]], r"transitions\[0\]\[0\] has the reward inf, expected a finite"),
        ([[[(1.0, 0, 1e39, False)]]], r"has the reward 1e\+39"),
    ],
)
def test_wrong_tables(transitions, message):
    with pytest.raises(ConfigError, match=message):
        transition_table(transitions)
