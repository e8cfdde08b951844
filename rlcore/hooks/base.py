"""What a hook is, how hooks are added up, and how one is checked before a run."""

from collections.abc import Callable, Iterator
from typing import Any

import numpy as np

from rlcore.block import Block, union
from rlcore.errors import ConfigError, shorten
from rlcore.stages import Stage, Staged, check_methods
from rlcore.struct import shown_as_call


class Hook(Staged):
    """Watches a run and never steers it; the values its methods return mean nothing.

    A class of your own overrides the stage methods it needs, sets its counters anew in `pre_experiment`, and may
    write `result`. `first + second` watches with both.

    Attributes:
        reads_reward: Whether the hook asks for `env.reward()` as a number; in a game it then belongs to one player.

    Source: Julia `AbstractHook`.
    """

    reads_reward: bool = False

    def result(self) -> Any:
        """What the hook measured; `None` for a hook that measures nothing."""
        return None

    def __repr__(self) -> str:
        return shown_as_call(self)

    def __add__(self, other: "Hook") -> "Hook":
        """A hook that calls this one, then `other`; an `EmptyHook` changes nothing.

        Raises:
            ConfigError: `other` is no hook, or a hook would stand twice in the sum.
        """
        check_is_hook(other)
        members = [*_members(self), *_members(other)]
        if not members:
            return self
        if len(members) == 1:
            return other if type(self) is EmptyHook else self
        return ComposedHook(*members)

    def __radd__(self, other: Any) -> "Hook":
        """Refuses to be added to anything that is no hook, such as the 0 that a bare `sum(hooks)` starts with."""
        raise ConfigError(
            f"{other!r} + {type(self).__name__} is not a hook; expected a hook on both sides of +. "
            "Write sum(hooks, EmptyHook()) to add up a list"
        )


class EmptyHook(Hook):
    """Watches nothing: the neutral element of `+`.

    Source: Julia `EmptyHook`.
    """

    reads_policy = False

    def push_block(self, policy: Any, block: Block) -> None:
        """Does nothing."""


class ComposedHook(Hook):
    """Several hooks, called in their order; flat, however they were added up.

    `composed[0]` is the first hook, `composed[StepsPerEpisode]` the first of that class.

    Args:
        *hooks: The hooks, in the order in which to call them; `EmptyHook`s are left out.

    Raises:
        ConfigError: No hook is left, one is no hook, or one stands there twice.

    Source: Julia `ComposedHook`.
    """

    reads_policy = False  # but for its members

    def __init__(self, *hooks: Hook) -> None:
        for hook in hooks:
            check_is_hook(hook)
        members = tuple(member for hook in hooks for member in _members(hook))
        if not members:
            raise ConfigError("a ComposedHook was given no hook that does anything; use EmptyHook() to watch nothing")
        places: dict[int, int] = {}
        for place, member in enumerate(members):
            first = places.setdefault(id(member), place)
            if first != place:
                raise ConfigError(
                    f"the same {type(member).__name__} stands at places {first} and {place} of a sum of hooks and "
                    "would count everything twice; leave one out, or build a second one"
                )
        self.hooks = members
        self.reads_reward = any(member.reads_reward for member in members)
        self.reads_policy |= any(member.reads_policy for member in members)
        self.needs_state |= any(member.needs_state for member in members)

    def handlers(self, stage: Stage) -> list[Callable[[Any, Any], None]]:
        """What all hooks want to be called at `stage`, in their order."""
        return [handler for hook in self.hooks for handler in hook.handlers(stage)]

    def pre_experiment(self, policy: Any, env: Any) -> None:
        self.push(Stage.PRE_EXPERIMENT, policy, env)

    def pre_episode(self, policy: Any, env: Any) -> None:
        self.push(Stage.PRE_EPISODE, policy, env)

    def pre_act(self, policy: Any, env: Any) -> None:
        self.push(Stage.PRE_ACT, policy, env)

    def post_act(self, policy: Any, env: Any) -> None:
        self.push(Stage.POST_ACT, policy, env)

    def post_episode(self, policy: Any, env: Any) -> None:
        self.push(Stage.POST_EPISODE, policy, env)

    def post_experiment(self, policy: Any, env: Any) -> None:
        self.push(Stage.POST_EXPERIMENT, policy, env)

    def push_block(self, policy: Any, block: Block) -> None:
        """Shows the block to all hooks, in their order."""
        for hook in self.hooks:
            hook.push_block(policy, block)

    def breaks(self, block: Block) -> np.ndarray:
        """The steps that any of the hooks names."""
        return union(hook.breaks(block) for hook in self.hooks)

    def takes_blocks(self) -> bool:
        """Whether all hooks do."""
        return super().takes_blocks() and all(hook.takes_blocks() for hook in self.hooks)

    def result(self) -> tuple[Any, ...]:
        """The results of all hooks, in their order."""
        return tuple(hook.result() for hook in self.hooks)

    def __getitem__(self, which: int | type) -> Any:
        """The hook at a place, or the first of a class.

        Raises:
            ConfigError: There is none of that class, or `which` is neither a place nor a class.
            IndexError: There is no such place.
        """
        if isinstance(which, type):
            for hook in self.hooks:
                if isinstance(hook, which):
                    return hook
            raise ConfigError(f"there is no {which.__name__} in {self!r}; ask for one that is there")
        if not isinstance(which, int):
            raise ConfigError(f"{self!r} was asked for {which!r}; expected a place (0, 1, ...) or the class of a hook")
        try:
            return self.hooks[which]
        except IndexError:
            raise IndexError(f"there is no hook at place {which} of {self!r}, which holds {len(self)}") from None

    def __len__(self) -> int:
        return len(self.hooks)

    def __iter__(self) -> Iterator[Hook]:
        return iter(self.hooks)

    def __repr__(self) -> str:
        return f"ComposedHook({', '.join(type(hook).__name__ for hook in self.hooks)})"


def check_is_hook(hook: Any, role: str = "a hook") -> None:
    """Refuses what is no hook.

    Args:
        hook: What was given.
        role: As what.

    Raises:
        ConfigError: It says what came.
    """
    if isinstance(hook, Hook):
        return
    advice = "add up hooks with +, or derive your class from Hook"
    if isinstance(hook, type) and issubclass(hook, Hook):
        advice = f"build one: {hook.__name__}(...)"
    elif callable(hook):
        advice = "wrap a function in DoEveryNSteps, DoEveryNEpisodes or DoOnExit"
    raise ConfigError(
        f"{shorten(repr(hook))} was given as {role}, expected a Hook, such as StepsPerEpisode(); {advice}"
    )


def check_hook(hook: Any) -> None:
    """Refuses, before a run, a hook (or one of several added up) that the loop could never call rightly.

    Raises:
        ConfigError: It is no hook.
        HookError: A stage method is misspelt or takes the wrong arguments.
    """
    check_is_hook(hook)
    for part in (hook, *hook.hooks) if isinstance(hook, ComposedHook) else (hook,):
        check_methods(part, _ARGUMENTS)


def _members(hook: Hook) -> tuple[Hook, ...]:
    """Subclasses of either are hooks of somebody's own, and kept whole."""
    if type(hook) is ComposedHook:
        return hook.hooks
    return () if type(hook) is EmptyHook else (hook,)


_ARGUMENTS: dict[str, tuple[str, ...]] = {
    **{stage.value: ("policy", "env") for stage in Stage},
    "push": ("stage", "policy", "env"),
    "push_block": ("policy", "block"),
    "breaks": ("block",),
    "result": (),
}
