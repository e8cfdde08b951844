"""A policy that is one function."""

from collections.abc import Callable
from typing import Any

from rlcore.arguments import check_function
from rlcore.fixed import Fixed
from rlcore.interfaces import Environment, Policy
from rlcore.struct import static, struct


@struct
class FunctionPolicy(Policy):
    """Acts as a function of the state says; learns nothing.

    Args:
        f: From the state and the mask of legal actions (bool `[actions]`, or `None`) to an action.

    Raises:
        ConfigError: `f` can't be called with a state and a mask.
    """

    _f: Fixed = static()

    def __init__(self, f: Callable[[Any, Any], Any]) -> None:
        self._f = Fixed(check_function("f", f, ("state", "mask")))

    @property
    def f(self) -> Callable[[Any, Any], Any]:
        """The function."""
        return self._f.value

    def plan(self, env: Environment) -> Any:
        """What the function answers."""
        return self._f.value(env.state(), env.legal_action_mask())
