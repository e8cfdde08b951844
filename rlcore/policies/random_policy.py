"""A policy that chooses any legal action."""

import math
from typing import Any

import jax
import numpy as np
from gymnasium import Space, spaces

from rlcore.arguments import named
from rlcore.environments.spaces import indexed_from_zero
from rlcore.errors import ConfigError, EnvContractError
from rlcore.explorers.choice import nth_of
from rlcore.fixed import Fixed
from rlcore.interfaces import Array, Environment, Policy
from rlcore.legal import legal_of
from rlcore.random import Random, random_or_seeded
from rlcore.struct import cached, is_traced, namespace, static, struct

_WORD = 2**32 - 1


@struct
class RandomPolicy(Policy):
    """Chooses uniformly among the legal actions of the environment, or among those of a fixed space.

    Args:
        action_space: A Gymnasium space to choose from, whatever the environment says; `None`: the environment's own
            space and mask.
        seed: Seed of its stream; `None`: the experiment names one.

    Raises:
        ConfigError: A space that can't be drawn from uniformly, such as a Box without bounds; when an experiment is
            built, one that does not lie in the environment's.

    Source: Julia `RandomPolicy`.
    """

    random: Random
    _fixed: Fixed = static(Fixed(None))
    _env: Any = cached()  # the environment of discrete actions that `check` has seen
    _n: Any = cached()  # how many they are
    _rows: Any = cached()  # how many environments act side by side

    def __init__(self, action_space: Space | None = None, seed: int | None = None) -> None:
        if action_space is not None and not isinstance(action_space, Space):
            raise ConfigError(f"action_space is {named(action_space)}, expected a Gymnasium space or None")
        self._fixed = Fixed(None if action_space is None else _drawable(indexed_from_zero(action_space)))
        self.random = random_or_seeded(seed, "random_policy")

    @property
    def action_space(self) -> Space | None:
        """The fixed space, if one was given."""
        return self._fixed.value

    def check(self, env: Environment) -> None:
        """Raises `ConfigError` if the environment's actions can't be drawn uniformly, or the fixed ones aren't its."""
        fixed, own = self._fixed.value, env.action_space()
        if fixed is not None and not _lies_in(fixed, own):
            raise ConfigError(
                f"action_space is {fixed}, but the environment's actions are {own}; expected a part of these, or None "
                "for all that are legal"
            )
        space: Any = _drawable(own if fixed is None else fixed)
        is_discrete = isinstance(space, spaces.Discrete)
        self._env, self._n, self._rows = (env, int(space.n), env.num_envs) if is_discrete else (None, None, None)

    def plan(self, env: Environment) -> Any:
        """A random action; `[num_envs, ...]` for several environments."""
        fixed = self._fixed.value
        mask = env.legal_action_mask() if fixed is None else None
        if env is self._env:  # nearly always, and quicker
            return self.random.integers(self._n, self._rows) if mask is None else self._legal(mask)
        space = env.action_space() if fixed is None else fixed
        if space.__class__ is spaces.Discrete:
            return self.random.integers(int(space.n), env.num_envs) if mask is None else self._legal(mask)
        return self._draw(space, () if env.num_envs is None else (env.num_envs,))

    def _legal(self, mask: Array) -> Any:
        """The n-th legal action, n drawn: one number per row, as without a mask."""
        known = legal_of(mask)
        if known is not None:
            return known.indices[self.random.integers(len(known.indices))]
        if mask.ndim == 1 and not is_traced(mask):
            legal = mask.nonzero()[0]
            if not len(legal):
                raise EnvContractError("the mask allows no action, expected at least one; end the episode instead")
            return int(legal[self.random.integers(len(legal))])
        return nth_of(mask, self.random.integers(mask.sum(axis=-1), mask.shape[:-1] or None))

    def _draw(self, space: Any, rows: tuple[int, ...]) -> Any:
        if isinstance(space, spaces.Dict):
            return {key: self._draw(part, rows) for key, part in space.spaces.items()}
        if isinstance(space, spaces.Tuple):
            return tuple(self._draw(part, rows) for part in space.spaces)
        if isinstance(space, spaces.Discrete):
            return self.random.integers(int(space.n), rows or None)
        shape = rows + tuple(space.shape)
        if not isinstance(space, spaces.Box):
            return _typed(self.random.integers(np.asarray(getattr(space, "nvec", 2)), shape), space.dtype)
        low, width = space.low.astype(np.float64), space.high.astype(np.float64) - space.low
        is_whole = np.issubdtype(space.dtype, np.integer)
        if is_whole and width.max() < _WORD:  # not by floats, whose rounding differs in compiled code
            n = width.astype(np.int64) + 1
            return _typed(low.astype(np.int64) + self.random.integers(n, shape), space.dtype)
        u = self.random.uniform(math.prod(shape)).reshape(shape)
        return _typed(namespace(u).floor(low + u * (width + 1.0)) if is_whole else low + u * width, space.dtype)

    def prob(self, env: Environment) -> Array:
        """The probability of each action, `[..., actions]`: equal where legal, 0 elsewhere.

        Raises:
            ConfigError: The actions aren't discrete.
        """
        space = self._fixed.value or env.action_space()
        if not isinstance(space, spaces.Discrete):
            raise ConfigError(f"prob needs discrete actions, the action space is {space}")
        mask = env.legal_action_mask() if self._fixed.value is None else None
        if mask is None:
            rows = () if env.num_envs is None else (env.num_envs,)
            return np.full((*rows, int(space.n)), 1.0 / int(space.n), np.float32)
        legal = mask.astype(np.float32)
        return legal / legal.sum(axis=-1, keepdims=True)

    def __call__(self, state: Any, mask: Array | None = None) -> Any:
        """A random action: a legal one if a mask is given, else one of the fixed space.

        Raises:
            ConfigError: Neither is known.
        """
        if mask is not None:
            return self._legal(np.asarray(mask, bool))
        if self._fixed.value is None:
            raise ConfigError(
                "a bare state doesn't say which actions there are; pass a mask, or RandomPolicy(action_space)"
            )
        return self._draw(self._fixed.value, ())

    def greedy(self) -> "RandomPolicy":
        """The same choice, from a stream of its own."""
        return RandomPolicy(self._fixed.value)


def _lies_in(space: Any, other: Any) -> bool:
    """Whether every element of `space` is one of `other`, both counted from 0."""
    if type(space) is not type(other):
        return False
    if isinstance(space, spaces.Discrete):
        return bool(space.n <= other.n)
    if isinstance(space, spaces.Dict):
        return space.keys() == other.keys() and all(_lies_in(part, other[key]) for key, part in space.items())
    if isinstance(space, spaces.Tuple):
        return len(space) == len(other) and all(map(_lies_in, space, other))
    if isinstance(space, spaces.Box):
        return space.shape == other.shape and bool(np.all((space.low >= other.low) & (space.high <= other.high)))
    return space.shape == other.shape and bool(np.all(getattr(space, "nvec", 0) <= getattr(other, "nvec", 0)))


def _drawable(space: Space) -> Space:
    if isinstance(space, spaces.Box) and not space.is_bounded():
        raise ConfigError(
            f"{space} has no bounds, so no action can be drawn uniformly; give RandomPolicy a bounded Box"
        )
    parts = space.spaces.values() if isinstance(space, spaces.Dict) else getattr(space, "spaces", ())
    for part in parts:
        _drawable(part)
    return space


def _typed(numbers: Any, dtype: Any) -> Any:
    return numbers.astype(jax.dtypes.canonicalize_dtype(dtype) if isinstance(numbers, jax.Array) else dtype)
