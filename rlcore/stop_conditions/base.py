"""What a stop condition is, and how conditions are composed."""

from collections.abc import Callable, Iterator
from typing import Any, ClassVar

import numpy as np

from rlcore.arguments import named
from rlcore.block import Block, union
from rlcore.errors import ConfigError
from rlcore.stages import Staged, is_written, not_written, speaks_for_steps
from rlcore.struct import shown_as_call


class StopCondition(Staged):
    """Decides when a run ends. A class of your own writes `check`; counters start in `pre_experiment`.

    `a | b` stops when either says so, `a & b` when both say so at the same step.

    Source: Julia `AbstractStopCondition`.
    """

    def check(self, policy: Any, env: Any) -> bool:
        """Whether the run ends now; called once after every step."""
        raise not_written(self, "check")

    def answers(self, policy: Any, block: Block) -> np.ndarray:
        """What `check` would answer after each step of a block: bool `[steps]`; changes nothing.

        They hold up to the first of `breaks(block)`, and as long as nothing but these steps happens. A class that
        writes this and `push_block` takes blocks; `push_block` is given steps at which the run goes on.
        """
        raise not_written(self, "answers")

    def takes_blocks(self) -> bool:
        """Whether `push_block` and `answers` stand for `check` and the stage methods of single steps."""
        return (
            super().takes_blocks() and is_written(self, StopCondition, "answers") and speaks_for_steps(self, "answers")
        )

    def limit(self) -> Any:
        """When the run ends at the latest, counted from now; `None`: not known beforehand.

        A tuple: `("steps", left)`, `("episodes", left)`, `("any", limits)` or `("all", limits)`. `left` is no longer
        positive where a limit is reached already that others are waited for.
        """
        return None

    def is_exact(self) -> bool:
        """Whether `limit()` is the whole truth: the run ends there, and not before."""
        return self.limit() is not None

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
    """Those inside; a condition of a derived class is somebody's own, and kept whole."""
    return condition.conditions if type(condition) is kind else (condition,)


class _Composed(StopCondition):
    """Several conditions, all asked at every step, so that the counters of each are right."""

    reads_policy = False  # but for its members
    _reduce: ClassVar[Any]
    _reduce_steps: ClassVar[Any]

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
        self.reads_policy |= any(condition.reads_policy for condition in conditions)
        self.needs_state |= any(condition.needs_state for condition in conditions)
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

    def answers(self, policy: Any, block: Block) -> np.ndarray:
        """Asks every member."""
        return type(self)._reduce_steps([condition.answers(policy, block) for condition in self.conditions], axis=0)

    def push_block(self, policy: Any, block: Block) -> None:
        """Shows the block to every member."""
        for condition in self.conditions:
            condition.push_block(policy, block)

    def breaks(self, block: Block) -> np.ndarray:
        """The steps that any member names."""
        return union(condition.breaks(block) for condition in self.conditions)

    def takes_blocks(self) -> bool:
        """Whether all members do."""
        return super().takes_blocks() and all(condition.takes_blocks() for condition in self.conditions)

    def is_exact(self) -> bool:
        """Whether the limits of all members are."""
        return super().is_exact() and all(condition.is_exact() for condition in self.conditions)

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

    _reduce, _reduce_steps = any, np.any

    def limit(self) -> Any:
        """Those of the members that have one: the run ends with the first of them, or before."""
        limits = tuple(limit for condition in self.conditions if (limit := condition.limit()) is not None)
        return ("any", limits) if limits and speaks_for_steps(self, "limit") else None


class StopIfAll(_Composed):
    """Stops when all of its conditions say so at the same step; also written `a & b`.

    Raises:
        ConfigError: No condition, the same one twice, or something else than a condition.

    Source: Julia `StopIfAll`.
    """

    _reduce, _reduce_steps = all, np.all

    def limit(self) -> Any:
        """Those of the members, if all have one: the run ends with the last of them."""
        limits = tuple(condition.limit() for condition in self.conditions)
        return ("all", limits) if None not in limits and speaks_for_steps(self, "limit") else None


AnyStopCondition = StopIfAny


def leaf_conditions(condition: Any) -> Iterator[Any]:
    """The condition itself, or those that a composed one is made of, at any depth."""
    if isinstance(condition, _Composed):
        for member in condition.conditions:
            yield from leaf_conditions(member)
    else:
        yield condition
