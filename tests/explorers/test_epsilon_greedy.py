import math

import jax
import jax.numpy as jnp
import numpy as np
import optax
import pytest
from scipy import stats

from rlcore.errors import ConfigError
from rlcore.explorers import EpsilonGreedyExplorer
from rlcore.random import stream

LINEAR = {"epsilon_init": 0.9, "warmup_steps": 100, "decay_steps": 100}
VALUES = np.array([0.0, 1.0, 1.0], np.float32)


@pytest.mark.parametrize(
    ("kind", "step", "expected"),
    [
        ("linear", 0, 0.9),
        ("linear", 100, 0.9),
        ("linear", 101, 0.1 + 0.8 * 0.99),
        ("linear", 150, 0.5),
        ("linear", 199, 0.1 + 0.8 * 0.01),
        ("linear", 200, 0.1),
        ("linear", 2**40, 0.1),
        ("exp", 100, 0.9),
        ("exp", 101, 0.1 + 0.8 * math.exp(-0.01)),
        ("exp", 200, 0.1 + 0.8 * math.exp(-1)),
        ("exp", 700, 0.1 + 0.8 * math.exp(-6)),
        ("exp", 2**40, 0.1),
    ],
)
def test_epsilon_decays_as_in_the_original(kind, step, expected):
    explorer = EpsilonGreedyExplorer(0.1, kind, **LINEAR, step=step)
    assert type(explorer.epsilon()) is float
    assert explorer.epsilon() == pytest.approx(expected, abs=2e-7)
    assert explorer.epsilon(step) == explorer.epsilon()
    assert jax.jit(lambda explorer: explorer.epsilon())(explorer) == explorer.epsilon()


@pytest.mark.parametrize(
    "explorer",
    [
        EpsilonGreedyExplorer(0.01, warmup_steps=10, decay_steps=2000),
        EpsilonGreedyExplorer(0.9, epsilon_init=0.05, warmup_steps=10, decay_steps=1777),
        EpsilonGreedyExplorer(0.3, warmup_steps=5),
        EpsilonGreedyExplorer(0.3, "exp", warmup_steps=5),
    ],
)
def test_a_trace_has_the_same_epsilon_to_the_last_bit(explorer):
    steps = np.arange(6000)
    np.testing.assert_array_equal(jax.jit(explorer.epsilon)(steps), explorer.epsilon(steps))


def test_epsilon_is_constant_without_decay():
    explorer = EpsilonGreedyExplorer(0.1)
    assert explorer.epsilon() == explorer.epsilon(1) == explorer.epsilon(10**9) == pytest.approx(0.1, abs=1e-7)
    assert explorer.epsilon(np.arange(3)).tolist() == [np.float32(explorer.epsilon())] * 3
    assert EpsilonGreedyExplorer(1e-9).epsilon() == 2**-24  # not never


def test_a_step_of_2_to_the_40_counts_on():
    explorer = EpsilonGreedyExplorer(0.0, decay_steps=1000, step=2**40, seed=0)
    assert [explorer.plan(VALUES) for _ in range(50)] == [1] * 50
    assert explorer.step == 2**40 + 50
    traced, _ = jax.jit(lambda explorer: (explorer, explorer.plan(VALUES)))(explorer)
    assert traced.step == 2**40 + 51
    traced.step = 1
    assert traced.epsilon() == pytest.approx(0.999, abs=1e-6)


def test_a_step_is_one_row_and_rows_share_their_epsilon():
    explorer = EpsilonGreedyExplorer(0.0, decay_steps=2, seed=0)  # 0.5, then 0
    rows = explorer.plan(np.tile(np.float32([0, 1]), (1000, 1)))
    assert explorer.step == 1001
    assert 180 < (rows == 0).sum() < 320
    assert explorer.plan(np.tile(np.float32([0, 1]), (1000, 1))).min() == 1


def test_one_number_decides_whether_and_what():
    epsilon, numbers = 0.25, stream(5, "EpsilonGreedyExplorer")
    explorer = EpsilonGreedyExplorer(epsilon, break_ties=True, seed=5)
    for _ in range(300):
        uniform = numbers.uniform()
        is_explored, best = uniform < epsilon, int((uniform - epsilon) / (1 - epsilon) * 2)
        assert explorer.plan(VALUES) == (int(uniform / epsilon * 3) if is_explored else 1 + best)


@pytest.mark.parametrize("break_ties", [False, True])
def test_prob_by_hand(break_ties):
    explorer = EpsilonGreedyExplorer(0.25, break_ties=break_ties)
    best = [0.375, 0.375] if break_ties else [0.75, 0.0]
    np.testing.assert_allclose(explorer.prob(VALUES), np.array([0, *best]) + 0.25 / 3, atol=1e-7)
    mask = np.array([True, False, True])
    np.testing.assert_allclose(explorer.prob(VALUES, mask), [0.125, 0, 0.875], atol=1e-7)
    nans = np.full(3, np.nan)
    np.testing.assert_allclose(explorer.prob(nans, mask), [0.5, 0, 0.5], atol=1e-7)


@pytest.mark.parametrize("size", [3, 40])
@pytest.mark.parametrize("masked", [False, True])
def test_ties_are_broken_evenly_or_not_at_all(size, masked):
    """Chi-square, error probability 1e-4."""
    values, mask = np.zeros(size), None
    values[[0, 1, size - 1]] = 2.0
    best = [1, size - 1] if masked else [0, 1, size - 1]
    if masked:
        mask = np.arange(size) > 0
    even, first = EpsilonGreedyExplorer(0.0, break_ties=True, seed=1), EpsilonGreedyExplorer(0.0, seed=1)
    counted = np.bincount([even.plan(values, mask) for _ in range(3000)], minlength=size)
    assert counted[best].sum() == 3000
    assert stats.chisquare(counted[best]).pvalue > 1e-4
    assert {first.plan(values, mask) for _ in range(100)} == {best[0]}


def test_decide_knows_the_action_before_the_values():
    explorer, same = (EpsilonGreedyExplorer(0.5, seed=2) for _ in range(2))
    explored = 0
    for _ in range(200):
        explore, action = explorer.decide(3)
        assert type(explore) is bool
        explored += explore
        chosen = explorer.finish(explore, action, None if explore else VALUES)
        assert chosen == same.plan(VALUES)
    assert 70 < explored < 130


def test_a_schedule_is_any_function_of_the_step():
    optaxs = EpsilonGreedyExplorer(optax.linear_schedule(1.0, 0.2, 100), seed=1)
    assert optaxs.epsilon(50) == pytest.approx(0.6, abs=1e-6)
    assert optaxs.epsilon(2**40) == pytest.approx(0.2, abs=1e-6)
    python = EpsilonGreedyExplorer(lambda step: 1.0 if step < 10 else 0.0, seed=1)  # can't be traced
    assert [python.plan(VALUES) for _ in range(9)] != [1] * 9
    assert [python.plan(VALUES) for _ in range(50)] == [1] * 50
    again = EpsilonGreedyExplorer(optax.linear_schedule(1.0, 0.2, 100), seed=7)
    assert jax.tree.structure(again) == jax.tree.structure(optaxs)  # one compilation for both
    other = EpsilonGreedyExplorer(optax.linear_schedule(1.0, 0.3, 100), seed=7)
    assert jax.tree.structure(other) != jax.tree.structure(optaxs)


@pytest.mark.parametrize("schedule", [lambda step: 1.5 - step, lambda step: jnp.where(step < 3, 0.5, jnp.nan)])
def test_a_schedule_that_leaves_probability_is_refused_at_that_step(schedule):
    explorer = EpsilonGreedyExplorer(schedule, seed=1)
    wrong = 2 if schedule(2) < 0 else 3
    for _ in range(1, wrong):
        explorer.plan(VALUES)
    with pytest.raises(ConfigError, match=f"gave (-0.5|nan) at step {wrong}, expected a number in"):
        explorer.plan(VALUES)
    _, action = jax.jit(lambda explorer, values: (explorer, explorer.plan(values)))(explorer, np.stack([VALUES] * 2))
    assert action.tolist() == [-1, -1]
    assert np.isnan(jax.jit(lambda explorer: explorer.prob(VALUES))(explorer)).all()


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"epsilon_stable": 1.1}, "epsilon_stable is 1.1, expected a finite number from 0 to 1"),
        ({"epsilon_stable": -0.1}, "epsilon_stable is -0.1"),
        ({"epsilon_stable": math.nan}, "epsilon_stable is nan"),
        ({"epsilon_stable": True}, "epsilon_stable is True"),
        ({"epsilon_stable": "0.1"}, "epsilon_stable is '0.1'"),
        ({"epsilon_stable": 0.1, "epsilon_init": 2}, "epsilon_init is 2"),
        ({"epsilon_stable": 0.1, "kind": "cosine"}, 'kind is \'cosine\', expected "linear" or "exp"'),
        ({"epsilon_stable": 0.1, "warmup_steps": -1}, "warmup_steps is -1, expected a whole number of at least 0"),
        ({"epsilon_stable": 0.1, "decay_steps": 1.5}, "decay_steps is 1.5"),
        ({"epsilon_stable": 0.1, "decay_steps": 2**31}, "expected at most 2147483647"),
        ({"epsilon_stable": 0.1, "step": -1}, "step is -1"),
        ({"epsilon_stable": 0.1, "break_ties": 1}, "break_ties is 1, expected True or False"),
        ({"epsilon_stable": 0.1, "seed": -1}, "seed is -1"),
        ({"epsilon_stable": lambda step: 0.1, "decay_steps": 5}, "function of the step, expected no kind"),
        ({"epsilon_stable": lambda step: "a"}, "can't be used as a schedule at step 1"),
        ({"epsilon_stable": lambda: 0.1}, "can't be used as a schedule at step 1"),
    ],
)
def test_wrong_arguments_are_refused(arguments, message):
    with pytest.raises(ConfigError, match=message):
        EpsilonGreedyExplorer(**arguments)
