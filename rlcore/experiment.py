"""An experiment: what runs, where, until when, and who watches."""

import contextlib
import secrets
from collections.abc import Callable, Iterator
from typing import Any, NamedTuple, Self

import numpy as np

from rlcore.arguments import check_whole
from rlcore.compiled import CompiledRun
from rlcore.composition import check_conditions, check_for_game, check_policy, expect
from rlcore.environments import as_environment
from rlcore.errors import ConfigError, shorten
from rlcore.games import Game
from rlcore.hooks import EmptyHook, Hook
from rlcore.hooks.base import check_hook
from rlcore.interfaces import Environment, Policy
from rlcore.random import Random, check_seed, name_streams
from rlcore.reset_conditions import ResetAfterNSteps, ResetCondition, ResetIfEnvTerminated
from rlcore.run import run_loop
from rlcore.signals import Interrupt
from rlcore.stages import Stage
from rlcore.stop_conditions import StopAfterNEpisodes, StopCondition
from rlcore.struct import explain_undeclared, walk

_running: set[int] = set()  # identities of the environments, without adapters and wrappers, of the runs under way


class Experiment:
    """Runs a policy in an environment until a stop condition says so, calling hooks at every stage.

    Everything is checked when the experiment is built. After a run, also one that ended by an exception or an
    interrupt, the policy, the hooks and `stop_reason` can be read, and `run` can be called again: hooks and conditions
    start anew, the policy and the random streams go on.

    Args:
        policy: What acts, and perhaps learns.
        env: Whatever `as_environment` takes: a Gymnasium id or environment, an `Environment` of your own.
        stop_condition: When the run ends.
        hook: What watches; hooks are composed with `+`.
        reset_condition: When an episode is cut short; the environment's own end always ends it.
        seed: Root of all random streams that have no seed of their own; `None`: one is drawn and kept in `seed`.

    Attributes:
        policy: The policy as given.
        env: The adapter around the environment.
        stop_condition: As given.
        hook: As given.
        reset_condition: As given.
        seed: The root seed.
        stop_reason: Why the last run ended; `None` before the first and during one.
        engine: How the last run was run, and why: `"eager: ..."` (step by step) or `"compiled: ..."`.
        compile_seconds: How long compiling took in the last run; 0 if nothing had to be compiled.

    Raises:
        ConfigError: An argument of the wrong type, parts that don't fit together, one struct in two places, an
            environment that a running experiment uses.
        HookError: A method that is missing, a misspelt stage method, or one that can't take the loop's arguments.

    Source: Julia `Experiment`.
    """

    def __init__(
        self,
        policy: Policy,
        env: Any,
        stop_condition: StopCondition,
        hook: Hook | None = None,
        reset_condition: ResetCondition | None = None,
        seed: int | None = None,
    ) -> None:
        self.policy = expect("policy", policy, Policy)
        self.env = as_environment(env)
        self.stop_condition = expect("stop_condition", stop_condition, StopCondition)
        self.hook = EmptyHook() if hook is None else expect("hook", hook, Hook)
        self.reset_condition = (
            ResetIfEnvTerminated()
            if reset_condition is None
            else expect("reset_condition", reset_condition, ResetCondition)
        )
        self.seed = secrets.randbits(32) if seed is None else check_seed(seed)
        self.stop_reason: str | None = None
        self.engine: str | None = None
        self.compile_seconds = 0.0
        self._is_running = False
        self._check()
        self._check_is_free()
        name_streams(policy, self.seed, "policy")
        self.env.seed(self.seed)

    def _check(self) -> None:
        check_policy(self.policy, learns=not isinstance(self.policy, _Player))
        check_hook(self.hook)
        check_for_game(self.policy, self.hook, self.env)
        check_conditions(self.stop_condition, self.reset_condition)
        if type(self.reset_condition) is not ResetIfEnvTerminated:
            _check_can_be_cut(self.env, f"reset_condition is {type(self.reset_condition).__name__}")
        self.policy.check(self.env)

    def _check_is_free(self) -> None:
        if self._is_running or not _running.isdisjoint(_identities(self.env)):
            raise ConfigError(
                f"{self.env.name} is in use by a running experiment; give this one another environment, such as a "
                "second one that is made in the same way"
            )

    def run(self, engine: str = "auto") -> Self:
        """Runs until the stop condition says so, and returns the experiment.

        Args:
            engine: `"eager"` calls everything step by step; `"compiled"` runs policy and environment as one compiled
                program, chunk by chunk, and shows hooks and conditions its record; `"auto"` compiles if all parts can
                be compiled.

        Raises:
            ConfigError: An unknown engine, or `"compiled"` where something can't be compiled, with the reason.
            KeyboardInterrupt: After Ctrl-C, once the step in progress (compiled: the chunk) and the last stages are
                done.
            SystemExit: Likewise after SIGTERM, with code 143.
        """
        compiled = self._choose(engine)
        where = self.env.where if compiled is None else compiled.where
        with Interrupt() as interrupt, self._under_way(interrupt, where):
            if compiled is None:
                parts = self.policy, self.env, self.stop_condition, self.hook, self.reset_condition
                for _ in run_loop(*parts, interrupt):
                    pass
            else:
                try:
                    compiled.run(interrupt)
                finally:
                    self._report(compiled.compile_seconds, *compiled.steps_beyond)
        return self

    @contextlib.contextmanager
    def _under_way(self, interrupt: Interrupt, where: Callable[[], str]) -> Iterator[None]:
        """What surrounds a run: nobody else uses the environment, and `stop_reason` tells why it ended."""
        self._check_is_free()
        identities = _identities(self.env)
        _running.update(identities)
        self._is_running = self.env.is_in_use = True
        self.stop_reason, self.compile_seconds = None, 0.0
        try:
            yield
            self.stop_reason = shorten(interrupt.name() or self.stop_condition.reason())
            interrupt.raise_caught()
        except BaseException as error:
            if isinstance(error, AttributeError):
                explain_undeclared(error, [part for _, part in walk((self.policy, self.reset_condition))])
            if interrupt.is_set:
                self.stop_reason = interrupt.name()
            else:
                self.stop_reason = shorten(f"{type(error).__name__}: {error}")
                place = shorten(where())
                error.add_note(f"the experiment stopped in {place}; its policy and hooks can still be read")
            raise
        finally:
            self._is_running = self.env.is_in_use = False
            _running.difference_update(identities)

    def _choose(self, engine: str) -> CompiledRun | None:
        """The compiled run, or `None` where Python calls everything step by step."""
        if engine not in ("auto", "eager", "compiled"):
            raise ConfigError(f"engine is {engine!r}, expected 'auto', 'eager' or 'compiled'")
        if engine == "eager":
            self.engine = "eager: as asked"
            return None
        try:
            compiled = CompiledRun([self])
        except ConfigError as reason:
            if engine == "compiled":
                raise ConfigError(f"the experiment can't be run as one program: {reason}") from reason
            self.engine = f"eager: {reason}"
            return None
        self.engine = "compiled: as asked" if engine == "compiled" else "compiled: JAX can trace all of its parts"
        return compiled

    def _report(self, compile_seconds: float, steps_beyond: int) -> None:
        """Notes how a compiled run went."""
        self.compile_seconds = compile_seconds
        if steps_beyond:
            self.engine = f"{self.engine}; the policy went on for {steps_beyond} steps after the last that hooks saw"

    def __repr__(self) -> str:
        return (
            f"Experiment({type(self.policy).__name__}, {self.env.name}, {type(self.stop_condition).__name__}, "
            f"{type(self.hook).__name__}, seed={self.seed}, stop_reason={self.stop_reason!r})"
        )


def _check_can_be_cut(env: Any, asked: str) -> None:
    if not env.can_truncate_rows():
        raise ConfigError(
            f"{asked}, but {env.name} resets its rows itself, so no episode can be cut from outside; use its own time "
            "limit, a single environment, or, for Gymnasium's vector environments, "
            "autoreset_mode=AutoresetMode.DISABLED"
        )


def _identities(env: Any) -> set[int]:
    """The environment inside the adapter and all wrappers, and those that a vector environment is made of."""
    source = getattr(env.source, "unwrapped", env.source)
    inside = getattr(source, "envs", None) or ()
    return {id(source), *(id(getattr(one, "unwrapped", one)) for one in inside)}


def run(
    policy: Policy,
    env: Any,
    stop_condition: StopCondition | None = None,
    hook: Hook | None = None,
    reset_condition: ResetCondition | None = None,
    seed: int | None = None,
    engine: str = "auto",
) -> Experiment:
    """Builds an experiment and runs it; one episode unless a stop condition is given.

    Source: Julia `run(policy, env, stop_condition, hook, reset_condition)`.
    """
    stop_condition = StopAfterNEpisodes(1, show_progress=False) if stop_condition is None else stop_condition
    return Experiment(policy, env, stop_condition, hook, reset_condition, seed).run(engine)


class Evaluation(NamedTuple):
    """What `evaluate` measured: `returns` and `lengths`, both `[n_episodes]`, float64 and int64."""

    returns: np.ndarray
    lengths: np.ndarray


def evaluate(
    policy: Policy, env: Any, n_episodes: int = 100, seed: int | None = None, max_steps: int | None = None
) -> Evaluation:
    """Plays episodes with the greedy view of a policy, and changes nothing about the policy.

    Neither its parameters nor its counters nor its random streams move. Several environments play
    `n_episodes / num_envs` episodes (rounded up) in each row, so that short episodes are not favoured; the first
    `n_episodes` of them, row by row, are returned.

    Args:
        policy: Its `greedy()` view plays.
        env: Whatever `as_environment` takes, but not the environment of an experiment that is running.
        n_episodes: How many episodes, at least 1.
        seed: Of the environment, and of what the greedy view still draws; `None`: a fresh one.
        max_steps: Cuts an episode at this length; `None`: the environment's own limit only.

    Returns:
        Undiscounted returns in reward units, and lengths in steps.

    Raises:
        ConfigError: A wrong argument, an environment that is in use, or `max_steps` where several environments reset
            their rows themselves.
    """
    expect("policy", policy, Policy)
    check_whole("n_episodes", n_episodes)
    env = as_environment(env)
    if isinstance(env, Game):
        raise ConfigError(
            f"{env.name} has the players {', '.join(map(repr, env.players()))}, and each has returns of its own; use "
            "rlcore.tournament.tournament({name: policy, ...}, env) to let policies play each other"
        )
    limit = None
    if max_steps is not None:
        limit = ResetAfterNSteps(check_whole("max_steps", max_steps))
        _check_can_be_cut(env, f"max_steps is {max_steps}")
    quota = -(-n_episodes // (env.num_envs or 1))
    record = _Record(quota)
    with kept_streams(policy):
        Experiment(_Player(policy.greedy()), env, _Filled(record), record, limit, seed).run("eager")
    returns, lengths = (np.concatenate(rows)[:n_episodes] for rows in (record.returns, record.lengths))
    return Evaluation(returns.astype(np.float64), lengths.astype(np.int64))


@contextlib.contextmanager
def kept_streams(component: Any) -> Iterator[None]:
    """Afterwards all random streams in `component` stand where they stood before."""
    streams = [(part, part._key, part._count) for _, part in walk(component) if isinstance(part, Random)]
    try:
        yield
    finally:
        for stream, key, count in streams:
            stream._key, stream._count = key, count


class _Player(Policy):
    """Lets a policy choose, and nothing else: it keeps and learns nothing, whatever its class overrides."""

    def __init__(self, policy: Policy) -> None:
        self.policy = policy
        self.plays_games = policy.plays_games  # type: ignore[misc]

    def plan(self, env: Environment) -> Any:
        return self.policy.plan(env)

    def handlers(self, stage: Stage) -> list[Any]:
        return self.policy.handlers(stage) if stage is Stage.PRE_EPISODE else []

    def check(self, env: Environment) -> None:
        self.policy.check(env)


class _Record(Hook):
    """The first `quota` episodes of every row."""

    def __init__(self, quota: int) -> None:
        self.quota = quota
        self.returns: list[list[float]] = []
        self.lengths: list[list[int]] = []

    def pre_experiment(self, policy: Policy, env: Environment) -> None:
        n = env.num_envs or 1
        self.returns, self.lengths = [[] for _ in range(n)], [[] for _ in range(n)]
        self._return, self._length = np.zeros(n), np.zeros(n, np.int64)

    def post_act(self, policy: Policy, env: Environment) -> None:
        self._return += env.reward()
        self._length += env.is_transition()
        for row in env.ended():
            if len(self.returns[row]) < self.quota:
                self.returns[row].append(float(self._return[row]))
                self.lengths[row].append(int(self._length[row]))
            self._return[row] = self._length[row] = 0

    def is_filled(self) -> bool:
        return all(len(row) == self.quota for row in self.returns)


class _Filled(StopCondition):
    def __init__(self, record: _Record) -> None:
        self.record = record

    def check(self, policy: Policy, env: Environment) -> bool:
        return len(env.ended()) > 0 and self.record.is_filled()
