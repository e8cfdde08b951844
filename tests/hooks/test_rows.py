"""All hooks that serve several environments, against a slow reference that looks at every row of every step."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from rlcore.errors import ConfigError
from rlcore.hooks import (
    BatchStepsPerEpisode,
    DoEveryNEpisodes,
    DoEveryNSteps,
    RewardsPerEpisode,
    StepsPerEpisode,
    TotalBatchRewardPerEpisode,
    TotalRewardPerEpisode,
)
from rlcore.stages import Stage


@st.composite
def scripts(draw):
    """Rewards `[steps, rows]`, who ends when, and whether resets take a step (then nobody ends in that step)."""
    n_rows, n_steps = draw(st.integers(1, 4)), draw(st.integers(1, 15))
    next_step = draw(st.booleans())
    reward = st.integers(-5, 5).map(float)
    rewards = draw(st.lists(st.lists(reward, min_size=n_rows, max_size=n_rows), min_size=n_steps, max_size=n_steps))
    ends, resetting = {}, set()
    for step in range(1, n_steps + 1):
        ending = [row for row in range(n_rows) if draw(st.booleans()) and row not in resetting]
        ends[step] = ending
        resetting = set(ending) if next_step else set()
    return rewards, ends, next_step


def episodes_of(rewards, ends, next_step):
    """`(row, rewards)` of every finished episode in the order of their ends; and how many steps were transitions."""
    n_transitions, finished, resetting = 0, [], []
    current = [[] for _ in rewards[0]]
    for step, row_rewards in enumerate(rewards, start=1):
        for row, reward in enumerate(row_rewards):
            if row not in resetting:
                current[row].append(reward)
                n_transitions += 1
        for row in ends[step]:
            finished.append((row, current[row]))
            current[row] = []
        resetting = ends[step] if next_step else []
    return finished, n_transitions


def run_hooks(drive, env, n_steps, n):
    calls = {stage: [] for stage in (None, *Stage)}
    hooks = StepsPerEpisode() + RewardsPerEpisode() + TotalRewardPerEpisode(display_on_exit=False)
    hooks += BatchStepsPerEpisode(env.num_envs) + TotalBatchRewardPerEpisode(env.num_envs)
    hooks += DoEveryNSteps(lambda t, policy, env: calls[None].append(t), n=n)
    for stage in (Stage.PRE_EPISODE, Stage.POST_ACT, Stage.POST_EPISODE):
        hooks += DoEveryNEpisodes(lambda t, policy, env, stage=stage: calls[stage].append(t), n=n, stage=stage)
    return drive(hooks, env, n_steps), calls


@settings(deadline=None)
@given(scripts(), st.integers(1, 5))
def test_hooks_agree_with_the_slow_reference(rows, drive, script, n):
    rewards, ends, next_step = script
    hooks, calls = run_hooks(drive, rows(rewards, ends, next_step), len(rewards), n)
    finished, n_transitions = episodes_of(rewards, ends, next_step)
    by_row = [[episode for row, episode in finished if row == wanted] for wanted in range(len(rewards[0]))]
    assert hooks[0].steps == [len(episode) for _, episode in finished]
    assert hooks[1].rewards == [episode for _, episode in finished]
    assert hooks[2].rewards == [sum(episode) for _, episode in finished]
    assert hooks[3].steps == [[len(episode) for episode in episodes] for episodes in by_row]
    assert hooks[4].rewards == [[sum(episode) for episode in episodes] for episodes in by_row]
    assert calls[None] == list(range(n, n_transitions + 1, n))
    for stage in (Stage.POST_ACT, Stage.POST_EPISODE):
        assert calls[stage] == list(range(n, len(finished) + 1, n))
    n_begun = len(rewards[0]) + len(finished) - len(ends[len(rewards)])  # none begins after the last step
    assert calls[Stage.PRE_EPISODE] == list(range(n, n_begun + 1, n))


def test_two_rows_by_hand(rows, drive):
    # row 0 ends at steps 2 and 5, and its step 3 is the reset; row 1 ends at step 5
    env = rows([[1, 10], [2, 20], [99, 30], [4, 40], [5, 50], [99, 99]], {2: [0], 5: [0, 1]}, next_step=True)
    hooks, calls = run_hooks(drive, env, 6, 4)
    assert hooks.result()[:5] == (
        [2, 2, 5],
        [[1.0, 2.0], [4.0, 5.0], [10.0, 20.0, 30.0, 40.0, 50.0]],
        [3.0, 9.0, 150.0],
        [[2, 2], [5]],
        [[3.0, 9.0], [150.0]],
    )
    assert calls[None] == [4, 8]  # 9 transitions: 2 + 2 + 1 + 2 + 2 + 0


def test_values_are_python_numbers_summed_in_double_precision(rows, single, drive):
    tenth = np.float32(0.1)
    for env in (rows(np.full((10, 1), tenth), {10: [0]}), single([tenth] * 10, [10])):
        hooks = drive(StepsPerEpisode() + TotalRewardPerEpisode(False) + RewardsPerEpisode(), env, 10)
        (steps,), (total,), (rewards,) = hooks.result()
        assert (type(steps), type(total), {type(one) for one in rewards}) == (int, float, {float})
        assert total == sum([float(tenth)] * 10)


def test_a_reward_that_is_not_finite_stays_in_its_episode(rows, drive):
    env = rows([[np.nan, 1.0], [2.0, 1.0]], {1: [0], 2: [0, 1]})
    rewards = drive(TotalRewardPerEpisode(display_on_exit=False), env, 2).rewards
    assert np.isnan(rewards[0])
    assert rewards[1:] == [2.0, 2.0]


def test_what_comes_while_a_row_resets_is_never_added(rows, drive):
    env = rows([[1.0], [np.nan], [2.0]], {1: [0], 3: [0]}, next_step=True)
    assert drive(TotalRewardPerEpisode(display_on_exit=False), env, 3).rewards == [1.0, 2.0]


@pytest.mark.parametrize("kind", [BatchStepsPerEpisode, TotalBatchRewardPerEpisode])
def test_batchsize_is_that_of_the_environment(kind, rows, single, drive):
    env = rows([[1.0, 2.0]], {})
    with pytest.raises(ConfigError, match=f"{kind.__name__} was built with batchsize 3, but the environment has 2"):
        drive(kind(3), env, 1)
    with pytest.raises(ConfigError, match="batchsize 2, but the environment has 1"):
        drive(kind(2), single([1.0], [1]), 1)
    assert drive(kind(1), single([1.0], [1]), 1).result() == [[1]]


@pytest.mark.parametrize("kind", [BatchStepsPerEpisode, TotalBatchRewardPerEpisode])
def test_keep_counts_the_episodes_of_each_row(kind, rows, drive):
    env = rows([[1, 1]] * 6, {1: [0], 3: [0], 6: [0, 1]})
    assert drive(kind(2, keep=2), env, 6).result() == [[2, 3], [6]]
