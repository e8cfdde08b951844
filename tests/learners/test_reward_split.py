"""Rewards and punishments as two streams of a network: against two networks apart, and against two tables."""

import jax
import jax.numpy as jnp
import numpy as np
import optax
import pytest
from flax import nnx

from rlcore import Experiment, QBasedPolicy, StopAfterNSteps
from rlcore.approximators import Approximator, TabularQApproximator, TargetNetwork
from rlcore.environments import CartPole
from rlcore.errors import ConfigError
from rlcore.explorers import GreedyExplorer
from rlcore.learners import CategoricalSupport, DQNLearner, Quantiles, RewardSplit, SplitQLearner
from rlcore.networks import MLP, SplitNetwork
from rlcore.trajectories import Batch

N_STATES, N_ACTIONS, ROWS = 5, 3, 40
BIASED = {"reward_weight": 2.0, "punish_weight": 0.5, "reward_memory": 0.75, "punish_memory": 0.25}


def one_hot(states):
    return np.eye(N_STATES, dtype=np.float32)[states]


def batch(seed=0, has_masks=False, **named):
    random = np.random.default_rng(seed)
    columns = {
        "state": one_hot(random.integers(N_STATES, size=ROWS)),
        "action": random.integers(N_ACTIONS, size=ROWS),
        "reward": random.normal(size=ROWS).astype(np.float32),
        "next_state": one_hot(random.integers(N_STATES, size=ROWS)),
        "terminated": random.random(ROWS) < 0.3,
        "truncated": random.random(ROWS) < 0.3,
    }
    if has_masks:
        columns["next_mask"] = random.random((ROWS, N_ACTIONS)) < 0.5
    return Batch(**columns | named)


def models(n_atoms=1):
    """One for rewards and one for punishments."""
    return [MLP(N_STATES, (8,), N_ACTIONS * n_atoms, rngs=nnx.Rngs(seed)) for seed in (1, 2)]


def network(model):
    """With a target that is another than the model."""
    approximator = TargetNetwork(Approximator(model, optax.sgd(0.1)), sync_freq=100)
    approximator.target_parameters = jax.tree.map(lambda leaf: 1.5 * leaf + 0.1, approximator.target_parameters)
    return approximator


@pytest.mark.parametrize("double", [False, True])
@pytest.mark.parametrize(
    ("named", "n_atoms"),
    [
        ({}, 1),
        ({"loss": optax.huber_loss}, 1),
        ({"distribution": CategoricalSupport(-2, 2, 7)}, 7),
        ({"distribution": Quantiles(4)}, 4),
    ],
)
def test_it_is_two_networks_that_learn_apart(double, named, n_atoms):
    parts = models(n_atoms)
    learner = DQNLearner(network(SplitNetwork(*parts)), 0.8, double=double, split=RewardSplit(**BIASED), **named)
    apart = [DQNLearner(network(part), 0.8, double=double, **named) for part in parts]
    rows = batch(has_masks=True, discount=np.full(ROWS, 0.7, np.float32))
    states = np.eye(N_STATES, dtype=np.float32)
    values = [one.forward(states) for one in apart]
    np.testing.assert_allclose(learner.forward(states), sum(values), rtol=1e-5, atol=1e-6)

    signs, expected = (np.maximum, np.minimum), 0.0
    forgotten = ((1 - 0.75) / 0.01, (1 - 0.25) / 0.01)
    for one, sign, weight, share, value in zip(apart, signs, (2.0, 0.5), forgotten, values, strict=True):
        taken = value[rows.state.argmax(1), rows.action]
        part = jax.tree.map(lambda leaf: leaf, rows)
        part.reward = weight * sign(rows.reward, 0) - share * taken
        expected += one.objective(one.approximator.parameters, part)[0]
    loss, metrics = learner.objective(learner.approximator.parameters, rows)
    np.testing.assert_allclose(loss, expected, rtol=1e-4)
    total = sum(value[rows.state.argmax(1), rows.action] for value in values)
    np.testing.assert_allclose(metrics["q"], total.mean(), rtol=1e-4)


class Table(nnx.Module):
    """A table of two streams as a network of one-hot states."""

    def __init__(self):
        self.kernel = nnx.Param(jnp.zeros((N_STATES, 2 * N_ACTIONS)))

    def __call__(self, state):
        return state @ self.kernel[...]


def test_it_learns_as_two_tables_do():
    alpha = 0.25
    tables = SplitQLearner(
        TabularQApproximator(N_STATES, N_ACTIONS), TabularQApproximator(N_STATES, N_ACTIONS), 0.5, alpha, **BIASED
    )
    approximator = Approximator(Table(), optax.sgd(alpha / 2))  # the squared error has twice the gradient
    learner = DQNLearner(approximator, 0.5, split=RewardSplit(**BIASED, alpha=alpha))
    update = jax.jit(lambda learner, row: (learner, learner.update(row))[0])
    rows, states = batch(1, has_masks=True), np.arange(N_STATES)
    for at in range(ROWS):
        one = jax.tree.map(lambda leaf, at=at: leaf[at : at + 1], rows)
        learner = update(learner, one)
        one.state, one.next_state = one.state.argmax(1), one.next_state.argmax(1)
        tables.update(one)
    both = [tables.reward_approximator.table, tables.punish_approximator.table]
    assert all(abs(table).max() > 0.01 for table in both)
    np.testing.assert_allclose(learner.approximator.forward(one_hot(states)), np.hstack(both), rtol=1e-4, atol=1e-5)
    np.testing.assert_allclose(learner.forward(one_hot(states)), tables.forward(states), rtol=1e-4, atol=1e-5)


def test_priorities_and_penalties_are_those_of_the_sum():
    learner = DQNLearner(network(SplitNetwork(*models())), 0.8, conservative_weight=0.5, split=RewardSplit())
    rows = batch(key=np.arange(ROWS))
    _, metrics = learner.objective(learner.approximator.parameters, rows)
    q = learner.forward(rows.state)
    taken, rest = q[np.arange(ROWS), rows.action], learner.approximator.target(rows.next_state)
    best = rest[:, :N_ACTIONS].max(1) + rest[:, N_ACTIONS:].max(1)
    target = rows.reward + np.where(rows.terminated, 0, 0.8 * best)
    np.testing.assert_allclose(metrics["priority"], abs(target - taken), rtol=1e-4, atol=1e-5)
    np.testing.assert_allclose(metrics["conservative"], (np.log(np.exp(q).sum(1)) - taken).mean(), rtol=1e-4)


@pytest.mark.parametrize(
    ("name", "number", "expected"),
    [
        ("reward_weight", -1, "a finite number of at least 0"),
        ("punish_weight", np.nan, "a finite number of at least 0"),
        ("reward_memory", 1.5, "a finite number from 0 to 1"),
        ("punish_memory", "all", "a finite number from 0 to 1"),
        ("alpha", 0, "a finite number above 0"),
    ],
)
def test_numbers_out_of_range_are_refused(name, number, expected):
    with pytest.raises(ConfigError, match=f"{name} is .*, expected {expected}"):
        RewardSplit(**{name: number})


def test_what_does_not_fit_is_refused():
    approximator = Approximator(MLP(4, (8,), 2, rngs=nnx.Rngs(0)), optax.adam(1e-3))
    with pytest.raises(ConfigError, match=r"split is True, expected a RewardSplit"):
        DQNLearner(approximator, split=True)
    policy = QBasedPolicy(DQNLearner(approximator, split=RewardSplit()), GreedyExplorer())
    with pytest.raises(ConfigError, match=r"expected shape \(4,\): one value .* 2 actions, of rewards and of punishm"):
        Experiment(policy, CartPole(), StopAfterNSteps(1))
    for wrong in (approximator, approximator.model):
        with pytest.raises(ConfigError, match=r"expected a table .*; a network learns with DQNLearner"):
            SplitQLearner(wrong, wrong)


def test_networks_that_do_not_fit_each_other_are_refused():
    with pytest.raises(ConfigError, match=r"reward gives an output of shape \(2, 3\) and punish one of shape \(2, 4\)"):
        SplitNetwork(MLP(5, (8,), 3, rngs=nnx.Rngs(0)), MLP(5, (8,), 4, rngs=nnx.Rngs(0)))
    with pytest.raises(ConfigError, match="punish is None, expected a flax"):
        SplitNetwork(MLP(5, (8,), 3, rngs=nnx.Rngs(0)), None)
