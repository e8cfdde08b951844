"""A JAX environment, or several copies of it side by side, as both engines step it.

A JAX environment is a `@struct` that derives from `Environment` and whose methods can be traced. Every step also
prepares the start of the next episode, whether it is needed or not, so that its streams of random numbers move by the
same count at every step.
"""

from collections.abc import Callable
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np

from rlcore.environments.stack_frames import pushed
from rlcore.environments.traced import Form, from_zero
from rlcore.errors import ConfigError, EnvContractError
from rlcore.fixed import Fixed
from rlcore.leaves import select, settled
from rlcore.random import Random
from rlcore.struct import cached, copy, static, struct, walk


class Facts(NamedTuple):
    """What a step answers; for several environments with a leading axis."""

    state: Any
    mask: Any
    reward: Any
    terminated: Any
    truncated: Any


@struct
class World:
    """Steps a JAX environment; traceable.

    Attributes:
        core: The environment; with `num_envs` its leaves that ever change have a leading axis.
        tapes: Where the streams in `core` read their numbers, one entry each; `None`: from themselves.
        frames: The latest frames of the episode, `[n_frames, ...]`; `None` if states aren't stacked.
        num_envs: How many copies; `None`: a single one, without a leading axis.
        form: A `Form`.
        fresh: The core where the next episode would start, after `act`.
    """

    core: Any
    tapes: Any
    frames: Any
    num_envs: int | None = static()
    form: Fixed = static()
    fresh: Any = cached()

    def __init__(self, core: Any, num_envs: int | None, form: Fixed) -> None:
        self.core, self.num_envs, self.form = core, num_envs, form
        self.tapes = tuple(None for _ in streams(core))
        self.frames = form.value.no_frames(num_envs)

    def reset(self) -> None:
        """Begins an episode, in every row."""
        (core,), self.tapes = self._stepped(_begin)
        self.begin_at(core)

    def begin_at(self, core: Any) -> None:
        """Begins an episode where `core` stands, in every row."""
        self.core, self.frames = core, self._first_frames(core)

    def act(self, action: Any) -> None:
        """Takes a step, and prepares the next start; `action` counts from 0."""
        form: Form = self.form.value
        (self.core, self.fresh), self.tapes = self._stepped(_advance, form.own_action(action))
        if self.frames is not None:
            self.frames = pushed(self.frames, self._seen(self.core)[0], self._axis_of_frames())

    def restart(self, over: Any) -> None:
        """Puts those that are `over` at their next start."""
        if self.frames is not None:
            self.frames = select(over, self._first_frames(self.fresh), self.frames)
        self.core = select(over, self.fresh, self.core)

    def _first_frames(self, core: Any) -> Any:
        """The stacks of an episode's first state; `None` if nothing is stacked."""
        form: Form = self.form.value
        if form.transforms.stack is None:
            return None
        return pushed(form.no_frames(self.num_envs), self._seen(core)[0], self._axis_of_frames())

    def _axis_of_frames(self) -> int:
        return 0 if self.num_envs is None else 1

    def facts(self) -> Facts:
        """What the last step led to."""
        form: Form = self.form.value

        def ask(core: Any) -> tuple[Any, ...]:
            terminated = _number(core, "is_terminated", bool)
            truncated = _number(core, "is_truncated", bool) & ~terminated
            return _number(core, "reward", jnp.float32), terminated, truncated

        reward, terminated, truncated = self._asked(ask, self.core)
        seen = form.seen_reward(reward)
        if seen.shape != reward.shape:
            raise EnvContractError(
                f"the reward is an array {list(seen.shape)} after the reward function, expected "
                + ("one number" if self.num_envs is None else f"{self.num_envs} numbers, one per environment")
            )
        return Facts(*self.start(), seen, terminated, truncated)

    def begins_over(self) -> Any:
        """Whether the next episode is over at its start, in a bool or one per row; after `act`."""
        return self._asked(lambda core: jnp.logical_or(core.is_terminated(), core.is_truncated()), self.fresh)

    def start(self) -> tuple[Any, Any]:
        """The state and the mask (or `None`) at hand."""
        state, mask = self._seen(self.core)
        return state if self.frames is None else self.frames, mask

    def _seen(self, core: Any) -> tuple[Any, Any]:
        """The state, or the frame of it, and the mask of a core."""
        form: Form = self.form.value

        def ask(core: Any) -> tuple[Any, Any]:
            return from_zero(form.state_space, core.state()), _mask(core, form.action_space)

        state, mask = self._asked(ask, core)
        return form.seen_state(state), form.seen_mask(mask)

    def _asked(self, question: Callable[[Any], Any], core: Any) -> Any:
        if self.num_envs is None:
            return question(core)
        leaves, treedef = jax.tree.flatten(core)
        return jax.vmap(lambda leaves: question(jax.tree.unflatten(treedef, leaves)), (self._axes(),))(leaves)

    def _stepped(self, function: Callable[..., Any], *arguments: Any) -> tuple[Any, Any]:
        """Calls `function(core, tapes, *arguments)` for every row: the new cores and tapes."""
        form: Form = self.form.value
        leaves, treedef = jax.tree.flatten(self.core)

        def called(leaves: list[Any], tapes: Any, *arguments: Any) -> tuple[Any, Any]:
            cores, tapes = function(jax.tree.unflatten(treedef, leaves), tapes, *arguments)
            cores = [jax.tree.leaves(settled(core, form.core, "environment")) for core in cores]
            return [_pick(core, form.varies) for core in cores], tapes

        if self.num_envs is not None:
            called = jax.vmap(called, (self._axes(), 0, *(0 for _ in arguments)))
        cores, tapes = called(leaves, self.tapes, *arguments)
        return [jax.tree.unflatten(treedef, _merge(leaves, core, form.varies)) for core in cores], tapes

    def _axes(self) -> list[int | None]:
        return [0 if varies else None for varies in self.form.value.varies]


def _number(core: Any, question: str, dtype: Any) -> Any:
    """What a core answers to a question about one step.

    Raises:
        ConfigError: Something else than one number.
    """
    answer = getattr(core, question)()
    try:
        number = jnp.asarray(answer, dtype)
    except (TypeError, ValueError):
        number = None
    if number is None or number.shape != ():
        came = answer if number is None else f"an array of shape {number.shape}"
        raise ConfigError(
            f"{type(core).__name__}.{question} answers {came}, expected one number; correct the environment"
        )
    return number


def _mask(core: Any, space: Any) -> Any:
    """The legal actions of a core, or `None`.

    Raises:
        ConfigError: They are not one bool per action.
    """
    mask = core.legal_action_mask()
    if mask is not None and np.shape(mask) != (int(getattr(space, "n", -1)),):
        raise ConfigError(
            f"{type(core).__name__}.legal_action_mask answers an array of shape {np.shape(mask)}, expected one bool "
            f"for each action of {space}; correct the environment"
        )
    return None if mask is None else jnp.asarray(mask, bool)


def streams(core: Any) -> list[Random]:
    """The streams of random numbers in a component, in the order of its fields."""
    return [part for _, part in walk(core) if isinstance(part, Random)]


def _begin(core: Any, tapes: Any) -> tuple[list[Any], Any]:
    insert_tapes(core, tapes)
    core.reset()
    return [core], remove_tapes(core)


def _advance(core: Any, tapes: Any, action: Any) -> tuple[list[Any], Any]:
    insert_tapes(core, tapes)
    core.act(action)
    fresh = copy(core)
    fresh.reset()
    tapes = remove_tapes(fresh)
    remove_tapes(core)
    for mine, later in zip(streams(core), streams(fresh), strict=True):
        mine._key, mine._count = later._key, later._count
    return [core, fresh], tapes


def insert_tapes(core: Any, tapes: Any) -> None:
    """Lets every stream in a component read its tape; `None`: it draws from itself."""
    for stream, tape in zip(streams(core), tapes, strict=True):
        stream.tape = tape


def remove_tapes(core: Any) -> tuple[Any, ...]:
    """What is left of the tapes; the streams stand where they are without them."""
    tapes = tuple(stream.tape for stream in streams(core))
    for stream in streams(core):
        stream.tape = None
    return tapes


def _pick(leaves: list[Any], varies: tuple[bool, ...]) -> list[Any]:
    return [leaf for leaf, is_picked in zip(leaves, varies, strict=True) if is_picked]


def _merge(leaves: list[Any], picked: list[Any], varies: tuple[bool, ...]) -> list[Any]:
    """`leaves` with those that vary replaced by `picked`."""
    new = iter(picked)
    return [next(new) if is_picked else leaf for leaf, is_picked in zip(leaves, varies, strict=True)]
