"""After a compiled run everything is where it was, in the form that it had, and up to date."""

import copy
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from rlcore import Experiment, RandomPolicy, StopAfterNEpisodes, StopAfterNSteps, as_environment
from rlcore.environments import CartPole, RandomWalk1D
from rlcore.interfaces import ActionStyle, Policy
from rlcore.struct import struct
from tests.compiled.alike import run_in
from tests.compiled.test_conformance import N_STATES, epsilon, masked, network, one_hot, table


def run(policy, env=None, n_steps=20):
    env = RandomWalk1D(N_STATES) if env is None else env
    Experiment(policy, env, StopAfterNSteps(n_steps, False), seed=3).run("compiled")
    return policy


FORMS = {
    "bool": False,
    "int": 3,
    "float": 0.5,
    "complex": 1j,
    "none": None,
    "int8": np.int8(1),
    "int64": np.int64(5),
    "uint8": np.uint8(200),
    "float32": np.float32(1.0),
    "float64": np.float64(1.0),
    "array of float64": np.ones(3),
    "array of int64": np.arange(3),
    "array of bool": np.array([True, False]),
    "empty array": np.zeros((0, 2)),
    "array without axes": np.array(3.0),
    "jax": jnp.ones(3),
    "weak jax": jnp.asarray(2.0),
    "bfloat16": jnp.ones(2, jnp.bfloat16),
    "dict": {"a": 1, "b": np.ones(2, np.float32)},
    "list": [1, (2.0, np.ones(2))],
}


@struct
class Keeps(Policy):
    """Keeps one value, and another that it changes."""

    kept: Any
    moved: Any

    def __init__(self, form):
        self.kept, self.moved = jax.tree.map(copy.copy, (FORMS[form], FORMS[form]))

    def plan(self, env):
        return 0

    def post_act(self, env, action):
        self.moved = jax.tree.map(moved, self.moved)


def moved(leaf):
    return jnp.logical_not(leaf) if jnp.issubdtype(jnp.result_type(leaf), bool) else leaf + 1


def form(tree):
    return jax.tree.map(lambda leaf: (type(leaf), getattr(leaf, "dtype", None), np.shape(leaf)), tree)


@pytest.mark.parametrize("name", FORMS)
def test_leaves_come_back_in_the_form_they_had(name):
    policy = Keeps(name)
    before = form((policy.kept, policy.moved))
    run(policy)
    assert form((policy.kept, policy.moved)) == before
    assert jax.tree.all(jax.tree.map(np.array_equal, policy.kept, FORMS[name]))
    expected = jax.tree.map(lambda leaf: leaf if np.asarray(leaf).dtype == bool else leaf + 20, FORMS[name])
    assert jax.tree.all(jax.tree.map(np.array_equal, policy.moved, expected))


@struct
class Rates(Policy):
    """Keeps numbers that float32 does not hold."""

    rate: float = 0.1
    rates: Any = None

    def __init__(self):
        self.rates = np.array([0.1, 0.2])

    def plan(self, env):
        return 0


def test_a_number_that_never_changes_stays_the_same():
    policy = run(Rates())
    assert policy.rate == 0.1
    assert policy.rates.tolist() == [0.1, 0.2]


def test_references_to_numpy_arrays_show_what_was_learnt():
    agent = table(epsilon())
    whole = agent.policy.learner.approximator.table
    row = whole[1]
    run(agent, n_steps=90)
    assert agent.policy.learner.approximator.table is whole
    assert np.any(row != 0)
    assert np.array_equal(row, whole[1])


def test_parameters_that_the_user_holds_stay_valid():
    agent = network(1)
    env = as_environment(RandomWalk1D(N_STATES), state=one_hot)
    approximator = agent.policy.learner.approximator
    held = jax.tree.leaves(approximator.parameters)
    copies = [np.array(leaf) for leaf in held]
    run(agent, env, 40)
    assert not any(leaf.is_deleted() for leaf in held)
    assert all(map(np.array_equal, held, copies))
    new = jax.tree.leaves(approximator.parameters)
    assert not all(map(np.array_equal, new, copies))
    run(agent, env, 40)
    assert not any(leaf.is_deleted() for leaf in new)
    state = np.eye(N_STATES, dtype=np.float32)[2]
    assert np.allclose(approximator.forward(state), approximator.model(state[None])[0], atol=1e-5)


def test_the_memory_is_the_users_own():
    agent = network(1)
    env = as_environment(RandomWalk1D(N_STATES), state=one_hot)
    run(agent, env, 40)
    container = agent.trajectory.container
    rewards, states = container.reward, container.state
    run(agent, env, 5)
    assert container.reward is rewards
    assert container.state is states
    assert isinstance(rewards, np.ndarray)
    assert (type(container.head), type(container.filled), len(agent.trajectory)) == (int, int, 45)
    assert type(agent.trajectory.controller.inserted) is int
    assert type(agent.policy.explorer.step) is int


@pytest.mark.parametrize(
    "make",
    [
        CartPole,
    ],
)
def test_the_environments_own_fields_follow(make):
    def parts():
        return {"policy": RandomPolicy(), "env": make(), "stop_condition": StopAfterNSteps(30, False)}

    expected, _ = run_in(["eager", "eager"], parts)
    experiment, _ = run_in(["compiled", "compiled"], parts)
    leaves = [jax.tree.leaves(one.env.source) for one in (expected, experiment)]
    assert all(np.allclose(a, b, atol=1e-5) for a, b in zip(*leaves, strict=True))
    state = experiment.env.state()
    assert np.allclose(state, experiment.env.source.state(), atol=1e-6)


def test_after_an_episodes_end_the_adapter_stands_where_the_next_one_begins():
    """A program has begun the next episode by then, and keeps nothing of the last one but the record."""

    def parts():
        stop = StopAfterNEpisodes(5, False)
        return {"policy": RandomPolicy(), "env": RandomWalk1D(N_STATES, start=2), "stop_condition": stop}

    experiment = run_in(["compiled"], parts)[0]
    assert experiment.env.is_over() and experiment.env.state() == 2


@pytest.mark.parametrize("num_envs", [None, 3])
def test_the_adapter_answers_as_after_an_eager_run(num_envs):
    """One step after the run continues where it stopped, in the midst of an episode."""

    def parts():
        env = as_environment(RandomWalk1D(N_STATES), num_envs=num_envs)
        return {"policy": RandomPolicy(), "env": env, "stop_condition": StopAfterNSteps(31 * (num_envs or 1), False)}

    answers = []
    for engine in ("eager", "compiled"):
        env = run_in([engine], parts)[0].env
        row = [env.state(), env.reward(), env.is_terminated(), env.is_truncated(), env.is_over(), env.last_action()]
        if not (num_envs is None and env.is_over()):
            env.act(0 if num_envs is None else np.zeros(num_envs, int))
            row += [env.state(), env.next_state(), env.reward(), env.is_over()]
        answers.append([np.asarray(answer).tolist() for answer in row])
    assert answers[0] == answers[1]


@pytest.mark.parametrize("num_envs", [None, 3])
def test_the_adapter_knows_the_legal_actions_after_the_run(num_envs):
    legal = np.array([[1, 0, 1], [0, 1, 0], [1, 1, 1], [0, 1, 1]], bool)

    def parts():
        stop = StopAfterNSteps(32 * (num_envs or 1), False)
        return {"policy": RandomPolicy(), "env": as_environment(masked(), num_envs=num_envs), "stop_condition": stop}

    for engines in (["eager"], ["compiled"], ["eager", "compiled"]):
        env = run_in(engines, parts)[0].env
        assert np.array_equal(env.legal_action_mask(), legal[env.state()])
        assert env.action_style is ActionStyle.FULL
