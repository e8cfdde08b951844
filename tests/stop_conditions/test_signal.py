from worlds import Corridor, Still

from rlcore.experiment import Experiment
from rlcore.stop_conditions import StopAfterNSteps, StopSignal


def test_a_signal_of_an_earlier_run_does_not_stop_the_next(steps):
    signal = StopSignal()
    experiment = Experiment(Still(), Corridor(4), signal | StopAfterNSteps(3, show_progress=False), steps)
    signal.set("too early: before the run")
    experiment.run()
    assert (steps.loop_steps, signal.is_set()) == (3, False)
