import pytest

from rlcore.hooks import StepsPerEpisode


@pytest.mark.parametrize(
    ("ends", "n_steps", "expected"),
    [
        ([3, 6], 6, [3, 3]),  # stops exactly at an episode's end
        ([3, 6], 5, [3]),  # stops inside an episode: the unfinished one is not counted
        ([1, 2, 3], 3, [1, 1, 1]),
        ([], 4, []),
        ([4], 0, []),  # stops before the first step
    ],
)
def test_steps_per_episode(single, drive, ends, n_steps, expected):
    assert drive(StepsPerEpisode(), single([0.0] * 6, ends), n_steps).steps == expected


def test_a_second_run_starts_clean_and_leaves_the_first_list_alone(single, rows, drive):
    hook = StepsPerEpisode()
    assert hook.steps == []
    first = drive(hook, single([0.0] * 5, [2]), 5).steps  # 3 steps of an unfinished episode are left over
    second = drive(hook, single([0.0] * 5, [4]), 5).steps
    third = drive(hook, rows([[0.0, 0.0]] * 3, {2: [1], 3: [0]}), 3).steps
    assert (first, second, third) == ([2], [4], [2, 3])
    assert hook.result() is third


def test_an_episode_that_was_abandoned_does_not_leak(single):
    hook, env = StepsPerEpisode(), single([0.0] * 5, [5])
    hook.pre_experiment(None, env)
    for n_steps in (3, 2):  # the first episode never ends
        hook.pre_episode(None, env)
        for _ in range(n_steps):
            env.step()
            hook.post_act(None, env)
    assert hook.steps == [2]


def test_keep_holds_the_latest_and_never_more(single, drive):
    hook = StepsPerEpisode(keep=3)
    lengths = [1, 2, 3, 4, 5]
    ends = [sum(lengths[: i + 1]) for i in range(5)]
    env = single([0.0] * 15, ends)
    sizes = []

    class Sized(StepsPerEpisode):
        def post_act(self, policy, env):
            sizes.append(len(hook.steps))

    drive(hook + Sized(), env, 15)
    assert hook.steps == [3, 4, 5]
    assert max(sizes) == 3


def test_the_number_is_there_at_the_last_step_of_the_episode(single):
    hook, env = StepsPerEpisode(), single([0.0], [1])
    hook.pre_experiment(None, env)
    hook.pre_episode(None, env)
    env.step()
    hook.post_act(None, env)
    assert hook.steps == [1]
