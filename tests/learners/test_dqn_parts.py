"""The parts of DQNLearner: distributions, noise, priorities, the conservative penalty, and all of them together."""

from functools import partial
from itertools import product

import jax
import jax.numpy as jnp
import numpy as np
import optax
import pytest
from flax import nnx
from gymnasium import spaces
from scipy import special

from rlcore.approximators import Approximator, TargetNetwork
from rlcore.errors import ConfigError
from rlcore.interfaces import Environment
from rlcore.learners import CategoricalSupport, DQNLearner, Quantiles
from rlcore.networks import MLP, DuelingNetwork, NoisyLinear
from rlcore.stages import Stage
from rlcore.trajectories.batch import Batch

N = 3  # atoms
SUPPORT, QUANTILES = CategoricalSupport(-4, 8, N), Quantiles(N)


class Table(nnx.Module):
    """Outputs [states, outputs] as a parameter; states are indices."""

    def __init__(self, values):
        self.values = nnx.Param(jnp.asarray(values, jnp.float32))

    def __call__(self, state):
        return self.values[...][state]


def tables(n_atoms=N, seed=0):
    """What an online and a target network give for two states, three actions and the atoms of each."""
    return 2 * np.random.default_rng(seed).normal(size=(2, 2, 3 * n_atoms)).astype(np.float32)


def learner_of(values, **named):
    online, target = values
    network = TargetNetwork(Approximator(Table(target), optax.sgd(1.0)), sync_freq=1000)
    network.approximator.parameters = {"values": online}
    return DQNLearner(network, gamma=0.5, **named)


def batch(**named):
    """From 0 by action 1 to 1, from 1 by action 0 to 0, from 1 by action 2 to 1; the last is an end."""
    columns = {
        "state": np.array([0, 1, 1], np.int32),
        "action": np.array([1, 0, 2], np.int32),
        "reward": np.array([1.0, 2.0, -1.0], np.float32),
        "next_state": np.array([1, 0, 1], np.int32),
        "terminated": np.array([False, False, True]),
        "truncated": np.array([False, True, False]),
    }
    return Batch(**columns | named)


def losses_of(learner, transitions):
    """Each row's loss, from batches in which the others weigh nothing."""
    rows = np.eye(3, dtype=np.float32) * 3
    parameters = learner.approximator.parameters
    return [float(learner.objective(parameters, transitions(weight=row))[0]) for row in rows]


MASKS = np.array([[True, False, True], [False, True, True], [True, True, True]])


@pytest.mark.parametrize("distribution", [SUPPORT, QUANTILES])
@pytest.mark.parametrize("double", [False, True])
@pytest.mark.parametrize(
    "more", [{}, {"next_mask": MASKS}, {"discount": np.array([0.25, 0.125, 0.0], np.float32)}], ids=str
)
def test_losses_against_a_loop(distribution, double, more):
    values = tables()
    learner = learner_of(values, distribution=distribution, double=double)
    online, target = (table.reshape(2, 3, N) for table in values)

    def mean(outputs):
        if distribution is SUPPORT:
            return special.softmax(outputs, -1) @ np.array([-4.0, 2.0, 8.0])
        return outputs.mean(-1)

    expected, transitions = [], batch(**more)
    for row in range(3):
        at, after, action = transitions.state[row], transitions.next_state[row], transitions.action[row]
        says = mean((online if double else target)[after])
        legal = [a for a in range(3) if "next_mask" not in more or MASKS[row, a]]
        best = max(legal, key=lambda a: says[a])
        gamma = more["discount"][row] if "discount" in more else 0.5
        moved = distribution.target(
            target[after, best][None], transitions.reward[row][None], gamma, np.array([row == 2])
        )
        expected.append(float(distribution.loss(online[at, action][None], moved)[0]))
    np.testing.assert_allclose(losses_of(learner, partial(batch, **more)), expected, rtol=1e-5)


@pytest.mark.parametrize("distribution", [SUPPORT, QUANTILES])
def test_nothing_comes_after_a_state_without_a_legal_action(distribution):
    learner = learner_of(tables(), distribution=distribution)
    ended = losses_of(learner, partial(batch, terminated=np.ones(3, bool)))
    stuck = losses_of(learner, partial(batch, next_mask=np.zeros((3, 3), bool)))
    assert stuck == pytest.approx(ended)


@pytest.mark.parametrize("distribution", [SUPPORT, QUANTILES])
def test_outputs_after_an_end_may_be_anything(distribution):
    learner = learner_of(tables(), distribution=distribution, conservative_weight=1.0)
    expected = losses_of(learner, partial(batch, terminated=np.ones(3, bool)))
    learner.approximator.target_parameters = {"values": jnp.full((2, 3 * N), jnp.nan)}
    transitions = partial(batch, terminated=np.ones(3, bool))
    assert losses_of(learner, transitions) == pytest.approx(expected)
    gradients = jax.grad(lambda p: learner.objective(p, transitions())[0])(learner.approximator.parameters)
    assert np.isfinite(gradients["values"]).all()


@pytest.mark.parametrize("distribution", [SUPPORT, QUANTILES])
def test_policies_see_expected_values(distribution):
    values = tables()
    learner = learner_of(values, distribution=distribution)
    q = learner.forward(np.array([0, 1], np.int32))
    assert q.shape == (2, 3)
    np.testing.assert_allclose(q, distribution.expected(values[0].reshape(2, 3, N)), rtol=1e-6)
    assert learner.forward(1).shape == (3,)
    metrics = learner.objective(learner.approximator.parameters, batch())[1]
    assert float(metrics["q"]) == pytest.approx((q[0, 1] + q[1, 0] + q[1, 2]) / 3)


def test_a_dense_stack_with_a_distribution_answers_in_numpy():
    network = Approximator(MLP(4, (8,), 2 * N, rngs=nnx.Rngs(0)), optax.adam(1e-3))
    learner, state = DQNLearner(network, distribution=SUPPORT), np.ones((5, 4), np.float32)
    q = learner.forward(state)
    assert type(q) is np.ndarray
    assert q.shape == (5, 2)
    np.testing.assert_allclose(q, jax.jit(lambda learner, state: learner.forward(state))(learner, state), rtol=1e-5)


def test_priorities_are_errors_or_losses_and_come_only_if_asked_for():
    key = np.array([4, 8, 2])
    plain = learner_of(tables(1))
    metrics = plain.objective(plain.approximator.parameters, batch(key=key, weight=np.full(3, 0.5, np.float32)))[1]
    online, target = tables(1)
    expected = [
        abs(1 + 0.5 * target[1].max() - online[0, 1]),
        abs(2 + 0.5 * target[0].max() - online[1, 0]),
        abs(-1 - online[1, 2]),
    ]
    np.testing.assert_allclose(metrics["priority"], expected, rtol=1e-5)
    for distribution in (SUPPORT, QUANTILES):
        learner = learner_of(tables(), distribution=distribution, conservative_weight=2.0)
        without = learner_of(tables(), distribution=distribution)
        metrics = learner.objective(learner.approximator.parameters, batch(key=key))[1]
        np.testing.assert_allclose(metrics["priority"], losses_of(without, batch), rtol=1e-5)
    assert "priority" not in plain.objective(plain.approximator.parameters, batch())[1]


def test_a_priority_is_never_negative():
    right = learner_of(np.zeros((2, 2, 3 * N)), distribution=CategoricalSupport(-1, 1, N))
    ends = batch(key=np.arange(3), reward=np.zeros(3, np.float32), terminated=np.ones(3, bool))
    right.approximator.parameters = {"values": np.tile([-20.0, 20.0, -20.0], (2, 3))}
    priority = right.objective(right.approximator.parameters, ends)[1]["priority"]
    assert (np.asarray(priority) >= 0).all()
    np.testing.assert_allclose(priority, 0, atol=1e-5)


@pytest.mark.parametrize("mask", [None, MASKS])
@pytest.mark.parametrize("distribution", [None, SUPPORT, QUANTILES])
def test_the_conservative_penalty(distribution, mask):
    values = tables(1 if distribution is None else N)
    plain, conservative = (
        learner_of(values, distribution=distribution, conservative_weight=weight) for weight in (0, 0.7)
    )
    q = plain.forward(np.array([0, 1, 1], np.int32))
    legal = np.ones((3, 3), bool) if mask is None else mask | np.eye(3, dtype=bool)[[1, 0, 2]]
    penalty = [special.logsumexp(q[row][legal[row]]) - q[row, action] for row, action in enumerate((1, 0, 2))]
    transitions = partial(batch, mask=None if mask is None else legal)
    expected = np.array(losses_of(plain, transitions)) + 0.7 * np.array(penalty)
    np.testing.assert_allclose(losses_of(conservative, transitions), expected, rtol=1e-5)
    metrics = conservative.objective(conservative.approximator.parameters, transitions())[1]
    assert float(metrics["conservative"]) == pytest.approx(np.mean(penalty), rel=1e-5)


def test_the_penalty_lowers_actions_that_were_not_taken():
    """Every row terminates with reward 1 by action 0: the others sink, the error of action 0 stays near 0."""
    transitions = Batch(
        state=np.zeros(4, np.int32),
        action=np.zeros(4, np.int32),
        reward=np.ones(4, np.float32),
        next_state=np.zeros(4, np.int32),
        terminated=np.ones(4, bool),
        truncated=np.zeros(4, bool),
    )
    found = {}
    for weight in (0.0, 0.1):
        network = Approximator(Table([[5.0, 5.0]]), optax.sgd(0.4))
        learner = DQNLearner(network, conservative_weight=weight)
        learner.optimise(Stage.POST_ACT, [transitions] * 300)
        found[weight] = np.asarray(learner.forward(0))
    np.testing.assert_allclose(found[0.0], [1, 5], atol=1e-4)
    assert found[0.1][0] == pytest.approx(1, abs=0.1)
    assert found[0.1][1] < 1


STATE = spaces.Box(-1, 1, (4,))


def model(kind, n_atoms):
    rngs = nnx.Rngs(0)
    if kind == "dense":
        return MLP(4, (8,), 2 * n_atoms, rngs=rngs)
    linear = nnx.Linear if kind == "dueling" else NoisyLinear
    if kind == "noisy":
        return nnx.Sequential(nnx.Linear(4, 8, rngs=rngs), nnx.relu, linear(8, 2 * n_atoms, rngs=rngs))
    base = nnx.Sequential(nnx.Linear(4, 8, rngs=rngs), nnx.relu)
    return DuelingNetwork(base, linear(8, n_atoms, rngs=rngs), linear(8, 2 * n_atoms, rngs=rngs), n_atoms)


def cartpole_like(seed, sampler):
    random = np.random.default_rng(seed)
    columns = {
        "state": random.normal(size=(6, 4)).astype(np.float32),
        "action": random.integers(2, size=6).astype(np.int32),
        "reward": np.ones(6, np.float32),
        "next_state": random.normal(size=(6, 4)).astype(np.float32),
        "terminated": random.random(6) < 0.3,
        "truncated": np.zeros(6, bool),
    }
    if "n-step" in sampler:
        columns["discount"] = np.where(columns["terminated"], 0, 0.9**3).astype(np.float32)
    if "prioritised" in sampler:
        columns |= {"key": np.arange(6), "weight": random.uniform(0.1, 1, 6).astype(np.float32)}
    return Batch(**columns)


COMBINATIONS = list(
    product(
        ["dense", "dueling", "noisy", "noisy dueling"],
        [None, SUPPORT, QUANTILES],
        [{"double": False}, {"double": True, "conservative_weight": 0.5}],
        ["uniform", "n-step and prioritised"],
    )
)


@pytest.mark.parametrize(("kind", "distribution", "named", "sampler"), COMBINATIONS)
def test_every_combination_learns(kind, distribution, named, sampler):
    n_atoms = 1 if distribution is None else N
    network = TargetNetwork(Approximator(model(kind, n_atoms), optax.sgd(0.02)), sync_freq=2, rho=0.5)
    learner = DQNLearner(network, distribution=distribution, **named)
    transitions = cartpole_like(0, sampler)
    before = learner.forward(transitions.state)
    for _ in range(3):
        metrics = learner.update(transitions)
    learner.check_finite()
    expected = {"loss", "q"} | ({"priority"} if sampler != "uniform" else set())
    assert metrics.keys() == expected | ({"conservative"} if "conservative_weight" in named else set())
    if sampler != "uniform":
        assert np.shape(metrics["priority"]) == (6,)
        assert (np.asarray(metrics["priority"]) >= 0).all()
    values = learner.forward(transitions.state)
    assert values.shape == (6, 2)
    assert np.isfinite(values).all()
    assert not np.allclose(values, before)


@pytest.mark.parametrize("distribution", [None, SUPPORT, QUANTILES])
def test_a_contextual_bandit_is_learnt(distribution):
    """Rewards of -1 and 3 for two actions, all ends: their expectations are found."""
    n_atoms = 1 if distribution is None else N
    network = Approximator(model("noisy dueling", n_atoms), optax.adam(0.02))
    learner = DQNLearner(network, distribution=distribution)
    action = np.arange(8, dtype=np.int32) % 2
    transitions = cartpole_like(0, "uniform")
    rows = Batch(
        state=np.ones((8, 4), np.float32),
        action=action,
        reward=np.where(action == 0, -1, 3).astype(np.float32),
        next_state=np.tile(transitions.next_state[:1], (8, 1)),
        terminated=np.ones(8, bool),
        truncated=np.zeros(8, bool),
    )
    learner.optimise(Stage.POST_ACT, [rows] * 400)
    np.testing.assert_allclose(learner.forward(np.ones(4, np.float32)), [-1, 3], atol=0.35)


def test_noise_is_new_in_every_update_and_of_its_own_in_each_pass(monkeypatch):
    learner = DQNLearner(TargetNetwork(Approximator(model("noisy", 1), optax.sgd(0.0))), double=True)
    transitions = cartpole_like(0, "n-step and prioritised")
    priorities = []
    for _ in range(3):
        metrics = learner.update(transitions)
        priorities.append(np.asarray(metrics["priority"]))
    assert not np.allclose(priorities[0], priorities[1])
    assert not np.allclose(priorities[1], priorities[2])
    seen = []
    network = learner.approximator
    for name in ("forward", "target"):
        method = getattr(TargetNetwork, name)
        monkeypatch.setattr(
            TargetNetwork, name, lambda self, *a, method=method, **k: seen.append(method(self, *a, **k)) or seen[-1]
        )
    transitions.next_state = transitions.state
    learner.objective(network.parameters, transitions)
    chosen_by, target, prediction = seen  # all of the same states, by the same parameters
    assert not np.allclose(chosen_by, target)
    assert not np.allclose(chosen_by, prediction)
    assert not np.allclose(target, prediction)


def test_a_learner_of_a_noisy_network_has_a_stream_and_others_have_none():
    noisy = DQNLearner(Approximator(model("noisy", 1), optax.adam(1e-3)))
    assert noisy.noise is not None
    assert not noisy.noise.is_named()
    assert DQNLearner(Approximator(model("dense", 1), optax.adam(1e-3))).noise is None
    state, words = np.ones(4, np.float32), np.array([3, 4])
    np.testing.assert_array_equal(noisy.forward(state), noisy.forward(state))
    np.testing.assert_array_equal(noisy.forward(state, words), noisy.forward(state, words))
    assert not np.allclose(noisy.forward(state, words), noisy.forward(state))
    assert not noisy.noise.is_named()  # who acts draws


def test_learners_built_alike_share_one_compilation():
    def build():
        return DQNLearner(
            TargetNetwork(Approximator(model("noisy dueling", N), optax.adam(0.01))),
            distribution=CategoricalSupport(-4, 8, N),
            double=True,
        )

    trees = [jax.tree.structure(build()) for _ in range(2)]
    assert trees[0] == trees[1]
    assert hash(trees[0]) == hash(trees[1])


class World(Environment):
    def __init__(self, states, actions):
        self.states, self.actions = states, actions

    def state_space(self):
        return self.states

    def action_space(self):
        return self.actions


@pytest.mark.parametrize("distribution", [SUPPORT, QUANTILES])
def test_check_refuses_a_head_of_another_size(distribution):
    learner = DQNLearner(Approximator(model("dense", 1), optax.adam(1e-3)), distribution=distribution)
    message = r"shape=\(2,\).*expected shape \(6,\): 3 atoms for each of the 2 actions; set the size of its last layer"
    with pytest.raises(ConfigError, match=message):
        learner.check(World(STATE, spaces.Discrete(2)))
    DQNLearner(Approximator(model("dense", 3), optax.adam(1e-3)), distribution=distribution).check(
        World(STATE, spaces.Discrete(2))
    )


@pytest.mark.parametrize(
    ("named", "message"),
    [
        ({"distribution": 51}, r"distribution is 51, expected CategoricalSupport\(v_min, v_max, n_atoms\)"),
        ({"distribution": Quantiles}, "distribution is the class Quantiles"),
        (
            {"distribution": QUANTILES, "loss": optax.huber_loss},
            r"loss is the function huber_loss beside distribution Quantiles\(n=3, kappa=1.0\), which has a loss of its",
        ),
        ({"conservative_weight": -0.5}, "conservative_weight is -0.5, expected a finite number of at least 0"),
    ],
)
def test_refuses_wrong_arguments(named, message):
    with pytest.raises(ConfigError, match=message):
        DQNLearner(Approximator(model("dense", 1), optax.adam(1e-3)), **named)


def test_shown_as_the_call_that_makes_it():
    learner = DQNLearner(
        Approximator(model("dense", N), optax.adam(1e-3)), distribution=QUANTILES, conservative_weight=0.5
    )
    parts = "distribution=Quantiles(n=3, kappa=1.0), conservative_weight=0.5"
    assert repr(learner) == f"DQNLearner(Approximator(MLP, 94 parameters), {parts})"
    assert learner.loss == QUANTILES.loss
