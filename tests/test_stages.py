"""Stages find the methods that a class overrides, and refuse those that no stage would call."""

import pytest

from rlcore.errors import ConfigError, HookError
from rlcore.stages import (
    Stage,
    Staged,
    check_arguments,
    check_methods,
    check_stages,
    check_written,
    is_written,
    not_written,
)

ARGUMENTS = {stage.value: ("policy", "env") for stage in Stage}


def test_a_stage_is_the_name_of_its_method():
    assert [stage.value for stage in Stage] == [
        "pre_experiment",
        "pre_episode",
        "pre_act",
        "post_act",
        "post_episode",
        "post_experiment",
    ]
    assert all(callable(getattr(Staged, stage.value)) for stage in Stage)


def test_only_overridden_methods_are_handlers():
    class Some(Staged):
        def post_act(self, policy, env):
            self.seen = (policy, env)

    some = Some()
    assert [len(some.handlers(stage)) for stage in Stage] == [0, 0, 0, 1, 0, 0]
    some.push(Stage.PRE_ACT, 1, 2)
    some.push(Stage.POST_ACT, 3, 4)
    assert some.seen == (3, 4)


def test_a_class_that_overrides_push_is_called_through_it_at_every_stage():
    class All(Staged):
        def __init__(self):
            self.tape = []

        def push(self, stage, policy, env):
            self.tape.append((stage, policy, env))

    everything = All()
    for stage in Stage:
        for handler in everything.handlers(stage):
            handler("policy", "env")
    assert everything.tape == [(stage, "policy", "env") for stage in Stage]


@pytest.mark.parametrize(
    ("name", "nearest"),
    [
        ("post_atc", "post_act"),
        ("postact", "post_act"),
        ("post_step", "post_"),
        ("pre_episodes", "pre_episode"),
        ("pre_experement", "pre_experiment"),
        ("PostAct", "post_act"),
        ("on_post_act", "post_act"),
        ("on_pre_episode", "pre_episode"),
    ],
)
def test_misspelt_stage_methods_are_refused(name, nearest):
    kind = type("Watcher", (Staged,), {name: lambda self, policy, env: None})
    with pytest.raises(HookError, match=rf"Watcher\.{name} .* rename it to {nearest}"):
        check_methods(kind(), ARGUMENTS)


@pytest.mark.parametrize("name", ["result", "check", "plot", "reset", "_post_atc", "episodes", "act", "export"])
def test_other_methods_are_the_users_own(name):
    kind = type("Watcher", (Staged,), {name: lambda self: None})
    check_methods(kind(), ARGUMENTS)


@pytest.mark.parametrize(
    "method",
    [lambda self: None, lambda self, policy: None, lambda self, policy, env, more: None, lambda self, *, policy: None],
)
def test_wrong_arity_is_refused(method):
    kind = type("Watcher", (Staged,), {"post_act": method})
    with pytest.raises(HookError, match=r"expected post_act\(self, policy, env\)"):
        check_methods(kind(), ARGUMENTS)


def test_more_arguments_with_defaults_are_fine():
    kind = type("Watcher", (Staged,), {"post_act": lambda self, policy, env, scale=1: None})
    check_methods(kind(), ARGUMENTS)
    assert issubclass(HookError, ConfigError)
    assert issubclass(HookError, ValueError)


class Base:
    def plan(self, values: list, mask: list | None = None) -> int:
        """The choice.

        More of it.
        """
        raise not_written(self, "plan")

    @property
    def size(self) -> int:
        """How many."""
        raise not_written(self, "size")


def test_a_method_that_is_not_written_is_refused_with_what_to_write():
    class Mine(Base):
        pass

    class Written(Base):
        def plan(self, values, mask=None):
            return 0

    expected = r"Mine has not written plan; write def plan\(self, values, mask=None\): The choice\.$"
    with pytest.raises(HookError, match=expected):
        check_written(Mine(), Base, "plan")
    with pytest.raises(NotImplementedError, match=expected):
        Mine().plan([])
    with pytest.raises(NotImplementedError, match=r"Mine has not written size; write def size\(self\): How many\."):
        Mine().size  # noqa: B018
    check_written(Written(), Base, "plan")
    mine = Mine()
    mine.plan = lambda values, mask=None: 0
    assert (is_written(Mine(), Base, "plan"), is_written(mine, Base, "plan")) == (False, True)


def test_arguments_with_defaults_are_named_in_the_advice():
    class Short(Base):
        def plan(self, values):
            return 0

    with pytest.raises(HookError, match=r"Short\.plan\(values\) .* expected plan\(self, values, mask=None\)"):
        check_arguments(Short(), {"plan": ("values", "mask=None")})
    check_arguments(Base(), {"plan": ("values", "mask=None")})


@pytest.mark.parametrize("stages", ["post_act", ("post_act",), [Stage.POST_ACT], Stage.POST_EPISODE, (3,), None])
def test_what_is_no_tuple_of_stages_is_refused(stages):
    with pytest.raises(ConfigError, match=r"stages is .*expected a tuple of stages, such as \(Stage\.POST_ACT,\)"):
        check_stages(stages)
    assert check_stages((Stage.PRE_ACT, Stage.POST_EPISODE)) == (Stage.PRE_ACT, Stage.POST_EPISODE)
