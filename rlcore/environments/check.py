"""One report of everything that is wrong with an environment."""

import copy
import re
from collections.abc import Iterable
from contextlib import suppress
from typing import Any

import gymnasium
from gymnasium.vector import VectorEnv

from rlcore.arguments import check_whole
from rlcore.environments.check_answers import same
from rlcore.environments.check_faces import _Face, counted_resets, face_of, has_streams, missing_methods
from rlcore.environments.check_rollout import NO_RESET, _Rollout
from rlcore.environments.contract import misspelt_methods, takes_seed
from rlcore.environments.game import GameEnvironment
from rlcore.environments.libraries import wrap_game
from rlcore.environments.single import SingleEnvironment
from rlcore.environments.spaces import indexed_from_zero, shown
from rlcore.environments.vector import VectorEnvironment
from rlcore.environments.vector_kinds import check_rows_agree, mode_of
from rlcore.errors import ConfigError, EnvContractError
from rlcore.games import Game
from rlcore.interfaces import Environment
from rlcore.random import check_seed


def check_environment(env: Any, n_steps: int = 400, seed: int | None = 0) -> None:
    """Plays one environment twice with the same seed and random actions, and reports every problem at once.

    An environment of your own is copied first and stays as it was. A Gymnasium environment is reset and stepped: call
    `reset`, with a seed of yours, before it is used again (an experiment does).

    Args:
        env: A Gymnasium id, environment or vector environment, or an `Environment` of your own; of an adapter the
            environment inside it, without the functions given to `as_environment`.
        n_steps: Steps of each of the two rollouts, at least 1. A quarter of it is the longest episode.
        seed: Of both rollouts; `None`: the environment may be random, so the two are not compared.

    Raises:
        EnvContractError: Lists all problems: what came, what was expected, where first, and the fix.
        ConfigError: Something that is no environment, a game, or a wrong argument.
    """
    check_whole("n_steps", n_steps)
    if seed is not None:
        check_seed(seed)
    source, name = _source_of(env)
    report = _Report(name)
    report.add_all(_BEFORE, missing_methods(source))
    if not report.problems:
        _check_played(source, report, n_steps, seed)
    if source is not env and isinstance(env, str):
        source.close()
    report.raise_problems()


def _source_of(env: Any) -> tuple[Any, str]:
    if isinstance(env, str):
        try:
            return gymnasium.make(env, disable_env_checker=True), env
        except gymnasium.error.Error as error:
            raise ConfigError(f"env is {env!r}, expected the id of a Gymnasium environment: {error}") from error
    if isinstance(env, Game | GameEnvironment) or wrap_game(env) is not None:
        raise ConfigError(f"env is {env!r}, a game of several players; check it with check_game")
    if isinstance(env, SingleEnvironment | VectorEnvironment):
        return env.source, env.name
    if isinstance(env, gymnasium.Env | VectorEnv):
        return env, env.spec.id if env.spec else type(env.unwrapped).__name__
    if isinstance(env, Environment):
        return env, type(env).__name__
    raise ConfigError(
        f"env is {env!r}, expected a Gymnasium id, environment or vector environment, or an rlcore Environment"
        + ("; pass an instance, not the class" if isinstance(env, type) else "")
    )


class _Report:
    """The problems found so far: each kind once, with the place where it came first and how often."""

    def __init__(self, name: str) -> None:
        self.name = name
        self.problems: dict[str, list[Any]] = {}
        self.cause: Exception | None = None

    def add(self, where: str, what: str, fix: str, kind: str | None = None) -> None:
        """Notes a problem; those of one kind, by default alike but for the values that came, are one."""
        entry = self.problems.setdefault(kind or _kind(what, fix), [f"{where}: {what}; {fix}", 0])
        entry[1] += 1

    def add_all(self, where: str, problems: Iterable[tuple[str, str]]) -> None:
        for what, fix in problems:
            self.add(where, what, fix)

    def add_exception(self, where: str, what: str, error: Exception) -> None:
        self.cause = self.cause or error
        kind = f"{what.partition('(')[0]} {type(error).__name__}"
        self.add(where, f"{what} failed with {type(error).__name__}: {error}", "correct the environment", kind)

    def raise_problems(self) -> None:
        """Raises them, numbered, if there are any."""
        if not self.problems:
            return
        lines = [
            f"{number}. {text}" + (f" (and {count - 1} times more)" if count > 1 else "")
            for number, (text, count) in enumerate(self.problems.values(), 1)
        ]
        problems = "1 problem" if len(lines) == 1 else f"{len(lines)} problems"
        if len(lines) > _SHOWN:
            lines[_SHOWN:] = [f"and {len(lines) - _SHOWN} more kinds of problems"]
        raise EnvContractError("\n".join([f"{self.name} has {problems}:", *lines])) from self.cause


def _kind(what: str, fix: str) -> str:
    """What two problems have in common if only values make them differ: who is meant, what was expected, the fix."""
    who = _CAME.split(what, maxsplit=1)[0]
    expected = what.rpartition(", expected")[2] if ", expected" in what else ""
    return _NUMBER.sub("#", f"{who}|{expected}|{fix}")


def _check_played(source: Any, report: _Report, n_steps: int, seed: int | None) -> None:
    face = face_of(source, seed)
    if not _check_spaces(face, report):
        return
    if isinstance(source, Environment):
        report.add_all(_BEFORE, misspelt_methods(source))
    rollouts = []
    for _ in range(2):  # the second one on what was played already: nothing but the seed can make it like the first
        face = face_of(source, seed) if has_streams(source) else face
        with counted_resets(face.source) as resets:
            rollouts.append(_Rollout(face, report, resets, n_steps, 0 if seed is None else seed))
            rollouts[-1].play(seed)
    _check_starts(rollouts[-1], report)
    if seed is not None and not rollouts[-1].was_given_up:
        _compare(rollouts[0].record, rollouts[1].record, report, _seeding(source))
        _compare_resets(face, seed, report)
    _check_after(face, f"after {n_steps} steps", report)


def _check_spaces(face: _Face, report: _Report) -> bool:
    """Notes what is wrong with the spaces, and says whether the environment can be played."""
    for space in (face.state_space, face.action_space):
        _try_config(report, _BEFORE, lambda space=space: indexed_from_zero(space))
    can_be_played = not report.problems
    if can_be_played and isinstance(face.source, VectorEnv):
        _try_config(report, _BEFORE, lambda: check_rows_agree(face.source))
        _try_config(report, _BEFORE, lambda: mode_of(face.source))
    return can_be_played


def _check_after(face: _Face, where: str, report: _Report) -> None:
    """Whether playing has changed the spaces, or put something else in the place of a method."""
    problems = list(missing_methods(face.source))
    report.add_all(where, problems)
    spaces = (face.state_space, face.action_space)
    after = spaces if problems else face_of(face.source, None)[1:3]
    if after != spaces:
        fix = "make the spaces in the constructor, once"
        report.add(where, f"the spaces are {after}, expected {spaces} as at first", fix)


def _try_config(report: _Report, where: str, check: Any) -> None:
    try:
        check()
    except ConfigError as error:
        what, _, fix = str(error).partition("; ")
        report.add(where, what, fix or "correct it")


def _seeding(source: Any) -> str:
    if not isinstance(source, Environment):
        return "draw every random number from self.np_random, or a generator that reset(seed) starts anew"
    if has_streams(source) or takes_seed(source):
        return "draw every random number from a generator that reset starts anew if it is given a seed"
    return "write def reset(self, seed=None), and start the generator anew there if a seed is given"


def _compare(first: list[Any], second: list[Any], report: _Report, fix: str) -> None:
    for one, other in zip(first, second, strict=False):
        if not same(one[1:], other[1:]):
            what = f"the same seed and actions gave {shown(one[1:])} and, the second time, {shown(other[1:])}"
            report.add(one[0], what, fix, _SEED)
            return


def _compare_resets(face: _Face, seed: int, report: _Report) -> None:
    """Whether two resets with the same seed, one directly after the other, begin alike."""
    if has_streams(face.source) or _SEED in report.problems:
        return
    with suppress(Exception):  # those of reset were reported when it was played
        first, second = (copy.deepcopy(face.begin(seed)[0]) for _ in range(2))
        if not same(first, second):
            what = f"two resets with the same seed gave {shown(first)} and {shown(second)}"
            report.add("at the end", what, _seeding(face.source), _SEED)


def _check_starts(rollout: _Rollout, report: _Report) -> None:
    """Whether every episode ends in the state where all begin, though there are others."""
    starts, finals = rollout.starts, rollout.finals
    if len(finals) < 2 or not all(same(starts[0], state) for state in starts + finals):
        return
    if not all(same(starts[0], state) for _, state, *_ in rollout.record):
        what = f"all {len(finals)} episodes ended in the state {shown(starts[0])}, where they began, expected the last"
        report.add("at the ends of episodes", what, NO_RESET)


_BEFORE = "before the first step"
_SEED = "the seed"
_SHOWN = 20  # so many kinds of problems are listed
_CAME = re.compile(r" (?:is|was|has|answered) ")
_NUMBER = re.compile(r"[-+]?(?:\d[\d.]*(?:e[-+]?\d+)?|inf|nan)\b")
