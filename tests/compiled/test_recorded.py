"""What hooks and conditions are told in a compiled run, and what they are told when they ask for more."""

import numpy as np
import pytest
from gymnasium import spaces

from rlcore import Experiment, RandomPolicy, StopAfterNSteps, TimePerStep, as_environment, evaluate
from rlcore.compiled import planner
from rlcore.environments import RandomWalk1D, TabularEnvironment
from rlcore.errors import ConfigError
from rlcore.hooks import DoEveryNSteps, Hook
from rlcore.stop_conditions import StopCondition
from tests.compiled.alike import assert_same_leaves, numbers
from tests.compiled.own import Drift
from tests.compiled.test_conformance import N_STATES, epsilon, masked, network, one_hot, table


def experiment(hook, n_steps=90, policy=None, env=None, stop=None):
    env = RandomWalk1D(N_STATES) if env is None else env
    stop = StopAfterNSteps(n_steps, False) if stop is None else stop
    return Experiment(RandomPolicy() if policy is None else policy, env, stop, hook, seed=3)


class States(Hook):
    """Writes down the states before every action and after it."""

    needs_state = True

    def pre_experiment(self, policy, env):
        self.before, self.after, self.types = [], [], set()

    def pre_act(self, policy, env):
        self.before.append((numbers(env.state()), numbers(env.next_state())))

    def post_act(self, policy, env):
        self.after.append((numbers(env.state()), numbers(env.next_state())))
        answers = env.state(), env.next_state(), env.last_action()
        self.types |= {str(getattr(answer, "dtype", type(answer).__name__)) for answer in answers}


@pytest.mark.parametrize("num_envs", [None, 3])
def test_states_before_every_action_are_recorded(num_envs, monkeypatch):
    monkeypatch.setattr(planner, "FIRST_ROWS", 16)
    monkeypatch.setattr(planner, "MOST_ROWS", 16)
    seen = {}
    for engine in ("eager", "compiled"):
        env = as_environment(Drift(), num_envs=num_envs)
        seen[engine] = experiment(States(), 90, env=env).run(engine).hook
    assert seen["compiled"].after == seen["eager"].after
    assert seen["compiled"].before == seen["eager"].before


@pytest.mark.parametrize("num_envs", [None, 3])
def test_recorded_states_and_actions_have_the_types_of_their_spaces(num_envs):
    types = {}
    for engine in ("eager", "compiled"):
        env = as_environment(RandomWalk1D(N_STATES), num_envs=num_envs)
        types[engine] = experiment(States(), env=env).run(engine).hook.types
    assert types["compiled"] == types["eager"]


class Asks(Hook):
    """Asks one question at one stage."""

    def __init__(self, question, stage="post_act"):
        self.question, self.stage = question, stage

    def pre_episode(self, policy, env):
        self.ask("pre_episode", env)

    def post_act(self, policy, env):
        self.ask("post_act", env)

    def post_experiment(self, policy, env):
        self.ask("post_experiment", env)

    def ask(self, stage, env):
        if stage == self.stage:
            getattr(env, self.question)()


@pytest.mark.parametrize("question", ["state", "next_state"])
@pytest.mark.parametrize(("stage", "step"), [("pre_episode", 0), ("post_act", 1), ("post_experiment", 90)])
def test_states_that_are_not_recorded_say_how_to_get_them(question, stage, step):
    with pytest.raises(ConfigError) as error:
        experiment(Asks(question, stage)).run("compiled")
    expected = ["Asks.ask", f"env.{question}", f"step {step} of the run", "needs_state = True", "engine='eager'"]
    assert [text for text in expected if text not in str(error.value)] == []


@pytest.mark.parametrize("question", ["legal_action_mask", "next_legal_action_mask", "truncate", "episode", "close"])
def test_what_is_never_recorded_says_so(question):
    with pytest.raises(ConfigError, match=rf"Asks\.ask asked env\.{question} at .*step 1 of the run.*engine='eager'"):
        experiment(Asks(question)).run("compiled")


def test_a_function_that_asks_is_named_by_its_hook():
    hook = DoEveryNSteps(lambda t, policy, env: env.state(), n=5)
    with pytest.raises(ConfigError, match=r"DoEveryNSteps\.post_act asked env\.state at .*step 5"):
        experiment(hook).run("compiled")


class Watches(StopCondition):
    """Ends where the state is 3."""

    def check(self, policy, env):
        return env.state() == 3


class WatchesRecorded(Watches):
    needs_state = True


def test_a_condition_may_need_states():
    with pytest.raises(ConfigError, match=r"Watches\.check asked env\.state"):
        experiment(None, stop=Watches()).run("compiled")
    for condition in (WatchesRecorded(), WatchesRecorded() | StopAfterNSteps(1000, False)):
        assert experiment(None, stop=condition).run("compiled").stop_reason == "WatchesRecorded"


def test_what_the_environment_is_may_be_asked():
    seen = []
    hook = DoEveryNSteps(lambda t, policy, env: seen.append((env.action_space(), env.state_space(), env.name)), n=50)
    experiment(hook).run("compiled")
    assert seen == [(spaces.Discrete(2), spaces.Discrete(N_STATES), "RandomWalk1D")]


def test_the_environment_inside_is_not_recorded():
    """Eagerly it is the user's own object, as it stands at that step."""
    hook = DoEveryNSteps(lambda t, policy, env: env.source, n=5)
    with pytest.raises(ConfigError, match=r"asked env\.source"):
        experiment(hook).run("compiled")


def test_what_it_lacks_may_be_looked_for():
    seen = []
    hook = DoEveryNSteps(lambda t, policy, env: seen.append(getattr(env, "render_mode", "none")), n=50)
    experiment(hook).run("compiled")
    assert seen == ["none"]


def test_metrics_are_those_of_the_latest_update_at_that_row():
    metrics = {}
    for engine in ("eager", "compiled"):
        rows = []
        hook = DoEveryNSteps(lambda t, policy, env, rows=rows: rows.append(dict(policy.metrics)))
        env = as_environment(RandomWalk1D(N_STATES), state=one_hot)
        run = experiment(hook, 40, network(0.3), env).run(engine)
        metrics[engine] = [{name: float(value) for name, value in row.items()} for row in rows]
        assert dict(run.policy.metrics).keys() == {"loss", "q"}
    assert metrics["compiled"][:7] == [{}] * 7
    for one, other in zip(metrics["eager"], metrics["compiled"], strict=True):
        assert one == pytest.approx(other, abs=1e-5)


def test_the_policy_is_that_of_the_chunks_end(monkeypatch):
    monkeypatch.setattr(planner, "FIRST_ROWS", 16)
    monkeypatch.setattr(planner, "MOST_ROWS", 16)
    steps = []
    hook = DoEveryNSteps(lambda t, policy, env: steps.append(policy.trajectory.controller.inserted))
    experiment(hook, 50, table(epsilon())).run("compiled")
    assert steps == [2] * 2 + [18] * 16 + [34] * 16 + [50] * 16


def test_a_hook_changes_the_policy_from_the_next_chunk_on(monkeypatch):
    monkeypatch.setattr(planner, "FIRST_ROWS", 16)
    monkeypatch.setattr(planner, "MOST_ROWS", 16)
    tables = []

    def fill(t, policy, env):
        values = policy.policy.learner.approximator.table
        tables.append(values.copy())
        if t == 20:
            values[...] = 100.0

    run = experiment(DoEveryNSteps(fill), 50, table(epsilon())).run("compiled")
    assert abs(tables[19]).max() <= 1.0  # as the chunk left it
    assert tables[20].min() == 100.0  # as the hook left it
    assert tables[34].max() == 100.0  # learnt from there
    assert 0 < run.policy.policy.learner.approximator.table.min() < 100.0


@pytest.mark.parametrize("n", [20, 1000])
def test_evaluation_in_a_hook_changes_nothing(n):
    def look(t, policy, env):
        evaluate(policy, RandomWalk1D(N_STATES), 3, seed=0, max_steps=20)

    quiet = experiment(None, 90, table(epsilon())).run("compiled")
    watched = experiment(DoEveryNSteps(look, n=n), 90, table(epsilon())).run("compiled")
    assert_same_leaves(quiet.policy, watched.policy)


def test_time_per_step_is_the_chunks_seconds_divided_by_its_steps():
    run = experiment(TimePerStep(50), 5000).run("compiled")
    times = run.hook.result()
    assert len(times) == 50
    assert min(times) > 0
    assert max(times) == pytest.approx(min(times), rel=1e-3)


def test_masks_of_a_changed_action_are_changed_as_well():
    """`action=` says which of the environment's actions each of the policy's means; so does the mask."""
    masks = [[1, 0, 0], [0, 1, 0], [1, 1, 0], [0, 0, 1]]
    rows = [[[(1.0, (state + 1) % 4, 1.0, False)]] * 3 for state in range(4)]

    for engine in ("eager", "compiled"):
        env = as_environment(TabularEnvironment(rows, masks=masks, max_steps=9), action=lambda action: 2 - action)
        hook = Actions()
        experiment(hook, 40, env=env).run(engine)
        assert np.array(masks)[hook.states, 2 - np.array(hook.actions)].all(), engine


class Actions(Hook):
    needs_state = True

    def pre_experiment(self, policy, env):
        self.states, self.actions = [], []
        self.state = None

    def pre_episode(self, policy, env):
        self.state = env.state()

    def post_act(self, policy, env):
        self.states.append(self.state)
        self.actions.append(env.last_action())
        self.state = env.next_state()


def test_a_masked_table_is_never_left():
    hook = Actions()
    experiment(hook, 80, env=masked()).run("compiled")
    legal = np.array([[1, 0, 1], [0, 1, 0], [1, 1, 1], [0, 1, 1]])[hook.states, hook.actions]
    assert legal.all()
