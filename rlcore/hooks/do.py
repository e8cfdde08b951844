"""Hooks that call a function of yours; also usable as decorators.

::

    @DoEveryNSteps(n=1000)
    def say(t, policy, env):
        print(t, policy.metrics)
"""

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from rlcore.arguments import check_function, check_whole
from rlcore.block import Block
from rlcore.errors import ConfigError
from rlcore.hooks.base import Hook
from rlcore.hooks.rows import rows_begun, rows_skipped
from rlcore.stages import Stage

_EPISODE_STAGES = (Stage.PRE_EPISODE, Stage.POST_ACT, Stage.POST_EPISODE)


class DoEveryNSteps(Hook):
    """Calls `f(t, policy, env)` when `t` steps of the run are done, for every `t` that `n` divides.

    Several environments side by side take several steps at once: `f` is called once for each such `t` reached.

    Args:
        f: The function to call; without it the hook waits to be called with it, as a decorator is.
        n: Calls it for every `n`-th step.

    Raises:
        ConfigError: `f` can't be called with `(t, policy, env)`, or `n` is not a whole number of at least 1.

    Source: Julia `DoEveryNSteps`.
    """

    def __init__(self, f: Callable[[int, Any, Any], Any] | None = None, n: int = 1) -> None:
        self.n = check_whole("n", n)
        self.f = _checked(self, f, ("t", "policy", "env"))
        self._t = 0
        self._num_envs: int | None = None
        self._ended: Sequence[int] = ()

    def __call__(self, f: Callable[[int, Any, Any], Any]) -> "DoEveryNSteps":
        """The same hook around the function `f`."""
        _check_is_open(self, self.f)
        return DoEveryNSteps(f, self.n)

    def pre_experiment(self, policy: Any, env: Any) -> None:
        """Starts at 0."""
        _check_is_filled(self, self.f)
        self._t = 0
        self._num_envs = env.num_envs
        self._ended = ()

    def post_act(self, policy: Any, env: Any) -> None:
        """Counts, and calls `f` for every multiple of `n` that was reached."""
        if self._num_envs is None:
            self._t += 1
            if self._t % self.n == 0:
                self.f(self._t, policy, env)
            return
        before = self._t
        self._t += self._num_envs - len(rows_skipped(env, self._ended))
        self._ended = env.ended()
        for t in _multiples(before, self._t, self.n):
            self.f(t, policy, env)

    def push_block(self, policy: Any, block: Block) -> None:
        """Counts."""
        self._t += len(block) * (block.num_envs or 1)

    def breaks(self, block: Block) -> np.ndarray:
        """The steps that reach a multiple of `n`."""
        n_rows = block.num_envs or 1
        reached = _multiples(self._t, self._t + len(block) * n_rows, self.n)
        return np.unique((np.arange(reached.start, reached.stop, reached.step) - self._t - 1) // n_rows)


class DoEveryNEpisodes(Hook):
    """Calls `f(t, policy, env)` when `t` episodes of the run are over, for every `t` that `n` divides.

    Several environments side by side may end several episodes at once: `f` is called once for each such `t` reached.
    At `Stage.PRE_EPISODE`, `t` counts the episodes begun.

    Args:
        f: The function to call; without it the hook waits to be called with it, as a decorator is.
        n: Calls it for every `n`-th episode.
        stage: When: `POST_EPISODE`, `POST_ACT` of an episode's last step, or `PRE_EPISODE`.

    Raises:
        ConfigError: `f` can't be called with `(t, policy, env)`, `n` is not a whole number of at least 1, or `stage`
            is none of these.

    Source: Julia `DoEveryNEpisodes`.
    """

    def __init__(
        self, f: Callable[[int, Any, Any], Any] | None = None, n: int = 1, stage: Stage = Stage.POST_EPISODE
    ) -> None:
        if stage not in _EPISODE_STAGES:
            expected = ", ".join(f"Stage.{one.name}" for one in _EPISODE_STAGES)
            raise ConfigError(f"stage is {stage!r}, expected one that tells of an episode: {expected}")
        self.n = check_whole("n", n)
        self.stage = stage
        self.f = _checked(self, f, ("t", "policy", "env"))
        self._t = 0

    def __call__(self, f: Callable[[int, Any, Any], Any]) -> "DoEveryNEpisodes":
        """The same hook around the function `f`."""
        _check_is_open(self, self.f)
        return DoEveryNEpisodes(f, self.n, self.stage)

    def handlers(self, stage: Stage) -> list[Callable[[Any, Any], None]]:
        """Nothing at the stages that the hook does not watch."""
        return super().handlers(stage) if stage in (Stage.PRE_EXPERIMENT, self.stage) else []

    def pre_experiment(self, policy: Any, env: Any) -> None:
        """Starts at 0."""
        _check_is_filled(self, self.f)
        self._t = 0

    def pre_episode(self, policy: Any, env: Any) -> None:
        """Counts the episodes that begin, if this is the stage."""
        if self.stage is Stage.PRE_EPISODE:
            self._advance(len(rows_begun(env)), policy, env)

    def post_act(self, policy: Any, env: Any) -> None:
        """Counts the episodes that ended, if this is the stage."""
        if self.stage is Stage.POST_ACT:
            self._advance(len(env.ended()), policy, env)

    def post_episode(self, policy: Any, env: Any) -> None:
        """Counts the episodes that ended, if this is the stage; one that was cut short did not."""
        if self.stage is Stage.POST_EPISODE:
            self._advance(len(env.ended()), policy, env)

    def push_block(self, policy: Any, block: Block) -> None:
        """Counts; where an episode ended in a block, the next one began in it."""
        self._t += len(block.ends[0])

    def breaks(self, block: Block) -> np.ndarray:
        """The steps that end an episode which `n` divides, or after which one begins."""
        return np.unique(block.ends[0][self.n - 1 - self._t % self.n :: self.n])

    def _advance(self, n_episodes: int, policy: Any, env: Any) -> None:
        if not n_episodes:
            return
        before = self._t
        self._t += n_episodes
        for t in _multiples(before, self._t, self.n):
            self.f(t, policy, env)


class DoOnExit(Hook):
    """Calls `f(policy, env)` once, at the end of the run, whatever ended it.

    Args:
        f: The function to call; without it the hook waits to be called with it, as a decorator is.

    Raises:
        ConfigError: `f` can't be called with `(policy, env)`.

    Source: Julia `DoOnExit`.
    """

    def __init__(self, f: Callable[[Any, Any], Any] | None = None) -> None:
        self.f = _checked(self, f, ("policy", "env"))

    def __call__(self, f: Callable[[Any, Any], Any]) -> "DoOnExit":
        """The same hook around the function `f`."""
        _check_is_open(self, self.f)
        return DoOnExit(f)

    def pre_experiment(self, policy: Any, env: Any) -> None:
        """Only checks that there is a function."""
        _check_is_filled(self, self.f)

    def post_experiment(self, policy: Any, env: Any) -> None:
        """Calls it."""
        self.f(policy, env)

    def push_block(self, policy: Any, block: Block) -> None:
        """Waits for the end."""


def _multiples(before: int, after: int, n: int) -> range:
    """The multiples of `n` in (before, after]."""
    return range((before // n + 1) * n, after + 1, n)


def _checked(hook: Hook, f: Any, arguments: tuple[str, ...]) -> Any:
    return None if f is None else check_function(f"f of {type(hook).__name__}", f, arguments)


def _check_is_open(hook: Hook, f: Any) -> None:
    if f is not None:
        raise ConfigError(
            f"{type(hook).__name__} was called, but already holds the function {getattr(f, '__name__', f)!r}; the loop "
            "calls it. To call it yourself, use the hook's attribute f"
        )


def _check_is_filled(hook: Hook, f: Any) -> None:
    if f is None:
        name = type(hook).__name__
        raise ConfigError(f"{name} has no function to call; write {name}(f, ...), or decorate one with @{name}(...)")
