"""The six stages of an experiment, and how a stage finds the methods that want to know of it."""

import difflib
import enum
import inspect
from collections.abc import Callable, Mapping
from typing import Any

from rlcore.block import Block
from rlcore.errors import ConfigError, HookError, shorten


class Stage(enum.Enum):
    """A moment of the loop; its value is the name of the method that it calls.

    Source: Julia `PreExperimentStage`, `PreEpisodeStage`, `PreActStage`, `PostActStage`, `PostEpisodeStage`,
    `PostExperimentStage`.
    """

    PRE_EXPERIMENT = "pre_experiment"
    PRE_EPISODE = "pre_episode"
    PRE_ACT = "pre_act"
    POST_ACT = "post_act"
    POST_EPISODE = "post_episode"
    POST_EXPERIMENT = "post_experiment"


_OF_STEPS = ("pre_episode", "pre_act", "post_act", "post_episode", "push", "handlers", "check")
_SHOWN_POLICY = ("pre_experiment", *_OF_STEPS, "post_experiment", "push_block")


class Staged:
    """The six stage methods of hooks and conditions; a class overrides the moments it needs."""

    __slots__ = ()

    needs_state: bool = False  # whether it asks for states, which the compiled engine records only then
    reads_policy: bool = True  # whether it looks at the policy, which the compiled engine then keeps up to date

    def __init_subclass__(cls) -> None:
        """A class that writes a method which is shown the policy may look at it, whatever the class above it says."""
        super().__init_subclass__()
        if "reads_policy" not in vars(cls) and not vars(cls).keys().isdisjoint(_SHOWN_POLICY):
            cls.reads_policy = True

    def pre_experiment(self, policy: Any, env: Any) -> None:
        """Called once, before the first episode; counters start here."""

    def pre_episode(self, policy: Any, env: Any) -> None:
        """Called after every reset; with several environments also after a step in which rows ended."""

    def pre_act(self, policy: Any, env: Any) -> None:
        """Called before every action is chosen."""

    def post_act(self, policy: Any, env: Any) -> None:
        """Called after every step; `env.is_over()` already says whether the episode ended with it."""

    def post_episode(self, policy: Any, env: Any) -> None:
        """Called after every episode, also one that the run's end cut short (then `env.is_over()` is false)."""

    def post_experiment(self, policy: Any, env: Any) -> None:
        """Called once, on every exit: a stop, an exception, an interrupt."""

    def push_block(self, policy: Any, block: Block) -> None:
        """Stands for all stages of one or more steps: what the compiled engine calls instead, if a class overrides it.

        PRE_EPISODE of the first step was called; the block stands for everything from its PRE_ACT on. Where an episode
        ended, also at the last step, that is POST_EPISODE and PRE_EPISODE of the next one. In every step every row made
        a transition.
        """
        raise not_written(self, "push_block")

    def breaks(self, block: Block) -> Any:
        """Indices of the steps of a block at which the stage methods must be called after all, in rising order."""
        return ()

    def takes_blocks(self) -> bool:
        """Whether `push_block` stands for the stage methods; not if a derived class overrides one of those alone."""
        return is_written(self, Staged, "push_block") and speaks_for_steps(self, "push_block")

    def push(self, stage: Stage, policy: Any, env: Any) -> None:
        """Calls what `handlers(stage)` lists; a class that overrides it is called through it at every stage."""
        for handler in called_by_push(self, stage, Staged):
            handler(policy, env)

    def handlers(self, stage: Stage) -> list[Callable[[Any, Any], None]]:
        """The bound methods to call at `stage` with `(policy, env)`; empty if the class overrides none."""
        return overridden(self, stage, Staged)


def overridden(component: Any, stage: Stage, base: Any) -> list[Callable[..., Any]]:
    """The method of `component` for `stage`, if its class has one that is not `base`'s; else none.

    A class that overrides `push` is called through `push`, whatever the stage.
    """
    if type(component).push is not base.push:
        return [lambda *arguments: component.push(stage, *arguments)]
    if getattr(type(component), stage.value) is getattr(base, stage.value):
        return []
    return [getattr(component, stage.value)]


def called_by_push(component: Any, stage: Stage, base: Any) -> list[Callable[..., Any]]:
    """What the `push` of `base` calls: the handlers, or the stage method alone for a class with a push of its own."""
    if type(component).push is not base.push and type(component).handlers is base.handlers:
        return [getattr(component, stage.value)]
    return component.handlers(stage)


def speaks_for_steps(component: Any, name: str) -> bool:
    """Whether no class derived from the one that has written `name` has written a method of single steps anew."""
    line = type(component).__mro__
    written, *others = (
        next((i for i, kind in enumerate(line) if method in vars(kind)), len(line)) for method in (name, *_OF_STEPS)
    )
    return all(written <= other for other in others)


def check_methods(component: Any, arguments: Mapping[str, tuple[str, ...]]) -> None:
    """Refuses a class with a misspelt stage method, or a method that can't take the loop's arguments.

    Args:
        component: A hook, condition or policy.
        arguments: The arguments that the loop gives to every method it calls, by the method's name.

    Raises:
        HookError: It names the class, the method, and the nearest right name or the arguments expected.
    """
    kind = type(component).__name__
    for name in dir(type(component)):
        nearest = None if name.startswith("_") or name in arguments else _nearest_stage(name)
        if nearest and callable(getattr(type(component), name)):
            raise HookError(
                f"{kind}.{name} looks like a stage method, but no stage calls it; rename it to {nearest}, "
                f"or to _{name} if it is a method of your own"
            )
    check_arguments(component, arguments)


def check_arguments(component: Any, arguments: Mapping[str, tuple[str, ...]]) -> None:
    """Refuses a class with a method that can't take the arguments it is given, such as `("values", "mask=None")`.

    Raises:
        HookError: It names the class, the method, and the arguments expected.
    """
    kind = type(component).__name__
    for name, given in arguments.items():
        method = getattr(component, name)
        try:
            signature = inspect.signature(method)
        except ValueError:  # a method without a signature, written in C
            continue
        try:
            signature.bind(*given)
        except TypeError as error:
            raise HookError(
                f"{kind}.{name}{signature} can't be called as the loop calls it ({error}); "
                f"expected {name}({', '.join(('self', *given))})"
            ) from None


def check_stages(stages: Any) -> tuple[Stage, ...]:
    """`stages` itself, if it is a tuple of stages.

    Raises:
        ConfigError: It is anything else: a learner would wait for a stage that never comes.
    """
    if isinstance(stages, tuple) and all(isinstance(stage, Stage) for stage in stages):
        return stages
    raise ConfigError(f"stages is {shorten(repr(stages))}, expected a tuple of stages, such as (Stage.POST_ACT,)")


def check_written(component: Any, base: type, *names: str) -> None:
    """Refuses a class that has not written the methods `names`, which `base` leaves to it.

    Raises:
        HookError: It names the class and the method, and says what to write.
    """
    for name in names:
        if not is_written(component, base, name):
            raise HookError(_to_write(component, base, name))


def is_written(component: Any, base: type, name: str) -> bool:
    """Whether `component` has a method `name` that is not the one of `base`."""
    method = getattr(component, name)
    return getattr(method, "__func__", method) is not getattr(base, name)


def not_written(component: Any, name: str) -> NotImplementedError:
    """What a method of a base class raises if a class of one's own has to write it, or can't be asked."""
    return NotImplementedError(_to_write(component, type(component), name))


def _to_write(component: Any, base: type, name: str) -> str:
    method = getattr(base, name)
    method = getattr(method, "fget", method)  # of a property
    parameters = inspect.signature(method).parameters.values()
    shown = ", ".join(str(parameter.replace(annotation=parameter.empty)) for parameter in parameters)
    meaning = (inspect.getdoc(method) or "").partition("\n")[0]
    return f"{type(component).__name__} has not written {name}; write def {name}({shown}): {meaning}"


def _nearest_stage(name: str) -> str | None:
    stages = {stage.value.replace("_", ""): stage.value for stage in Stage}
    certain = 0.0 if name.startswith(("pre_", "post_", "on_pre", "on_post")) else 0.8
    found = difflib.get_close_matches(name.replace("_", "").lower(), stages, n=1, cutoff=certain)
    return stages[found[0]] if found else None
