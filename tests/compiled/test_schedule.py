"""When updates are due, asked for many steps at once: what the controller would say step by step."""

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from rlcore import BatchSampler, CircularTraces, InsertSampleRatioController, Trajectory
from rlcore.compiled.schedule import Schedule, gaps_of
from rlcore.struct import copy, struct


@struct
class EveryThird:
    """A controller of a user's: one batch after every third transition."""

    inserted: int = 0
    sampled: int = 0

    def on_insert(self, n):
        self.inserted += n

    def is_due(self):
        return self.inserted // 3 > self.sampled

    def on_sample(self):
        self.sampled += 1


def trajectories(draw_controller):
    return st.builds(
        lambda capacity, batch_size, controller: Trajectory(
            CircularTraces(capacity + batch_size), BatchSampler(batch_size), controller
        ),
        st.integers(0, 20),
        st.integers(1, 12),
        draw_controller,
    )


RATIOS = st.sampled_from([0, 0.1, 1 / 3, 0.3, 0.5, 1, 2, 2.5])
CONTROLLERS = st.one_of(st.builds(InsertSampleRatioController, RATIOS, st.integers(1, 15)), st.builds(EveryThird))


@given(trajectories(CONTROLLERS), st.integers(0, 12), st.lists(st.integers(1, 20), min_size=1, max_size=4))
def test_updates_are_those_that_the_trajectory_gives(trajectory, before, chunks):
    for _ in range(before):
        trajectory.push(0, 0, 0.0, 0, False, False)
        list(trajectory)
    schedule = Schedule(trajectory, 1)
    schedule.controller = copy(trajectory.controller)
    for n in chunks:
        planned = schedule.updates(n)
        counted = []
        for _ in range(n):
            trajectory.push(0, 0, 0.0, 0, False, False)
            counted.append(len(list(trajectory)))
        assert planned.tolist() == counted
        schedule.advance(n, int(planned.sum()))
        assert schedule.controller.inserted == trajectory.controller.inserted
        assert schedule.controller.sampled == trajectory.controller.sampled


@given(st.lists(st.integers(0, 3), min_size=1, max_size=30))
def test_gaps_tell_the_same_as_updates_per_step(updates):
    gaps = gaps_of(np.array(updates))
    *before, after = gaps if len(gaps) == sum(updates) + 1 else (*gaps[0], gaps[1])
    at = np.cumsum(before)
    assert [int((at == step).sum()) for step in range(1, len(updates) + 1)] == updates
    assert (at[-1] if len(at) else 0) + after == len(updates)
