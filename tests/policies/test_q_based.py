"""QBasedPolicy: the explorer decides before values are computed; masks and rows reach both parts."""

import numpy as np
import pytest
from gymnasium import spaces
from policies_asked import Asked, FixedValues

from rlcore.approximators import TabularApproximator, TabularQApproximator
from rlcore.errors import ConfigError
from rlcore.explorers import EpsilonGreedyExplorer, GreedyExplorer, UCBExplorer, WeightedSoftmaxExplorer
from rlcore.interfaces import Explorer
from rlcore.learners import TDLearner
from rlcore.policies import GreedyPolicy, QBasedPolicy, RandomPolicy
from rlcore.stages import Stage


def abs_of_sine(step):
    return abs(np.sin(step))


VALUES = np.array([[1.0, 3.0, 2.0], [5.0, 4.0, 6.0]], np.float32)


def test_no_values_are_computed_where_the_explorer_explores():
    learner = FixedValues(VALUES)
    policy = QBasedPolicy(learner, EpsilonGreedyExplorer(0.5, seed=1))
    actions = [policy.plan(Asked(spaces.Discrete(3), 0)) for _ in range(400)]
    explored = 400 - learner.asked
    assert 140 < explored < 260  # six standard deviations around 200
    assert np.bincount(actions, minlength=3)[1] > 200
    assert policy.explorer.random.count == 400


@pytest.mark.parametrize(
    "explorer", [GreedyExplorer(), EpsilonGreedyExplorer(0.0, seed=0), UCBExplorer(3, c=0.0, seed=0)]
)
def test_the_best_legal_action_of_every_row(explorer):
    policy = QBasedPolicy(FixedValues(VALUES), explorer)
    assert policy.plan(Asked(spaces.Discrete(3), 0)) == 1
    assert policy.plan(Asked(spaces.Discrete(3), 0, np.array([True, False, True]))) == 2
    rows = Asked(spaces.Discrete(3), np.array([0, 1]), np.array([[True, False, True], [True, True, False]]), 2)
    assert policy.plan(rows).tolist() == [2, 0]


def test_an_explorer_of_ones_own_needs_plan_and_prob_only():
    class Last(Explorer):
        def plan(self, values, mask=None):
            return values.shape[-1] - 1

        def prob(self, values, mask=None):
            return np.eye(values.shape[-1])[-1]

    policy = QBasedPolicy(FixedValues(VALUES), Last())
    assert policy.plan(Asked(spaces.Discrete(3), 0)) == 2
    assert policy.prob(Asked(spaces.Discrete(3), 0)).tolist() == [0, 0, 1]


def test_prob_and_bare_states():
    policy = QBasedPolicy(FixedValues(VALUES), EpsilonGreedyExplorer(0.3, seed=0))
    assert np.allclose(policy.prob(Asked(spaces.Discrete(3), 0)), [0.1, 0.8, 0.1])
    softmax = QBasedPolicy(FixedValues(VALUES), WeightedSoftmaxExplorer(seed=0))
    expected = np.exp(VALUES[1]) / np.exp(VALUES[1]).sum()
    assert np.allclose(softmax.prob(Asked(spaces.Discrete(3), 1)), expected, atol=1e-6)
    greedy = policy.greedy()
    assert isinstance(greedy, GreedyPolicy)
    assert (greedy(0), greedy(1), greedy(0, np.array([True, False, False]))) == (1, 2, 0)
    assert greedy(np.array([0, 1])).tolist() == [1, 2]
    assert greedy.prob(Asked(spaces.Discrete(3), 1)).tolist() == [0, 0, 1]
    assert policy.explorer.random.count == 0
    assert policy.explorer.step == 1
    assert [greedy.learners(stage) + greedy.handlers(stage) for stage in Stage] == [[]] * 6


def test_the_learner_learns_at_its_stages():
    learner = FixedValues(VALUES, stages=(Stage.POST_EPISODE,))
    policy = QBasedPolicy(learner, GreedyExplorer())
    assert [len(policy.learners(stage)) for stage in Stage] == [0, 0, 0, 0, 1, 0]


@pytest.mark.parametrize(
    ("learner", "explorer", "message"),
    [
        (3, GreedyExplorer(), "learner is 3"),
        (FixedValues(VALUES), 0.1, r"explorer is 0.1, .* such as EpsilonGreedyExplorer\(0.1\)"),
        (
            GreedyExplorer(),
            FixedValues(VALUES),
            r"learner is a GreedyExplorer.*the order is QBasedPolicy\(learner, exp",
        ),
        (
            TabularQApproximator(2, 2),
            GreedyExplorer(),
            r"is a TabularApproximator.*wrap it, such as TDLearner\(table\)",
        ),
        (max, GreedyExplorer(), r"the function max.*DQNLearner\(Approximator\("),
    ],
)
def test_other_parts_are_refused(learner, explorer, message):
    with pytest.raises(ConfigError, match=message):
        QBasedPolicy(learner, explorer)


def test_actions_that_are_not_discrete_are_refused():
    policy = QBasedPolicy(FixedValues(VALUES), GreedyExplorer())
    with pytest.raises(ConfigError, match="FixedValues values each action of a Discrete space"):
        policy.check(Asked(spaces.Box(0, 1, (2,)), 0))


@pytest.mark.parametrize(
    ("explorer", "text"),
    [
        (EpsilonGreedyExplorer(0.1, break_ties=True), "EpsilonGreedyExplorer(0.1, break_ties=True)"),
        (
            EpsilonGreedyExplorer(0.01, "exp", 0.9, 5, 70),
            "EpsilonGreedyExplorer(0.01, kind='exp', epsilon_init=0.9, warmup_steps=5, decay_steps=70)",
        ),
        (EpsilonGreedyExplorer(abs_of_sine), "EpsilonGreedyExplorer(abs_of_sine)"),
        (UCBExplorer(3), "UCBExplorer(3)"),
        (WeightedSoftmaxExplorer(2.0), "WeightedSoftmaxExplorer(temperature=2.0)"),
        (GreedyExplorer(), "GreedyExplorer()"),
        (RandomPolicy(), "RandomPolicy()"),
        (RandomPolicy(spaces.Discrete(3)), "RandomPolicy(action_space=Discrete(3))"),
    ],
)
def test_explorers_are_shown_as_the_call_that_makes_them(explorer, text):
    assert repr(explorer) == text


class Negated(TabularApproximator):
    """Has written forward anew."""

    def forward(self, state):
        return -super().forward(state)


@pytest.mark.parametrize(("table", "best"), [(TabularApproximator, 2), (Negated, 0)])
def test_a_table_with_a_forward_of_its_own_acts_by_it(table, best):
    policy = QBasedPolicy(TDLearner(table(np.array([[1.0, 2.0, 3.0]]))), EpsilonGreedyExplorer(0.0, seed=0))
    env = Asked(spaces.Discrete(3), 0)
    assert policy.plan(env) == policy.greedy().plan(env) == policy(0) == best


def test_tables_act_alike_whoever_is_asked_for_their_values():
    """Through plain numbers, as for few actions in one environment, and through arrays."""
    random = np.random.default_rng(0)
    for _ in range(500):
        n = int(random.integers(1, 20))
        learner = TDLearner(TabularApproximator(random.integers(0, 3, (4, n)).astype(np.float32)))
        mask = random.random(n) < 0.7 if random.random() < 0.5 else None
        if mask is not None and not mask.any():
            continue
        state, break_ties = int(random.integers(4)), bool(random.random() < 0.5)
        env = Asked(spaces.Discrete(n), state, mask)
        explorers = [EpsilonGreedyExplorer(0.2, break_ties=break_ties, seed=1) for _ in range(2)]
        assert QBasedPolicy(learner, explorers[0]).plan(env) == explorers[1].plan(learner.forward(state), mask)
