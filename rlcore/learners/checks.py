"""What every learner of action values checks."""

from typing import Any

from gymnasium import spaces

from rlcore.errors import ConfigError
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
