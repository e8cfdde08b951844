import pytest

from rlcore.hooks import Hook, TimePerStep
from rlcore.hooks import time_per_step as module


class Clock:
    """Stands still except where it is told to move."""

    def __init__(self):
        self.now = 50.0

    def __call__(self):
        return self.now


@pytest.fixture
def clock(monkeypatch):
    clock = Clock()
    monkeypatch.setattr(module, "perf_counter", clock)
    return clock


def slow(env, clock, step_seconds, reset_seconds):
    """The same environment, whose steps and resets take time."""
    step, reset, seconds = env.step, env.reset, iter(step_seconds)

    def slow_step():
        clock.now += next(seconds)
        step()

    def slow_reset():
        clock.now += reset_seconds
        reset()

    env.step, env.reset = slow_step, slow_reset
    return env


def test_times_are_those_of_steps_without_resets(single, drive, clock):
    env = slow(single([0.0] * 4, [2, 3]), clock, [1.0, 2.0, 4.0, 8.0], reset_seconds=100.0)
    assert drive(TimePerStep(), env, 4).times == [1.0, 2.0, 4.0, 8.0]


def test_what_other_hooks_do_between_steps_is_in_the_step(single, drive, clock):
    class Slow(Hook):
        def pre_act(self, policy, env):
            clock.now += 0.5

    env = slow(single([0.0] * 2), clock, [1.0, 2.0], reset_seconds=100.0)
    assert drive(TimePerStep() + Slow(), env, 2)[0].times == [1.5, 2.5]


@pytest.mark.parametrize("ends", [[], range(1, 11), [9], [8, 9, 10]], ids=str)
@pytest.mark.parametrize("max_steps", [1, 2, 3, 10, 20])
def test_the_latest_steps_are_kept(single, drive, clock, max_steps, ends):
    seconds = [float(2**i) for i in range(10)]
    env = slow(single([0.0] * 10, ends), clock, seconds, reset_seconds=5000.0)
    assert drive(TimePerStep(max_steps), env, 10).times == seconds[-max_steps:]


def test_rows_share_a_step(rows, drive, clock):
    env = slow(rows([[0.0, 0.0]] * 3, {2: [1]}), clock, [1.0, 2.0, 4.0], reset_seconds=100.0)
    assert drive(TimePerStep(), env, 3).times == [1.0, 2.0, 4.0]


def test_a_second_run_starts_clean(single, drive, clock):
    hook = TimePerStep()
    assert hook.times == []
    first = drive(hook, slow(single([0.0]), clock, [1.0], 0.0), 1).times
    clock.now += 1000.0  # between the runs
    assert drive(hook, slow(single([0.0]), clock, [2.0], 0.0), 1).result() == [2.0]
    assert first == [1.0]


def test_the_real_clock_runs_forward(single, drive):
    times = drive(TimePerStep(), single([0.0] * 100, [50]), 100).times
    assert len(times) == 100
    assert min(times) >= 0.0
