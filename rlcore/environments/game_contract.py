"""What a `Game` of the user's must have, asked of the object itself."""

import inspect
from collections.abc import Iterator
from typing import Any

from gymnasium import Space

from rlcore.environments.contract import call_error, is_written, misspelt_methods
from rlcore.environments.spaces import shown
from rlcore.games import Game
from rlcore.interfaces import DynamicStyle

_OF_ALL = {"reset": (), "act": ("action",), "players": ()}
_OF_A_PLAYER = ("state", "reward", "is_terminated", "action_space", "state_space")
_OPTIONAL = {"active_players": (), "is_truncated": ("player",), "legal_action_mask": ("player",)}
_REQUIRED: dict[str, tuple[str, ...]] = _OF_ALL | {method: ("player",) for method in _OF_A_PLAYER}


def game_problems(game: Game) -> Iterator[tuple[str, str]]:
    """What `game` lacks, or has in another form than the adapter calls: what came and was expected, and the fix."""
    name, required = type(game).__name__, _REQUIRED
    if not isinstance(game.dynamic_style, DynamicStyle):
        fix = "write dynamic_style = DynamicStyle.SIMULTANEOUS in the class"
        yield f"{name}.dynamic_style is {shown(game.dynamic_style)}, expected a DynamicStyle", fix
    elif game.dynamic_style is DynamicStyle.SEQUENTIAL:
        required = required | {"current_player": ()}
    missing = [method for method in required if not is_written(game, Game, method)]
    if missing:
        plural = "s" if len(missing) > 1 else ""
        fix = f"write {', '.join(_definition(method, required[method]) for method in missing)}"
        yield f"{name} lacks the method{plural} {', '.join(missing)} of a Game", fix
        yield from misspelt_methods(game, Game, required | _OPTIONAL)
    for method, arguments in (required | _OPTIONAL).items():
        value: Any = getattr(game, method)
        if isinstance(value, Space) and method.endswith("_space"):
            continue
        written = f"write {_definition(method, arguments)}"
        if not callable(value):
            yield f"{name}.{method} is {shown(value)}, expected a method", written
        elif error := call_error(value, *arguments):
            call = f"{method}({', '.join(arguments)})"
            yield f"{name}.{method}{inspect.signature(value)} can't be called as {call} ({error})", written


def _definition(method: str, arguments: tuple[str, ...]) -> str:
    arguments = ("seed=None",) if method == "reset" else arguments
    return f"def {method}({', '.join(('self', *arguments))})"
