"""Containers against plain lists, whatever is pushed into them."""

import copy
import pickle

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, precondition, rule

from rlcore.random import stream
from rlcore.trajectories import CircularTraces, ElasticTraces
from rlcore.trajectories import elastic as elastic_module
from rlcore.trajectories import frames as frames_module
from tests.trajectories.histories import ARGUMENTS, IS_ONCE, STATES, Lane, stacked

FIELDS = ("state", "action", "reward", "next_state", "terminated", "truncated", "mask", "next_mask", "extras")
STEPS = st.sampled_from(["step", "step", "step", "terminated", "truncated", "both", "jump", "tear"])
STARTS = st.sampled_from(["zeros", "copies", "others"])


class Machine(RuleBasedStateMachine):
    """A container, and lists of what was pushed into each lane."""

    @initialize(
        kind=st.sampled_from(sorted(STATES)),
        n_lanes=st.sampled_from([None, None, 1, 3]),
        per_lane=st.integers(1, 9),
        grows=st.booleans(),
        tight=st.booleans(),
        plain=st.booleans(),
    )
    def make(self, kind, n_lanes, per_lane, grows, tight, plain):
        self.patch = pytest.MonkeyPatch()
        self.patch.setattr(elastic_module, "FIRST", 2)
        if tight:
            self.patch.setattr(frames_module, "rows_for", lambda size, n_frames: max(size + 1, 2 * n_frames))
        self.kind, self.n_lanes, self.plain = kind, n_lanes, plain
        arguments = ARGUMENTS.get(kind, {})
        self.n_frames = arguments.get("n_frames", 1)
        self.size = 10**6 if grows else per_lane
        capacity = per_lane * (n_lanes or 1)
        self.container = ElasticTraces(**arguments) if grows else CircularTraces(capacity, **arguments)
        self.lanes = [Lane(kind, 7 + 60 * at) for at in range(n_lanes or 1)]
        self.random = stream(0, "machine")
        rows = None if grows or kind not in IS_ONCE else frames_module.rows_for(per_lane, self.n_frames)
        self.held = lambda: [lane.held(self.size, rows, self.n_frames) for lane in self.lanes]

    @rule(
        what=st.lists(STEPS, min_size=3, max_size=3),
        start=STARTS,
        valid=st.lists(st.integers(0, 4), min_size=3, max_size=3),
        times=st.integers(1, 4),
    )
    def push(self, what, start, valid, times):
        for _ in range(times):
            rows = [lane.step(kind, start) for lane, kind in zip(self.lanes, what[: len(self.lanes)], strict=True)]
            kept = [flag > 0 for flag in valid[: len(rows)]]
            for lane, row, flag in zip(self.lanes, rows, kept, strict=True):
                if flag:
                    lane.keep(row, self.n_frames)
            values = rows[0] if self.n_lanes is None else stacked(rows)
            if self.plain:
                values = values | {"mask": None, "next_mask": None, "extras": None}
            flags = kept[0] if self.n_lanes is None else np.array(kept)
            assert self.container.push(**values, valid=None if all(kept) else flags) == sum(kept)

    @rule()
    def cut(self):
        self.container.cut()
        for lane in self.lanes:
            if lane.pushed and not lane.pushed[-1]["terminated"]:
                lane.pushed[-1]["truncated"] = True

    @rule(duplicate=st.sampled_from([copy.deepcopy, lambda value: pickle.loads(pickle.dumps(value))]))
    def copied(self, duplicate):
        self.container = duplicate(self.container)

    @invariant()
    def holds_the_newest(self):
        if not hasattr(self, "container"):
            return
        expected = [transition for lane in self.held() for transition in lane]
        assert len(self.container) == self.container.n_stored == len(expected)
        batch = self.container.whole()
        if not expected:
            assert batch is None
            return
        self.agree(batch, expected)

    @precondition(lambda self: len(self.container))
    @rule(data=st.data(), n=st.integers(1, 5))
    def take_windows(self, data, n):
        transitions = {transition["reward"]: transition for lane in self.held() for transition in lane}
        n_stored = len(self.container)
        everything = self.container.take(np.arange(n_stored))
        assert sorted(everything.reward.tolist()) == sorted(transitions)
        indices = np.array(data.draw(st.lists(st.integers(0, n_stored - 1), min_size=1, max_size=5)))
        places, valid = self.container.window(indices, n)
        batch = self.container.take(places)
        self.agree(batch, [transitions[reward] for reward in batch.reward.ravel().tolist()], places.shape)
        windows = {window[0]: window for window in self.windows(n)}
        for reward, row, flags in zip(everything.reward[indices].tolist(), batch.reward, valid, strict=True):
            k = len(windows[reward])
            assert row.tolist() == windows[reward] + [windows[reward][-1]] * (n - k)
            assert flags.tolist() == [True] * k + [False] * (n - k)

    @precondition(lambda self: len(self.container))
    @rule(n=st.integers(1, 40))
    def draw(self, n):
        indices, key, weight = self.container.draw(self.random, n)
        assert indices.shape == (n,) and 0 <= indices.min() <= indices.max() < len(self.container)
        assert key is None and weight is None

    @precondition(lambda self: len(self.container))
    @rule()
    def episodes(self):
        found = [self.container.take(indices).reward.tolist() for indices in self.container.episodes()]
        assert found == [[t["reward"] for t in episode] for lane in self.held() for episode in cut_at_ends(lane)]

    @precondition(lambda self: len(self.container))
    @rule(beyond=st.sampled_from([0, 3]))
    def an_index_beyond(self, beyond):
        with pytest.raises(IndexError):
            self.container.take(np.array([0, len(self.container) + beyond]))

    def windows(self, n):
        for lane in self.held():
            for episode in cut_at_ends(lane):
                for at in range(len(episode)):
                    yield [transition["reward"] for transition in episode[at : at + n]]

    def agree(self, batch, expected, shape=None):
        rows = stacked(expected)
        for name in FIELDS:
            stored = getattr(batch, name)
            if self.plain and name in ("mask", "next_mask", "extras"):
                assert stored is None
                continue
            for one, other in zip(jax.tree.leaves(stored), jax.tree.leaves(rows[name]), strict=True):
                other = other.astype(one.dtype).reshape((shape or (len(expected),)) + other.shape[1:])
                np.testing.assert_array_equal(one, other)
                assert one.dtype.kind != "f" or (np.signbit(one) == np.signbit(other)).all()

    def teardown(self):
        if hasattr(self, "patch"):
            self.patch.undo()


def cut_at_ends(lane):
    episodes = [[]]
    for transition in lane:
        episodes[-1].append(transition)
        if transition["terminated"] or transition["truncated"]:
            episodes.append([])
    return [episode for episode in episodes if episode]


Machine.TestCase.settings = settings(max_examples=150, stateful_step_count=12, deadline=None)
TestContainers = Machine.TestCase


@jax.jit
def in_compiled_code(container, rows, valids, indices):
    """Pushes all rows, then takes transitions and windows."""

    def step(container, given):
        row, valid = given
        return container, container.push(**row, valid=valid)

    container, kept = jax.lax.scan(step, container, (rows, valids))
    places, valid = container.window(indices, 3)
    return container, (kept, container.take(indices), places, valid, container.take(places))


@pytest.mark.parametrize(
    ("kind", "n_lanes", "tight"),
    [
        ("once", None, False),
        ("large", 3, True),
        ("stack", None, True),
        ("stack", 3, False),
        ("last", 3, True),
        ("colours", None, False),
        ("stacks", None, True),
    ],
)
def test_compiled_code_stores_the_same_states_once(kind, n_lanes, tight, monkeypatch):
    if tight:
        monkeypatch.setattr(frames_module, "rows_for", lambda size, n_frames: max(size + 1, 2 * n_frames))
    generator = np.random.default_rng(5)
    lanes = [Lane(kind, 7 + 60 * at) for at in range(n_lanes or 1)]
    whats, starts = ["step", "step", "step", "terminated", "truncated", "jump", "tear"], ["zeros", "copies", "others"]
    steps = [
        [lane.step(whats[generator.integers(7)], starts[generator.integers(3)]) for lane in lanes] for _ in range(40)
    ]
    rows = [step[0] if n_lanes is None else stacked(step) for step in steps]
    valids = generator.random((40, n_lanes) if n_lanes else 40) < 0.8
    eager, compiled = (CircularTraces(7 * (n_lanes or 1), **ARGUMENTS.get(kind, {})) for _ in range(2))
    compiled.allocate(**rows[0])
    kept = [eager.push(**row, valid=valid) for row, valid in zip(rows, valids, strict=True)]
    indices = np.arange(len(eager))
    places, valid = eager.window(indices, 3)
    compiled, answers = in_compiled_code(jax.tree.map(jnp.asarray, compiled), stacked(rows), valids, indices)
    expected = np.array(kept), eager.take(indices), places, valid, eager.take(places)
    jax.tree.map(np.testing.assert_array_equal, (eager, expected), jax.tree.map(np.asarray, (compiled, answers)))
