import itertools

import pytest
from hypothesis import given
from hypothesis import strategies as st

from rlcore.errors import ConfigError, HookError
from rlcore.hooks import (
    BatchStepsPerEpisode,
    ComposedHook,
    DoEveryNEpisodes,
    DoEveryNSteps,
    DoOnExit,
    EmptyHook,
    Hook,
    RewardsPerEpisode,
    StepsPerEpisode,
    TimePerStep,
    TotalBatchRewardPerEpisode,
    TotalRewardPerEpisode,
)
from rlcore.hooks.base import check_hook
from rlcore.stages import Stage


class Tape(Hook):
    def __init__(self, name, tape):
        self.name, self.tape = name, tape

    def pre_experiment(self, policy, env):
        self.tape.append((self.name, "pre_experiment", policy, env))

    def post_act(self, policy, env):
        self.tape.append((self.name, "post_act", policy, env))
        return False  # means nothing

    def result(self):
        return self.name


def every_hook():
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
        StepsPerEpisode() + TimePerStep(),
    ]


def test_a_sum_calls_its_hooks_in_order_and_only_where_they_listen():
    tape = []
    composed = Tape("a", tape) + Tape("b", tape)
    for stage in Stage:
        composed.push(stage, "policy", "env")
    assert tape == [
        ("a", "pre_experiment", "policy", "env"),
        ("b", "pre_experiment", "policy", "env"),
        ("a", "post_act", "policy", "env"),
        ("b", "post_act", "policy", "env"),
    ]
    assert [len(composed.handlers(stage)) for stage in Stage] == [2, 0, 0, 2, 0, 0]


def test_a_sum_can_be_called_by_its_stage_methods():
    tape = []
    composed = Tape("a", tape) + Tape("b", tape)
    for stage in Stage:
        getattr(composed, stage.value)("policy", "env")
    assert [entry[:2] for entry in tape] == list(itertools.product("ab", ["pre_experiment"])) + list(
        itertools.product("ab", ["post_act"])
    )


def test_a_hook_that_overrides_push_is_called_through_it():
    class Everything(Hook):
        def __init__(self):
            self.stages = []

        def push(self, stage, policy, env):
            self.stages.append(stage)

    hook = Everything()
    composed = hook + TimePerStep()
    check_hook(composed)
    for stage in Stage:
        composed.push(stage, None, None)
    assert hook.stages == list(Stage)


@given(st.lists(st.booleans(), min_size=1, max_size=6), st.randoms(use_true_random=False))
def test_adding_is_associative_and_empty_is_neutral(is_empty, random):
    hooks = [EmptyHook() if empty else Tape(i, []) for i, empty in enumerate(is_empty)]
    parts = list(hooks)
    while len(parts) > 1:  # in any bracketing
        i = random.randrange(len(parts) - 1)
        parts[i : i + 2] = [parts[i] + parts[i + 1]]
    expected = [hook for hook in hooks if type(hook) is not EmptyHook]
    found = parts[0]
    if len(expected) > 1:
        assert list(found) == expected
        assert found.result() == tuple(hook.name for hook in expected)
    else:
        assert found is expected[0] if expected else type(found) is EmptyHook


def test_sum_and_deep_nesting():
    hooks = [Tape(i, []) for i in range(50)]
    assert list(sum(hooks, EmptyHook())) == hooks
    nested = hooks[0]
    for hook in hooks[1:]:
        nested = ComposedHook(nested, EmptyHook(), hook)
    assert list(nested) == hooks
    assert len(nested) == 50


def test_a_subclass_of_the_empty_hook_is_kept():
    class Loud(EmptyHook):
        pass

    hook, loud = TimePerStep(), Loud()
    assert list(hook + loud) == [hook, loud]


def test_indexing():
    first, second, other = StepsPerEpisode(), StepsPerEpisode(), TimePerStep()
    composed = first + other + second
    assert composed[0] is first
    assert composed[-1] is second
    assert composed[StepsPerEpisode] is first
    assert composed[Hook] is first
    assert composed[TimePerStep] is other
    with pytest.raises(ConfigError, match=r"no DoOnExit in ComposedHook\(StepsPerEpisode, TimePerStep, StepsPerEp"):
        composed[DoOnExit]
    with pytest.raises(IndexError, match=r"place 3 of ComposedHook\(.*\), which holds 3"):
        composed[3]
    with pytest.raises(ConfigError, match=r"asked for 'steps'; expected a place"):
        composed["steps"]


@pytest.mark.parametrize(
    ("build", "message"),
    [
        (lambda: ComposedHook(), "no hook that does anything"),
        (lambda: ComposedHook(EmptyHook()), r"use EmptyHook\(\)"),
        (lambda: TimePerStep() + 3, "3 was given as a hook, expected a Hook"),
        (lambda: TimePerStep() + StepsPerEpisode, r"build one: StepsPerEpisode\(\.\.\.\)"),
        (lambda: TimePerStep() + print, "wrap a function in DoEveryNSteps"),
        (lambda: ComposedHook(None), "None was given as a hook"),
        (lambda: sum([TimePerStep()]), r"0 \+ TimePerStep .*sum\(hooks, EmptyHook\(\)\)"),
    ],
)
def test_what_is_no_hook_is_refused(build, message):
    with pytest.raises(ConfigError, match=message):
        build()


def test_the_same_hook_twice_is_refused():
    hook = StepsPerEpisode()
    with pytest.raises(ConfigError, match="the same StepsPerEpisode stands at places 0 and 2"):
        hook + TimePerStep() + hook


def test_every_hook_of_rlcore_passes_the_check():
    for hook in every_hook():
        check_hook(hook)


def test_hooks_without_numbers_have_no_result():
    without = {type(hook) for hook in every_hook() if hook.result() is None}
    assert without == {EmptyHook, DoEveryNSteps, DoEveryNEpisodes, DoOnExit}


def test_hooks_that_read_rewards_say_so():
    reading = {type(hook) for hook in every_hook() if hook.reads_reward}
    assert reading == {RewardsPerEpisode, TotalRewardPerEpisode, TotalBatchRewardPerEpisode}
    assert (TimePerStep() + RewardsPerEpisode()).reads_reward
    assert not (TimePerStep() + StepsPerEpisode()).reads_reward


@pytest.mark.parametrize(
    ("name", "nearest"), [("post_atc", "post_act"), ("pre_episodes", "pre_episode"), ("preact", "pre_act")]
)
def test_a_misspelt_stage_method_is_refused(name, nearest):
    misspelt = type("Mine", (Hook,), {name: lambda self, policy, env: None})()
    with pytest.raises(HookError, match=rf"Mine\.{name} .* rename it to {nearest}"):
        check_hook(misspelt)
    with pytest.raises(HookError, match=name):
        check_hook(TimePerStep() + misspelt)


def test_a_misspelt_stage_method_of_a_sum_of_ones_own_is_refused():
    class Mine(ComposedHook):
        def pre_acts(self, policy, env):
            pass

    with pytest.raises(HookError, match=r"Mine\.pre_acts .* rename it to pre_act"):
        check_hook(Mine(TimePerStep()))


@pytest.mark.parametrize(
    ("name", "method", "expected"),
    [
        ("post_act", lambda self, env: None, r"post_act\(self, policy, env\)"),
        ("pre_episode", lambda self, policy, env, t: None, r"pre_episode\(self, policy, env\)"),
        ("result", lambda self, kind: None, r"result\(self\)"),
        ("push", lambda self, stage: None, r"push\(self, stage, policy, env\)"),
    ],
)
def test_wrong_arguments_of_a_method_are_refused(name, method, expected):
    with pytest.raises(HookError, match=f"expected {expected}"):
        check_hook(type("Mine", (Hook,), {name: method})())


def test_what_is_no_hook_does_not_pass_the_check():
    with pytest.raises(ConfigError, match=r"\[.*\] was given as a hook"):
        check_hook([TimePerStep()])


@pytest.mark.parametrize("number", [0, -1, 1.0, True, "3", float("nan")])
@pytest.mark.parametrize(
    ("build", "name"),
    [
        (lambda n: StepsPerEpisode(keep=n), "keep"),
        (lambda n: RewardsPerEpisode(keep=n), "keep"),
        (lambda n: TotalRewardPerEpisode(keep=n), "keep"),
        (lambda n: BatchStepsPerEpisode(n), "batchsize"),
        (lambda n: BatchStepsPerEpisode(2, keep=n), "keep"),
        (lambda n: TotalBatchRewardPerEpisode(n), "batchsize"),
        (lambda n: TotalBatchRewardPerEpisode(2, keep=n), "keep"),
        (lambda n: TimePerStep(max_steps=n), "max_steps"),
        (lambda n: DoEveryNSteps(n=n), "n is"),
        (lambda n: DoEveryNEpisodes(n=n), "n is"),
    ],
)
def test_counts_are_whole_numbers_of_at_least_one(build, name, number):
    with pytest.raises(ConfigError, match=f"{name}.*{number!r}, expected a whole number of at least 1"):
        build(number)
