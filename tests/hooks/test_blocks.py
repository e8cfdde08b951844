"""Hooks end up the same whether they were shown single steps, blocks, or both by turns."""

import itertools
import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from recorded import Recorded, RecordedInBlocks, block_of, runs, show, state_of

from rlcore.hooks import (
    BatchStepsPerEpisode,
    ComposedHook,
    DoEveryNEpisodes,
    DoEveryNSteps,
    DoOnExit,
    EmptyHook,
    Hook,
    RewardsPerEpisode,
    RowSteps,
    RowSums,
    StepsPerEpisode,
    TimePerStep,
    TotalBatchRewardPerEpisode,
    TotalRewardPerEpisode,
)
from rlcore.stages import Stage
from rlcore.stop_conditions import StopSignal

EPISODE_STAGES = (Stage.PRE_EPISODE, Stage.POST_ACT, Stage.POST_EPISODE)


def hooks_for(num_envs, n, keep, tape):
    """One of each hook; the functions write down when they were called, and what they saw then."""
    steps = StepsPerEpisode(keep)

    def function(name):
        def write(t, policy, env):
            tape.append((name, t, env.steps, repr(env.reward()), str(env.ended()), steps.steps[-3:]))

        return write

    hook = steps + RewardsPerEpisode(keep) + TotalRewardPerEpisode(False, keep) + TimePerStep(keep or 1)
    hook += BatchStepsPerEpisode(num_envs or 1, keep) + TotalBatchRewardPerEpisode(num_envs or 1, keep)
    hook += DoEveryNSteps(function("steps"), n) + DoOnExit(lambda policy, env: tape.append(env.steps))
    for stage in EPISODE_STAGES:
        hook += DoEveryNEpisodes(function(stage), n, stage)
    return hook


@settings(deadline=None, max_examples=60)
@given(runs(), st.integers(1, 7), st.sampled_from([None, 1, 2, 5]), st.randoms(use_true_random=False))
def test_blocks_leave_what_single_steps_leave(runs, n, keep, random):
    tapes = ([], [])
    one, other = (hooks_for(runs[0][0].num_envs, n, keep, tape) for tape in tapes)
    for chunks in runs:
        show(Recorded(chunks), StopSignal(), one)
        stop = StopSignal()
        show(RecordedInBlocks(chunks, stop, other, lambda most: random.randint(0, most)), stop, other)
        assert tapes[0] == tapes[1]
        for hook, in_blocks in zip(one, other, strict=True):
            assert state_of(hook) == state_of(in_blocks)


class Watched(Hook):
    """Counts the single steps and the steps in blocks."""

    def pre_experiment(self, policy, env):
        self.single = self.in_blocks = 0

    def post_act(self, policy, env):
        self.single += 1

    def push_block(self, policy, block):
        self.in_blocks += len(block)


def test_only_the_steps_that_a_function_wants_are_single():
    chunks = [block_of(np.ones(50), range(4, 50, 5)), block_of(np.ones(50), range(4, 50, 5))]
    seen = []
    hook = Watched() + DoEveryNSteps(lambda t, policy, env: seen.append(env.steps), 30)
    hook += DoEveryNEpisodes(lambda t, policy, env: seen.append(env.steps), 7)
    stop = StopSignal()
    show(RecordedInBlocks(chunks, stop, hook, lambda most: most), stop, hook)
    assert seen == [30, 35, 60, 70, 90]
    assert (hook[0].single, hook[0].in_blocks) == (7, 93)  # and the last of each chunk


def begun(hook, num_envs=None):
    """The hook as it is when the first episodes begin."""
    env = Recorded([block_of(np.ones(1) if num_envs is None else np.ones((1, num_envs)))])
    hook.push(Stage.PRE_EXPERIMENT, None, env)
    hook.push(Stage.PRE_EPISODE, None, env)
    return hook


def test_one_environment_by_hand():
    hook = begun(StepsPerEpisode() + TotalRewardPerEpisode(False) + RewardsPerEpisode() + TimePerStep())
    hook.push_block(None, block_of([1, 2, 4], [1]))
    hook.push_block(None, block_of([8, 16], []))
    hook.push_block(None, block_of([32, 64], [0, 1]))
    assert hook.result()[:3] == ([2, 4, 1], [3.0, 60.0, 64.0], [[1.0, 2.0], [4.0, 8.0, 16.0, 32.0], [64.0]])


def test_two_environments_by_hand():
    hook = StepsPerEpisode() + TotalRewardPerEpisode(False) + RewardsPerEpisode()
    hook = begun(hook + BatchStepsPerEpisode(2) + TotalBatchRewardPerEpisode(2), 2)
    hook.push_block(None, block_of([[1, 10], [2, 20]], [(1, 1)]))
    hook.push_block(None, block_of([[4, 40], [8, 80]], [(0, 0), (1, 0), (1, 1)]))
    assert hook.result() == (
        [2, 3, 1, 2],
        [30.0, 7.0, 8.0, 120.0],
        [[10.0, 20.0], [1.0, 2.0, 4.0], [8.0], [40.0, 80.0]],
        [[3, 1], [2, 2]],
        [[7.0, 8.0], [30.0, 120.0]],
    )


@pytest.mark.parametrize("num_envs", [None, 3, 300])
def test_sums_of_long_episodes_are_added_in_the_order_of_the_steps(num_envs):
    """Also across the pieces in which a long block is added up."""
    rng = np.random.default_rng(0)
    shape = (20_000,) if num_envs is None else (20_000, num_envs)
    block = block_of(
        rng.normal(size=shape) * 10.0 ** rng.integers(-8, 8, shape), [19_998 if num_envs is None else (19_998, 0)]
    )
    hook = begun(TotalRewardPerEpisode(False), num_envs)
    hook.push_block(None, block)
    rewards = block.reward.reshape(20_000, -1)[:19_999, 0].tolist()
    assert hook.rewards == [list(itertools.accumulate(rewards))[-1]]
    assert hook.rewards != [math.fsum(rewards)]  # the order matters


def test_a_row_sum_is_that_of_the_open_episodes():
    sums = RowSums(2)
    assert sums.push_block(block_of([[1, 2], [3, 4], [5, 6]], [(1, 1)])) == [6.0]
    assert [sums.of(row) for row in (0, 1)] == [9.0, 6.0]


@pytest.mark.parametrize("wide", [1, 256])  # rows from which on blocks are added up step by step
@pytest.mark.parametrize("most", [7, 12_000])  # rewards that are looked at together
@settings(deadline=None, max_examples=150)
@given(seed=st.integers(0, 2**32), kind=st.sampled_from(["whole", "fractions", "huge"]), n_rows=st.integers(1, 6))
def test_row_sums_and_steps_equal_those_of_single_steps(wide, most, seed, kind, n_rows):
    rng, sums, steps = np.random.default_rng(seed), RowSums(n_rows), RowSteps(n_rows)
    total, count = np.zeros(n_rows), np.zeros(n_rows, int)
    for _ in range(3):
        shape = (rng.integers(1, 30), n_rows)
        rewards = rng.integers(-3, 4, shape) if kind == "whole" else rng.normal(size=shape)
        rewards = np.full(shape, 1e30) if kind == "huge" else rewards * 10.0 ** rng.integers(-6, 7, shape)
        ends = np.argwhere(rng.random(shape) < rng.choice([0, 0.1, 0.6, 1]))
        block = block_of(rewards, map(tuple, ends))
        expected: tuple[list, list] = ([], [])
        for reward, over in zip(block.reward, block.over, strict=True):
            total, count = total + reward, count + 1
            for row in np.flatnonzero(over):
                expected[0].append(total[row])
                expected[1].append(count[row])
                total[row] = count[row] = 0
        with pytest.MonkeyPatch.context() as patch:
            patch.setattr("rlcore.hooks.rows._WIDE", wide)
            patch.setattr("rlcore.hooks.rows._MOST", most)
            assert (sums.push_block(block), steps.push_block(block)) == expected
        assert [sums.of(row) for row in range(n_rows)] == total.tolist()
        assert [steps.of(row) for row in range(n_rows)] == count.tolist()


def test_a_list_that_was_read_before_stays_the_hooks_own():
    hook = begun(StepsPerEpisode(keep=2))
    before = hook.steps
    hook.push_block(None, block_of(np.ones(6), [0, 2, 5]))
    assert hook.result() is before
    assert before == [2, 3]


@pytest.mark.parametrize(("max_steps", "expected"), [(10, [0.5] * 7), (3, [0.5] * 3)])
def test_the_time_of_a_step_in_a_block_is_the_mean(max_steps, expected):
    env = Recorded([block_of(np.ones(8), [1, 4, 5], seconds=0.5)])
    hook = TimePerStep(max_steps)
    hook.pre_experiment(None, env)
    hook.pre_episode(None, env)
    env.go(7)
    hook.push_block(None, env.chunk[:7])
    assert hook.times == expected


@pytest.mark.parametrize(
    ("done", "n", "num_envs", "expected"),
    [
        (0, 3, None, [2, 5]),
        (7, 3, None, [1, 4, 7]),
        (0, 1, None, [0, 1, 2, 3, 4, 5, 6, 7]),
        (0, 9, None, []),
        (1, 9, None, [7]),
        (0, 3, 4, [0, 1, 2, 3, 4, 5, 6, 7]),  # two multiples in step 2: 9 and 12
        (3, 10, 4, [1, 4, 6]),  # 7, 11, 15, 19, 23, 27, 31, 35: past 10, 20 and 30
    ],
)
def test_breaks_of_every_n_steps(done, n, num_envs, expected):
    hook = begun(DoEveryNSteps(lambda t, policy, env: None, n), num_envs)
    hook._t = done
    block = block_of(np.ones(8) if num_envs is None else np.ones((8, num_envs)))
    assert hook.breaks(block).tolist() == expected


@pytest.mark.parametrize("stage", EPISODE_STAGES)
@pytest.mark.parametrize(
    ("done", "n", "num_envs", "ends", "expected"),
    [
        (0, 2, None, [1, 3, 4, 7], [3, 7]),
        (1, 2, None, [1, 3, 4, 7], [1, 4]),
        (0, 5, None, [1, 3, 4, 7], []),
        (0, 1, 2, [(1, 0), (1, 1), (5, 1)], [1, 5]),
        (1, 3, 2, [(1, 0), (1, 1), (5, 1)], [1]),
        (0, 3, 2, [(1, 0), (1, 1), (5, 1)], [5]),
    ],
)
def test_breaks_of_every_n_episodes(stage, done, n, num_envs, ends, expected):
    hook = DoEveryNEpisodes(lambda t, policy, env: None, n, stage)
    hook._t = done
    block = block_of(np.ones(8) if num_envs is None else np.ones((8, num_envs)), ends)
    assert hook.breaks(block).tolist() == expected


def every_kind():
    return [
        EmptyHook(),
        StepsPerEpisode(),
        RewardsPerEpisode(),
        TotalRewardPerEpisode(),
        BatchStepsPerEpisode(2),
        TotalBatchRewardPerEpisode(2),
        TimePerStep(),
        DoEveryNSteps(lambda t, policy, env: None),
        DoEveryNEpisodes(lambda t, policy, env: None),
        DoOnExit(lambda policy, env: None),
    ]


def test_every_hook_takes_blocks_and_only_functions_read_the_policy():
    assert all(hook.takes_blocks() for hook in every_kind())
    reading = {type(hook) for hook in every_kind() if hook.reads_policy}
    assert reading == {DoEveryNSteps, DoEveryNEpisodes, DoOnExit}


class Prints(StepsPerEpisode):
    def post_act(self, policy, env):
        super().post_act(policy, env)


class PrintsBlocks(Prints):
    def push_block(self, policy, block):
        super().push_block(policy, block)


class PrintsAtTheEnd(StepsPerEpisode):
    def post_experiment(self, policy, env):
        print(self.steps)


class PushesItself(StepsPerEpisode):
    def push(self, stage, policy, env):
        super().push(stage, policy, env)


class PrintingSum(ComposedHook):
    def post_act(self, policy, env):
        super().post_act(policy, env)


class Plain(Hook):
    def post_act(self, policy, env):
        pass


@pytest.mark.parametrize(
    ("hook", "takes_blocks", "reads_policy"),
    [
        (Prints(), False, True),
        (PrintsBlocks(), True, True),
        (PrintsAtTheEnd(), True, True),  # that stage is no part of any block
        (PushesItself(), False, True),
        (Plain(), False, True),
        (StepsPerEpisode() + TimePerStep(), True, False),
        (StepsPerEpisode() + DoOnExit(lambda policy, env: None), True, True),
        (StepsPerEpisode() + Plain(), False, True),
        (PrintingSum(StepsPerEpisode()), False, True),
        (type("Named", (StepsPerEpisode,), {})(), True, False),
        (type("Silent", (Prints,), {"reads_policy": False})(), False, False),
    ],
    ids=lambda value: type(value).__name__,
)
def test_a_block_stands_for_no_method_that_was_written_later(hook, takes_blocks, reads_policy):
    assert (hook.takes_blocks(), hook.reads_policy) == (takes_blocks, reads_policy)


def test_a_sum_asks_for_states_if_one_of_its_hooks_does():
    stateful = type("Stateful", (StepsPerEpisode,), {"needs_state": True})()
    assert (StepsPerEpisode() + stateful).needs_state
    assert not (StepsPerEpisode() + TimePerStep()).needs_state


def test_a_sum_breaks_where_any_of_its_hooks_does():
    def nothing(t, policy, env):
        pass

    hook = begun(DoEveryNSteps(nothing, 4) + DoEveryNSteps(nothing, 3) + StepsPerEpisode())
    assert hook.breaks(block_of(np.ones(12))).tolist() == [2, 3, 5, 7, 8, 11]
    assert (StepsPerEpisode() + TimePerStep()).breaks(block_of(np.ones(12))).tolist() == []
