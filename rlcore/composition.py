"""What an experiment is made of, checked before it runs."""

import inspect
from typing import Any

import gymnasium

from rlcore.arguments import named
from rlcore.errors import ConfigError, HookError
from rlcore.games import Game
from rlcore.hooks import Hook
from rlcore.hooks.base import check_is_hook
from rlcore.hooks.multi_agent import check_players
from rlcore.interfaces import Environment, Explorer, Learner, Policy
from rlcore.reset_conditions import ResetCondition, ResetIfAny
from rlcore.stages import Stage, check_arguments, check_methods, check_stages, check_written, is_written
from rlcore.stop_conditions import StopCondition, leaf_conditions
from rlcore.struct import check_tree, walk

_WATCHING = {stage.value: ("policy", "env") for stage in Stage}
_CONDITION = _WATCHING | {"check": ("policy", "env")}
_STOP = _CONDITION | {"push_block": ("policy", "block"), "breaks": ("block",), "answers": ("policy", "block")}
_POLICY = {stage.value: ("env",) for stage in Stage} | {
    "post_act": ("env", "action"),
    "plan": ("env",),
    "prob": ("env",),
    "optimise": ("stage", "trajectory=None"),
    "check": ("env",),
}
_EXPLORER = {
    "plan": ("values", "mask=None"),
    "prob": ("values", "mask=None"),
    "decide": ("n_actions", "shape=()", "mask=None"),
    "finish": ("explore", "action", "values", "mask=None"),
    "check": ("n_actions",),
}
_LEARNER = {
    "forward": ("state",),
    "objective": ("parameters", "batch"),
    "update": ("batch",),
    "optimise": ("stage", "trajectory=None"),
    "check": ("env",),
}


def check_policy(policy: Policy, learns: bool) -> None:
    """Refuses a policy with a part that misses a method, or stands in two places.

    Raises:
        ConfigError: Or a `HookError`: which part, and what to do.
    """
    check_tree(policy, "policy")
    for _, part in walk(policy):
        _check_part(part, learns)


def check_for_game(policy: Policy, hook: Hook, env: Any) -> None:
    """Refuses, in a game, a policy that plays one player only and hooks that can't tell players apart.

    Raises:
        ConfigError: Which one, and what to write instead.
    """
    if isinstance(env, Game) and not policy.plays_games:
        name, players = type(policy).__name__, ", ".join(map(repr, env.players()))
        raise ConfigError(
            f"{env.name} has the players {players}, but {name} is a policy of one player; expected "
            f"MultiAgentPolicy({{player: policy}}), or SelfPlay({name}(...)) for all sides"
        )
    check_players(hook, env)


def check_conditions(stop_condition: StopCondition, reset_condition: ResetCondition) -> None:
    """Refuses conditions that miss a method, or whose methods take other arguments.

    Raises:
        HookError: Which one, and what to do.
    """
    for stop in leaf_conditions(stop_condition):
        check_methods(stop, _STOP)
        check_written(stop, StopCondition, "check")
    for reset in reset_condition.conditions if isinstance(reset_condition, ResetIfAny) else (reset_condition,):
        check_methods(reset, _CONDITION)
        check_written(reset, ResetCondition, "check")


def _check_part(part: Any, learns: bool) -> None:
    """Refuses a policy, explorer or learner that misses a method, or whose methods take other arguments."""
    if isinstance(part, Policy):
        check_methods(part, _POLICY)
        check_written(part, Policy, "plan")
    elif isinstance(part, Explorer):
        check_written(part, Explorer, "plan")
        check_arguments(part, _EXPLORER)
        _check_halves(part)
    elif isinstance(part, Learner):
        check_written(part, Learner, "forward")
        check_arguments(part, _LEARNER)
        check_stages(part.stages)
        if learns:
            _check_learns(part)


def _check_halves(explorer: Explorer) -> None:
    """Refuses a `plan` of one's own beside an inherited `finish`: `QBasedPolicy` asks for the halves alone."""
    line = type(explorer).__mro__
    plan, finish = (next(kind for kind in line if name in vars(kind)) for name in ("plan", "finish"))
    if line.index(plan) < line.index(finish) and finish is not Explorer:
        raise HookError(
            f"{plan.__name__} has written plan, but inherits decide and finish from {finish.__name__}, which are what "
            "a QBasedPolicy calls; write these two as well, or derive the class from Explorer"
        )


def _check_learns(learner: Learner) -> None:
    name = type(learner).__name__
    if is_written(learner, Learner, "update") or is_written(learner, Learner, "optimise"):
        return
    if not is_written(learner, Learner, "objective"):
        raise HookError(
            f"{name} has written neither objective nor update, so it can't learn; write "
            "def objective(self, parameters, batch): the loss, a scalar, and a dict of metrics; or "
            "def update(self, batch): learns without gradients and returns a dict of metrics"
        )
    if not hasattr(getattr(learner, "approximator", None), "parameters"):
        raise ConfigError(
            f"{name} has an objective, but no approximator whose parameters could learn; declare the field "
            "`approximator: Approximator` and set it, or write def update(self, batch)"
        )


def expect(name: str, value: Any, kind: type) -> Any:
    """`value`, if it is of the class that the argument `name` of an experiment takes.

    Raises:
        ConfigError: What came instead, and where it belongs.
    """
    if isinstance(value, kind):
        return value
    for place, other in _PLACES.items():
        if isinstance(value, other):
            raise ConfigError(f"{name} is {named(value)}, expected a {kind.__name__}; {place}")
    if kind is Hook:
        check_is_hook(value)
    advice = f"pass one such as {_EXAMPLES[kind]}"
    if isinstance(value, type):
        advice = f"pass an instance, not the class: {value.__name__}(...)"
    elif isinstance(value, int) and not isinstance(value, bool) and kind is not Policy:
        advice = f"write {_EXAMPLES[kind].partition('(')[0]}({value})"
    elif inspect.isroutine(value):
        method = "plan(self, env)" if kind is Policy else "check(self, policy, env)"
        advice = f"derive a class from {kind.__name__} and write its method {method}"
    raise ConfigError(f"{name} is {named(value)}, expected a {kind.__name__}; {advice}")


_PLACES = {
    "pass it as hook=": Hook,
    "pass it as stop_condition=": StopCondition,
    "pass it as reset_condition=": ResetCondition,
    "pass it as policy=, the first argument": Policy,
    "pass it as env=, the second argument": Environment | gymnasium.Env | gymnasium.vector.VectorEnv,
    "wrap it: QBasedPolicy(learner, explorer)": Learner | Explorer,
}
_EXAMPLES: dict[type, str] = {
    Policy: "RandomPolicy()",
    StopCondition: "StopAfterNSteps(10_000)",
    ResetCondition: "ResetAfterNSteps(500)",
}
