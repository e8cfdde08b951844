"""Learning a network of action values."""

from functools import partial

import jax
import jax.numpy as jnp
import numpy as np
import optax
import pytest
from flax import nnx
from gymnasium import spaces

from rlcore.approximators import Approximator, TargetNetwork
from rlcore.environments import as_environment
from rlcore.errors import ConfigError, RLCoreError
from rlcore.interfaces import Environment
from rlcore.learners import DQNLearner
from rlcore.networks import MLP
from rlcore.stages import Stage
from rlcore.trajectories.batch import Batch


class Table(nnx.Module):
    """Action values [states, actions] as a parameter; states are indices."""

    def __init__(self, values):
        self.values = nnx.Param(jnp.asarray(values, jnp.float32))

    def __call__(self, state):
        return self.values[...][state]


ONLINE = [[1.0, 2.0, 0.0], [5.0, 3.0, 4.0]]
TARGET = [[10.0, 20.0, 30.0], [40.0, 50.0, 60.0]]


def two_networks(**named):
    network = TargetNetwork(Approximator(Table(TARGET), optax.sgd(1.0)), sync_freq=1000)
    network.approximator.parameters = {"values": np.array(ONLINE)}
    return DQNLearner(network, gamma=0.5, **named)


def batch(terminated=(False, False), truncated=(False, False), **named):
    """From 0 by action 1 to 1, and from 1 by action 0 to 0; rewards 1 and 2."""
    columns = {
        "state": np.array([0, 1], np.int32),
        "action": np.array([1, 0], np.int32),
        "reward": np.array([1.0, 2.0], np.float32),
        "next_state": np.array([1, 0], np.int32),
        "terminated": np.array(terminated),
        "truncated": np.array(truncated),
    }
    return Batch(**columns | named)


def loss_of(learner, transitions):
    loss, metrics = learner.objective(learner.approximator.parameters, transitions)
    assert float(metrics["q"]) == 3.5  # (2 + 5) / 2
    return float(loss)


@pytest.mark.parametrize(
    ("learner", "transitions", "targets"),
    [
        ({}, {}, (1 + 0.5 * 60, 2 + 0.5 * 30)),
        ({"double": True}, {}, (1 + 0.5 * 40, 2 + 0.5 * 20)),  # online prefers actions 0 and 1
        ({}, {"terminated": (True, False)}, (1, 2 + 0.5 * 30)),
        ({"double": True}, {"terminated": (True, False)}, (1, 2 + 0.5 * 20)),
        ({}, {"truncated": (True, True)}, (1 + 0.5 * 60, 2 + 0.5 * 30)),
        ({}, {"terminated": (True, True), "truncated": (True, True)}, (1, 2)),
        ({}, {"next_mask": np.array([[1, 1, 0], [1, 0, 0]], bool)}, (1 + 0.5 * 50, 2 + 0.5 * 10)),
        ({"double": True}, {"next_mask": np.array([[0, 1, 1], [1, 0, 1]], bool)}, (1 + 0.5 * 60, 2 + 0.5 * 10)),
        ({}, {"next_mask": np.zeros((2, 3), bool), "terminated": (True, True)}, (1, 2)),
        ({"double": True}, {"next_mask": np.zeros((2, 3), bool), "terminated": (True, True)}, (1, 2)),
        ({}, {"discount": np.array([0.25, 0.0], np.float32)}, (1 + 0.25 * 60, 2)),
    ],
)
def test_targets_by_hand(learner, transitions, targets):
    expected = ((2 - targets[0]) ** 2 + (5 - targets[1]) ** 2) / 2
    assert loss_of(two_networks(**learner), batch(**transitions)) == pytest.approx(expected)


def test_weights_multiply_the_loss_of_their_rows():
    weight = np.array([0.5, 0.0], np.float32)
    assert loss_of(two_networks(), batch(weight=weight)) == pytest.approx(0.5 * (2 - 31) ** 2 / 2)


def test_the_loss_is_exchangeable():
    huber = partial(optax.huber_loss, delta=1.0)
    assert loss_of(two_networks(loss=huber), batch()) == pytest.approx((28.5 + 11.5) / 2)


@pytest.mark.parametrize("double", [False, True])
def test_the_gradient_sees_the_prediction_alone(double):
    learner = two_networks(double=double)
    gradients = jax.grad(lambda parameters: learner.objective(parameters, batch())[0])(learner.approximator.parameters)
    targets = (21, 12) if double else (31, 17)
    expected = np.zeros((2, 3))
    expected[0, 1], expected[1, 0] = 2 - targets[0], 5 - targets[1]  # 2 * error / 2 rows
    np.testing.assert_allclose(gradients["values"], expected)


def test_values_after_an_end_may_be_anything():
    learner = two_networks()
    learner.approximator.target_parameters = {"values": jnp.array([[jnp.nan] * 3, [jnp.inf] * 3])}
    for ends in ({"terminated": (True, True)}, {"discount": np.zeros(2, np.float32)}):
        assert loss_of(learner, batch(**ends)) == pytest.approx((1 + 9) / 2)
        gradients = jax.grad(lambda p, ends=ends: learner.objective(p, batch(**ends))[0])(
            learner.approximator.parameters
        )
        assert np.isfinite(gradients["values"]).all()


@pytest.mark.parametrize(("terminated", "expected"), [(True, 1.0), (False, 1.0 / (1 - 0.75))])
def test_a_time_limit_is_no_end(terminated, expected):
    """One state, reward 1: cut by a limit it is worth r / (1 - gamma), ended for good r."""
    learner = DQNLearner(TargetNetwork(Approximator(Table([[0.0]]), optax.sgd(0.25))), gamma=0.75)
    transitions = Batch(
        state=np.zeros(1, np.int32),
        action=np.zeros(1, np.int32),
        reward=np.ones(1, np.float32),
        next_state=np.zeros(1, np.int32),
        terminated=np.array([terminated]),
        truncated=np.array([not terminated]),
    )
    learner.optimise(Stage.POST_ACT, [transitions] * 200)
    assert float(learner.forward(0)[0]) == pytest.approx(expected, rel=1e-4)


def small(rngs):
    return MLP(4, (16,), 2, rngs=rngs)


def cartpole_like(n=8, seed=0):
    rng = np.random.default_rng(seed)
    return Batch(
        state=rng.normal(size=(n, 4)).astype(np.float32),
        action=rng.integers(2, size=n).astype(np.int32),
        reward=np.ones(n, np.float32),
        next_state=rng.normal(size=(n, 4)).astype(np.float32),
        terminated=rng.random(n) < 0.2,
        truncated=np.zeros(n, bool),
    )


def test_update_is_a_step_of_the_optimiser_and_reports():
    learner = two_networks()
    learner.optimise(Stage.POST_ACT, [batch()])
    np.testing.assert_allclose(learner.forward(0), [1, 2 + 29, 0])
    np.testing.assert_allclose(learner.forward(np.array([1])), [[5 + 12, 3, 4]])
    assert float(learner.metrics["loss"]) == pytest.approx((29**2 + 12**2) / 2)
    assert float(learner.metrics["q"]) == 3.5


def test_eager_and_compiled_updates_agree():
    def learner():
        return DQNLearner(TargetNetwork(Approximator(small(nnx.Rngs(0)), optax.adam(0.01)), 2), double=True)

    eager, compiled = learner(), learner()
    for seed in range(3):
        eager.update(cartpole_like(seed=seed))
        compiled.optimise(Stage.POST_ACT, [cartpole_like(seed=seed)])
    state = np.ones(4, np.float32)
    np.testing.assert_allclose(eager.forward(state), compiled.forward(state), rtol=1e-5, atol=1e-6)


class Normed(nnx.Module):
    def __init__(self, rngs):
        self.first = nnx.Linear(4, 16, use_bias=False, rngs=rngs)
        self.norm = nnx.BatchNorm(16, rngs=rngs)
        self.dropout = nnx.Dropout(0.5, rngs=rngs)
        self.last = nnx.Linear(16, 2, rngs=rngs)

    def __call__(self, x):
        return self.last(self.dropout(nnx.relu(self.norm(self.first(x)))))


def test_batch_statistics_and_dropout_move_with_every_update():
    learner = DQNLearner(TargetNetwork(Approximator(Normed(nnx.Rngs(0)), optax.adam(0.01)), 2), double=True)
    start = learner.approximator.variables
    learner.optimise(Stage.POST_ACT, [cartpole_like()] * 3)
    now = learner.approximator.variables
    assert int(now["dropout"]["rngs"]["count"]) == 3
    hidden = cartpole_like().state @ np.asarray(learner.approximator.parameters["first"]["kernel"])
    assert not np.array_equal(now["norm"]["mean"], start["norm"]["mean"])
    assert np.sign(np.asarray(now["norm"]["mean"])).tolist() == np.sign(hidden.mean(0)).tolist()
    learner.check_finite()


def test_an_update_that_is_not_finite_is_not_applied_and_reported():
    learner = DQNLearner(Approximator(MLP(4, (16,), 2, rngs=nnx.Rngs(0)), optax.adam(0.01)))
    start = jax.tree.map(np.asarray, learner.approximator.parameters)
    bad = cartpole_like()
    bad.reward = np.full(8, np.inf, np.float32)
    learner.optimise(Stage.POST_ACT, [bad])
    with pytest.raises(RLCoreError, match="was not finite and was not applied"):
        learner.check_finite()
    with pytest.raises(RLCoreError, match="was not finite"):
        learner.optimise(Stage.POST_ACT, [cartpole_like()])
    jax.tree.map(np.testing.assert_array_equal, learner.approximator.parameters, start)
    learner.approximator.parameters = start
    learner.optimise(Stage.POST_ACT, [cartpole_like()])
    learner.check_finite()


def test_apply_if_finite_goes_on():
    optimiser = optax.apply_if_finite(optax.adam(0.01), max_consecutive_errors=5)
    learner = DQNLearner(Approximator(MLP(4, (16,), 2, rngs=nnx.Rngs(0)), optimiser))
    bad = cartpole_like()
    bad.reward = np.full(8, np.nan, np.float32)
    learner.optimise(Stage.POST_ACT, [bad, cartpole_like()])
    learner.check_finite()
    assert np.isfinite(float(learner.metrics["loss"]))


TRACES = []


def counted(prediction, target, scale):
    TRACES.append(1)
    return scale * (prediction - target) ** 2


def test_learners_built_alike_share_one_compilation():
    def build(seed, scale=1.0):
        network = Approximator(MLP(4, (16,), 2, rngs=nnx.Rngs(seed)), optax.sgd(1e-3))
        return DQNLearner(TargetNetwork(network, 3), loss=lambda prediction, target: counted(prediction, target, scale))

    TRACES.clear()
    for seed in range(2):
        learner = build(seed)
        for _ in range(3):
            learner.optimise(Stage.POST_ACT, [cartpole_like()])
    assert len(TRACES) == 1
    build(0, scale=2.0).optimise(Stage.POST_ACT, [cartpole_like()])
    assert len(TRACES) == 2


class World(Environment):
    def __init__(self, states, actions):
        self.states, self.actions = states, actions

    def state_space(self):
        return self.states

    def action_space(self):
        return self.actions


def test_check_refuses_what_does_not_fit():
    learner = DQNLearner(Approximator(MLP(4, (16,), 2, rngs=nnx.Rngs(0)), optax.adam(1e-3)))
    box = spaces.Box(-1, 1, (4,), np.float64)
    with pytest.raises(ConfigError, match=r"shape=\(2,\).*expected shape \(3,\): one value for each of the 3 actions"):
        learner.check(World(box, spaces.Discrete(3)))
    with pytest.raises(ConfigError, match="values each action of a Discrete space; RandomPolicy"):
        learner.check(World(box, spaces.Box(-1, 1, (2,))))
    with pytest.raises(ConfigError, match=r"can't take a batch of two states.*shape=\(2, 5\)"):
        learner.check(World(spaces.Box(-1, 1, (5,)), spaces.Discrete(2)))
    with pytest.raises(ConfigError, match="are no arrays"):
        learner.check(World(spaces.Text(4), spaces.Discrete(2)))
    learner.check(World(box, spaces.Discrete(2)))
    assert learner.approximator.state_ndim == 1


@pytest.mark.parametrize(
    ("named", "message"),
    [
        ({"gamma": -0.1}, "gamma is -0.1"),
        ({"loss": "huber"}, "loss is 'huber', expected a function"),
        ({"double": 1}, "double is 1, expected True or False"),
    ],
)
def test_refuses_wrong_arguments(named, message):
    network = Approximator(MLP(4, (16,), 2, rngs=nnx.Rngs(0)), optax.adam(1e-3))
    with pytest.raises(ConfigError, match=message):
        DQNLearner(network, **named)


def test_refuses_a_bare_module():
    with pytest.raises(ConfigError, match=r"approximator is a MLP, expected an Approximator\(model, optimiser\)"):
        DQNLearner(MLP(4, (16,), 2, rngs=nnx.Rngs(0)))


@pytest.mark.parametrize("model", [small, Normed])
def test_learners_side_by_side_in_a_loop_equal_lone_ones(model):
    """As compiled runs use it: the learner is the carry of a scan, with an axis of seeds in front."""

    def build(seed):
        return DQNLearner(TargetNetwork(Approximator(model(nnx.Rngs(seed)), optax.adam(0.01)), 2), double=True)

    def learn(learner):
        def step(learner, batch):
            return learner, learner.update(batch)

        batches = jax.tree.map(lambda *columns: jnp.stack(columns), *[cartpole_like(seed=seed) for seed in range(3)])
        return jax.lax.scan(step, learner, batches)[0]

    stacked = jax.tree.map(lambda *leaves: jnp.stack(leaves), build(0), build(1))
    together = jax.jit(jax.vmap(learn))(stacked)
    assert together.approximator.is_finite.shape == (2,)
    for seed in range(2):
        lone = build(seed)
        lone.optimise(Stage.POST_ACT, [cartpole_like(seed=batch) for batch in range(3)])
        for name in ("parameters", "target_parameters"):
            rows = jax.tree.map(lambda leaf, seed=seed: leaf[seed], getattr(together.approximator, name))
            expected = getattr(lone.approximator, name)
            jax.tree.map(partial(np.testing.assert_allclose, rtol=1e-4, atol=1e-6), rows, expected)


def test_advice_where_a_network_does_not_fit():
    model = MLP(4, (16,), 2, rngs=nnx.Rngs(0))
    with pytest.raises(ConfigError, match=r"is a MLP, .*; wrap it: Approximator\(model, optax.adam\(1e-3\)\)"):
        DQNLearner(model)
    with pytest.raises(ConfigError, match=r"approximator is 5, .*; build one: Approximator\("):
        DQNLearner(5)
    learner = DQNLearner(TargetNetwork(Approximator(model, optax.adam(1e-3)), sync_freq=10), double=True)
    assert repr(learner) == "DQNLearner(TargetNetwork(Approximator(MLP, 114 parameters), sync_freq=10), double=True)"
    env = as_environment("FrozenLake-v1")
    with pytest.raises(ConfigError) as caught:
        learner.check(env)
    message = str(caught.value)
    assert "as_environment(env, state=lambda state: np.eye(16, dtype=np.float32)[state])" in message
    assert "TDLearner learn a table" in message
    assert ".." not in message
    assert len(message) < 500
