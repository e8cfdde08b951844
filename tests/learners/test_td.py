"""Learning a table."""

import jax
import jax.numpy as jnp
import numpy as np
import optax
import pytest
from flax import nnx
from gymnasium import spaces
from hypothesis import given, settings
from hypothesis import strategies as st

from rlcore.approximators import Approximator, TabularApproximator, TabularQApproximator, TabularVApproximator
from rlcore.errors import ConfigError, RLCoreError
from rlcore.interfaces import Environment
from rlcore.learners import DQNLearner, TDLearner, bellman_update
from rlcore.learners.bellman import update_cell
from rlcore.networks import MLP
from rlcore.stages import Stage
from rlcore.trajectories.batch import Batch


def transition(state, action, reward, next_state, terminated=False, truncated=False, **named):
    return Batch(
        state=state,
        action=action,
        reward=reward,
        next_state=next_state,
        terminated=terminated,
        truncated=truncated,
        **named,
    )


def rows(*transitions, **named):
    columns = zip(*transitions, strict=True)
    dtypes = (np.int32, np.int32, np.float32, np.int32, bool)
    return transition(*[np.array(column, dtype) for column, dtype in zip(columns, dtypes, strict=True)], **named)


@jax.jit
def traced(learner, batch):
    learner.update(batch)
    return learner


# The chain 0 -> 1 -> 2: action 1 moves right, action 0 stays; reaching 2 gives 1 and ends.
CHAIN = [(0, 1, 0.0, 1, False), (1, 1, 1.0, 2, True), (0, 1, 0.0, 1, False), (1, 0, 0.0, 1, False)]


def test_first_updates_of_a_chain_by_hand():
    learner = TDLearner(TabularQApproximator(3, 2), gamma=0.5, alpha=0.5)
    seen = []
    for state, action, reward, next_state, terminated in CHAIN:
        assert learner.update(transition(state, action, reward, next_state, terminated)) == {}
        seen.append(learner.approximator.table.copy())
    # 0.5 * (0 + 0.5 * 0); 0.5 * 1; 0.5 * (0 + 0.5 * 0.5); 0.5 * (0 + 0.5 * 0.5)
    assert seen[0].tolist() == [[0, 0], [0, 0], [0, 0]]
    assert seen[1].tolist() == [[0, 0], [0, 0.5], [0, 0]]
    assert seen[2].tolist() == [[0, 0.125], [0, 0.5], [0, 0]]
    assert seen[3].tolist() == [[0, 0.125], [0.125, 0.5], [0, 0]]


def test_a_batch_is_learnt_row_by_row():
    one = TDLearner(TabularQApproximator(3, 2), gamma=0.5, alpha=0.5)
    for state, action, reward, next_state, terminated in CHAIN:
        one.update(transition(state, action, reward, next_state, terminated))
    for update in (lambda learner, batch: (learner, learner.update(batch))[0], traced):
        learner = update(TDLearner(TabularQApproximator(3, 2), gamma=0.5, alpha=0.5), rows(*CHAIN))
        np.testing.assert_array_equal(learner.approximator.table, one.approximator.table)


def test_state_values_by_hand():
    table = TabularApproximator(np.array([1.0, 2.0, 4.0], np.float32))
    learner = TDLearner(table, gamma=0.5, alpha=0.5)
    learner.update(transition(0, 7, 1.0, 2))  # the action does not matter
    assert table.table.tolist() == [2.0, 2.0, 4.0]  # 1 + 0.5 * (1 + 0.5 * 4 - 1)
    learner = traced(learner, rows((1, 7, 1.0, 2, True), next_mask=np.zeros((1, 9), bool)))
    assert learner.approximator.table.tolist() == [2.0, 1.5, 4.0]


@pytest.mark.parametrize(("terminated", "expected"), [(True, 1.0), (False, 1.0 / (1 - 0.75))])
@pytest.mark.parametrize("build", [lambda: TabularVApproximator(1), lambda: TabularQApproximator(1, 2)])
def test_a_time_limit_is_no_end(terminated, expected, build):
    """One state, reward 1: cut by a limit it is worth r / (1 - gamma), ended for good r."""
    learner = TDLearner(build(), gamma=0.75, alpha=0.5)
    for _ in range(200):
        learner.update(transition(0, 1, 1.0, 0, terminated, not terminated))
    assert learner.approximator.table.reshape(-1)[-1] == pytest.approx(expected, rel=1e-5)


@settings(max_examples=40, deadline=None)
@given(st.integers(0, 2**32 - 1))
def test_host_and_trace_agree_bit_by_bit(seed):
    rng = np.random.default_rng(seed)
    n = 12
    table = rng.normal(size=(3, 4)).astype(np.float32)
    batch = Batch(
        state=rng.integers(3, size=n).astype(np.int32),
        action=rng.integers(4, size=n).astype(np.int32),
        reward=rng.normal(size=n).astype(np.float32),
        next_state=rng.integers(3, size=n).astype(np.int32),
        terminated=rng.random(n) < 0.3,
        truncated=rng.random(n) < 0.3,
        next_mask=rng.random((n, 4)) < 0.5,
    )
    learners = [TDLearner(TabularApproximator(table), gamma=1.0, alpha=0.5) for _ in range(3)]
    learners[0].update(batch)
    for row in range(n):
        learners[1].update(jax.tree.map(lambda column, row=row: column[row].tolist(), batch))
    learners[2] = traced(learners[2], batch)
    host, single, compiled = (np.asarray(learner.approximator.table) for learner in learners)
    np.testing.assert_array_equal(host, single)
    np.testing.assert_array_equal(host, compiled)


@pytest.mark.parametrize("dtype", [np.float32, np.float64, np.float16])
def test_host_rounds_as_the_dtype_of_the_table(dtype):
    """The reference is NumPy's scalar arithmetic, for numbers that are no powers of two."""
    rng = np.random.default_rng(0)
    table = rng.normal(size=(5, 3)).astype(dtype)
    learner = TDLearner(TabularApproximator(table), gamma=0.9, alpha=0.1)
    for _ in range(300):
        state, next_state = rng.integers(5, size=2).tolist()
        action, reward, terminated = int(rng.integers(3)), float(rng.normal()), bool(rng.random() < 0.2)
        target = dtype(reward)
        if not terminated:
            target = target + dtype(0.9) * table[next_state].max()
        table[state, action] += dtype(0.1) * (target - table[state, action])
        learner.update(transition(state, action, reward, next_state, terminated))
    assert learner.approximator.table.dtype == dtype
    np.testing.assert_array_equal(learner.approximator.table, table)


@pytest.mark.parametrize("kind", [traced, lambda learner, batch: (learner, learner.update(batch))[0]])
def test_the_maximum_is_over_legal_actions_only(kind):
    def learner():
        return TDLearner(TabularApproximator(np.array([[0, 0], [2, 8]], np.float32)), gamma=1.0, alpha=0.5)

    only_first = np.array([[True, False]])
    assert kind(learner(), rows((0, 0, 0.0, 1, False), next_mask=only_first)).approximator.table[0, 0] == 1.0
    none = np.array([[False, False]])
    assert kind(learner(), rows((0, 0, 4.0, 1, True), next_mask=none)).approximator.table[0, 0] == 2.0
    assert kind(learner(), rows((0, 0, 4.0, 1, False), next_mask=none)).approximator.table[0, 0] == 2.0


def test_masks_of_one_transition():
    learner = TDLearner(TabularApproximator(np.array([[0, 0], [2, 8]], np.float32)), gamma=1.0, alpha=0.5)
    learner.update(transition(0, 0, 0.0, 1, next_mask=np.array([True, False])))
    learner.update(transition(0, 1, 4.0, 1, True, next_mask=np.array([False, False])))
    assert learner.approximator.table.tolist() == [[1, 2], [2, 8]]


def test_discount_and_weight_of_a_batch():
    learner = TDLearner(TabularApproximator(np.array([[0, 0], [8, 4]], np.float32)), gamma=1.0, alpha=0.5)
    batch = rows(
        (0, 0, 1.0, 1, False),
        (0, 1, 1.0, 1, True),
        discount=np.array([0.25, 0.0], np.float32),
        weight=np.array([0.5, 1.0], np.float32),
    )
    expected = [[0.25 * (1 + 0.25 * 8), 0.5], [8, 4]]
    assert traced(learner, batch).approximator.table.tolist() == expected
    learner.update(batch)
    assert learner.approximator.table.tolist() == expected


def test_other_kinds_of_scalars_learn_the_same():
    expected = TDLearner(TabularQApproximator(3, 2), alpha=0.5)
    expected.update(transition(1, 1, 1.0, 2))
    for batch in (
        transition(np.int64(1), np.int64(1), 1.0, np.int64(2), np.bool_(False)),
        transition(1, 1, np.float64(1.0), 2),
        transition(1, 1, 1, 2),
        transition(jnp.int32(1), jnp.int32(1), jnp.float32(1), jnp.int32(2), jnp.bool_(False)),
    ):
        learner = TDLearner(TabularQApproximator(3, 2), alpha=0.5)
        learner.update(batch)
        np.testing.assert_array_equal(learner.approximator.table, expected.approximator.table)
        assert isinstance(learner.approximator.table, np.ndarray)


def test_bellman_update_stands_alone():
    approximator = TabularQApproximator(2, 2, init=2.0)
    bellman_update(approximator, 0, 1, 1, 3.0, False, 0.5, 0.5)
    assert approximator.table.tolist() == [[2, 3], [2, 2]]  # 2 + 0.5 * (3 + 0.5 * 2 - 2)
    bellman_update(approximator, [0], [1], [0], [3.0], [True], 0.5, 1.0)
    assert approximator.table.tolist() == [[3, 3], [2, 2]]


def test_optimise_learns_from_every_batch_on_the_host():
    learner = TDLearner(TabularQApproximator(3, 2), gamma=0.5, alpha=0.5)
    learner.optimise(Stage.POST_ACT, [transition(*row) for row in CHAIN])
    assert learner.approximator.table[0, 1] == 0.125
    assert learner.forward(1).tolist() == [0.125, 0.5]
    assert learner.metrics == {}


@pytest.mark.parametrize(
    ("row", "message"),
    [
        ((3, 0, 0.0, 0), "^state is 3, expected from 0 to 2, the rows"),
        ((-1, 0, 0.0, 0), "^state is -1, expected from 0 to 2, the rows"),
        ((0, 0, 0.0, -1), "^next_state is -1"),
        ((0, -1, 0.0, 0), "^action is -1, expected from 0 to 1, the columns"),
        ((0, 2, 0.0, 0), "^action is 2"),
    ],
)
def test_refuses_indices_outside_the_table(row, message):
    learner = TDLearner(TabularQApproximator(3, 2))
    for batch in (transition(*row), rows((*row, False))):
        with pytest.raises(ConfigError, match=message):
            learner.update(batch)
    assert not learner.approximator.table.any()


def test_a_value_that_is_not_finite_is_not_written():
    learner = TDLearner(TabularQApproximator(3, 2, init=1.0), alpha=0.5)
    with pytest.raises(RLCoreError, match=r"state 0, action 1 would be nan .*reward nan"):
        learner.update(transition(0, 1, float("nan"), 1))
    with pytest.raises(RLCoreError, match="would be inf"):
        learner.update(transition(0, 1, 1e39, 1))
    assert (learner.approximator.table == 1).all()


def test_a_bad_next_state_does_not_spoil_an_end():
    learner = TDLearner(TabularQApproximator(2, 2), alpha=0.5)
    learner.approximator.table = np.array([[0, 0], [np.inf, np.nan]], np.float32)
    for update in (traced, lambda learner, batch: (learner, learner.update(batch))[0]):
        assert update(learner, rows((0, 0, 2.0, 1, True))).approximator.table[0, 0] == 1.0


@pytest.mark.parametrize(
    ("named", "message"),
    [
        ({"method": "sarsa"}, "method is 'sarsa', expected 'SARS'"),
        ({"n": 1.5}, "n is 1.5, expected a whole number of at least 0"),
        ({"gamma": 1.5}, "gamma is 1.5, expected a finite number from 0 to 1"),
        ({"gamma": float("nan")}, "gamma is nan"),
        ({"alpha": 0.0}, "alpha is 0.0, expected a finite number above 0 and at most 1"),
        ({"alpha": True}, "alpha is True"),
    ],
)
def test_refuses_wrong_arguments(named, message):
    with pytest.raises(ConfigError, match=message):
        TDLearner(TabularQApproximator(2, 2), **named)


def test_refuses_a_network():
    network = Approximator(MLP(2, (3,), 2, rngs=nnx.Rngs(0)), optax.sgd(0.1))
    with pytest.raises(ConfigError, match=r"approximator is an Approximator.*DQNLearner learns networks"):
        TDLearner(network)
    with pytest.raises(ConfigError, match="TDLearner learns tables"):
        DQNLearner(TabularQApproximator(2, 2))
    with pytest.raises(ConfigError, match=r"ndarray, .* wrap it: TabularApproximator\(table\)"):
        TDLearner(np.zeros((2, 2)))


class World(Environment):
    def __init__(self, states, actions):
        self.states, self.actions = states, actions

    def state_space(self):
        return self.states

    def action_space(self):
        return self.actions


@pytest.mark.parametrize(
    ("states", "actions", "message"),
    [
        (spaces.Discrete(3), spaces.Discrete(3), "the table has 2 columns, but the environment has 3 actions"),
        (spaces.Discrete(4), spaces.Discrete(2), "the table has 3 rows; build it with n_states=4"),
        (spaces.Box(-1, 1, (2,)), spaces.Discrete(2), "expected Discrete states"),
        (spaces.Discrete(3), spaces.Box(-1, 1, (1,)), "RandomPolicy acts in any space"),
    ],
)
def test_check_refuses_what_does_not_fit(states, actions, message):
    with pytest.raises(ConfigError, match=message):
        TDLearner(TabularQApproximator(3, 2)).check(World(states, actions))


def test_check_passes_what_fits():
    TDLearner(TabularQApproximator(3, 2)).check(World(spaces.Discrete(3), spaces.Discrete(2)))
    TDLearner(TabularVApproximator(3)).check(World(spaces.Discrete(3), spaces.Discrete(5)))


@pytest.mark.parametrize("name", ["approximator", "second"])
def test_a_table_that_a_trace_has_spoilt_is_reported(name):
    learner = TDLearner(TabularQApproximator(3, 2), double=True)
    learner.check_finite()
    getattr(learner, name).table[2, 1] = np.inf
    with pytest.raises(RLCoreError, match="the value of state 2, action 1 of TDLearner is inf"):
        learner.check_finite()


@pytest.mark.parametrize("dtype", [np.float16, np.float32, np.float64])
def test_one_transition_is_rounded_as_numpy_rounds_step_by_step(dtype):
    random = np.random.default_rng(0)
    for _ in range(2_000):
        n = int(random.integers(1, 5))
        table = (random.standard_normal((3, n)) * 10.0 ** random.integers(-3, 3)).astype(dtype)
        gamma, alpha = (dtype(number) for number in random.random(2))
        reward = dtype(random.choice([0.0, -0.0, 1.0, random.standard_normal()]))
        given = random.choice([0, 1, 2])
        given = [float(reward), reward, np.float64(reward)][given]
        terminated, action = bool(random.random() < 0.3), int(random.integers(n))
        mask = random.random(n) < 0.6 if random.random() < 0.5 else None
        target = reward
        if not terminated:
            values = table[1] if mask is None else table[1][mask]
            target = dtype(reward + dtype(gamma * (values.max() if len(values) else dtype(0))))
        error = dtype(target - table[0, action])
        expected = dtype(table[0, action] + dtype(alpha * error))
        approximator = TabularApproximator(table)
        numbers = float(gamma), float(alpha), mask
        assert update_cell(approximator.cells(), 0, 1, action, given, terminated, *numbers) == error
        assert approximator.table[0, action] == expected
        np.testing.assert_array_equal(approximator.table[1:], table[1:])
