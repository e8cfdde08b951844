"""Policies against each other."""

import itertools
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np

from rlcore.arguments import check_whole, named
from rlcore.environments import GameEnvironment, as_environment
from rlcore.errors import ConfigError
from rlcore.experiment import Experiment, _Player, kept_streams
from rlcore.games import Player
from rlcore.hooks import Hook
from rlcore.interfaces import Policy
from rlcore.policies import FunctionPolicy, MultiAgentPolicy
from rlcore.random import check_seed, name_streams, seed_number
from rlcore.reset_conditions import ResetAfterNSteps
from rlcore.statistics import wilson_interval
from rlcore.stop_conditions import StopAfterNEpisodes

Name = str | int


@dataclass(frozen=True, repr=False)
class Tournament:
    """What `tournament` counted: every array is `[policies, policies]`, row against column.

    Where more than two play, everybody meets each of the others.

    Attributes:
        names: The policies, in the order in which they were given.
        games: How many games the two met in.
        wins: In how many the row's rewards summed up to more than the column's.
        draws: In how many to the same.
        returns: The sum of the row's rewards per game, on average; NaN where the two never met.
        confidence: That of the intervals.
    """

    names: tuple[Name, ...]
    games: np.ndarray
    wins: np.ndarray
    draws: np.ndarray
    returns: np.ndarray
    confidence: float = 0.95

    @property
    def losses(self) -> np.ndarray:
        """In how many games the column was better."""
        return self.wins.T

    @property
    def scores(self) -> np.ndarray:
        """The row's points per game, in [0, 1]: 1 for a win, a half for a draw; NaN where the two never met."""
        with np.errstate(invalid="ignore"):
            return (self.wins + self.draws / 2) / self.games

    @property
    def intervals(self) -> np.ndarray:
        """The Wilson interval of every score: `[policies, policies, 2]`, low and high."""
        scores = np.where(self.games > 0, self.scores, 0.0)
        return np.stack(wilson_interval(scores, self.games, self.confidence), axis=-1)

    def score(self, name: Name, against: Name | None = None) -> tuple[float, float, float]:
        """The score of a policy and the ends of its interval, against one other or against all.

        Raises:
            ConfigError: An unknown name.
        """
        row = self._row(name)
        columns = slice(None) if against is None else self._row(against)
        n = self.games[row, columns].sum()
        points = (self.wins[row, columns] + self.draws[row, columns] / 2).sum()
        score = float(points / n) if n else 0.0
        return (score, *wilson_interval(score, n, self.confidence))

    def _row(self, name: Name) -> int:
        if name not in self.names:
            raise ConfigError(f"there is no policy {name!r}, expected one of {', '.join(map(repr, self.names))}")
        return self.names.index(name)

    def __repr__(self) -> str:
        """A table of scores, the best policy first: against all, with the interval, then against each."""
        totals = [self.score(name) for name in self.names]
        order = sorted(range(len(self.names)), key=lambda i: -totals[i][0])
        width = max(6, *(len(str(name)) for name in self.names))
        head = [f"{self.confidence:.0%} interval".rjust(15), *(f"{self.names[i]!s:>{width}}" for i in order)]
        lines = [f"{'':{width}}  {'score':>6}  {'  '.join(head)}"]
        for i in order:
            score, low, high = totals[i]
            cells = ["" if i == j or not self.games[i, j] else f"{self.scores[i, j]:.3f}" for j in order]
            row = "  ".join(f"{cell:>{width}}" for cell in cells)
            lines.append(f"{self.names[i]!s:<{width}}  {score:6.3f}  {f'{low:.3f} to {high:.3f}':>15}  {row}".rstrip())
        return "\n".join(lines)


def tournament(
    policies: Mapping[Name, Policy | Callable[[Any, Any], Any]],
    env: Any,
    n_games: int = 100,
    seed: int | None = None,
    confidence: float = 0.95,
    max_steps: int | None = None,
) -> Tournament:
    """Lets policies play each other, and changes nothing about them.

    Every group of as many policies as the game has players plays `n_games` games. They change seats from game to game
    so that each sits in every seat, in every company, equally often if `n_games` is a multiple of the number of
    seatings (2 for two players), else but for one. The greedy views play; neither parameters nor counters nor random
    streams move, neither of the policies nor of the game. With the same seed the order in which policies are given
    changes nothing but the order of the table.

    Args:
        policies: By name, each a policy of one player, or of all (`SelfPlay`; of a `MultiAgentPolicy` the player's), or
            a function `f(state, mask)` that answers an action.
        env: A game, whatever `as_environment` takes.
        n_games: Games per group, at least 1.
        seed: Of the game and of what the policies still draw; `None`: a fresh one.
        confidence: Of the intervals, in (0, 1).
        max_steps: Cuts a game after so many steps, what was won so far counts; `None`: the game's own end only.

    Raises:
        ConfigError: A wrong argument, fewer policies than players, or no game.
    """
    entrants = _entrants(policies)
    check_whole("n_games", n_games)
    wilson_interval(0.5, 1, confidence)
    limit = None if max_steps is None else check_whole("max_steps", max_steps)
    game = as_environment(env)
    if not isinstance(game, GameEnvironment):
        raise ConfigError(f"{game.name} has no players, expected a game; evaluate(policy, env) measures one policy")
    players = game.possible_players()
    if len(entrants) < len(players):
        raise ConfigError(
            f"there are {len(entrants)} policies, expected at least {len(players)}, one for each of the players "
            f"{', '.join(map(repr, players))}"
        )
    root = seed_number(check_seed(np.random.SeedSequence().entropy if seed is None else seed), "tournament")
    table = _Table(entrants)
    with kept_streams(list(entrants.values())):
        for name, policy in entrants.items():
            name_streams(policy, root, f"policy.{name}")
        for group in itertools.combinations(sorted(entrants, key=str), len(players)):
            _play(group, entrants, game, n_games, limit, root, table)
    return table.finished(confidence)


def _entrants(policies: Any) -> dict[Name, Policy]:
    if not isinstance(policies, Mapping) or len(policies) < 2:
        came = f"{len(policies)} of them" if isinstance(policies, Mapping) else named(policies)
        raise ConfigError(f"policies is {came}, expected a dict of at least two policies by their names")
    entrants: dict[Name, Policy] = {}
    for name, policy in policies.items():
        if not isinstance(policy, Policy):
            if not callable(policy) or isinstance(policy, type):
                raise ConfigError(f"policy {name!r} is {named(policy)}, expected a policy or a function f(state, mask)")
            policy = FunctionPolicy(policy)
        entrants[name] = policy
    if len({id(policy) for policy in entrants.values()}) < len(entrants):
        raise ConfigError("the same policy stands under two names; expected a second one, which would draw for itself")
    return entrants


def _play(
    group: tuple[Name, ...],
    entrants: dict[Name, Policy],
    game: GameEnvironment,
    n_games: int,
    limit: int | None,
    root: int,
    table: "_Table",
) -> None:
    """The games of one group, seating after seating; chance deals every seating the same."""
    seatings = list(itertools.permutations(group))
    for i, names in enumerate(seatings):
        n = n_games // len(seatings) + (i < n_games % len(seatings))
        if not n:
            continue
        seats = dict(zip(game.possible_players(), names, strict=True))
        policy = MultiAgentPolicy({player: entrants[name].of_player(player).greedy() for player, name in seats.items()})
        for player, name in seats.items():  # by who sits where: else who draws in a seat would draw the same there
            name_streams(policy[player], root, f"policy.{name} of {'/'.join(map(str, names))}")
        results = _Results(seats, table)
        stop, seed = StopAfterNEpisodes(n, show_progress=False), seed_number(root, "/".join(map(str, group)))
        cut = None if limit is None else ResetAfterNSteps(limit)
        with kept_streams(game.game):
            try:
                Experiment(_Player(policy), game, stop, results, cut, seed).run("eager")
            except Exception as error:
                error.add_note(
                    "in the tournament " + ", ".join(f"{seats[player]!r} was {player!r}" for player in seats)
                )
                raise


class _Results(Hook):
    """Adds up what every player wins in a game, all of it, and enters it into the table."""

    def __init__(self, seats: dict[Player, Name], table: "_Table") -> None:
        self.seats, self.table = seats, table

    def pre_episode(self, policy: Any, env: Any) -> None:
        self.totals = dict.fromkeys(self.seats, 0.0)

    def post_act(self, policy: Any, env: Any) -> None:
        for player, reward in env.reward().items():
            self.totals[player] += reward

    def post_episode(self, policy: Any, env: Any) -> None:
        if env.is_over():
            self.table.enter({name: self.totals[player] for player, name in self.seats.items()})


class _Table:
    def __init__(self, entrants: dict[Name, Policy]) -> None:
        self.names = tuple(entrants)
        n = len(self.names)
        self.games, self.wins, self.draws = (np.zeros((n, n), np.int64) for _ in range(3))
        self.totals = np.zeros((n, n))

    def enter(self, totals: dict[Name, float]) -> None:
        for one, other in itertools.permutations(totals, 2):
            at = self.names.index(one), self.names.index(other)
            self.games[at] += 1
            self.wins[at] += totals[one] > totals[other]
            self.draws[at] += totals[one] == totals[other]
            self.totals[at] += totals[one]

    def finished(self, confidence: float) -> Tournament:
        with np.errstate(invalid="ignore"):
            returns = self.totals / self.games
        return Tournament(self.names, self.games, self.wins, self.draws, returns, confidence)
