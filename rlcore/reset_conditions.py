"""When an episode is cut short. The environment's own end always ends it as well."""

from typing import Any

import numpy as np

from rlcore.arguments import check_whole, named
from rlcore.errors import ConfigError
from rlcore.stages import Staged, not_written
from rlcore.struct import static, struct


class ResetCondition(Staged):
    """Decides when an unfinished episode is truncated. A class of your own writes `check`.

    `a | b` truncates when either says so.

    Source: Julia `AbstractResetCondition`.
    """

    __slots__ = ()

    def check(self, policy: Any, env: Any) -> Any:
        """Whether to cut the episode now, once after every step: a bool, for several environments bool `[num_envs]`."""
        raise not_written(self, "check")

    def __or__(self, other: "ResetCondition") -> "ResetIfAny":
        return ResetIfAny(self, other)


@struct
class ResetIfEnvTerminated(ResetCondition):
    """Cuts nothing: an episode ends when the environment ends it.

    Source: Julia `ResetIfEnvTerminated`.
    """

    def check(self, policy: Any, env: Any) -> Any:
        """Never."""
        return False


@struct
class ResetAfterNSteps(ResetCondition):
    """Truncates an episode at its `n`-th step.

    Raises:
        ConfigError: `n` is not a whole number of at least 1.

    Source: Julia `ResetAfterNSteps`.
    """

    n: int = static()
    steps: Any = 0

    def __init__(self, n: int) -> None:
        self.n = check_whole("n", n)

    def pre_episode(self, policy: Any, env: Any) -> None:
        """Starts the count; of several environments, for the rows that begin an episode."""
        ended = env.ended()
        if env.num_envs is None:
            self.steps = 0
        elif len(ended):
            self.steps[ended] = 0
        else:
            self.steps = np.zeros(env.num_envs, np.int64)

    def check(self, policy: Any, env: Any) -> Any:
        """Counts the step, where it was one."""
        self.steps = self.steps + (1 if env.num_envs is None else np.asarray(env.is_transition()))
        return self.steps >= self.n


@struct
class ResetIfAny(ResetCondition):
    """Truncates when one of its conditions says so; also written `a | b`.

    Raises:
        ConfigError: No condition, the same one twice, or something else than a reset condition.
    """

    conditions: tuple[ResetCondition, ...]

    def __init__(self, *conditions: ResetCondition) -> None:
        flat: list[ResetCondition] = []
        for condition in conditions:
            flat += condition.conditions if isinstance(condition, ResetIfAny) else (condition,)
        if not flat or not all(isinstance(condition, ResetCondition) for condition in flat):
            came = ", ".join(map(named, conditions)) or "nothing"
            raise ConfigError(f"ResetIfAny got {came}, expected at least one reset condition and nothing else")
        if len({id(condition) for condition in flat}) < len(flat):
            raise ConfigError("ResetIfAny got the same condition twice, so it would count twice; build another")
        self.conditions = tuple(flat)

    def handlers(self, stage: Any) -> list[Any]:
        """Those of all members."""
        return [handler for condition in self.conditions for handler in condition.handlers(stage)]

    def check(self, policy: Any, env: Any) -> Any:
        """Asks every member."""
        answers = [condition.check(policy, env) for condition in self.conditions]
        cut = answers[0]
        for answer in answers[1:]:
            cut = cut | answer
        return cut
