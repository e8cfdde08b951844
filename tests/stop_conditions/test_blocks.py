"""Conditions stop at the same step whether they were shown single steps, blocks, or both by turns."""

import math
from types import SimpleNamespace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from recorded import Recorded, RecordedInBlocks, block_of, runs, show, state_of

from rlcore.hooks import DoEveryNEpisodes, Hook, StepsPerEpisode
from rlcore.stages import Stage
from rlcore.stop_conditions import (
    StopAfterNEpisodes,
    StopAfterNoImprovement,
    StopAfterNSeconds,
    StopAfterNSteps,
    StopCondition,
    StopIfAll,
    StopIfAny,
    StopIfEnvTerminated,
    StopSignal,
    counted,
    seconds,
)

COUNTED = {
    "steps": lambda n, watched: StopAfterNSteps(n, show_progress=False),
    "episodes": lambda n, watched: StopAfterNEpisodes(n, show_progress=False),
}
KINDS = COUNTED | {
    "terminated": lambda n, watched: StopIfEnvTerminated(),
    "seconds": lambda n, watched: StopAfterNSeconds(n),
    "no improvement": lambda n, watched: StopAfterNoImprovement(lambda: watched.hook.steps[-1], n),
    "signal": lambda n, watched: watched.signals.setdefault(n, StopSignal()),
}


def trees(kinds):
    """Conditions composed to any depth: a kind and its number, or `any` or `all` of several."""
    leaf = st.tuples(st.sampled_from(sorted(kinds)), st.integers(1, 12))
    composed = st.sampled_from([StopIfAny, StopIfAll])
    return st.recursive(leaf, lambda inner: st.tuples(composed, st.lists(inner, min_size=1, max_size=3)), max_leaves=5)


def build(tree, watched):
    kind, inside = tree
    if isinstance(kind, str):
        return KINDS[kind](inside, watched)
    return kind(*(build(one, watched) for one in inside))


class Watched:
    """A condition, and the hook that it reads or that triggers it."""

    def __init__(self, tree):
        self.signals = {}
        self.hook = StepsPerEpisode()
        self.condition = build(tree, self)
        self.hooks = self.hook
        for n, signal in self.signals.items():
            stage = (Stage.POST_ACT, Stage.POST_EPISODE, Stage.PRE_EPISODE)[n % 3]
            self.hooks += DoEveryNEpisodes(lambda t, policy, env, signal=signal: signal.set(f"{t}"), n, stage)

    def show(self, env):
        with pytest.MonkeyPatch.context() as patch:
            patch.setattr(seconds, "time", SimpleNamespace(monotonic=env.clock))
            return show(env, self.condition, self.hooks)


def is_distinct(tree, found=None):
    """Whether no signal stands there twice, which would be refused."""
    found = set() if found is None else found
    kind, inside = tree
    if isinstance(kind, str):
        return kind != "signal" or (inside not in found and not found.add(inside))
    return all(is_distinct(one, found) for one in inside)


@settings(deadline=None)
@given(runs(), trees(KINDS).filter(is_distinct), st.randoms(use_true_random=False))
def test_blocks_stop_where_single_steps_stop(runs, tree, random):
    one, other = Watched(tree), Watched(tree)
    assert other.condition.takes_blocks()
    for chunks in runs:
        env = RecordedInBlocks(chunks, other.condition, other.hooks, lambda most: random.randint(0, most))
        assert one.show(Recorded(chunks)) == other.show(env)
        assert state_of(one.condition) == state_of(other.condition)
        assert state_of(one.hooks) == state_of(other.hooks)
        assert one.condition.limit() == other.condition.limit()


class Limits(Hook):
    """Keeps the limit before every step."""

    def __init__(self, condition):
        self.condition = condition

    def pre_experiment(self, policy, env):
        self.limits = []

    def pre_act(self, policy, env):
        self.limits.append(self.condition.limit())


def end_of(limit, chunks, done):
    """The step at which a limit that was told after `done` steps is reached."""
    n_rows = chunks[0].num_envs or 1
    n_ends = np.cumsum([ends for chunk in chunks for ends in chunk.over.reshape(len(chunk), -1).sum(axis=1)])
    before = n_ends[done - 1] if done else 0

    def is_reached(limit, step):
        kind, inside = limit
        if kind in ("any", "all"):
            return {"any": any, "all": all}[kind](is_reached(one, step) for one in inside)
        return {"steps": (step - done) * n_rows, "episodes": n_ends[step - 1] - before}[kind] >= inside

    return next((step for step in range(done + 1, len(n_ends) + 1) if is_reached(limit, step)), math.inf)


@settings(deadline=None)
@given(runs(1), trees(KINDS).filter(is_distinct))
def test_no_run_goes_beyond_its_limit_and_an_exact_one_ends_there(runs, tree):
    (chunks,) = runs
    watched = Watched(tree)
    limits = Limits(watched.condition)
    watched.hooks += limits
    env = Recorded(chunks)
    end, _ = watched.show(env)
    is_cut = env.interrupt.is_set  # the record may have ended before the condition said so
    for done, limit in enumerate(limits.limits):
        assert limit is not None or not watched.condition.is_exact()
        if limit is not None:
            expected = end_of(limit, chunks, done)
            assert expected >= end
            if watched.condition.is_exact():
                assert expected == end or is_cut


@given(trees(COUNTED))
def test_counts_are_exact_however_composed(tree):
    condition = Watched(tree).condition
    assert condition.is_exact()
    assert condition.limit() is not None


def steps(n):
    return StopAfterNSteps(n, show_progress=False)


def episodes(n):
    return StopAfterNEpisodes(n, show_progress=False)


class Noisy(StopAfterNSteps):
    def check(self, policy, env):
        return super().check(policy, env)


class NoisySum(StopIfAny):
    def check(self, policy, env):
        return super().check(policy, env)


class Counts(StopCondition):
    """Somebody's own."""

    def check(self, policy, env):
        return False


@pytest.mark.parametrize(
    ("condition", "limit", "is_exact"),
    [
        (steps(7), ("steps", 7), True),
        (episodes(3), ("episodes", 3), True),
        (steps(7) | episodes(3), ("any", (("steps", 7), ("episodes", 3))), True),
        (steps(7) & episodes(3), ("all", (("steps", 7), ("episodes", 3))), True),
        (steps(7) & (steps(1) | episodes(2)), ("all", (("steps", 7), ("any", (("steps", 1), ("episodes", 2))))), True),
        (StopSignal(), None, False),
        (StopIfEnvTerminated(), None, False),
        (StopAfterNSeconds(1), None, False),
        (StopAfterNoImprovement(lambda: 0, 3), None, False),
        (steps(7) | StopSignal(), ("any", (("steps", 7),)), False),
        (StopIfAny(StopSignal(), StopSignal()), None, False),
        (steps(7) & StopSignal(), None, False),
        (steps(7) & (episodes(2) | StopSignal()), ("all", (("steps", 7), ("any", (("episodes", 2),)))), False),
        (Noisy(7), None, False),
        (Noisy(7) | steps(9), ("any", (("steps", 9),)), False),
        (NoisySum(steps(9)), None, False),
        (Counts() | steps(9), ("any", (("steps", 9),)), False),
    ],
    ids=repr,
)
def test_limits_by_hand(condition, limit, is_exact):
    assert (condition.limit(), condition.is_exact()) == (limit, is_exact)


def test_a_limit_tells_what_is_left():
    condition = begun(steps(7) & episodes(2))
    condition.push_block(None, block_of(np.ones(5), [0, 2, 3]))
    assert condition.limit() == ("all", (("steps", 2), ("episodes", -1)))
    rows = begun(steps(7), 2)
    rows.push_block(None, block_of(np.ones((3, 2))))
    assert rows.limit() == ("steps", 1)


def begun(condition, num_envs=None):
    """The condition as it is before the first step."""
    env = Recorded([block_of(np.ones(1) if num_envs is None else np.ones((1, num_envs)))])
    condition.push(Stage.PRE_EXPERIMENT, None, env)
    return condition


def digits(answers):
    return "".join("01"[int(answer)] for answer in answers)


@pytest.mark.parametrize(
    ("condition", "expected"),
    [
        (steps(1), "1111"),
        (steps(3), "0011"),
        (steps(9), "0000"),
        (episodes(1), "0111"),
        (episodes(2), "0001"),
        (episodes(3), "0000"),
        (StopIfEnvTerminated(), "0101"),
        (StopAfterNSeconds(1e-9), "0000"),
        (StopAfterNoImprovement(lambda: 0, 1), "0000"),
        (StopSignal(), "0000"),
        (steps(3) | StopIfEnvTerminated(), "0111"),
        (steps(3) & StopIfEnvTerminated(), "0001"),
        (episodes(1) & (steps(3) | StopSignal()), "0011"),
    ],
    ids=repr,
)
def test_answers_by_hand(condition, expected):
    begun(condition)
    before = state_of(condition)
    answers = condition.answers(None, block_of(np.ones(4), [1, 3]))
    assert answers.dtype == bool
    assert digits(answers) == expected
    assert state_of(condition) == before


def test_answers_of_several_environments_by_hand():
    block = block_of(np.ones((4, 3)), [(0, 1), (2, 0), (2, 2)])
    expected = {steps(6): "0111", steps(7): "0011", episodes(2): "0011", episodes(4): "0000"}
    for condition, answers in (expected | {StopIfEnvTerminated(): "1010"}).items():
        assert digits(begun(condition, 3).answers(None, block)) == answers


def test_a_condition_that_said_yes_stays_with_it_while_others_are_waited_for():
    signal, waits = begun(StopSignal()), begun(StopAfterNoImprovement(lambda: 0, 1))
    signal.set()
    for _ in range(2):
        waits.check(None, SimpleNamespace(ended=lambda: (0,)))
    block = block_of(np.ones(2))
    assert signal.answers(None, block).tolist() == waits.answers(None, block).tolist() == [True, True]


def test_a_function_is_asked_at_single_steps():
    block = block_of(np.ones((4, 2)), [(0, 1), (2, 0), (2, 1)])
    waits = StopAfterNoImprovement(lambda: 0, 1)
    assert waits.breaks(block).tolist() == [0, 2]
    assert (steps(9) | waits).breaks(block).tolist() == [0, 2]
    assert (steps(9) & episodes(9)).breaks(block).tolist() == []


def test_the_clock_is_read_after_the_latest_step_only(monkeypatch):
    condition = begun(StopAfterNSeconds(1))
    monkeypatch.setattr(seconds, "time", SimpleNamespace(monotonic=lambda: math.inf))
    asked = [SimpleNamespace(is_latest=False), SimpleNamespace(is_latest=True), SimpleNamespace()]
    assert [condition.check(None, env) for env in asked] == [False, True, True]


def test_bars_advance_by_blocks(monkeypatch):
    class Bar:
        def __init__(self, **arguments):
            self.n = 0

        def update(self, n):
            self.n += n

    monkeypatch.setattr(counted, "tqdm", Bar)
    condition = begun(StopAfterNSteps(100) | StopAfterNEpisodes(100), 2)
    condition.push_block(None, block_of(np.ones((5, 2)), [(0, 1), (4, 0), (4, 1)]))
    assert [part._bar.n for part in condition.conditions] == [10, 3]


class NoisyBlocks(Noisy):
    def answers(self, policy, block):
        return super().answers(policy, block)

    def push_block(self, policy, block):
        super().push_block(policy, block)


class OnlyPushes(Noisy):
    def push_block(self, policy, block):
        super().push_block(policy, block)


@pytest.mark.parametrize(
    ("condition", "takes_blocks", "reads_policy"),
    [
        (steps(7), True, False),
        (StopAfterNoImprovement(lambda: 0, 1), True, True),
        (Noisy(7), False, True),
        (NoisyBlocks(7), True, True),
        (OnlyPushes(7), False, True),
        (Counts(), False, True),
        (steps(7) | episodes(2) | StopIfEnvTerminated() | StopAfterNSeconds(1) | StopSignal(), True, False),
        (steps(7) & (episodes(2) | Counts()), False, True),
        (NoisySum(steps(7)), False, True),
    ],
    ids=repr,
)
def test_a_block_stands_for_no_method_that_was_written_later(condition, takes_blocks, reads_policy):
    assert (condition.takes_blocks(), condition.reads_policy) == (takes_blocks, reads_policy)


def test_what_was_written_later_is_kept_whole_in_a_sum():
    noisy = NoisySum(steps(7))
    assert (noisy | steps(9)).conditions[0] is noisy
