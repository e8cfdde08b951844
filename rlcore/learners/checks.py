"""What learners check alike."""

from typing import Any

import numpy as np
from gymnasium import spaces

from rlcore.errors import ConfigError, RLCoreError
from rlcore.interfaces import Environment


def count_actions(learner: Any, env: Environment) -> int:
    """The number of actions of `env`.

    Raises:
        ConfigError: The actions are not discrete.
    """
    space = env.action_space()
    if not isinstance(space, spaces.Discrete):
        raise ConfigError(
            f"the actions are {space}, but {type(learner).__name__} values each action of a Discrete space; "
            "RandomPolicy acts in any space, or choose among finitely many actions where the environment is converted"
        )
    return int(space.n)


def check_rows(learner: Any, batch: Any, axes: tuple[int, ...] = (1,)) -> None:
    """Refuses what is no `Batch` of transitions side by side; costs nothing in compiled code.

    Args:
        learner: For messages.
        batch: What it is shown.
        axes: How many axes a reward may have: 1, or 0 for a single transition.

    Raises:
        ConfigError: Several batches, windows `[batch, n]`, or a single transition where there must be rows.
    """
    if isinstance(batch, dict | list | tuple):
        came = f"a {type(batch).__name__} of {len(batch)} batches"
    elif (n := np.ndim(batch.reward)) not in axes:
        came = f"a {type(batch).__name__} whose rewards have {n} axes"
    else:
        return
    raise ConfigError(
        f"{type(learner).__name__} learns from transitions side by side, [batch, ...], but was shown {came}; keep them "
        "in CircularTraces(capacity) and sample with BatchSampler(batch_size) or NStepBatchSampler(batch_size, n, "
        "gamma), or write a learner that knows such batches"
    )


def check_tables(learner: Any, *approximators: Any) -> None:
    """Refuses tables with values that are not finite, which only compiled code can have written.

    Raises:
        RLCoreError: It says where the first one stands.
    """
    for approximator in approximators:
        table = np.asarray(approximator.table)
        wrong = np.argwhere(~np.isfinite(table))
        if len(wrong):
            place = ", ".join(f"{name} {index}" for name, index in zip(("state", "action"), wrong[0], strict=False))
            raise RLCoreError(
                f"the value of {place} of {type(learner).__name__} is {table[tuple(wrong[0])]}, expected finite "
                "numbers; look for extreme rewards, lower alpha or gamma; engine='eager' stops before the first one "
                "is written"
            )
