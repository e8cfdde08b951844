import pytest

from rlcore.errors import ConfigError
from rlcore.hooks import DoEveryNEpisodes, DoEveryNSteps, DoOnExit
from rlcore.stages import Stage


@pytest.mark.parametrize(
    ("n", "n_steps", "expected"), [(1, 3, [1, 2, 3]), (2, 5, [2, 4]), (5, 5, [5]), (6, 5, []), (1, 0, [])]
)
def test_every_n_steps(single, drive, n, n_steps, expected):
    calls = []
    env = single([0.0] * 5, [2])
    drive(DoEveryNSteps(lambda *arguments: calls.append(arguments), n=n), env, n_steps)
    assert calls == [(t, "policy", env) for t in expected]


@pytest.mark.parametrize(
    ("stage", "n", "expected"),
    [
        (Stage.POST_EPISODE, 1, [(1, 2), (2, 3)]),  # (t, steps done); the third episode is cut short at step 5
        (Stage.POST_ACT, 1, [(1, 2), (2, 3)]),
        (Stage.PRE_EPISODE, 1, [(1, 0), (2, 2), (3, 3)]),
        (Stage.POST_EPISODE, 2, [(2, 3)]),
        (Stage.PRE_EPISODE, 2, [(2, 2)]),
        (Stage.POST_ACT, 3, []),
    ],
)
def test_every_n_episodes(single, drive, stage, n, expected):
    calls = []
    hook = DoEveryNEpisodes(lambda t, policy, env: calls.append((t, env.steps)), n=n, stage=stage)
    drive(hook, single([0.0] * 5, [2, 3]), 5)
    assert calls == expected


def test_every_n_episodes_listens_at_its_stage_only():
    hook = DoEveryNEpisodes(print, stage=Stage.POST_EPISODE)
    assert [stage for stage in Stage if hook.handlers(stage)] == [Stage.PRE_EXPERIMENT, Stage.POST_EPISODE]


def test_on_exit(single, drive):
    calls = []
    env = single([0.0] * 3, [1])
    drive(DoOnExit(lambda policy, env: calls.append((policy, env, env.steps))), env, 3)
    assert calls == [("policy", env, 3)]


def test_a_second_run_counts_from_zero(single, drive):
    calls = []
    hook = DoEveryNSteps(lambda t, policy, env: calls.append(t), n=2)
    hook += DoEveryNEpisodes(lambda t, policy, env: calls.append(-t), n=2)
    for _ in range(2):
        drive(hook, single([0.0] * 3, [1, 3]), 3)
    assert calls == [2, -2, 2, -2]


def test_as_decorators(single, drive):
    calls = []

    @DoEveryNSteps(n=2)
    def on_step(t, policy, env):
        calls.append(("step", t))

    @DoEveryNEpisodes(n=1, stage=Stage.PRE_EPISODE)
    def on_episode(t, policy, env):
        calls.append(("episode", t))

    @DoOnExit
    def on_exit(policy, env):
        calls.append("exit")

    @DoOnExit()
    def on_exit_too(policy, env):
        calls.append("exit too")

    drive(on_step + on_episode + on_exit + on_exit_too, single([0.0] * 3, [1]), 3)
    assert calls == [("episode", 1), ("episode", 2), ("step", 2), "exit", "exit too"]


def test_a_decorator_can_be_used_twice():
    every = DoEveryNSteps(n=7)
    first, second = every(lambda t, policy, env: 1), every(lambda t, policy, env: 2)
    assert first is not second
    assert (first.n, second.n, every.f) == (7, 7, None)


@pytest.mark.parametrize("kind", [DoEveryNSteps, DoEveryNEpisodes, DoOnExit])
def test_a_hook_without_a_function_can_not_run(single, drive, kind):
    with pytest.raises(ConfigError, match=rf"{kind.__name__} has no function to call; write {kind.__name__}\(f"):
        drive(kind(), single([0.0]), 1)


def test_a_decorated_function_is_a_hook_and_no_function():
    def save(policy, env):
        pass

    with pytest.raises(ConfigError, match="DoOnExit was called, but already holds the function 'save'"):
        DoOnExit(save)(save)


def awaited():
    async def f(t, policy, env):
        pass

    return f


def yielding():
    def f(t, policy, env):
        yield

    return f


@pytest.mark.parametrize("kind", [DoEveryNSteps, DoEveryNEpisodes])
@pytest.mark.parametrize(
    ("f", "message"),
    [
        (lambda policy, env: None, r"too many positional arguments\); expected a function f\(t, policy, env\)"),
        (lambda t, policy, env, more: None, "missing a required argument: 'more'"),
        (100, "is 100, expected a function"),
        (awaited(), "is async or yields, so calling it runs nothing"),
        (yielding(), "is async or yields, so calling it runs nothing"),
    ],
)
def test_functions_that_could_not_be_called_are_refused(kind, f, message):
    with pytest.raises(ConfigError, match=message):
        kind(f)
    with pytest.raises(ConfigError, match=message):
        kind(n=2)(f)


def test_on_exit_takes_two_arguments():
    with pytest.raises(ConfigError, match=r"f of DoOnExit is .* expected a function f\(policy, env\)"):
        DoOnExit(lambda t, policy, env: None)


@pytest.mark.parametrize("f", [print, lambda *arguments: None, lambda t, policy, env, more=1: None, max])
def test_functions_that_can_be_called_are_taken(f):
    assert DoEveryNSteps(f).f is f


@pytest.mark.parametrize("stage", [Stage.PRE_ACT, Stage.PRE_EXPERIMENT, Stage.POST_EXPERIMENT, "post_episode"])
def test_stages_that_tell_of_no_episode_are_refused(stage):
    with pytest.raises(ConfigError, match=r"expected one that tells of an episode: Stage\.PRE_EPISODE"):
        DoEveryNEpisodes(print, stage=stage)


def test_an_exception_of_the_function_is_its_own(single, drive):
    def fail(t, policy, env):
        raise KeyError("mine")

    with pytest.raises(KeyError, match="mine"):
        drive(DoEveryNSteps(fail), single([0.0]), 1)
