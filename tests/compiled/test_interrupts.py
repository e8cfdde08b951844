"""Signals, seconds and bars while a compiled run is under way."""

import os
import signal
import threading
import time

import jax.numpy as jnp
import numpy as np
import pytest

from rlcore import (
    Experiment,
    RandomPolicy,
    StopAfterNEpisodes,
    StopAfterNSteps,
    as_environment,
)
from rlcore.compiled import planner
from rlcore.environments import RandomWalk1D
from rlcore.hooks import EmptyHook, StepsPerEpisode
from rlcore.interfaces import Policy
from rlcore.stop_conditions import StopAfterNSeconds
from rlcore.struct import struct
from tests.compiled.alike import Acts
from tests.compiled.test_conformance import N_STATES, epsilon, table

ENGINES = ["eager", "compiled"]


def steps(n):
    return StopAfterNSteps(n, show_progress=False)


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
