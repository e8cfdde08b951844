import signal
import threading
import time
import traceback
from typing import Any

import jax.numpy as jnp
import numpy as np
import pytest

from rlcore import Agent, Experiment, QBasedPolicy, StopAfterNSteps, Trajectory
from rlcore.errors import ConfigError
from rlcore.explorers import EpsilonGreedyExplorer
from rlcore.hooks import Hook
from rlcore.interfaces import Learner, Policy
from rlcore.struct import cached, put, static, struct
from rlcore.trajectories import (
    AsyncInsertSampleRatioController,
    BatchSampler,
    CircularTraces,
    InsertSampleRatioController,
    LatestTransition,
    LatestTransitions,
    PrioritizedTraces,
    WholeSampler,
)
from tests.worlds import Corridor


@struct
class Counting(Learner):
    """Counts its updates in several leaves, which are equal after each of them, and may fail or take its time."""

    seconds: float = static(0.0)
    fails_at: int = static(0)
    is_table: bool = static(False)
    _threads: Any = cached()
    in_jax: Any = 0
    table: Any = None
    others: Any = None

    update_is_jitted = False

    def __init__(self, seconds=0.0, fails_at=0, in_place=False):
        self.seconds, self.fails_at = seconds, fails_at
        self.in_jax = jnp.zeros(2)
        self.table = np.zeros(3) if in_place else jnp.zeros(3)
        self.others = {"a": jnp.zeros(())}

    def forward(self, state):
        return np.zeros((*np.shape(state), 2))

    def update(self, batch):
        THREADS.add(threading.current_thread())
        time.sleep(self.seconds)
        self.in_jax = self.in_jax + 1
        n = int(self.in_jax[0])
        if n == self.fails_at:
            raise ValueError("the update failed")
        for i in range(3):
            self.table = put(self.table, i, n)
        self.others = {"a": self.others["a"] + 1}
        return {"n": n} if batch.key is None else {"n": n, "priority": np.full(len(batch.key), float(n))}

    def n_updates(self):
        numbers = [*np.asarray(self.in_jax), *np.asarray(self.table), np.asarray(self.others["a"])]
        assert len(set(map(float, numbers))) == 1, f"half an update: {numbers}"
        return int(numbers[0])


THREADS = set[threading.Thread]()


@pytest.fixture(autouse=True)
def no_thread_is_left():
    THREADS.clear()
    yield
    THREADS.discard(threading.current_thread())
    for thread in THREADS:
        thread.join(5)
    assert not any(thread.is_alive() for thread in THREADS)


class Watch(Hook):
    """Writes down, after every step, how many updates were taken over and how many batches were drawn."""

    def __init__(self, act=None):
        self.rows, self.act = [], act

    def post_act(self, policy, env):
        self.rows.append((policy.policy.learner.n_updates(), policy.trajectory.controller.sampled))
        if self.act is not None:
            self.act(len(self.rows), policy)


def experiment(controller, learner=None, n_steps=60, hook=None, container=None):
    container = CircularTraces(20) if container is None else container
    policy = QBasedPolicy(Counting() if learner is None else learner, EpsilonGreedyExplorer(1.0))
    agent = Agent(policy, Trajectory(container, BatchSampler(4), controller))
    stop = StopAfterNSteps(n_steps, show_progress=False)
    return Experiment(agent, Corridor(7), stop, Watch() if hook is None else hook, seed=1)


@pytest.mark.parametrize("ratio", [1, 1 / 3, 2])
@pytest.mark.parametrize("in_place", [False, True])
def test_as_many_batches_at_the_same_steps_and_all_are_learnt_from(ratio, in_place):
    plain = experiment(InsertSampleRatioController(ratio, 10)).run("eager")
    THREADS.clear()
    background = experiment(AsyncInsertSampleRatioController(ratio, 10), Counting(0.001, in_place=in_place)).run()
    assert [n for _, n in background.hook.rows] == [n for _, n in plain.hook.rows]
    learner = background.policy.policy.learner
    assert learner.n_updates() == learner.metrics["n"] == plain.policy.policy.learner.n_updates()
    assert background.policy.trajectory.controller.inserted == 60
    assert THREADS and threading.main_thread() not in THREADS


@pytest.mark.parametrize("max_lag", [1, 3])
def test_updates_lag_behind_by_no_more_than_was_allowed(max_lag):
    one = experiment(AsyncInsertSampleRatioController(1, 5, max_lag), Counting(0.002)).run()
    lags = [sampled - n for n, sampled in one.hook.rows]
    assert max(lags) == max_lag
    assert sorted(n for n, _ in one.hook.rows) == [n for n, _ in one.hook.rows]


def test_a_second_run_goes_on():
    one = experiment(AsyncInsertSampleRatioController(1, 5), n_steps=20)
    one.run().run()
    assert one.policy.policy.learner.n_updates() == one.policy.trajectory.controller.sampled == 36


def test_an_array_of_the_learner_stays_the_same_array():
    learner = Counting(in_place=True)
    table = learner.table
    experiment(AsyncInsertSampleRatioController(1, 5), learner).run()
    assert learner.table is table and table[0] == 56


def test_what_a_hook_changes_while_nothing_is_under_way_is_learnt_from():
    def reset(step, policy):
        if step == 30:
            learner = policy.policy.learner
            learner.in_jax, learner.others = jnp.full(2, 1000.0), {"a": jnp.full((), 1000.0)}
            learner.table = jnp.full(3, 1000.0)

    one = experiment(AsyncInsertSampleRatioController(1 / 1000, 30), n_steps=29 + 1000 + 1, hook=Watch(reset)).run()
    assert one.policy.trajectory.controller.sampled == 2
    assert one.policy.policy.learner.n_updates() in (2, 1001)  # the first update was under way at step 30, or not


def test_an_error_of_the_thread_ends_the_run_with_its_traceback_and_nothing_is_half_learnt():
    one = experiment(AsyncInsertSampleRatioController(1, 5), Counting(fails_at=10))
    with pytest.raises(ValueError, match="the update failed") as caught:
        one.run()
    assert ", in update\n" in "".join(traceback.format_exception(caught.value))
    assert one.policy.policy.learner.n_updates() == 9
    assert "the update failed" in one.stop_reason


def test_an_error_of_the_last_update_is_raised_at_the_end():
    one = experiment(AsyncInsertSampleRatioController(1, 5), Counting(0.05, fails_at=1), n_steps=5)
    with pytest.raises(ValueError, match="the update failed"):
        one.run()
    assert one.policy.policy.learner.n_updates() == 0


@pytest.mark.parametrize("error", [RuntimeError("of a hook"), KeyboardInterrupt()])
def test_the_thread_ends_with_an_error_in_the_run(error):
    def fail(step, policy):
        if step == 20:
            raise error

    one = experiment(AsyncInsertSampleRatioController(1, 5, 4), Counting(0.005), hook=Watch(fail))
    with pytest.raises(type(error)):
        one.run()
    assert not any(thread.is_alive() for thread in THREADS)
    one.hook.act = None
    one.run()
    assert len(one.hook.rows) > 20


def test_ctrl_c_ends_the_run_and_the_thread_with_what_was_drawn():
    def interrupt(step, policy):
        if step == 20:
            signal.raise_signal(signal.SIGINT)

    one = experiment(AsyncInsertSampleRatioController(1, 5, 4), Counting(0.005), hook=Watch(interrupt))
    with pytest.raises(KeyboardInterrupt):
        one.run()
    assert len(one.hook.rows) == 20 and one.stop_reason == "interrupted by SIGINT"
    assert one.policy.policy.learner.n_updates() == one.policy.trajectory.controller.sampled == 16
    assert not any(thread.is_alive() for thread in THREADS)


def test_a_run_inside_an_except_clause_learns_from_everything():
    try:
        raise RuntimeError
    except RuntimeError:
        one = experiment(AsyncInsertSampleRatioController(1, 5), Counting(0.002)).run()
    assert one.policy.policy.learner.n_updates() == one.policy.trajectory.controller.sampled == 56


def test_priorities_reach_the_container():
    container = PrioritizedTraces(20, alpha=1.0)
    experiment(AsyncInsertSampleRatioController(1, 5), container=container).run()
    assert container.highest == pytest.approx(56.0)


def test_a_learner_without_an_agent_learns_at_once():
    learner = Counting()
    trajectory = Trajectory(CircularTraces(9), BatchSampler(2), AsyncInsertSampleRatioController(1, 2))
    for i in range(5):
        trajectory.push(i, 0, 0.0, i + 1, False, False)
        learner.optimise(None, trajectory)
    assert learner.n_updates() == trajectory.controller.sampled == 4
    assert {threading.main_thread()} == THREADS


def test_a_policy_that_optimises_itself_is_refused():
    class Own(Policy):
        def plan(self, env):
            return 0

        def optimise(self, stage, trajectory=None):
            pass

    trajectory = Trajectory(CircularTraces(9), BatchSampler(2), AsyncInsertSampleRatioController())
    one = Experiment(Agent(Own(), trajectory), Corridor(3), StopAfterNSteps(3, show_progress=False))
    with pytest.raises(ConfigError, match=r"one Learner learn, but what optimises is Own; use InsertSampleRatioContr"):
        one.run()


@pytest.mark.parametrize(
    ("arguments", "message"), [((-1,), "ratio"), ((1, 0), "threshold"), ((1, 1, 0), "max_lag is 0")]
)
def test_arguments_are_checked(arguments, message):
    with pytest.raises(ConfigError, match=message):
        AsyncInsertSampleRatioController(*arguments)
    shown = AsyncInsertSampleRatioController(0.5, 3)
    assert repr(shown) == "AsyncInsertSampleRatioController(ratio=0.5, threshold=3)"


@struct
class Watcher(Learner):
    """Looks twice at the batch that it is given, with a pause in between."""

    update_is_jitted = False

    def __init__(self):
        pass

    def forward(self, state):
        return np.zeros((*np.shape(state), 2))

    def update(self, batch):
        looks = []
        for _ in range(2):
            newest = batch.transitions[-1] if isinstance(batch, LatestTransitions) else batch
            looks.append((newest.state, newest.action, newest.reward, newest.next_state))
            time.sleep(0.002)
        LOOKS.append(looks)
        return {}


LOOKS = list[Any]()


@pytest.mark.parametrize("make", [LatestTransition, lambda: LatestTransitions(2)])
def test_the_next_push_does_not_change_what_the_thread_is_shown(make):
    LOOKS.clear()
    controller = AsyncInsertSampleRatioController(max_lag=4)
    agent = Agent(QBasedPolicy(Watcher(), EpsilonGreedyExplorer(1.0)), Trajectory(make(), WholeSampler(), controller))
    Experiment(agent, Corridor(9), StopAfterNSteps(50, show_progress=False), seed=0).run(engine="eager")
    assert all(first == second for first, second in LOOKS)
    states, next_states = ([look[0][at] for look in LOOKS] for at in (0, 3))
    assert len(LOOKS) == 50
    assert all(one == two or two == states[0] for one, two in zip(next_states, states[1:], strict=False))
