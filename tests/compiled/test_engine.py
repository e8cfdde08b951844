"""However a compiled run ends, the stages run, what was learnt is back with its owners, and the next run goes on."""

from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import optax
import pytest
from flax import nnx

from rlcore import (
    MLP,
    Agent,
    Approximator,
    BatchSampler,
    CircularTraces,
    DQNLearner,
    Experiment,
    InsertSampleRatioController,
    QBasedPolicy,
    RandomPolicy,
    StopAfterNSteps,
    Trajectory,
    as_environment,
)
from rlcore.environments import Pendulum, RandomWalk1D
from rlcore.errors import EnvContractError, RLCoreError
from rlcore.hooks import StepsPerEpisode
from rlcore.interfaces import Policy
from rlcore.stop_conditions import StopCondition
from rlcore.struct import is_traced, static, struct
from tests.compiled.alike import Acts, assert_same_leaves, run_in
from tests.compiled.own import Faulty, FaultyTable, Levers, Moody, Trapped
from tests.compiled.test_conformance import N_STATES, epsilon, table

ENGINES = ["eager", "compiled"]


def steps(n):
    return StopAfterNSteps(n, show_progress=False)


def fail():
    raise ValueError("as planned")


@pytest.mark.parametrize(
    ("stage", "n"),
    [
        ("pre_experiment", 1),
        ("pre_episode", 3),
        ("pre_act", 70),
        ("post_act", 70),
        ("post_episode", 2),
        ("post_experiment", 1),
    ],
)
def test_an_exception_in_a_hook_ends_the_run_as_it_does_eagerly(stage, n):
    stages = {}
    for engine in ENGINES:
        experiment = Experiment(table(epsilon()), RandomWalk1D(N_STATES), steps(90), Acts(fail, stage, n), seed=3)
        with pytest.raises(ValueError, match="as planned"):
            experiment.run(engine)
        assert experiment.stop_reason == "ValueError: as planned"
        stages[engine] = [*experiment.hook.stages]
        assert isinstance(experiment.policy(2), int)
        assert experiment.run(engine).stop_reason == "StopAfterNSteps(90)"
    assert stages["compiled"] == stages["eager"]


class Fails(StopCondition):
    """Fails at the 30th step."""

    def pre_experiment(self, policy, env):
        self.count = 0

    def check(self, policy, env):
        self.count += 1
        if self.count == 30:
            fail()
        return False


@pytest.mark.parametrize("engine", ENGINES)
def test_an_exception_in_a_condition_runs_the_last_stages(engine):
    hook = Acts(lambda: None)
    with pytest.raises(ValueError, match="as planned"):
        Experiment(RandomPolicy(), RandomWalk1D(N_STATES), Fails(), hook, seed=3).run(engine)
    assert hook.stages.count("post_act") == 30
    assert hook.stages[-2:] == ["post_episode", "post_experiment"]


def test_an_error_says_at_which_step_of_the_run_it_came():
    experiment = Experiment(RandomPolicy(), RandomWalk1D(N_STATES), steps(90), Acts(fail, n=70), seed=3)
    with pytest.raises(ValueError) as error:
        experiment.run("compiled")
    assert any("step 70 of the run" in note for note in error.value.__notes__)


@pytest.mark.parametrize("num_envs", [None, 3])
@pytest.mark.parametrize("reward", [np.nan, np.inf])
def test_a_reward_that_is_not_finite_ends_the_run_at_its_step(reward, num_envs):
    lengths = {}
    for engine in ENGINES:
        env = as_environment(Faulty(at=34, reward_then=reward), num_envs=num_envs)
        experiment = Experiment(RandomPolicy(), env, steps(90 * (num_envs or 1)), StepsPerEpisode(), seed=3)
        with pytest.raises(EnvContractError, match=f"reward is .*{reward}.*expected .*finite.*correct the environment"):
            experiment.run(engine)
        lengths[engine] = experiment.hook.result()
    assert lengths["compiled"] == lengths["eager"] == [10] * 3 * (num_envs or 1)


@pytest.mark.parametrize("num_envs", [None, 3])
@pytest.mark.parametrize("env", [lambda: Faulty(at=34, state_then=np.nan), lambda: FaultyTable(at=34, state_then=99)])
def test_a_state_that_breaks_the_contract_ends_the_run_at_its_step(env, num_envs):
    lengths = {}
    for engine in ENGINES:
        rows = as_environment(env(), num_envs=num_envs)
        experiment = Experiment(RandomPolicy(), rows, steps(90 * (num_envs or 1)), StepsPerEpisode(), seed=3)
        with pytest.raises(EnvContractError, match="the state is"):
            experiment.run(engine)
        lengths[engine] = experiment.hook.result()
    assert lengths["compiled"] == lengths["eager"]


@struct
class Illegal(Policy):
    """Takes an action that there is not at its 25th step."""

    calls: int = 0

    def plan(self, env):
        self.calls = self.calls + 1
        action = (self.calls == 25) * 7
        return action if env.num_envs is None else np.zeros(env.num_envs, np.int32) + action


@pytest.mark.parametrize("num_envs", [None, 3])
def test_an_illegal_action_ends_the_run_at_its_step(num_envs):
    lengths = {}
    for engine in ENGINES:
        env = as_environment(Faulty(at=0), num_envs=num_envs)
        experiment = Experiment(Illegal(), env, steps(90 * (num_envs or 1)), StepsPerEpisode(), seed=3)
        with pytest.raises(EnvContractError, match=r"the policy's action is .*7") as error:
            experiment.run(engine)
        lengths[engine] = experiment.hook.result()
    assert "step 25 of the run" in str(error.value)
    assert lengths["compiled"] == lengths["eager"] == [10] * 2 * (num_envs or 1)


@struct
class Pulls(Policy):
    """Takes an action that there is not at its 25th step, in one part of it."""

    part: str = static()
    calls: Any = np.int32(0)

    def plan(self, env):
        self.calls = self.calls + 1
        rows = () if env.num_envs is None else (env.num_envs,)
        wrong = jnp.where(self.calls == 25, 4, 0)
        lever, wheels = (wrong if self.part == part else 0 for part in ("lever", "wheels"))
        action = {"lever": jnp.full(rows, lever), "wheels": jnp.full((*rows, 2), wheels)}
        if is_traced(self.calls):
            return action
        return {"lever": int(lever) if not rows else action["lever"], "wheels": np.asarray(action["wheels"])}


@struct
class Steers(Policy):
    """Steers too hard, or nowhere, at its 25th step."""

    then: float = static()
    calls: Any = np.int32(0)

    def plan(self, env):
        self.calls = self.calls + 1
        rows = () if env.num_envs is None else (env.num_envs,)
        action = jnp.full((*rows, 1), jnp.where(self.calls == 25, self.then, 2.0))
        return action if is_traced(self.calls) else np.asarray(action)


@pytest.mark.parametrize("num_envs", [None, 3])
@pytest.mark.parametrize(
    ("make", "env"),
    [
        (lambda: Pulls("lever"), Levers),
        (lambda: Pulls("wheels"), Levers),
        (lambda: Steers(2.5), Pendulum),
        (lambda: Steers(-np.inf), Pendulum),
        (lambda: Steers(np.nan), Pendulum),
    ],
)
def test_an_action_outside_any_other_space_ends_the_run_at_its_step(make, env, num_envs):
    lengths = {}
    for engine in ENGINES:
        rows = as_environment(env(), num_envs=num_envs)
        experiment = Experiment(make(), rows, steps(90 * (num_envs or 1)), StepsPerEpisode(), seed=3)
        with pytest.raises(EnvContractError, match="the policy's action is") as error:
            experiment.run(engine)
        lengths[engine] = experiment.hook.result()
    assert "step 25 of the run" in str(error.value)
    assert lengths["compiled"] == lengths["eager"]


@pytest.mark.parametrize("num_envs", [None, 3])
def test_an_episode_that_is_over_right_after_reset_ends_the_run(num_envs):
    lengths = {}
    for engine in ENGINES:
        env = as_environment(Moody(), num_envs=num_envs)
        experiment = Experiment(RandomPolicy(seed=0), env, steps(90 * (num_envs or 1)), StepsPerEpisode())
        with pytest.raises(EnvContractError, match="over right after reset; expected a state to act in: make reset"):
            experiment.run(engine)
        lengths[engine] = experiment.hook.result()
    assert lengths["compiled"] == lengths["eager"] == [10] * (num_envs or 1)


@pytest.mark.parametrize("num_envs", [None, 3])
def test_a_state_without_a_legal_action_ends_the_run(num_envs):
    lengths = {}
    for engine in ENGINES:
        env = as_environment(Trapped(), num_envs=num_envs)
        agent = table(epsilon(), n_states=8)
        experiment = Experiment(agent, env, steps(90 * (num_envs or 1)), StepsPerEpisode(), seed=3)
        with pytest.raises(EnvContractError, match=r"mask allows no action|no action was legal"):
            experiment.run(engine)
        lengths[engine] = experiment.hook.result()
    assert lengths["compiled"] == lengths["eager"] == [7] * 3 * (num_envs or 1)


def test_a_bad_reward_does_not_spoil_the_table():
    learnt = table(epsilon(), n_states=3)
    env = FaultyTable(at=34, reward_then=np.nan)
    with pytest.raises(EnvContractError):
        Experiment(learnt, env, steps(90), seed=3).run("compiled")
    assert np.isfinite(learnt.policy.learner.approximator.table).all()


def small_network(learning_rate):
    approximator = Approximator(MLP(1, (8,), 2, rngs=nnx.Rngs(0)), optax.sgd(learning_rate))
    memory = Trajectory(CircularTraces(50), BatchSampler(4), InsertSampleRatioController(0.5, 8))
    return Agent(QBasedPolicy(DQNLearner(approximator), epsilon()), memory)


def test_an_update_that_is_not_finite_ends_the_run_and_is_not_applied():
    for engine in ENGINES:
        agent = small_network(1e30)
        experiment = Experiment(agent, Faulty(at=0), steps(10**9), StepsPerEpisode(), seed=3)
        with pytest.raises(RLCoreError, match="not finite"):
            experiment.run(engine)
        assert all(np.isfinite(leaf).all() for leaf in jax.tree.leaves(agent.policy.learner.approximator.parameters))
        assert "not finite" in experiment.stop_reason


def test_many_updates_may_be_due_at_once():
    """The controller allows one per transition, but a batch is there only after 1100 of them: 1098 updates follow."""

    def make():
        approximator = Approximator(MLP(1, (2,), 2, rngs=nnx.Rngs(0)), optax.sgd(0.0))
        memory = Trajectory(CircularTraces(1100), BatchSampler(1100), InsertSampleRatioController(1, 3))
        policy = Agent(QBasedPolicy(DQNLearner(approximator), epsilon()), memory)
        return {"policy": policy, "env": Faulty(at=0), "stop_condition": steps(1102)}

    experiment, _ = run_in(["compiled"], make)
    assert experiment.policy.trajectory.controller.sampled == 1100


def test_a_memory_that_nobody_learns_from_is_counted():
    def make():
        memory = Trajectory(CircularTraces(20), BatchSampler(4), InsertSampleRatioController(1, 4))
        return {"policy": Agent(RandomPolicy(), memory), "env": RandomWalk1D(N_STATES), "stop_condition": steps(60)}

    eager, compiled = (run_in([engine], make)[0] for engine in ENGINES)
    assert_same_leaves(eager.policy, compiled.policy)


@pytest.mark.parametrize("count", [2**32 - 40, 2**33 + 4095, 2**40 + 3])
def test_streams_go_on_beyond_32_bits(count):
    tapes = {}
    for engine in ENGINES:
        agent = table(epsilon())
        agent.policy.explorer.random._key, agent.policy.explorer.random._count = np.array([1, 2], np.uint32), count
        experiment = Experiment(agent, RandomWalk1D(N_STATES), steps(90), StepsPerEpisode(), seed=3).run(engine)
        tapes[engine] = experiment.hook.result(), agent.policy.explorer.random.count
    assert tapes["compiled"] == tapes["eager"]
    assert tapes["compiled"][1] == count + 90


@pytest.mark.parametrize(("ratio", "inserted", "sampled"), [(1, 2**31 - 50, 2**31 - 52), (0.5, 2**40, 2**39)])
def test_controllers_count_beyond_32_bits(ratio, inserted, sampled):
    agents = {}
    for engine in ENGINES:
        agent = table(epsilon(), ratio)
        agent.trajectory.controller.inserted, agent.trajectory.controller.sampled = inserted, sampled
        Experiment(agent, RandomWalk1D(N_STATES), steps(90), seed=3).run(engine)
        agents[engine] = agent
    assert_same_leaves(agents["eager"], agents["compiled"])
    assert agents["compiled"].trajectory.controller.inserted == inserted + 90
