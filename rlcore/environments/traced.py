"""What a JAX environment is to a trace: its spaces, the functions around it, the shapes of its leaves."""

import functools
import operator
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from gymnasium import spaces

from rlcore.blame import explained
from rlcore.environments.contract import space_of
from rlcore.environments.masks import without_mask
from rlcore.environments.spaces import range_of, shape_of
from rlcore.environments.transforms import _Transforms
from rlcore.errors import ConfigError
from rlcore.fixed import Fixed
from rlcore.interfaces import Environment
from rlcore.leaves import entered, names_of
from rlcore.random import Random
from rlcore.struct import copy, is_struct, walk

_FEW = 16


class Form(NamedTuple):
    """What does not change while a JAX environment is stepped.

    Attributes:
        state_space: The environment's own.
        changed_space: That of the state function's answers; if frames are stacked, of one frame.
        action_space: The environment's own.
        transforms: The functions of `as_environment`.
        core: The environment with shapes and types in place of its leaves, as it is from the first `reset` on.
        varies: Whether a leaf ever changes, or is a stream's; any other is shared by all copies of the environment.
    """

    state_space: spaces.Space
    changed_space: spaces.Space
    action_space: spaces.Space
    transforms: _Transforms
    core: Any
    varies: tuple[bool, ...]

    def own_action(self, action: Any) -> Any:
        """The environment's action for a policy's."""
        change = self.transforms.function("action")
        return from_start(self.action_space, action if change is None else change(action))

    def seen_mask(self, mask: Any) -> Any:
        """The mask of the policy's actions for that of the environment's; `None` where they aren't discrete."""
        if mask is None or self.transforms.action is None:
            return mask
        with jax.ensure_compile_time_eval():  # the function is asked now, not when the program runs
            places = self.transforms.places(self.action_space, None if mask.ndim == 1 else mask.shape[0])
        return None if places is None else mask[..., np.asarray(places)]

    def seen_state(self, state: Any) -> Any:
        """The policy's state for the environment's, which counts from 0."""
        change = self.transforms.function("state")
        return state if change is None else from_zero(self.changed_space, change(state))

    def no_frames(self, rows: int | None) -> Any:
        """Stacks of zeros `[n_frames, ...]`, with `rows` `[rows, n_frames, ...]`; `None` if frames aren't stacked."""
        stack = self.transforms.stack
        return None if stack is None else jnp.zeros(shape_of(stack, rows), stack.dtype)

    def seen_reward(self, reward: Any) -> Any:
        """The policy's reward for the environment's."""
        change = self.transforms.reward
        return reward if change is None else jnp.asarray(change(reward), jnp.float32)


def from_zero(space: Any, raw: Any) -> Any:
    """A traced element of `space` as policies see it: discrete values count from 0, types are those of the space."""
    if isinstance(space, spaces.Dict):
        return {key: from_zero(part, raw[key]) for key, part in space.spaces.items()}
    if isinstance(space, spaces.Tuple):
        return tuple(from_zero(part, one) for part, one in zip(space.spaces, raw, strict=True))
    shifted = raw - start if np.any(start := _start_of(space)) else raw
    return jnp.asarray(shifted, jax.dtypes.canonicalize_dtype(space.dtype))


def from_start(space: Any, action: Any) -> Any:
    """A traced action, whose discrete values count from 0, as an element of `space`."""
    if isinstance(space, spaces.Dict):
        return {key: from_start(part, action[key]) for key, part in space.spaces.items()}
    if isinstance(space, spaces.Tuple):
        return tuple(from_start(part, one) for part, one in zip(space.spaces, action, strict=True))
    return action + start if np.any(start := _start_of(space)) else action


def _start_of(space: Any) -> Any:
    return 0 if isinstance(space, spaces.Box) else range_of(space)[0]


def is_inside(space: Any, state: Any, has_rows: bool) -> Any:
    """Whether a traced state, or each of a row of them, is finite and, where it is discrete, in its range."""
    if isinstance(space, spaces.Dict | spaces.Tuple):
        parts = space.spaces.items() if isinstance(space, spaces.Dict) else enumerate(space.spaces)
        answers = [is_inside(part, state[key], has_rows) for key, part in parts]
        return functools.reduce(jnp.logical_and, answers)
    if isinstance(space, spaces.Box):
        is_good = jnp.isfinite(state) if jnp.issubdtype(state.dtype, jnp.floating) else jnp.ones_like(state, bool)
    else:
        is_good = (state >= 0) & (state < range_of(space)[1])
    axes = tuple(range(1 if has_rows else 0, is_good.ndim))
    if len(axes) == 1 and is_good.shape[-1] <= _FEW:  # the compiler sees through slices of a stack, not through a sum
        columns = [jax.lax.index_in_dim(is_good, i, -1, keepdims=False) for i in range(is_good.shape[-1])]
        return functools.reduce(jnp.logical_and, columns)
    return is_good.all(axis=axes) if axes else is_good


def form_of(env: Environment, transforms: _Transforms, rows: int | None) -> Fixed:
    """The `Form` of a JAX environment, equal for two that are built alike.

    Raises:
        ConfigError: It can't be traced, with the reason, or its states don't fit into the stack.
    """
    name = type(env).__name__
    if not is_struct(env):
        raise ConfigError(f"{name} is no @struct, whose fields a compiled program could keep")
    own, action_space = space_of(env, "state_space"), space_of(env, "action_space")
    if without_mask(own, action_space)[0]:
        raise ConfigError(f"{name} answers its action mask as a part of the state, not in legal_action_mask()")
    changed = transforms.raw_state_space(own, rows)
    transforms.stacked(changed)
    try:
        steady = _steady(env, action_space)
    except ConfigError as error:
        raise ConfigError(f"{name} can't be traced: {error}") from error
    except Exception as error:
        raise ConfigError(explained(error)) from error
    form = Form(own, changed, action_space, transforms, *steady)
    types = tuple((one.shape, str(one.dtype)) for one in jax.tree.leaves(form.core))
    return Fixed(form, (Fixed((own, changed, action_space, tuple(transforms))), types, form.varies))


def _steady(env: Environment, action_space: spaces.Space) -> tuple[Any, ...]:
    """The core and the variability of its leaves, the same after every `act` and `reset`.

    Raises:
        ConfigError: They never come to rest.
    """
    core = entered(_named(env), "environment")
    action = like_an_action(action_space)
    current: Any = jax.eval_shape(_reset, core)
    is_fixed = [not one.weak_type for one in jax.tree.leaves(current)]  # not a plain Python number
    for _ in range(3):
        varies: list[bool] = []
        leaves, treedef = jax.tree.flatten(current)
        after = jax.eval_shape(lambda core, action: _step(core, action, varies), current, action)  # noqa: B023
        results: list[tuple[Any, Any]] = [jax.tree.flatten(one) for one in after]
        for result, structure in results:
            if structure != treedef or any(a.shape != b.shape for a, b in zip(leaves, result, strict=True)):
                raise ConfigError(
                    "its fields change their shapes or kinds between reset and act; give each field one shape for ever"
                )
            _check_types(current, result, is_fixed)
        types = [
            jax.ShapeDtypeStruct(ones[0].shape, functools.reduce(_joint, [one.dtype for one in ones]))
            for ones in zip(leaves, *(result for result, _ in results), strict=True)
        ]
        if all(a.dtype == b.dtype for a, b in zip(leaves, types, strict=True)):
            return current, tuple(map(operator.or_, varies, _of_streams(current)))
        current = jax.tree.unflatten(treedef, types)
    raise ConfigError("the types of its fields never come to rest; give each field one type in __init__ and reset")


def _check_types(current: Any, after: list[Any], is_fixed: list[bool]) -> None:
    """Refuses a field whose type is fixed by `reset` and which gets another one, that holds other numbers.

    Raises:
        ConfigError: It names the field.
    """
    fields = zip(names_of(current, ""), jax.tree.leaves(current), after, is_fixed, strict=True)
    for name, one, other, is_kept in fields:
        if is_kept and _joint(one.dtype, other.dtype) != one.dtype:
            raise ConfigError(
                f"its field {name} is {one.dtype} after reset and {other.dtype} after act; give each field one type "
                f"for ever, such as that of jnp.float32(0) or of (...).astype(jnp.{one.dtype})"
            )


def _of_streams(core: Any) -> list[bool]:
    """Which leaves belong to streams of random numbers: each row has its own."""
    parts = jax.tree.leaves(core, is_leaf=lambda part: isinstance(part, Random))
    return [isinstance(part, Random) for part in parts for _ in jax.tree.leaves(part)]


def _joint(one: Any, other: Any) -> Any:
    return one if one == other else jnp.promote_types(one, other)


def _reset(core: Any) -> Any:
    core.reset()
    return core


def _step(core: Any, action: Any, varies: list[bool]) -> tuple[Any, Any]:
    before = jax.tree.leaves(core)
    core.act(action)
    core.state(), core.reward(), core.is_terminated(), core.is_truncated(), core.legal_action_mask()
    after = jax.tree.leaves(core)
    fresh = copy(core)
    fresh.reset()
    again = jax.tree.leaves(fresh)
    if len(before) == len(after) == len(again):
        varies[:] = [one is not two or one is not three for one, two, three in zip(before, after, again, strict=True)]
    return core, fresh


def _named(env: Any) -> Any:
    """A copy whose streams all have a key, for shapes only."""
    env = copy(env)
    for _, part in walk(env):
        if isinstance(part, Random):
            part._key, part._count = (np.zeros(2, np.uint32), 0) if part._key is None else (part._key, part.count)
    return env


def like_an_action(space: Any) -> Any:
    """The shape and type of an element of `space` as policies choose it, or a tree of these."""
    if isinstance(space, spaces.Dict):
        return {key: like_an_action(part) for key, part in space.spaces.items()}
    if isinstance(space, spaces.Tuple):
        return tuple(like_an_action(part) for part in space.spaces)
    return jax.ShapeDtypeStruct(space.shape, jax.dtypes.canonicalize_dtype(space.dtype))
