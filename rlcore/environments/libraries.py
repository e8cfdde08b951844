"""Recognises the environments of other libraries."""

import sys
from typing import Any

from gymnasium.experimental.functional import FuncEnv

from rlcore.environments.functional import FunctionalEnvironment
from rlcore.environments.gymnax_environment import GymnaxEnvironment
from rlcore.environments.openspiel_game import OpenSpielGame
from rlcore.environments.pettingzoo_game import PettingZooAtOnce, PettingZooTurns
from rlcore.environments.pgx_environment import PgxEnvironment
from rlcore.games import Game
from rlcore.interfaces import Environment

_WRAPPERS = (
    ("gymnax.environments.environment", "Environment", GymnaxEnvironment),
    ("pgx.core", "Env", PgxEnvironment),
)
_GAMES = (
    ("pettingzoo.utils.env", "AECEnv", PettingZooTurns),
    ("pettingzoo.utils.env", "ParallelEnv", PettingZooAtOnce),
    ("pyspiel", "Game", OpenSpielGame),
)


def wrap_functional(env: Any) -> Environment | None:
    """The JAX environment around a functional one of Gymnasium, gymnax or pgx; `None` for anything else.

    A library that nobody has imported is not imported here either.
    """
    if isinstance(env, FuncEnv):
        return FunctionalEnvironment(env)
    return _wrap(env, _WRAPPERS)


def wrap_game(env: Any) -> Game | None:
    """The game around an environment of PettingZoo or a game of OpenSpiel; `None` for anything else."""
    return _wrap(env, _GAMES)


def _wrap(env: Any, wrappers: tuple[tuple[str, str, Any], ...]) -> Any:
    for module, name, wrapper in wrappers:
        if module in sys.modules and isinstance(env, getattr(sys.modules[module], name)):
            return wrapper(env)
    return None
