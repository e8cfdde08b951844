"""Recognises the environments of other JAX libraries."""

import sys
from typing import Any

from gymnasium.experimental.functional import FuncEnv

from rlcore.environments.functional import FunctionalEnvironment
from rlcore.environments.gymnax_environment import GymnaxEnvironment
from rlcore.environments.pgx_environment import PgxEnvironment
from rlcore.interfaces import Environment

_WRAPPERS = (
    ("gymnax.environments.environment", "Environment", GymnaxEnvironment),
    ("pgx.core", "Env", PgxEnvironment),
)


def wrap_functional(env: Any) -> Environment | None:
    """The JAX environment around a functional one of Gymnasium, gymnax or pgx; `None` for anything else.

    A library that nobody has imported is not imported here either.
    """
    if isinstance(env, FuncEnv):
        return FunctionalEnvironment(env)
    for module, name, wrapper in _WRAPPERS:
        if module in sys.modules and isinstance(env, getattr(sys.modules[module], name)):
            return wrapper(env)
    return None
