"""One report of everything that is wrong with an environment."""

from collections.abc import Iterable
from typing import Any

import gymnasium
from gymnasium.vector import VectorEnv

from rlcore.arguments import check_whole
from rlcore.environments.check_answers import same
from rlcore.environments.check_faces import counted_resets, face_of, missing_methods
from rlcore.environments.check_rollout import NO_RESET, _Rollout
from rlcore.environments.single import SingleEnvironment
from rlcore.environments.spaces import indexed_from_zero, shown
from rlcore.environments.vector import VectorEnvironment
from rlcore.environments.vector_kinds import check_rows_agree, mode_of
from rlcore.errors import ConfigError, EnvContractError
from rlcore.interfaces import Environment
from rlcore.random import check_seed


def check_environment(env: Any, n_steps: int = 400, seed: int | None = 0) -> None:
    """Plays twice with the same seed and the same random actions, and reports every problem at once.

    An environment of your own is copied first and stays as it was. A Gymnasium environment is reset and stepped: call
    `reset`, with a seed of yours, before it is used again (an experiment does).

    Args:
        env: A Gymnasium id, environment or vector environment, or an `Environment` of your own; of an adapter the
            environment inside it, without the functions given to `as_environment`.
        n_steps: Steps of each of the two rollouts, at least 1. A quarter of it is the longest episode.
        seed: Of both rollouts; `None`: the environment may be random, so the two are not compared.

    Raises:
        EnvContractError: Lists all problems: what came, what was expected, where first, and the fix.
        ConfigError: Something that is no environment, or a wrong argument.
    """
    check_whole("n_steps", n_steps)
    if seed is not None:
        check_seed(seed)
    source, name = _source_of(env)
    report = _Report(name)
    report.add_all("before the first step", missing_methods(source))
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
        """Notes a problem; those of one kind, by default with the same fix and the same first words, are one."""
        entry = self.problems.setdefault(kind or f"{what[:20]}{fix}", [f"{where}: {what}; {fix}", 0])
        entry[1] += 1

    def add_all(self, where: str, problems: Iterable[tuple[str, str]]) -> None:
        for what, fix in problems:
            self.add(where, what, fix)

    def add_exception(self, where: str, what: str, error: Exception) -> None:
        self.cause = self.cause or error
        kind = f"{what} {type(error).__name__}"
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
        raise EnvContractError("\n".join([f"{self.name} has {problems}:", *lines])) from self.cause


def _check_played(source: Any, report: _Report, n_steps: int, seed: int | None) -> None:
    before = "before the first step"
    face = face_of(source, seed)
    spaces = (face.state_space, face.action_space)
    for space in spaces:
        _try_config(report, before, lambda space=space: indexed_from_zero(space))
    if report.problems:
        return
    if isinstance(source, VectorEnv):
        _try_config(report, before, lambda: check_rows_agree(source))
        _try_config(report, before, lambda: mode_of(source))
    records: list[list[Any]] = []
    for _ in range(2):
        face = face_of(source, seed)
        with counted_resets(face.source) as resets:
            rollout = _Rollout(face, report, resets, n_steps, 0 if seed is None else seed)
            rollout.play(seed)
        records.append(rollout.record)
    _check_starts(rollout, report)
    if seed is not None and not rollout.was_given_up:
        _compare(records[0], records[1], report)
    after = face_of(source, seed)
    if (after.state_space, after.action_space) != spaces:
        fix = "make the spaces in the constructor, once"
        report.add(f"after {n_steps} steps", f"the spaces are {after[1:3]}, expected {spaces} as at first", fix)


def _try_config(report: _Report, where: str, check: Any) -> None:
    try:
        check()
    except ConfigError as error:
        what, _, fix = str(error).partition("; ")
        report.add(where, what, fix or "correct it")


def _compare(first: list[Any], second: list[Any], report: _Report) -> None:
    for one, other in zip(first, second, strict=False):
        if not same(one[1:], other[1:]):
            what = f"the same seed and actions gave {shown(one[1:])} and, the second time, {shown(other[1:])}"
            fix = "draw every random number from self.np_random, or a generator that reset(seed) starts anew"
            report.add(one[0], what, fix)
            return


def _check_starts(rollout: _Rollout, report: _Report) -> None:
    """Whether every episode ends in the state where all begin, though there are others."""
    starts, finals = rollout.starts, rollout.finals
    if len(finals) < 2 or not all(same(starts[0], state) for state in starts + finals):
        return
    if not all(same(starts[0], state) for _, state, *_ in rollout.record):
        what = f"all {len(finals)} episodes ended in the state {shown(starts[0])}, where they began, expected the last"
        report.add("at the ends of episodes", what, NO_RESET)
