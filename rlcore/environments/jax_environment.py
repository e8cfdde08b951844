"""The adapters of a JAX environment for the loop that calls it step by step: one compiled call a step."""

from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from gymnasium import spaces
from gymnasium.vector import AutoresetMode, VectorEnv
from gymnasium.vector.utils import batch_space

from rlcore.blame import explained
from rlcore.effects import without_side_effects
from rlcore.environments.contract import takes_seed
from rlcore.environments.masks import KEY
from rlcore.environments.single import SingleEnvironment
from rlcore.environments.spaces import indexed_from_zero
from rlcore.environments.traced import Form, form_of, like_an_action
from rlcore.environments.transforms import _Transforms
from rlcore.environments.vector import VectorEnvironment
from rlcore.environments.world import Facts, World, streams
from rlcore.errors import ConfigError, EnvContractError, RLCoreError
from rlcore.fixed import Fixed
from rlcore.interfaces import Environment
from rlcore.leaves import entered, settled
from rlcore.random import name_streams, row_keys, stream_key
from rlcore.struct import copy, graft, walk

OVER_AFTER_RESET = (
    "over right after reset; expected a state to act in: make reset clear what is_terminated and is_truncated answer"
)
_NOTHING = _Transforms()


class JaxEnvironment(SingleEnvironment):
    """A JAX environment behind the contract of `Environment`; the leaves of `source` follow its steps.

    Attributes:
        world: What is stepped; `None` before the first `reset`.
        form: What does not change of it.
    """

    def __init__(self, env: Environment, transforms: _Transforms) -> None:
        """Raises `ConfigError` if the environment can't be traced."""
        self.form = _checked_form(env, None, transforms)
        self.world: World | None = None
        self._fresh: Any = None  # where the next episode starts, once the last step prepared it
        seen, chosen = seen_spaces(self.form.value, None)
        super().__init__(env, type(env).__name__, self._stepped, self._begun, seen, chosen, _NOTHING)

    def _follow(self, root: int) -> int | None:
        self.world = self._fresh = None
        return super()._follow(root)

    def reset(self, seed: int | None = None) -> None:
        """Begins a new episode: where the last step prepared it, if that one ended."""
        if not self.is_over():
            self._fresh = None
        super().reset(seed)

    def arrive(self, world: World, action: Any, reward: Any, terminated: Any, truncated: Any) -> None:
        """Goes on from where a compiled run has led, with what its last step answered."""
        self.world, self._reward, self._action = world, float(reward), action
        self._terminated, self._truncated = bool(terminated), bool(truncated)
        self._over = self._terminated or self._truncated
        self._ended = (0,) if self._over else ()
        self._fresh = world.core if self._over else None
        state, self._raw_mask = jax.device_get(_stand(world))
        self._state, self._mask = element(self._state_space, state), None
        graft(self.source, world.core)

    def _begun(self, seed: int | None) -> tuple[Any, dict[str, Any]]:
        if self.world is None or seed is not None:
            self.world, self._fresh = _first_world(self.source, self.form, seed), None
            self.world, facts = _start(self.world)
        elif self._fresh is None:
            self.world, facts = _reset(self.world)
        else:
            self.world, facts = _begin_at(self.world, self._fresh)
        self._fresh = None
        graft(self.source, self.world.core)
        state, mask, _, terminated, truncated = _on_host(self._state_space, facts)
        if terminated or truncated:
            raise EnvContractError(f"{self.name} was {OVER_AFTER_RESET}")
        return state, _info(mask)

    def _stepped(self, action: Any) -> tuple[Any, Any, Any, Any, dict[str, Any]]:
        self.world, self._fresh, facts = _act(self.world, action)
        graft(self.source, self.world.core)
        state, mask, reward, terminated, truncated = _on_host(self._state_space, facts)
        return state, float(reward), bool(terminated), bool(truncated), _info(mask)


class JaxEnvironments(VectorEnvironment):
    """Several copies of a JAX environment side by side; a row that ended is reset in the same step.

    Row i has streams of its own.
    """

    def __init__(self, env: Environment, num_envs: int, transforms: _Transforms) -> None:
        """Raises `ConfigError` if the environment can't be traced."""
        self.form = _checked_form(env, num_envs, transforms)
        self._rows = _Rows(env, num_envs, self.form)
        super().__init__(self._rows, _NOTHING)
        self.name = type(env).__name__

    @property
    def world(self) -> World | None:
        """What is stepped; `None` before the first `reset`."""
        return self._rows.world

    @world.setter
    def world(self, world: World) -> None:
        self._rows.world = world

    def arrive(self, world: World, action: Any, reward: Any, terminated: Any, truncated: Any) -> None:
        """Goes on from where a compiled run has led, with what its last step answered."""
        self.world = world
        self._action, self._reward = action, np.asarray(reward, np.float64)
        self._take_ends(np.array(terminated), np.array(truncated))
        state, self._mask = jax.device_get(_stand(world))
        self._state, self._next_mask = element(self._state_space, state), self._mask
        self._next_state = self._state

    def seed(self, seed: int) -> None:
        """Makes the next `reset` start the environment's streams under `seed`, where they have no seed of their own."""
        self._rows.root = seed

    def close(self) -> None:
        """There is nothing to close."""


class _Rows(VectorEnv):
    """The rows as a Gymnasium vector environment, so that one adapter reads and checks them all."""

    def __init__(self, env: Environment, num_envs: int, form: Fixed) -> None:
        self.env, self.form, self.num_envs = env, form, num_envs
        self.world: World | None = None
        self.root: int | None = None  # the seed for the next reset
        self._has_begun_over = False  # whether a row that the last step restarted was over at once
        self.metadata = {"autoreset_mode": AutoresetMode.SAME_STEP}
        self.single_observation_space, self.single_action_space = seen_spaces(form.value, num_envs)
        self.observation_space = batch_space(self.single_observation_space, num_envs)
        self.action_space = batch_space(self.single_action_space, num_envs)

    @property
    def unwrapped(self) -> Any:
        """The environment that was copied."""
        return self.env

    def reset(self, *, seed: Any = None, options: Any = None) -> tuple[Any, dict[str, Any]]:
        if self.root is not None:
            name_streams(self.env, self.root, "environment", anew=True)
            self.root = self.world = None
        if self.world is None or seed is not None:
            self.world = _first_rows(self.env, self.form, self.num_envs, seed)
            self.world, facts = _start(self.world)
        else:
            self.world, facts = _reset(self.world)
        state, mask, _, terminated, truncated = _on_host(self.single_observation_space, facts)
        if terminated.any() or truncated.any():
            self._refuse_start()
        self._has_begun_over = False
        return state, _info(mask)

    def step(self, actions: Any) -> tuple[Any, Any, Any, Any, dict[str, Any]]:
        if self._has_begun_over:
            self._refuse_start()
        self.world, facts, (state, mask), begins_over = _act_and_restart(self.world, actions)
        last, last_mask, reward, terminated, truncated = _on_host(self.single_observation_space, facts)
        info = _info(None if mask is None else np.asarray(mask))
        if terminated.any() or truncated.any():
            info |= {"final_obs": last, "final_info": _info(last_mask)}
            self._has_begun_over = bool(np.any(begins_over))
        return element(self.single_observation_space, jax.device_get(state)), reward, terminated, truncated, info

    def _refuse_start(self) -> None:
        raise EnvContractError(f"an episode of {type(self.env).__name__} was {OVER_AFTER_RESET}")


def world_like(fixed: Fixed, num_envs: int | None) -> World:
    """A world of a `Form` with shapes and types in place of its leaves."""
    form: Form = fixed.value
    types, structure = jax.tree.flatten(form.core)
    leaves = [
        jax.ShapeDtypeStruct((num_envs, *one.shape), one.dtype) if num_envs is not None and varies else one
        for one, varies in zip(types, form.varies, strict=True)
    ]
    return World(jax.tree.unflatten(structure, leaves), num_envs, fixed)


def _checked_form(env: Environment, num_envs: int | None, transforms: _Transforms) -> Fixed:
    """The form of an environment, once its functions have been traced as well.

    Raises:
        ConfigError: It can't be traced, with the reason.
    """
    with without_side_effects(env, *filter(callable, map(transforms.function, ("state", "action"))), transforms.reward):
        return _traced_form(env, num_envs, transforms)


def _traced_form(env: Environment, num_envs: int | None, transforms: _Transforms) -> Fixed:
    fixed = form_of(env, transforms, num_envs)
    space = transforms.action_space(fixed.value.action_space)
    rows = () if num_envs is None else (num_envs,)
    action = jax.tree.map(lambda one: jax.ShapeDtypeStruct(rows + one.shape, one.dtype), like_an_action(space))
    try:
        jax.eval_shape(_act, world_like(fixed, num_envs), action)
    except RLCoreError:
        raise
    except Exception as error:
        raise ConfigError(explained(error)) from error
    return fixed


def seen_spaces(form: Form, rows: int | None) -> tuple[spaces.Space, spaces.Space]:
    """The spaces of the states that policies see and of the actions that they choose, both from 0."""
    state_space = form.transforms.stacked(indexed_from_zero(form.changed_space))
    return state_space, form.transforms.action_space(form.action_space)


def _info(mask: Any) -> dict[str, Any]:
    return {} if mask is None else {KEY: mask}


def _on_host(space: spaces.Space, facts: Facts) -> Facts:
    """NumPy arrays, and states as the environment's own space has them."""
    host = jax.device_get(facts)
    return host._replace(state=element(space, host.state))


def element(space: Any, state: Any) -> Any:
    """A state of 32-bit numbers in the types of `space`; a Python int where it is one whole number."""
    if isinstance(space, spaces.Dict):
        return {key: element(part, state[key]) for key, part in space.spaces.items()}
    if isinstance(space, spaces.Tuple):
        return tuple(element(part, one) for part, one in zip(space.spaces, state, strict=True))
    return state.item() if state.ndim == 0 and state.dtype.kind in "iu" else state.astype(space.dtype)


def _first_world(env: Any, form: Fixed, seed: int | None) -> World:
    """A world around a copy of `env`, its streams named anew if a seed is given."""
    if seed is not None:
        env.reset(seed=seed) if takes_seed(env) else _rename(env, seed)
    else:
        _name_unnamed(env)
    core = entered(env, "environment")
    return World(core, None, form)


def _first_rows(env: Any, form: Fixed, num_envs: int, seed: int | None) -> World:
    """The same with a row of cores."""
    world = _first_world(copy(env) if seed is not None else env, form, seed)
    for stream in streams(world.core):
        stream._key = jnp.asarray(row_keys(stream._key, num_envs))
        stream._count = jnp.asarray(np.broadcast_to(np.asarray(stream._count), (num_envs, 2)))
    world.num_envs = num_envs
    return world


def _rename(env: Any, seed: int) -> None:
    for path, part in walk(env, "environment"):
        if part in streams(env):
            part._key, part._count = stream_key(seed, path), 0


def _name_unnamed(env: Any) -> None:
    for stream in streams(env):
        if not stream.is_named():
            stream.uniform()  # draws its key from the operating system


@jax.jit
def _stand(world: World) -> Any:
    """The state and the mask at hand."""
    return world.start()


@jax.jit
def _start(world: World) -> tuple[World, Facts]:
    """The first episode: the core may still lack what only `reset` sets."""
    form: Form = world.form.value

    structure: list[Any] = []

    def begin(keys: Any) -> list[Any]:
        core = copy(world.core)
        for stream, (key, count) in zip(streams(core), keys, strict=True):
            stream._key, stream._count = key, count
        core.reset()
        leaves, treedef = jax.tree.flatten(settled(core, form.core, "environment"))
        structure[:] = [treedef]
        return leaves

    keys = [(stream._key, stream._count) for stream in streams(world.core)]
    if world.num_envs is not None:
        axes = [0 if varies else None for varies in form.varies]
        leaves = jax.vmap(begin, out_axes=axes, axis_size=world.num_envs)(keys)
    else:
        leaves = begin(keys)
    world.begin_at(jax.tree.unflatten(structure[0], leaves))
    return world, world.facts()


@jax.jit
def _reset(world: World) -> tuple[World, Facts]:
    world.reset()
    return world, world.facts()


@jax.jit
def _begin_at(world: World, core: Any) -> tuple[World, Facts]:
    world.begin_at(core)
    return world, world.facts()


@jax.jit
def _act(world: World, action: Any) -> tuple[World, Any, Facts]:
    world.act(action)
    return world, world.fresh, world.facts()


@jax.jit
def _act_and_restart(world: World, action: Any) -> tuple[World, Facts, Any, Any]:
    world.act(action)
    facts = world.facts()
    over = facts.terminated | facts.truncated
    begins_over = over & world.begins_over()
    world.restart(over)
    return world, facts, world.start(), begins_over
