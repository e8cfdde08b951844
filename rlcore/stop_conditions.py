"""When a run ends: one question, asked once after every step."""

import math
import time
from collections.abc import Callable, Iterator
from typing import Any, ClassVar

import numpy as np
from tqdm.auto import tqdm

from rlcore.arguments import check_function, check_number, check_whole, named
from rlcore.errors import ConfigError
from rlcore.stages import Staged, not_written
from rlcore.struct import shown_as_call


class StopCondition(Staged):
    """Decides when a run ends. A class of your own writes `check`; counters start in `pre_experiment`.

    `a | b` stops when either says so, `a & b` when both say so at the same step.

    Source: Julia `AbstractStopCondition`.
    """

    def check(self, policy: Any, env: Any) -> bool:
        """Whether the run ends now; called once after every step."""
        raise not_written(self, "check")

    def reason(self) -> str:
        """Why the run ended, for `experiment.stop_reason`."""
        return type(self).__name__

    def __repr__(self) -> str:
        return shown_as_call(self)

    def __or__(self, other: "StopCondition") -> "StopIfAny":
        return StopIfAny(*_members(StopIfAny, self), *_members(StopIfAny, other))

    def __and__(self, other: "StopCondition") -> "StopIfAll":
        return StopIfAll(*_members(StopIfAll, self), *_members(StopIfAll, other))


def _members(kind: "type[_Composed]", condition: Any) -> tuple[Any, ...]:
    return condition.conditions if isinstance(condition, kind) else (condition,)


class _Composed(StopCondition):
    """Several conditions, all asked at every step, so that the counters of each are right."""

    _reduce: ClassVar[Any]

    def __init__(self, *conditions: StopCondition) -> None:
        name = type(self).__name__
        if not conditions:
            raise ConfigError(f"{name}() has no conditions, expected at least one")
        for condition in conditions:
            if not isinstance(condition, StopCondition):
                raise ConfigError(f"{name} got {named(condition)}, expected stop conditions only")
        leaves = [id(leaf) for condition in conditions for leaf in leaf_conditions(condition)]
        if len(set(leaves)) < len(leaves):
            raise ConfigError(f"{name} got the same condition twice, so it would count every step twice; build another")
        self.conditions = conditions
        self._answers: list[bool] = []

    def __repr__(self) -> str:
        return f"{type(self).__name__}({', '.join(map(repr, self.conditions))})"

    def handlers(self, stage: Any) -> list[Callable[[Any, Any], None]]:
        """Those of all members."""
        return [handler for condition in self.conditions for handler in condition.handlers(stage)]

    def check(self, policy: Any, env: Any) -> bool:
        """Asks every member."""
        self._answers = [bool(condition.check(policy, env)) for condition in self.conditions]
        return type(self)._reduce(self._answers)

    def reason(self) -> str:
        """The reasons of the members that said so."""
        said = zip(self.conditions, self._answers, strict=False)
        return " and ".join(condition.reason() for condition, answer in said if answer)


class StopIfAny(_Composed):
    """Stops as soon as one of its conditions says so; also written `a | b`.

    Raises:
        ConfigError: No condition, the same one twice, or something else than a condition.

    Source: Julia `StopIfAny`, `AnyStopCondition`.
    """

    _reduce = any


class StopIfAll(_Composed):
    """Stops when all of its conditions say so at the same step; also written `a & b`.

    Raises:
        ConfigError: No condition, the same one twice, or something else than a condition.

    Source: Julia `StopIfAll`.
    """

    _reduce = all


AnyStopCondition = StopIfAny


def leaf_conditions(condition: Any) -> Iterator[Any]:
    """The condition itself, or those that a composed one is made of, at any depth."""
    if isinstance(condition, _Composed):
        for member in condition.conditions:
            yield from leaf_conditions(member)
    else:
        yield condition


class _Counted(StopCondition):
    """Counts something up to `n`, with a progress bar."""

    _unit: str

    def __init__(self, n: int, show_progress: bool = True) -> None:
        self._n = check_whole("n", n)
        self._show_progress = show_progress
        self._count = 0
        self._bar: Any = None
        self._advance: Callable[[int], Any] | None = None

    def pre_experiment(self, policy: Any, env: Any) -> None:
        """Starts the count and the bar; the bar shows in terminals and notebooks only."""
        self._count = 0
        self._bar = tqdm(total=self._n, unit=self._unit, disable=None if self._show_progress else True)
        self._advance = None if getattr(self._bar, "disable", False) else self._bar.update

    def post_experiment(self, policy: Any, env: Any) -> None:
        """Closes the bar."""
        if self._bar is not None:
            self._bar.close()
            self._bar = self._advance = None

    def reason(self) -> str:
        """The class and its limit."""
        return f"{type(self).__name__}({self._n})"

    __repr__ = reason


class StopAfterNSteps(_Counted):
    """Stops at the `n`-th step, counted over all episodes.

    Several environments count one per row that made a transition; the run stops at the first step that reaches `n`.

    Raises:
        ConfigError: `n` is not a whole number of at least 1.

    Source: Julia `StopAfterNSteps`.
    """

    _unit = "step"

    def check(self, policy: Any, env: Any) -> bool:
        """Counts the step."""
        if self._advance is None and env.num_envs is None:  # nothing to show: quicker
            self._count = count = self._count + 1
            return count >= self._n
        steps = 1 if env.num_envs is None else int(np.count_nonzero(env.is_transition()))
        self._count += steps
        if self._advance is not None:
            self._advance(steps)
        return self._count >= self._n


class StopAfterNEpisodes(_Counted):
    """Stops when the `n`-th episode has ended, whatever ended it.

    Several environments count every row that ended; the run stops at the first step that reaches `n`.

    Raises:
        ConfigError: `n` is not a whole number of at least 1.

    Source: Julia `StopAfterNEpisodes`.
    """

    _unit = "episode"

    def check(self, policy: Any, env: Any) -> bool:
        """Counts the episodes that ended with this step."""
        episodes = len(env.ended())
        if episodes:
            self._count += episodes
            if self._advance is not None:
                self._advance(episodes)
        return self._count >= self._n


class StopAfterNSeconds(StopCondition):
    """Stops at the first step that ends `seconds` or more after the start of the run, on a monotonic clock.

    Raises:
        ConfigError: `seconds` is not a positive finite number.

    Source: Julia `StopAfterNSeconds`.
    """

    def __init__(self, seconds: float) -> None:
        self._seconds = check_number("seconds", seconds, 0.0, above=True)
        self._deadline = math.inf

    def pre_experiment(self, policy: Any, env: Any) -> None:
        """Starts the clock."""
        self._deadline = time.monotonic() + self._seconds

    def check(self, policy: Any, env: Any) -> bool:
        """Reads the clock."""
        return time.monotonic() >= self._deadline

    def reason(self) -> str:
        """The class and its limit."""
        return f"StopAfterNSeconds({self._seconds:g})"

    __repr__ = reason


class StopAfterNoImprovement(StopCondition):
    """Stops when a number has not improved for `patience` episodes in a row.

    Args:
        fn: Called without arguments once per ended episode; the higher its answer the better.
        patience: Episodes without improvement before the run stops.
        delta: The least rise above the best answer so far that counts as an improvement.

    Raises:
        ConfigError: `fn` can't be called without arguments, `patience` is not a whole number of at least 1, or `delta`
            is negative or not finite; during the run, `fn` answered NaN or no number.

    Source: Julia `StopAfterNoImprovement`.
    """

    def __init__(self, fn: Callable[[], float], patience: int, delta: float = 0.0) -> None:
        self._fn = check_function("fn", fn)
        self._patience = check_whole("patience", patience)
        self._delta = check_number("delta", delta, 0.0)
        self._best, self._waited = -math.inf, 0

    def pre_experiment(self, policy: Any, env: Any) -> None:
        """Forgets the best answer."""
        self._best, self._waited = -math.inf, 0

    def check(self, policy: Any, env: Any) -> bool:
        """Asks `fn` once per episode that ended with this step.

        Raises:
            ConfigError: It answered NaN, or no number.
        """
        for _ in env.ended():
            answer = self._fn()
            try:
                value = float(answer)
            except (TypeError, ValueError):
                value = math.nan
            if math.isnan(value):
                raise ConfigError(f"fn of StopAfterNoImprovement returned {answer!r}, expected a number")
            if value > self._best and value - self._best >= self._delta:
                self._best, self._waited = value, 0
            else:
                self._waited += 1
        return self._waited >= self._patience

    def reason(self) -> str:
        """The class, its patience and the best answer."""
        return f"{self!r}: best {self._best:g}"

    def __repr__(self) -> str:
        return f"StopAfterNoImprovement(patience={self._patience})"


class StopIfEnvTerminated(StopCondition):
    """Stops when an episode has ended: of several environments, the first one that does.

    Source: Julia `StopIfEnvTerminated`.
    """

    def check(self, policy: Any, env: Any) -> bool:
        """Whether the environment (any of several) is over."""
        return len(env.ended()) > 0


class StopSignal(StopCondition):
    """Stops at the end of the step in which somebody calls `set`: a hook, another thread.

    Source: Julia `StopSignal`, `s[] = true`.
    """

    def __init__(self) -> None:
        self._is_set = False
        self._reason = ""

    def set(self, reason: str = "") -> None:
        """Asks the run to end, with the reason to report."""
        self._is_set, self._reason = True, reason

    def is_set(self) -> bool:
        """Whether `set` was called since the run began."""
        return self._is_set

    def pre_experiment(self, policy: Any, env: Any) -> None:
        """Clears the signal of an earlier run."""
        self._is_set, self._reason = False, ""

    def check(self, policy: Any, env: Any) -> bool:
        """Whether somebody asked."""
        return self._is_set

    def reason(self) -> str:
        """The class, and what `set` was told."""
        return f"StopSignal: {self._reason}" if self._reason else "StopSignal"
