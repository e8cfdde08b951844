"""SARSA, expected SARSA, double learning and returns over several steps, beside the algorithms of the book."""

import jax
import jax.numpy as jnp
import numpy as np
import optax
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from rlcore.approximators import TabularApproximator, TabularQApproximator, TabularVApproximator
from rlcore.errors import ConfigError
from rlcore.explorers import EpsilonGreedyExplorer, GreedyExplorer, UCBExplorer
from rlcore.learners import TDLearner
from rlcore.trajectories import (
    Batch,
    BatchSampler,
    CircularTraces,
    InsertSampleRatioController,
    LatestTransition,
    LatestTransitions,
    Trajectory,
    WholeSampler,
)

GAMMA, ALPHA = 0.5, 0.25  # no rounding: every number is compared exactly
N_STATES, N_ACTIONS = 4, 3


def book(episodes, method, n_steps, table):
    """Sutton & Barto 2018, section 7.2, in its own words, for episodes of (states, actions, rewards, terminated).

    A truncated episode, which the book has not, goes on to be worth what its last state is worth by the best action.
    """
    for states, actions, rewards, terminated in episodes:
        last = len(rewards)

        def worth(at, states=states, actions=actions, terminated=terminated, last=last):
            if at == last:
                return 0.0 if terminated else table[states[at]].max()
            return table[states[at], actions[at]] if method == "SARSA" else table[states[at]].max()

        t, tau = 0, -1
        while tau < last - 1:
            # SARSA knows the next action one step later, but before anything else has been learnt
            tau = t - n_steps + 1
            if tau >= 0:
                end = min(tau + n_steps, last)
                target = sum(GAMMA ** (i - tau) * rewards[i] for i in range(tau, end)) + GAMMA ** (end - tau) * worth(
                    end
                )
                table[states[tau], actions[tau]] += ALPHA * (target - table[states[tau], actions[tau]])
            t += 1
    return table


@st.composite
def episodes(draw):
    rng = np.random.default_rng(draw(st.integers(0, 2**32 - 1)))
    out = []
    for length in draw(st.lists(st.integers(1, 7), min_size=1, max_size=4)):
        states = rng.integers(N_STATES, size=length + 1).tolist()
        actions = rng.integers(N_ACTIONS, size=length).tolist()
        rewards = (rng.integers(-8, 9, size=length) / 4).tolist()
        out.append((states, actions, rewards, bool(rng.random() < 0.5)))
    return out


def pushes(episodes):
    """The arguments of `push` for every step."""
    for states, actions, rewards, terminated in episodes:
        for t, (action, reward) in enumerate(zip(actions, rewards, strict=True)):
            ends = t == len(rewards) - 1
            yield states[t], action, reward, states[t + 1], ends and terminated, ends and not terminated


def learn(learner, rows):
    memory = Trajectory(LatestTransitions(learner.n_transitions), WholeSampler(), InsertSampleRatioController())
    for row in rows:
        memory.push(*row)
        for batch in memory:
            learner.update(batch)
    return learner


def table_of(method="SARS", n=0, **named):
    return TDLearner(TabularQApproximator(N_STATES, N_ACTIONS), method, GAMMA, ALPHA, n, **named)


@settings(max_examples=60, deadline=None)
@given(episodes(), st.sampled_from(["SARS", "SARSA"]), st.integers(0, 4))
def test_returns_over_several_steps_are_those_of_the_book(episodes, method, n):
    expected = book(episodes, method, n + 1, np.zeros((N_STATES, N_ACTIONS)))
    learner = learn(table_of(method, n), pushes(episodes))
    np.testing.assert_allclose(learner.approximator.table, expected, rtol=1e-5, atol=1e-6)


@settings(max_examples=20, deadline=None)
@given(episodes(), st.integers(0, 3))
def test_state_values_over_several_steps(episodes, n):
    q = [(states, [0] * len(actions), *rest) for states, actions, *rest in episodes]
    expected = book(q, "SARS", n + 1, np.zeros((N_STATES, 1)))
    learner = learn(TDLearner(TabularVApproximator(N_STATES), gamma=GAMMA, alpha=ALPHA, n=n), pushes(episodes))
    np.testing.assert_allclose(learner.approximator.table, expected[:, 0], rtol=1e-5, atol=1e-6)


@settings(max_examples=30, deadline=None)
@given(st.tuples(episodes(), episodes(), episodes()), st.sampled_from(["SARS", "SARSA"]), st.integers(0, 2))
def test_every_lane_has_its_own_returns(lanes, method, n):
    """Lanes of other lengths, each with states of its own; a lane that is done has rows that are not valid."""
    learner = TDLearner(TabularQApproximator(3 * N_STATES, N_ACTIONS), method, GAMMA, ALPHA, n)
    rows = [list(pushes(lane)) for lane in lanes]
    memory = LatestTransitions(learner.n_transitions)
    for t in range(max(map(len, rows))):
        valid = np.array([t < len(lane) for lane in rows])
        now = [lane[min(t, len(lane) - 1)] for lane in rows]
        columns = [np.array(column) for column in zip(*now, strict=True)]
        offsets = np.arange(3) * N_STATES
        columns[0], columns[3] = columns[0] + offsets, columns[3] + offsets
        columns[2] = columns[2].astype(np.float32)
        assert memory.push(*columns, valid=valid) == 1
        learner.update(memory.whole())
    expected = [book(lane, method, n + 1, np.zeros((N_STATES, N_ACTIONS))) for lane in lanes]
    np.testing.assert_allclose(learner.approximator.table, np.concatenate(expected), rtol=1e-5, atol=1e-6)


def test_sarsa_by_hand():
    """0 -(1)-> 1 -(0)-> 2, reward 1 and 2, then the end; Q(1, 0) = 4 counts, not the best action's 8."""
    table = np.zeros((3, 2), np.float32)
    table[1] = [4, 8]
    learner = TDLearner(TabularApproximator(table), "SARSA", gamma=0.5, alpha=0.5)
    memory = LatestTransitions(2)
    memory.push(0, 1, 1.0, 1, False, False)
    learner.update(memory.whole())
    assert (learner.approximator.table == table).all()  # nobody knows yet what will be done in 1
    memory.push(1, 0, 2.0, 2, True, False)
    learner.update(memory.whole())
    assert learner.approximator.table.tolist() == [[0, 1.5], [3, 8], [0, 0]]  # 0.5 (1 + 0.5 4); 4 + 0.5 (2 - 4)


@pytest.mark.parametrize(
    ("named", "expected"),
    [({}, 0.5 * (1 + 0.5 * 8)), ({"explorer": EpsilonGreedyExplorer(0.5)}, 0.5 * (1 + 0.5 * (0.75 * 8 + 0.25 * 4)))],
)
def test_sarsa_at_a_cut_takes_the_maximum_or_the_expectation_of_its_explorer(named, expected):
    for update in (lambda learner, window: learner.update(window), None):
        learner = TDLearner(TabularApproximator([[0, 0], [4, 8]]), "SARSA", gamma=0.5, alpha=0.5, **named)
        memory = LatestTransitions(2)
        memory.push(0, 1, 1.0, 1, False, True)
        if update is None:
            memory.allocate(state=0, action=0, reward=0.0, next_state=0, terminated=False, truncated=False)
            learner = jax.jit(lambda a, b: (a.update(b), a)[1])(learner, memory)
        else:
            update(learner, memory.whole())
        assert learner.approximator.table[0, 1] == expected


def test_expected_sarsa_by_hand():
    """Epsilon 0.5, two actions: 0.75 of the best and 0.25 of the other; with one legal action that one alone."""
    explorer = EpsilonGreedyExplorer(0.5)
    learner = TDLearner(TabularApproximator([[0, 0], [4, 8]]), "ExpectedSARSA", 0.5, 0.5, explorer=explorer)
    batch = Batch(state=0, action=0, reward=1.0, next_state=1, terminated=False)
    learner.update(batch)
    assert learner.approximator.table[0, 0] == 0.5 * (1 + 0.5 * (0.75 * 8 + 0.25 * 4))
    batch.action, batch.next_mask = 1, np.array([True, False])
    learner.update(batch)
    assert learner.approximator.table[0, 1] == 0.5 * (1 + 0.5 * 4)
    batch.next_mask, batch.terminated = np.array([False, False]), True  # after the end of a game
    learner.update(batch)
    assert learner.approximator.table[0, 1] == 1.5 + 0.5 * (1 - 1.5)
    assert explorer.step == 1 and explorer.random.count == 0


def test_expected_sarsa_of_a_greedy_policy_is_q_learning():
    rows = list(pushes([([0, 1, 2, 3, 0, 1], [0, 1, 2, 0, 1], [1.0, -2.0, 0.5, 3.0, 1.5], False)] * 4))
    q_learning, expected = table_of(n=1), table_of("ExpectedSARSA", 1, explorer=GreedyExplorer())
    np.testing.assert_array_equal(learn(expected, rows).approximator.table, learn(q_learning, rows).approximator.table)


def van_hasselt(rows, coins):
    """Algorithm 1 of van Hasselt 2010 with the learner's own coins."""
    a, b = np.zeros((N_STATES, N_ACTIONS)), np.zeros((N_STATES, N_ACTIONS))
    for (state, action, reward, next_state, terminated, _), second in zip(rows, coins, strict=True):
        one, other = (b, a) if second else (a, b)
        value = 0.0 if terminated else other[next_state, one[next_state].argmax()]
        one[state, action] += ALPHA * (reward + GAMMA * value - one[state, action])
    return a, b


@settings(max_examples=20, deadline=None)
@given(episodes())
def test_double_q_learning_is_that_of_van_hasselt(episodes):
    rows = list(pushes(episodes)) * 5
    learner = table_of(double=True, seed=1)
    coins = table_of(double=True, seed=1).random.uniform(len(rows)) < 0.5
    for row in rows:
        memory = LatestTransition()
        memory.push(*row)
        learner.update(memory)
    a, b = van_hasselt(rows, coins)
    np.testing.assert_allclose(learner.approximator.table, a, rtol=1e-5, atol=1e-6)
    np.testing.assert_allclose(learner.second.table, b, rtol=1e-5, atol=1e-6)
    np.testing.assert_allclose(learner.forward(np.arange(N_STATES)), (a + b) / 2, rtol=1e-5, atol=1e-6)


def test_double_q_learning_does_not_overestimate_where_q_learning_does():
    """Every next action is worth 0 on average, its rewards are -1 and 1: the maximum of their estimates is above."""
    rng = np.random.default_rng(0)
    learners = [
        TDLearner(TabularQApproximator(2, 10), gamma=1.0, alpha=0.1, double=double, seed=0) for double in (False, True)
    ]
    seen = []
    for _ in range(3000):
        rewards = rng.choice([-1.0, 1.0], size=10).tolist()
        for learner in learners:
            for action, reward in enumerate(rewards):
                learner.update(Batch(state=1, action=action, reward=reward, next_state=1, terminated=True))
            learner.update(Batch(state=0, action=0, reward=0.0, next_state=1, terminated=False))
        seen.append([learner.forward(0)[0] for learner in learners])
    single, double = np.mean(seen[500:], axis=0)
    assert single > 0.25
    assert abs(double) < 0.08


def test_an_episode_that_was_left_unfinished_does_not_go_on_elsewhere():
    """Two steps to a reward: the step before the new start is forgotten, the return after it is not mixed with it."""
    learner = TDLearner(TabularQApproximator(4, 1), gamma=1.0, alpha=1.0, n=1)
    learn(learner, [(0, 0, 5.0, 1, False, False), (2, 0, 1.0, 3, False, False), (3, 0, 1.0, 3, True, False)])
    assert learner.approximator.table[:, 0].tolist() == [0, 0, 2, 1]


def test_a_longer_memory_serves_and_a_shorter_one_is_refused():
    rows = list(pushes([([0, 1, 2, 3], [0, 1, 2], [1.0, 2.0, 4.0], True)]))
    learner = table_of()
    memory = LatestTransitions(5)
    for row in rows:
        memory.push(*row)
        learner.update(memory.whole())
    np.testing.assert_array_equal(learner.approximator.table, learn(table_of(), rows).approximator.table)
    with pytest.raises(
        ConfigError, match=r"3 steps in a row, but was shown LatestTransitions\(2\); .*Transitions\(3\)"
    ):
        memory = LatestTransitions(2)
        memory.push(*rows[0])
        table_of(n=2).update(memory.whole())
    with pytest.raises(ConfigError, match=r"'SARSA' and n=0 .* next action, but was shown a LatestTransition;"):
        memory = LatestTransition()
        memory.push(*rows[0])
        table_of("SARSA").update(memory.whole())


@pytest.mark.parametrize(
    ("method", "n", "container", "sampler", "fits"),
    [
        ("SARS", 0, LatestTransition(), WholeSampler(), True),
        ("SARS", 0, CircularTraces(9), BatchSampler(2), True),
        ("SARS", 0, LatestTransitions(1), WholeSampler(), True),
        ("SARS", 2, LatestTransition(), WholeSampler(), False),
        ("SARS", 2, LatestTransitions(2), WholeSampler(), False),
        ("SARS", 2, LatestTransitions(3), WholeSampler(), True),
        ("SARSA", 0, LatestTransition(), WholeSampler(), False),
        ("SARSA", 0, CircularTraces(9), BatchSampler(2), False),
        ("SARSA", 0, LatestTransitions(1), WholeSampler(), False),
        ("SARSA", 0, LatestTransitions(2), WholeSampler(), True),
        ("SARSA", 2, LatestTransitions(3), WholeSampler(), False),
        ("SARSA", 2, LatestTransitions(9), WholeSampler(), True),
    ],
)
def test_check_trajectory_says_what_fits(method, n, container, sampler, fits):
    learner, trajectory = table_of(method, n), Trajectory(container, sampler, InsertSampleRatioController())
    if fits:
        learner.check_trajectory(trajectory)
        return
    with pytest.raises(
        ConfigError, match=rf"keep them in Trajectory\(LatestTransitions\({n + 1 + (method == 'SARSA')}"
    ):
        learner.check_trajectory(trajectory)


def test_the_step_size_may_follow_a_schedule():
    """0.5 for the first two updates, then 0.25; every update counts."""
    learner = TDLearner(TabularQApproximator(1, 1), alpha=optax.piecewise_constant_schedule(0.5, {2: 0.5}))
    seen = []
    for _ in range(3):
        learner.update(Batch(state=0, action=0, reward=8.0, next_state=0, terminated=True))
        seen.append(float(learner.approximator.table[0, 0]))
    assert seen == [4.0, 6.0, 6.5]
    assert learner.counter.current() == 3
    assert "alpha=" in repr(learner)


def test_a_step_size_outside_the_unit_interval_is_refused_when_it_comes():
    learner = TDLearner(TabularQApproximator(1, 1), alpha=lambda step: 0.5 + step)
    batch = Batch(state=0, action=0, reward=8.0, next_state=0, terminated=True)
    learner.update(batch)
    with pytest.raises(ConfigError, match=r"alpha gave 1.5 after 1 updates, expected a number in \[0, 1\]"):
        learner.update(batch)
    assert learner.approximator.table[0, 0] == 4.0


def test_priorities_are_the_errors_of_the_rows():
    batch = Batch(
        state=np.array([0, 0]),
        action=np.array([0, 0]),
        reward=np.array([2.0, -4.0], np.float32),
        next_state=np.array([1, 1]),
        terminated=np.array([True, True]),
        weight=np.array([1.0, 0.5], np.float32),
        key=np.array([3, 4]),
    )
    for update in (lambda a, b: (a, a.update(b)), jax.jit(lambda a, b: (a, a.update(b)))):
        learner, metrics = update(TDLearner(TabularQApproximator(2, 1), gamma=1.0, alpha=0.5), batch)
        assert metrics["priority"].tolist() == [2.0, 5.0]  # |2 - 0|, |-4 - 1|
        assert learner.approximator.table[0, 0] == 1.0 + 0.25 * -5.0


@pytest.mark.parametrize(
    ("build", "message"),
    [
        (lambda: table_of("TD"), "method is 'TD', expected 'SARS'"),
        (lambda: table_of("ExpectedSARSA"), "expected explorer=, a second one"),
        (lambda: table_of("SARS", explorer=GreedyExplorer()), "asks no explorer"),
        (lambda: table_of("SARSA", explorer=UCBExplorer(3)), "depend on what it has chosen itself"),
        (lambda: table_of("SARSA", explorer=0.1), r"explorer is 0.1, expected an Explorer"),
        (lambda: table_of(double=1), "double is 1, expected True or False"),
        (lambda: table_of(n=-1), "n is -1, expected a whole number of at least 0"),
        (lambda: TDLearner(TabularVApproximator(2), "SARSA"), "state values .*, which know no actions"),
        (lambda: TDLearner(TabularVApproximator(2), double=True), "state values"),
        (lambda: TDLearner(TabularQApproximator(2, 2), alpha=float), "alpha is float, which JAX can't trace"),
        (lambda: TDLearner(TabularQApproximator(2, 2), alpha=lambda n: jnp.ones(2)), r"gives an array \(2,\)"),
        (lambda: LatestTransitions(0), "capacity is 0, expected a whole number of at least 1"),
    ],
)
def test_refuses_wrong_arguments(build, message):
    with pytest.raises(ConfigError, match=message):
        build()
