"""However a compiled run ends, the stages run, what was learnt is back with its owners, and the next run goes on."""

import os
import signal
import threading
import time
import warnings

import jax
import jax.numpy as jnp
import numpy as np
import optax
import pytest
from flax import nnx
from gymnasium import spaces

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
    StopAfterNEpisodes,
    StopAfterNSteps,
    Trajectory,
    as_environment,
)
from rlcore.compiled import planner
from rlcore.environments import RandomWalk1D
from rlcore.errors import EnvContractError, RLCoreError
from rlcore.hooks import DoEveryNSteps, EmptyHook, Hook, StepsPerEpisode
from rlcore.interfaces import Policy
from rlcore.stop_conditions import StopAfterNSeconds, StopCondition
from rlcore.struct import struct
from tests.compiled.alike import assert_same_leaves, run_in
from tests.compiled.own import Faulty, FaultyTable
from tests.compiled.test_conformance import N_STATES, epsilon, network, one_hot, table

ENGINES = ["eager", "compiled"]


@pytest.fixture
def short_chunks(monkeypatch):
    monkeypatch.setattr(planner, "FIRST_ROWS", 16)
    monkeypatch.setattr(planner, "MOST_ROWS", 16)


def steps(n):
    return StopAfterNSteps(n, show_progress=False)


class Acts(Hook):
    """Writes down the stages, and does something at the n-th call of one of them."""

    def __init__(self, act, stage="post_act", n=1):
        self.act, self.stage, self.n = act, stage, n
        self.stages = []

    def push(self, stage, policy, env):
        self.stages.append(stage.value)
        if stage.value == self.stage and self.stages.count(self.stage) == self.n:
            self.act()


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


@pytest.mark.xfail(strict=True, raises=ValueError, reason="a chunk has no room for all updates of one step")
def test_many_updates_may_be_due_at_once():
    """The controller allows one per transition, but a batch is there only after 1100 of them: 1098 updates follow."""

    def make():
        approximator = Approximator(MLP(1, (2,), 2, rngs=nnx.Rngs(0)), optax.sgd(0.0))
        memory = Trajectory(CircularTraces(1100), BatchSampler(1100), InsertSampleRatioController(1, 3))
        policy = Agent(QBasedPolicy(DQNLearner(approximator), epsilon()), memory)
        return {"policy": policy, "env": Faulty(at=0), "stop_condition": steps(1102)}

    experiment, _ = run_in(["compiled"], make)
    assert experiment.policy.trajectory.controller.sampled == 1100


@pytest.mark.parametrize(
    ("number", "error"), [(signal.SIGINT, KeyboardInterrupt), (signal.SIGTERM, SystemExit)], ids=str
)
def test_a_signal_ends_the_run_at_the_step_that_hooks_see(number, error):
    stages = {}
    for engine in ENGINES:
        hook = Acts(lambda: signal.raise_signal(number), n=70)
        experiment = Experiment(table(epsilon()), RandomWalk1D(N_STATES), steps(10**9), hook, seed=3)
        with pytest.raises(error):
            experiment.run(engine)
        stages[engine] = hook.stages
        assert experiment.stop_reason == f"interrupted by {number.name}"
        assert signal.getsignal(number) in (signal.SIG_DFL, signal.default_int_handler)
    assert stages["compiled"] == stages["eager"]
    assert hook.stages[-3:] == ["post_act", "post_episode", "post_experiment"]


def test_a_second_interrupt_ends_the_run_at_once():
    def twice():
        signal.raise_signal(signal.SIGINT)
        signal.raise_signal(signal.SIGINT)

    hook = Acts(twice, n=70)
    experiment = Experiment(table(epsilon()), RandomWalk1D(N_STATES), steps(10**9), hook, seed=3)
    with pytest.raises(KeyboardInterrupt):
        experiment.run("compiled")
    assert hook.stages[-2:] == ["post_episode", "post_experiment"]
    assert experiment.policy.trajectory.controller.inserted >= 70


@pytest.mark.parametrize("hook", [EmptyHook, StepsPerEpisode, lambda: Acts(lambda: None)])
def test_ctrl_c_from_outside_ends_a_long_run(hook):
    experiment = Experiment(table(epsilon()), RandomWalk1D(N_STATES), steps(10**11), hook(), seed=3)
    Experiment(table(epsilon()), RandomWalk1D(N_STATES), steps(10), seed=0).run("compiled")
    timer = threading.Timer(0.5, os.kill, (os.getpid(), signal.SIGINT))
    timer.start()
    with pytest.raises(KeyboardInterrupt):
        experiment.run("compiled")
    timer.join()
    assert experiment.stop_reason == "interrupted by SIGINT"
    assert experiment.policy.trajectory.controller.inserted > 0
    assert np.isfinite(experiment.policy.policy.learner.approximator.table).all()


@struct
class Slow(Policy):
    """Takes a millisecond a step."""

    size: float = 0.1

    def plan(self, env):
        matrix = jnp.ones((200, 200)) * self.size
        return (matrix @ matrix @ matrix > 0)[0, 0].astype(np.int32)


def test_a_chunk_of_slow_steps_is_short(monkeypatch):
    """A chunk that has taken long is followed by shorter ones, so that an interrupt is read."""
    lengths = []
    plan = planner.Planner.plan

    def noted(self, *arguments):
        chunk = plan(self, *arguments)
        lengths.append(len(chunk[1]))
        return chunk

    monkeypatch.setattr(planner.Planner, "plan", noted)
    monkeypatch.setattr(planner, "FIRST_ROWS", 8)
    monkeypatch.setattr(planner, "SECONDS", 1e-5)
    Experiment(Slow(), RandomWalk1D(N_STATES), steps(30), seed=3).run("compiled")
    assert sum(lengths) == 30
    assert set(lengths[2:]) == {1}  # two chunks are under way before the first has taken its time


def test_a_limit_of_seconds_ends_a_run_with_a_chunk():
    experiment = Experiment(RandomPolicy(), RandomWalk1D(N_STATES), StopAfterNSeconds(0.2), seed=3)
    start = time.monotonic()
    experiment.run("compiled")
    assert time.monotonic() - start >= 0.2
    assert experiment.stop_reason == "StopAfterNSeconds(0.2)"
    assert "went on" not in experiment.engine


class Bar:
    """Stands for a progress bar."""

    def __init__(self, total, unit, disable):
        self.total, self.shown, self.closed, self.disable = total, 0, False, False

    def update(self, n):
        assert not self.closed
        self.shown += n

    def close(self):
        self.closed = True


@pytest.mark.parametrize("hook", [StepsPerEpisode, lambda: Acts(lambda: None)])
@pytest.mark.parametrize(("num_envs", "shown"), [(None, 5000), (3, 5001)])
def test_bars_end_at_the_number_of_steps(num_envs, shown, hook, monkeypatch):
    bars = []
    monkeypatch.setattr("rlcore.stop_conditions.counted.tqdm", lambda **given: bars.append(Bar(**given)) or bars[-1])
    env = as_environment(RandomWalk1D(N_STATES), num_envs=num_envs)
    Experiment(RandomPolicy(), env, StopAfterNSteps(5000) | StopAfterNEpisodes(10**6), hook(), seed=3).run("compiled")
    assert (bars[0].total, bars[0].shown) == (5000, shown)
    assert bars[0].closed
    assert bars[1].closed


def test_nothing_is_warned_of_in_an_ordinary_run():
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        experiment = Experiment(network(1), as_environment(RandomWalk1D(N_STATES), state=one_hot), steps(60), seed=3)
        experiment.run("compiled")
        experiment.stop_condition = steps(30)
        assert experiment.run("compiled").compile_seconds == 0


def test_nothing_is_warned_of_where_actions_have_64_bits():
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        policy = RandomPolicy(spaces.MultiDiscrete([2]))
        env = as_environment(RandomWalk1D(N_STATES), action=(lambda action: action[..., 0], spaces.MultiDiscrete([2])))
        Experiment(policy, env, steps(20), seed=3).run("compiled")


@pytest.mark.parametrize(
    "change",
    [
        lambda policy: setattr(policy.policy.learner, "alpha", 0.25),
        lambda policy: setattr(policy.policy.learner.approximator, "table", np.zeros((9, 2), np.float32)),
    ],
    ids=["static", "shape"],
)
def test_a_hook_that_makes_the_engine_compile_again_is_warned_of(change, short_chunks):
    hook = DoEveryNSteps(lambda t, policy, env: change(policy), n=60)
    experiment = Experiment(table(epsilon()), RandomWalk1D(N_STATES), steps(119), hook, seed=3)
    with pytest.warns(UserWarning, match="compiled again during the run, because a hook changed .* change numbers"):
        experiment.run("compiled")


def test_a_change_of_numbers_compiles_nothing(short_chunks):
    def change(t, policy, env):
        policy.policy.learner.approximator.table[...] = 5.0
        policy.policy.explorer.step = 1000

    Experiment(table(epsilon()), RandomWalk1D(N_STATES), steps(10), seed=3).run("compiled")
    experiment = Experiment(table(epsilon()), RandomWalk1D(N_STATES), steps(119), DoEveryNSteps(change, n=60), seed=3)
    assert experiment.run("compiled").compile_seconds == 0
    assert experiment.policy.policy.explorer.step > 1000


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
