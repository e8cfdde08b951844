"""Split Q-learning: two streams of values."""

import jax
import numpy as np
import pytest
from gymnasium import spaces
from hypothesis import given, settings
from hypothesis import strategies as st

from rlcore import (
    Agent,
    EpsilonGreedyExplorer,
    Experiment,
    InsertSampleRatioController,
    QBasedPolicy,
    StopAfterNSteps,
    Trajectory,
)
from rlcore.approximators import TabularQApproximator, TabularVApproximator
from rlcore.environments import RandomWalk1D, TabularEnvironment
from rlcore.errors import ConfigError, RLCoreError
from rlcore.interfaces import Environment
from rlcore.learners import SplitQLearner
from rlcore.learners.bellman import bellman_update
from rlcore.trajectories import LatestTransition, WholeSampler
from rlcore.trajectories.batch import Batch


def tables(n_states=3, n_actions=2, init=0.0):
    return TabularQApproximator(n_states, n_actions, init), TabularQApproximator(n_states, n_actions, init)


def batch(rows, **named):
    state, action, reward, next_state, terminated = (np.array(column) for column in zip(*rows, strict=True))
    columns = {
        "state": state,
        "action": action,
        "reward": reward.astype(np.float32),
        "next_state": next_state,
        "terminated": terminated,
        "truncated": np.zeros(len(rows), bool),
    }
    return Batch(**columns | named)


BIASED = {"reward_weight": 2.0, "punish_weight": 0.5, "reward_memory": 0.75, "punish_memory": 0.25}


def test_by_hand():
    learner = SplitQLearner(*tables(), gamma=0.5, alpha=0.5, **BIASED)
    learner.reward_approximator.table[:] = [[4, 0], [2, 6], [0, 0]]
    learner.punish_approximator.table[:] = [[-4, 0], [-2, -6], [0, 0]]
    learner.update(batch([(0, 0, 3.0, 1, False)]))
    positive = 0.75 * 4 + 0.5 * (2 * 3 + 0.5 * 6 - 4)
    negative = 0.25 * -4 + 0.5 * (0 + 0.5 * -2 - -4)  # the best of its own stream
    assert learner.reward_approximator.table[0].tolist() == [positive, 0]
    assert learner.punish_approximator.table[0].tolist() == [negative, 0]
    learner.update(batch([(1, 1, -8.0, 0, True)]))
    assert learner.reward_approximator.table[1].tolist() == [2, 0.75 * 6 + 0.5 * (0 - 6)]
    assert learner.punish_approximator.table[1].tolist() == [-2, 0.25 * -6 + 0.5 * (0.5 * -8 - -6)]
    assert learner.forward(1).tolist() == [0, 1.5 + (-1.5 + 1)]
    assert learner.forward(np.array([[0, 1]])).shape == (1, 2, 2)


def loop(learner, rows, masks):
    """The equations of the class, number by number."""
    q = [np.array(part.table, np.float64) for part in (learner.reward_approximator, learner.punish_approximator)]
    weights = learner.reward_weight, learner.punish_weight
    memories = learner.reward_memory, learner.punish_memory
    for row, (state, action, reward, next_state, terminated) in enumerate(rows):
        parts = max(reward, 0), min(reward, 0)
        for table, weight, memory, part in zip(q, weights, memories, parts, strict=True):
            best = max((v for v, legal in zip(table[next_state], masks[row], strict=True) if legal), default=0)
            target = weight * part + (0 if terminated else learner.gamma * best)
            old = table[state, action]
            table[state, action] = memory * old + learner.alpha * (target - old)
    return q


transition = st.tuples(
    st.integers(0, 2), st.integers(0, 1), st.floats(-5, 5, width=32), st.integers(0, 2), st.booleans()
)
weight = st.floats(0, 3)
memory = st.floats(0, 1)


def filled(seed, **named):
    learner = SplitQLearner(*tables(), gamma=0.75, alpha=0.5, **named)
    start = np.random.default_rng(seed).normal(size=(2, 3, 2)).astype(np.float32)
    learner.reward_approximator.table[:], learner.punish_approximator.table[:] = start
    return learner


def assert_like_the_loop(learner, expected):
    for table, q in zip((learner.reward_approximator.table, learner.punish_approximator.table), expected, strict=True):
        np.testing.assert_allclose(table, q, rtol=1e-4, atol=1e-5)


@settings(max_examples=60, deadline=None)
@given(st.lists(transition, min_size=1, max_size=5), weight, weight, memory, memory, st.booleans())
def test_updates_are_those_of_a_loop(rows, reward_weight, punish_weight, reward_memory, punish_memory, has_mask):
    named = {"reward_weight": reward_weight, "punish_weight": punish_weight}
    learner = filled(len(rows), **named, reward_memory=reward_memory, punish_memory=punish_memory)
    masks = np.random.default_rng(0).random((len(rows), 2)) < 0.6 if has_mask else np.ones((len(rows), 2), bool)
    expected = loop(learner, rows, masks)
    learner.update(batch(rows, next_mask=masks if has_mask else None))
    assert_like_the_loop(learner, expected)


@pytest.mark.parametrize("has_mask", [False, True])
def test_updates_in_jax_are_those_of_a_loop(has_mask):
    random = np.random.default_rng(1)
    rows = [
        (int(s), int(a), float(r), int(s2), bool(end))
        for s, a, r, s2, end in zip(
            random.integers(3, size=20),
            random.integers(2, size=20),
            random.normal(size=20),
            random.integers(3, size=20),
            random.random(20) < 0.3,
            strict=True,
        )
    ]
    masks = random.random((20, 2)) < 0.6 if has_mask else np.ones((20, 2), bool)
    learner = filled(0, **BIASED)
    expected = loop(learner, rows, masks)
    learner = jax.tree.map(jax.numpy.asarray, learner)
    learner.update(batch(rows, next_mask=masks if has_mask else None))
    assert_like_the_loop(learner, expected)


def test_without_punishments_it_is_q_learning():
    random, table = np.random.default_rng(0), TabularQApproximator(3, 2)
    learner = SplitQLearner(*tables(), gamma=0.5, alpha=0.25)
    for _ in range(50):
        state, action, next_state = random.integers(3), random.integers(2), random.integers(3)
        reward, terminated = float(random.random()), bool(random.random() < 0.2)
        learner.update(Batch(state=state, action=action, reward=reward, next_state=next_state, terminated=terminated))
        bellman_update(table, state, next_state, action, reward, terminated, 0.5, 0.25)
    np.testing.assert_allclose(learner.forward(np.arange(3)), table.table, rtol=1e-5)
    assert not learner.punish_approximator.table.any()


def test_discounts_and_weights_of_a_batch():
    learner = SplitQLearner(*tables(init=1.0), gamma=0.9, alpha=0.5)
    rows = [(0, 0, 2.0, 1, False), (1, 0, 2.0, 1, False)]
    learner.update(batch(rows, discount=np.array([0.25, 0.0], np.float32), weight=np.array([0.5, 1.0], np.float32)))
    np.testing.assert_allclose(learner.reward_approximator.table[:2, 0], [1 + 0.25 * (2 + 0.25 - 1), 1 + 0.5 * (2 - 1)])
    np.testing.assert_allclose(learner.punish_approximator.table[:2, 0], [1 + 0.25 * (0.25 - 1), 1 - 0.5])


@pytest.mark.parametrize("convert", [np.asarray, jax.numpy.asarray])
def test_priorities_are_the_sizes_of_both_errors_together(convert):
    learner = jax.tree.map(convert, SplitQLearner(*tables(), gamma=0.5, alpha=0.5, **BIASED))
    metrics = learner.update(batch([(0, 0, 3.0, 1, False), (0, 0, -4.0, 1, True)], key=np.array([5, 6])))
    np.testing.assert_allclose(metrics["priority"], [2 * 3, abs(-3 - 0.5 * 4)])
    assert learner.update(batch([(0, 0, 3.0, 1, False)])) == {}


@pytest.mark.parametrize(("weights", "side"), [((2.0, 0.5), 1), ((0.5, 2.0), 0)])
def test_weights_choose_between_a_gamble_and_safety(weights, side):
    """Action 1 gives 4 or -4 by turns, action 0 nothing: who minds rewards gambles, who minds punishments does not."""
    learner = SplitQLearner(*tables(1), gamma=0.0, alpha=0.1, reward_weight=weights[0], punish_weight=weights[1])
    for at in range(200):
        learner.update(batch([(0, 1, 4.0 if at % 2 else -4.0, 0, True), (0, 0, 0.0, 0, True)]))
    assert learner.forward(0).argmax() == side


def test_learns_in_a_run():
    learner = SplitQLearner(*tables(7), gamma=0.75, alpha=0.5)
    memory = Trajectory(LatestTransition(), WholeSampler(), InsertSampleRatioController())
    agent = Agent(QBasedPolicy(learner, EpsilonGreedyExplorer(0.9)), memory)
    Experiment(agent, RandomWalk1D(7), StopAfterNSteps(2000, show_progress=False), seed=0).run("eager")
    q = learner.forward(np.arange(7))
    assert (q[1:6].argmax(1) == 1).all()
    expected = 0.75 ** np.arange(4, -1, -1)  # of the way right, to the reward of 1
    np.testing.assert_allclose(q[1:6, 1], expected, atol=1e-3)


class World(Environment):
    def __init__(self, states, actions):
        self.states, self.actions = states, actions

    def state_space(self):
        return self.states

    def action_space(self):
        return self.actions


def test_check():
    learner = SplitQLearner(*tables(3, 2))
    learner.check(World(spaces.Discrete(3), spaces.Discrete(2)))
    with pytest.raises(ConfigError, match=r"the tables have 2 columns, .* 4 actions; build them with n_actions=4"):
        learner.check(World(spaces.Discrete(3), spaces.Discrete(4)))
    with pytest.raises(ConfigError, match="the table has 3 rows"):
        learner.check(World(spaces.Discrete(5), spaces.Discrete(2)))
    with pytest.raises(ConfigError, match="values each action of a Discrete space"):
        learner.check(World(spaces.Discrete(3), spaces.Box(-1, 1, (2,))))


one = TabularQApproximator(3, 2)


@pytest.mark.parametrize(
    ("arguments", "named", "message"),
    [
        ((one, one), {}, "have one table twice"),
        ((one, TabularQApproximator(3, 3)), {}, r"have tables of shapes \(3, 2\) and \(3, 3\)"),
        (
            (one, TabularVApproximator(3)),
            {},
            r"punish_approximator is a table of shape \(3,\), expected a table of act",
        ),
        ((one.table, one), {}, "reward_approximator is a ndarray, expected a table of action values"),
        (tables(), {"alpha": 0}, "alpha is 0"),
        (tables(), {"gamma": 1.5}, "gamma is 1.5"),
        (tables(), {"reward_weight": -1}, "reward_weight is -1, expected a finite number of at least 0"),
        (tables(), {"punish_weight": -1}, "punish_weight is -1"),
        (tables(), {"reward_memory": 2}, "reward_memory is 2, expected a finite number from 0 to 1"),
        (tables(), {"punish_memory": np.nan}, "punish_memory is nan"),
    ],
)
def test_refuses_wrong_arguments(arguments, named, message):
    with pytest.raises(ConfigError, match=message):
        SplitQLearner(*arguments, **named)


@pytest.mark.parametrize(
    ("row", "message"),
    [
        ((3, 0, 1.0, 0, False), "state is 3, expected from 0 to 2, the rows of the tables"),
        ((0, 2, 1.0, 0, False), "action is 2, expected from 0 to 1, the columns of the tables"),
        ((0, 0, 1.0, -1, False), "next_state is -1"),
    ],
)
def test_refuses_what_lies_outside(row, message):
    with pytest.raises(ConfigError, match=message):
        SplitQLearner(*tables()).update(batch([row]))


def test_a_value_that_is_not_finite_is_not_written():
    learner = SplitQLearner(*tables())
    with pytest.raises(RLCoreError, match=r"state 0, action 1 would be inf and 0.0 .*were not written"):
        learner.update(batch([(0, 1, np.inf, 0, False)]))
    assert not learner.forward(0).any()


@pytest.mark.parametrize("at", [0, 1])
def test_a_table_that_a_trace_has_spoilt_is_reported(at):
    learner = SplitQLearner(*tables())
    learner.check_finite()
    (learner.reward_approximator, learner.punish_approximator)[at].table[2, 1] = np.nan
    with pytest.raises(RLCoreError, match="the value of state 2, action 1 of SplitQLearner is nan"):
        learner.check_finite()


def test_a_compiled_run_does_not_end_well_with_values_that_are_not_finite():
    learner = SplitQLearner(*tables(1), gamma=1.0, alpha=1.0)
    env = TabularEnvironment([[[(1.0, 0, 3e38, False)], [(1.0, 0, 3e38, False)]]])
    memory = Trajectory(LatestTransition(), WholeSampler(), InsertSampleRatioController())
    agent = Agent(QBasedPolicy(learner, EpsilonGreedyExplorer(1.0)), memory)
    with pytest.raises(RLCoreError, match=r"SplitQLearner is (inf|nan)"):
        Experiment(agent, env, StopAfterNSteps(20, show_progress=False), seed=0).run(engine="compiled")
