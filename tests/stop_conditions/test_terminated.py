from gymnasium.vector import AutoresetMode
from worlds import Corridor, Still, counts

from rlcore.experiment import run
from rlcore.stop_conditions import StopIfEnvTerminated


def test_stop_if_terminated(steps):
    run(Still(), Corridor(4), StopIfEnvTerminated(), steps)
    assert steps.loop_steps == 4
    run(Still(), counts((5, 2), AutoresetMode.SAME_STEP), StopIfEnvTerminated(), steps)
    assert steps.loop_steps == 2
