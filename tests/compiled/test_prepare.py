"""What can't be compiled is refused before anything runs: what it is, where, and what to do instead."""

from typing import Any

import jax.numpy as jnp
import numpy as np
import pytest

from rlcore import (
    Agent,
    BatchSampler,
    CircularTraces,
    Experiment,
    InsertSampleRatioController,
    QBasedPolicy,
    RandomPolicy,
    Stage,
    StopAfterNSteps,
    Trajectory,
    as_environment,
)
from rlcore.approximators import TabularQApproximator
from rlcore.environments import RandomWalk1D
from rlcore.errors import ConfigError
from rlcore.hooks import Hook
from rlcore.interfaces import Policy
from rlcore.learners import TDLearner
from rlcore.random import Random
from rlcore.reset_conditions import ResetCondition
from rlcore.struct import struct
from rlcore.trajectories import LatestTransition, WholeSampler
from tests.compiled.own import Around
from tests.compiled.test_conformance import N_STATES, epsilon, table


class Untouched(Hook):
    """Fails if anything runs."""

    def pre_experiment(self, policy, env):
        raise AssertionError("ran")


def reason(policy=None, env=None, reset_condition=None):
    """Why it can't be compiled, the same by both ways of asking; nothing runs before."""
    policy, env = policy or RandomPolicy(), RandomWalk1D(N_STATES) if env is None else env
    parts = policy, env, StopAfterNSteps(20, False)
    with pytest.raises(ConfigError) as error:
        Experiment(*parts, Untouched(), reset_condition, seed=1).run("compiled")
    prefix = "the experiment can't be run as one program: "
    assert str(error.value).startswith(prefix)
    text = str(error.value).removeprefix(prefix)
    experiment = Experiment(*parts, None, reset_condition, seed=1)
    try:
        experiment.run()
    except Exception:
        assert experiment.engine.startswith("eager: ")  # that one of these can't run anyway is no matter here
    assert experiment.engine == f"eager: {text}"
    return text


def agent(learner=None, container=None, sampler=None, controller=None):
    learner = TDLearner(TabularQApproximator(N_STATES, 2), alpha=0.5) if learner is None else learner
    container = LatestTransition() if container is None else container
    memory = Trajectory(container, sampler or WholeSampler(), controller or InsertSampleRatioController())
    return Agent(QBasedPolicy(learner, epsilon()), memory)


@pytest.mark.parametrize("stages", [(Stage.POST_EPISODE,), (Stage.POST_ACT, Stage.POST_EPISODE)])
def test_learning_at_another_stage(stages):
    text = reason(agent(TDLearner(TabularQApproximator(N_STATES, 2), stages=stages)))
    assert "TDLearner learns at " in text
    assert "Stage.POST_EPISODE" in text
    assert "a compiled run learns at Stage.POST_ACT only" in text


@struct
class OwnLearner(TDLearner):
    def optimise(self, stage, trajectory=None):
        super().optimise(stage, trajectory)


@struct
class OwnAgent(Agent):
    def optimise(self, stage, trajectory=None):
        super().optimise(stage, trajectory)


@struct
class OwnPolicy(Policy):
    def plan(self, env):
        return 0

    def learners(self, stage):
        return []


@pytest.mark.parametrize(
    ("make", "name", "method"),
    [
        (lambda: agent(OwnLearner(TabularQApproximator(N_STATES, 2))), "OwnLearner", "optimise"),
        (lambda: OwnAgent(agent().policy, agent().trajectory), "OwnAgent", "optimise"),
        (OwnPolicy, "OwnPolicy", "learners"),
    ],
)
def test_a_written_optimise_is_named_by_its_class(make, name, method):
    text = reason(make())
    assert text.startswith(f"{name} has written {method} itself")
    assert "write what happens in update (of a Learner) or post_act (of a Policy) instead" in text


class OnHost(Policy):
    def plan(self, env):
        return 0


class CutsOnHost(ResetCondition):
    def check(self, policy, env):
        return env.state() == 2


def test_a_part_that_is_no_struct():
    for text in (reason(OnHost()), reason(Around(OnHost())), reason(reset_condition=CutsOnHost())):
        assert "no @struct" in text
        assert "write @struct above the class and declare its fields" in text
    assert "policy.inner is of class OnHost" in reason(Around(OnHost()))
    assert "reset_condition is of class CutsOnHost" in reason(reset_condition=CutsOnHost())


@pytest.mark.parametrize("env", ["CartPole-v1", lambda: as_environment("CartPole-v1", num_envs=2)])
def test_an_environment_of_gymnasium(env):
    text = reason(env=env if isinstance(env, str) else env())
    assert text.startswith("CartPole-v1 is no JAX environment")
    assert "a JAX environment is a @struct whose methods JAX can trace" in text


@struct
class HostWalk(RandomWalk1D):
    def act(self, action):
        super().act(action)
        if self.position > N_STATES:
            self.position = 0


def test_a_struct_environment_that_cant_be_traced():
    text = reason(env=HostWalk(N_STATES))
    assert text.startswith("HostWalk.act (field position), line ")
    assert [part for part in ("if self.position > N_STATES:", "jnp.where", "is a @struct") if part not in text] == []


@pytest.mark.parametrize("engine", ["auto", "eager"])
def test_a_function_around_a_jax_environment_may_be_one_of_numpy(engine):
    """The library's own advice for networks."""
    env = as_environment(RandomWalk1D(N_STATES), state=lambda state: np.eye(N_STATES, dtype=np.float32)[state])
    experiment = Experiment(RandomPolicy(), env, StopAfterNSteps(20, False), seed=1).run(engine)
    assert experiment.engine.startswith("eager: ")
    assert experiment.env.state().shape == (N_STATES,)


def test_a_function_that_cant_be_traced_is_named():
    env = as_environment(RandomWalk1D(N_STATES), reward=lambda reward: max(reward, 0.0))
    with pytest.raises(ConfigError, match=r"reward.*max\(reward, 0\.0\)"):
        Experiment(RandomPolicy(), env, StopAfterNSteps(20, False), seed=1).run("compiled")


@struct
class Named(Policy):
    name: Any = "me"

    def plan(self, env):
        return 0


def test_a_leaf_that_is_no_number():
    text = reason(Named())
    assert text.startswith("policy.name is 'me', expected a number of at most 32 bits or an array of these")
    assert "if it is configuration, declare it with static()" in text


@struct
class Grows(Policy):
    seen: Any = ()

    def plan(self, env):
        self.seen = (*self.seen, 1)
        return 0


@struct
class BeginsWithNone(Policy):
    seen: Any = None

    def plan(self, env):
        self.seen = jnp.asarray(env.state())
        return 0


@struct
class BecomesFloat(Policy):
    x: Any = 0

    def plan(self, env):
        self.x = self.x + 0.5
        return 0


@struct
class NeedsMoreBits(Policy):
    x: Any = 2**40

    def plan(self, env):
        self.x = self.x + 1
        return 0


@pytest.mark.parametrize(
    ("kind", "path"),
    [(BecomesFloat, "policy.x"), (Grows, "policy.seen"), (BeginsWithNone, "policy.seen"), (NeedsMoreBits, "policy.x")],
)
def test_a_field_that_changes_its_type_or_shape(kind, path):
    text = reason(kind())
    assert path in text


@struct
class DrawsAtEpisodes(Policy):
    random: Random
    bias: Any = 0.0

    def __init__(self):
        self.random = Random()

    def plan(self, env):
        return self.random.integers(2)

    def pre_episode(self, env):
        self.bias = self.random.uniform()


def test_drawing_numbers_where_an_episode_begins():
    text = reason(DrawsAtEpisodes())
    assert "draws random numbers at an episode's end or start" in text
    assert "draw them in plan" in text


class HostController:
    """Counts on the host."""

    n = 0

    def on_insert(self, n):
        self.n += n

    def is_due(self):
        return self.n % 3 == 0

    def on_sample(self):
        self.n += 1


def test_a_controller_that_is_no_struct():
    assert "policy.trajectory.controller" in reason(agent(controller=HostController()))


@struct
class Notes:
    """A controller that keeps its count in an array."""

    n: Any = None

    def __init__(self):
        self.n = np.zeros(2, np.int32)

    def on_insert(self, n):
        self.n[0] += n

    def is_due(self):
        return self.n[0] // 3 > self.n[1]

    def on_sample(self):
        self.n[1] += 1


def test_planning_changes_no_array_of_a_controller():
    counts = []
    for engine in ("eager", "compiled"):
        controller = Notes()
        parts = agent(controller=controller), RandomWalk1D(N_STATES), StopAfterNSteps(30, False)
        Experiment(*parts, seed=1).run(engine)
        counts.append(controller.n.tolist())
    assert counts == [[30, 10], [30, 10]]


def test_a_ring_whose_length_nobody_knows():
    text = reason(agent(container=CircularTraces(20)))
    assert "how many transitions CircularTraces holds is not known in compiled code" in text
    assert "BatchSampler(batch_size)" in text


def test_two_memories():
    inner = agent(container=CircularTraces(20), sampler=BatchSampler(2))
    memory = Trajectory(LatestTransition(), WholeSampler(), InsertSampleRatioController())
    assert "the policy holds 2 agents, expected at most one" in reason(Agent(inner, memory))


def test_an_unknown_engine():
    with pytest.raises(ConfigError, match="engine is 'fast', expected 'auto', 'eager' or 'compiled'"):
        Experiment(table(epsilon()), RandomWalk1D(N_STATES), StopAfterNSteps(5), seed=1).run("fast")


def test_what_can_be_compiled_is():
    experiment = Experiment(table(epsilon()), RandomWalk1D(N_STATES), StopAfterNSteps(5, False), seed=1).run()
    assert experiment.engine == "compiled: JAX can trace all of its parts"
    assert experiment.run("compiled").engine == "compiled: as asked"
    assert experiment.run("eager").engine == "eager: as asked"
