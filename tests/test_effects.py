"""What a trace would do once instead of at every step is found, named, and taken back."""

import random
from collections import Counter
from typing import Any

import numpy as np
import pytest

from rlcore import Experiment, RandomPolicy, StopAfterNSteps, as_environment
from rlcore.effects import without_side_effects
from rlcore.environments import RandomWalk1D
from rlcore.errors import ConfigError
from rlcore.interfaces import Policy
from rlcore.reset_conditions import ResetCondition
from rlcore.struct import static, struct

SEEN, NESTED, COUNTS, ARRAY = [], {"seen": [[]]}, Counter(), np.zeros(3)
GENERATOR = np.random.default_rng(0)
TOTAL = 0


class Diary:
    pages = 0


DIARY = Diary()


def append(action):
    NESTED["seen"][0].append(action)


def count():
    global TOTAL
    TOTAL += 1


def deletes():
    global TOTAL
    TOTAL, before = None, TOTAL
    TOTAL = before


def enclosed():
    total = 0

    def change():
        nonlocal total
        total += 1

    return change


def nothing():
    return len(SEEN) + ARRAY.sum() + GENERATOR.bit_generator.state["has_uint32"] + np.random.default_rng(0).integers(2)


@struct
class Does(Policy):
    """Calls a function wherever it plans."""

    what: Any = static()
    calls = 0

    def plan(self, env):
        self.what()
        return 0


@pytest.mark.parametrize(
    ("what", "named"),
    [
        (lambda: SEEN.append(1), "changes SEEN"),
        (lambda: append(1), "append changes NESTED"),
        (lambda: COUNTS.update("a"), "changes COUNTS"),
        (lambda: ARRAY.__setitem__(0, 1.0), "changes ARRAY"),
        (lambda: GENERATOR.normal(), "changes GENERATOR"),
        (lambda: setattr(DIARY, "pages", 1), "changes DIARY"),
        (lambda: setattr(Diary, "pages", 1), "changes Diary"),
        (lambda: setattr(Does, "calls", 1), "changes Does"),
        (count, "count gives a variable outside of it another value"),
        (enclosed(), "change gives a variable outside of it another value"),
        (lambda: np.random.rand(), "draws random numbers that no struct keeps"),
        (lambda: random.random(), "draws random numbers that no struct keeps"),
        (lambda: print("here"), "prints"),
    ],
)
def test_side_effects_are_named(what, named, capsys):
    with pytest.raises(ConfigError, match=f"{named}: a side effect that a program would have once.*declared fields"):
        Experiment(Does(what), RandomWalk1D(6), StopAfterNSteps(5, False), seed=0).run("compiled")
    assert (SEEN, NESTED, COUNTS, ARRAY.tolist()) == ([], {"seen": [[]]}, {}, [0, 0, 0])
    assert capsys.readouterr().out == ""


def test_where_nothing_is_changed_it_is_compiled():
    for what in (nothing, deletes, lambda: [1].append(2)):
        experiment = Experiment(Does(what), RandomWalk1D(6), StopAfterNSteps(5, False), seed=0).run()
        assert experiment.engine.startswith("compiled")


def test_by_default_such_a_policy_runs_step_by_step():
    seen = []
    experiment = Experiment(Does(lambda: seen.append(1)), RandomWalk1D(6), StopAfterNSteps(5, False), seed=0).run()
    assert "changes seen: a side effect" in experiment.engine
    assert seen == [1] * 5


@struct
class Noted(RandomWalk1D):
    def act(self, action):
        SEEN.append(action)
        RandomWalk1D.act(self, action)


@struct
class Notes(ResetCondition):
    def check(self, policy, env):
        SEEN.append(1)
        return False


def test_environments_their_functions_and_reset_conditions_too():
    stop = StopAfterNSteps(5, False)
    with pytest.raises(ConfigError, match=r"Notes\.check changes SEEN"):
        Experiment(RandomPolicy(), RandomWalk1D(6), stop, reset_condition=Notes(), seed=0).run("compiled")
    with pytest.raises(ConfigError, match=r"Noted\.act changes SEEN"):
        as_environment(Noted(6), num_envs=2)
    assert Experiment(RandomPolicy(), Noted(6), stop, seed=0).run().engine.startswith("eager: Noted.act changes SEEN")
    assert len(SEEN) == 5
    SEEN.clear()
    with pytest.raises(ConfigError, match="changes SEEN"):
        as_environment(RandomWalk1D(6), num_envs=2, reward=lambda reward: (SEEN.append(1), reward)[1])


def test_libraries_are_trusted():
    with without_side_effects(RandomPolicy(), RandomWalk1D(6)):
        SEEN.append(1)
    SEEN.clear()
