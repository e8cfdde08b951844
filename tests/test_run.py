"""The loop: the order of everything, every exit, exact counts."""

import os
import signal
import threading

import pytest
from gymnasium.vector import AutoresetMode
from worlds import Corridor, Count, Still, TapeHook, TapePolicy, counts

from rlcore.errors import EnvContractError
from rlcore.experiment import Experiment, run
from rlcore.hooks import EmptyHook, Hook, StepsPerEpisode
from rlcore.reset_conditions import ResetAfterNSteps
from rlcore.stages import Stage
from rlcore.stop_conditions import StopAfterNEpisodes, StopAfterNSteps, StopSignal


class TapeCondition(StopAfterNSteps):
    def __init__(self, n, tape):
        super().__init__(n, show_progress=False)
        self.tape = tape

    def check(self, policy, env):
        self.tape.append("stop?")
        return super().check(policy, env)

    def push(self, stage, policy, env):
        self.tape.append(f"condition {stage.value}")
        super().push(stage, policy, env)


class TapeWorld(Corridor):
    def __init__(self, tape, **arguments):
        super().__init__(**arguments)
        self.tape = tape

    def reset(self, seed=None):
        self.tape.append("reset")
        super().reset(seed)

    def act(self, action):
        self.tape.append("act")
        super().act(action)


def stage(name):
    return [f"condition {name}", f"keep {name}", f"learn {name}", f"hook {name}"]


STEP = [*stage("pre_act"), "plan", "act", *stage("post_act"), "stop?"]


def test_the_order_of_everything():
    tape = []
    run(TapePolicy(tape), TapeWorld(tape, length=2), TapeCondition(3, tape), TapeHook(tape), seed=0)
    assert tape == [
        *stage("pre_experiment"),
        "reset",
        *stage("pre_episode"),
        *STEP,
        *STEP,
        *stage("post_episode"),
        "reset",
        *stage("pre_episode"),
        *STEP,
        *stage("post_episode"),
        *stage("post_experiment"),
    ]


@pytest.mark.parametrize("mode", [AutoresetMode.NEXT_STEP, AutoresetMode.SAME_STEP, AutoresetMode.DISABLED])
def test_the_order_with_several_environments(mode):
    """Rows that end in one step share one POST_EPISODE and one PRE_EPISODE; the loop never resets again."""
    tape = []

    class Ends(Hook):
        def pre_episode(self, policy, env):
            tape.append(("begin", tuple(int(row) for row in env.ended())))

        def post_act(self, policy, env):
            tape.append("step")

        def post_episode(self, policy, env):
            tape.append(("end", tuple(int(row) for row in env.ended())))

    steps = 6 if mode is AutoresetMode.NEXT_STEP else 8  # transitions; two rows
    run(Still(), counts((2, 3), mode), StopAfterNSteps(steps, show_progress=False), Ends())
    assert tape == [
        ("begin", ()),
        "step",
        "step",
        ("end", (0,)),
        ("begin", (0,)),
        "step",
        ("end", (1,)),
        ("begin", (1,)),
        "step",
        ("end", () if mode is AutoresetMode.NEXT_STEP else (0,)),
    ]


@pytest.mark.parametrize(
    ("length", "n_steps", "recorded"),
    [(3, 6, [3, 3]), (3, 5, [3]), (3, 2, []), (1, 4, [1, 1, 1, 1]), (3, 7, [3, 3])],
)
@pytest.mark.parametrize("truncates", [False, True])
def test_steps_are_exact_and_an_unfinished_episode_is_not_recorded(length, n_steps, recorded, truncates):
    hook = StepsPerEpisode()
    experiment = run(Still(), Corridor(length, truncates), StopAfterNSteps(n_steps, show_progress=False), hook)
    assert hook.steps == recorded
    assert experiment.env.episode == len(recorded) + (n_steps % length > 0)


@pytest.mark.parametrize("n", [1, 2, 10])
def test_episodes_are_exact(n):
    hook = StepsPerEpisode()
    experiment = Experiment(Still(), Corridor(4), StopAfterNEpisodes(n, show_progress=False), hook)
    for _ in range(2):  # a second run starts clean
        experiment.run()
        assert hook.steps == [4] * n


@pytest.mark.parametrize(("limit", "expected"), [(2, [2, 2, 2]), (3, [3, 3, 3]), (4, [3, 3, 3])])
def test_a_reset_condition_truncates_and_the_environments_own_end_wins(limit, expected):
    ends = []

    class Ends(Hook):
        def post_act(self, policy, env):
            if env.is_over():
                ends.append((env.is_terminated(), env.is_truncated()))

    hook = StepsPerEpisode()
    run(Still(), Corridor(3), StopAfterNEpisodes(3, show_progress=False), hook + Ends(), ResetAfterNSteps(limit))
    assert hook.steps == expected
    assert ends == [(limit >= 3, limit < 3)] * 3


def test_a_reset_condition_counts_every_episode_from_zero_after_a_stop_in_the_middle():
    hook = StepsPerEpisode()
    limit = ResetAfterNSteps(3)
    experiment = Experiment(Still(), Corridor(100), StopAfterNSteps(5, show_progress=False), hook, limit)
    assert [experiment.run().hook.steps for _ in range(2)] == [[3], [3]]


class Fails(Hook):
    """Raises at a stage, and keeps a tape of the others."""

    def __init__(self, at, error=None):
        self.at, self.error, self.tape = at, error or ValueError("boom"), []

    def push(self, stage, policy, env):
        self.tape.append(stage)
        if stage is self.at:
            raise self.error


@pytest.mark.parametrize("at", list(Stage))
def test_the_last_stages_run_once_whatever_fails(at):
    tape = []
    hook = Fails(at)
    experiment = Experiment(Still(), Corridor(9), StopAfterNSteps(4, show_progress=False), hook + TapeHook(tape))
    with pytest.raises(ValueError, match="boom") as caught:
        experiment.run()
    assert any("Corridor" in note for note in caught.value.__notes__)
    assert experiment.stop_reason == "ValueError: boom"
    started = at is not Stage.PRE_EXPERIMENT
    assert tape.count("hook post_episode") == int(started)
    assert tape.count("hook post_experiment") == 1
    assert hook.tape.count(Stage.POST_EPISODE) == int(started)

    hook.at = None  # the experiment is still usable
    assert experiment.run().stop_reason == "StopAfterNSteps(4)"


def test_the_first_of_two_errors_is_raised_and_the_second_is_noted():
    one, other = Fails(Stage.POST_ACT, ValueError("first")), Fails(Stage.POST_EPISODE, KeyError("second"))
    with pytest.raises(ValueError, match="first") as caught:
        run(Still(), Corridor(3), hook=one + other)
    assert any("post_episode" in note and "second" in note for note in caught.value.__notes__)


def test_an_error_of_the_environment_keeps_its_type_and_says_where():
    class Breaks(Count):
        def step(self, action):
            if self.episode == 3 and self.steps == 1:
                raise OSError("the simulator is gone")
            return super().step(action)

    hook = StepsPerEpisode()
    experiment = Experiment(Still(), Breaks(4), StopAfterNSteps(100, show_progress=False), hook)
    with pytest.raises(OSError, match="simulator") as caught:
        experiment.run()
    assert "Breaks, episode 3, step 2" in caught.value.__notes__[0]
    assert hook.steps == [4, 4]


@pytest.mark.parametrize(
    ("number", "error", "code"), [(signal.SIGINT, KeyboardInterrupt, None), (signal.SIGTERM, SystemExit, 143)]
)
@pytest.mark.parametrize("at", [Stage.PRE_EXPERIMENT, Stage.PRE_EPISODE, Stage.PRE_ACT, Stage.POST_ACT])
def test_signals_end_the_step_and_then_the_run(number, error, code, at):
    class Kills(Hook):
        def push(self, stage, policy, env):
            if stage is at and not sent:
                sent.append(stage)
                os.kill(os.getpid(), number)

    sent, tape = [], []
    before = signal.getsignal(number)
    experiment = Experiment(Still(), Corridor(5), StopAfterNSteps(100, show_progress=False), Kills() + TapeHook(tape))
    with pytest.raises(error) as caught:
        experiment.run()
    assert getattr(caught.value, "code", None) == code
    assert experiment.stop_reason == f"interrupted by {number.name}"
    assert tape == [f"hook {stage.value}" for stage in Stage]  # one whole step, then the last stages
    assert signal.getsignal(number) is before


def test_a_second_signal_raises_at_once():
    class KillsTwice(Hook):
        def post_act(self, policy, env):
            os.kill(os.getpid(), signal.SIGINT)
            os.kill(os.getpid(), signal.SIGINT)
            tape.append("not reached")

    tape = []
    with pytest.raises(KeyboardInterrupt):
        run(Still(), Corridor(5), hook=KillsTwice() + TapeHook(tape))
    assert "not reached" not in tape
    assert tape[-2:] == ["hook post_episode", "hook post_experiment"]


def test_an_applications_own_signal_handler_stays():
    seen = []
    before = signal.signal(signal.SIGTERM, lambda number, frame: seen.append(number))
    try:

        class Kills(Hook):
            def pre_act(self, policy, env):
                os.kill(os.getpid(), signal.SIGTERM)

        run(Still(), Corridor(2), StopAfterNSteps(2, show_progress=False), Kills())
    finally:
        signal.signal(signal.SIGTERM, before)
    assert seen == [signal.SIGTERM] * 2


def test_a_run_in_another_thread_installs_no_handlers():
    answers = []
    thread = threading.Thread(target=lambda: answers.append(run(Still(), Corridor(2)).stop_reason))
    thread.start()
    thread.join()
    assert answers == ["StopAfterNEpisodes(1)"]


@pytest.mark.parametrize("at", list(Stage))
def test_a_hook_stops_the_run_politely_from_any_stage(at):
    """It ends with the step in progress, or the next one where none is."""
    stop, tape = StopSignal(), []

    class Asks(Hook):
        def push(self, stage, policy, env):
            if stage is at:
                stop.set("enough")
            return False  # means nothing

    limit = StopAfterNSteps(10, show_progress=False)
    experiment = run(Still(), Corridor(2), stop | limit, Asks() + TapeHook(tape))
    assert tape.count("hook post_experiment") == 1
    assert tape.count("hook pre_episode") == tape.count("hook post_episode")
    steps = {Stage.POST_EPISODE: 3, Stage.POST_EXPERIMENT: 10}.get(at, 1)
    assert tape.count("hook post_act") == steps
    assert experiment.stop_reason == ("StopAfterNSteps(10)" if at is Stage.POST_EXPERIMENT else "StopSignal: enough")


def test_an_environment_that_is_over_after_reset_is_an_error_after_100_empty_episodes():
    class Empty(Corridor):
        def is_terminated(self):
            return self.resets > 3 or super().is_terminated()

    world = Empty(2)
    experiment = Experiment(Still(), world, StopAfterNSteps(1000, show_progress=False))
    with pytest.raises(EnvContractError, match="over right after reset, 100 times in a row"):
        experiment.run()
    assert world.resets == 3 + 100


def test_a_moment_that_nobody_uses_calls_nobody():
    assert [EmptyHook().handlers(stage) for stage in Stage] == [[]] * 6
    assert [Still().handlers(stage) + Still().learners(stage) for stage in Stage] == [[]] * 6


def test_hooks_and_conditions_see_the_whole_step_at_post_act():
    rows = []

    class Sees(Hook):
        def post_act(self, policy, env):
            rows.append((env.state(), env.next_state(), env.reward(), env.last_action(), env.is_over(), env.ended()))

    run(Still(), Corridor(2), hook=Sees())
    assert rows == [(1, 1, 1.0, 0, False, ()), (2, 2, 1.0, 0, True, (0,))]


def test_policies_are_called_with_the_action():
    class Keeps(Still):
        def post_act(self, env, action):
            kept.append((env.state(), action))

    kept = []
    run(Keeps(), Corridor(2))
    assert kept == [(1, 0), (2, 0)]


def test_a_note_names_the_method_shortly_and_does_not_repeat_the_error():
    class Loud(Still):
        def __init__(self):
            self.rows = list(range(10_000))

        def post_act(self, env, action):
            raise ValueError("first")

        def post_episode(self, env):
            raise ValueError("first")

        def post_experiment(self, env):
            raise ValueError("x" * 10_000)

    with pytest.raises(ValueError, match="first") as caught:
        run(Loud(), Corridor(3))
    after = [note for note in caught.value.__notes__ if note.startswith("after that")]
    assert len(after) == 1
    assert after[0].startswith("after that, Loud.post_experiment failed: ValueError('xxx")
    assert len(after[0]) < 300
