"""What OpenSpiel knows of a game: how far policies are from an equilibrium, and an equilibrium to play against."""

import copy
from collections.abc import Callable, Iterator
from typing import Any

import numpy as np
from gymnasium import Space, spaces

from rlcore.arguments import check_function, check_whole, named
from rlcore.environments.openspiel_game import OpenSpielGame
from rlcore.errors import ConfigError, EnvContractError
from rlcore.fixed import Fixed
from rlcore.hooks import Hook
from rlcore.interfaces import Array, DynamicStyle, Environment, Policy
from rlcore.random import Random, random_or_seeded
from rlcore.struct import static, struct

StateOf = Callable[[Any, int], Any]


class Exploitability(Hook):
    """Measures how much the players of a run could be beaten by: OpenSpiel's exploitability of their policies.

    That is the mean over the players of what a best response to the others would win more than the player's own policy
    does: 0 in a Nash equilibrium. It takes `prob` of the players' policies at every information state, with whatever
    they explore, so that the game has to be a small one.

    Args:
        game: What is played: a `pyspiel.Game` of two players who take turns for a constant sum, or the `OpenSpielGame`
            around one.
        n: Measures before the first game of a run and after every `n`-th.
        state: For another environment of the same game: a function from a `pyspiel.State` and the player to move to the
            state that policies see there.

    Attributes:
        games: After how many games of the run was measured.
        values: What was measured, as many, in units of reward.

    Raises:
        ConfigError: `game` is no such game, or a wrong argument.

    Source: `open_spiel.python.algorithms.exploitability`; Johanson et al. 2011.
    """

    def __init__(self, game: Any, n: int = 1_000, state: StateOf | None = None) -> None:
        self._game, self._state_of = _game_of_two(game, state)
        self.n = check_whole("n", n)
        self._count = 0
        self.games: list[int] = []
        self.values: list[float] = []

    def pre_experiment(self, policy: Any, env: Any) -> None:
        """Starts anew, and measures for the first time."""
        self._count, self.games, self.values = 0, [], []
        self._measure(policy)

    def post_episode(self, policy: Any, env: Any) -> None:
        """Counts the game, if it was played to its end."""
        if env.is_over():
            self._count += 1
            if self._count % self.n == 0:
                self._measure(policy)

    def result(self) -> list[float]:
        return self.values

    def _measure(self, policy: Policy) -> None:
        self.games.append(self._count)
        self.values.append(exploitability(policy, self._game, self._state_of))


def exploitability(policy: Policy, game: Any, state: StateOf | None = None) -> float:
    """How much the players of `policy` could be beaten by, on average; the arguments are those of `Exploitability`.

    Raises:
        ConfigError: `game` is no such game, or a policy gives no probabilities.
    """
    from open_spiel.python.algorithms.exploitability import exploitability as of
    from open_spiel.python.policy import tabular_policy_from_callable

    if not isinstance(policy, Policy):
        raise ConfigError(f"policy is {named(policy)}, expected a Policy, such as MultiAgentPolicy({{0: ..., 1: ...}})")
    game, state_of = _game_of_two(game, state)
    n_actions = game.num_distinct_actions()

    def probabilities(node: Any) -> dict[int, float]:
        player = node.current_player()
        shown = _InformationState(node, n_actions, state_of(node, player))
        try:
            prob = np.asarray(policy.of_player(player).prob(shown), np.float64)
        except NotImplementedError as error:
            raise ConfigError(f"player {player}'s policy gives no probabilities to measure: {error}") from error
        legal = prob[node.legal_actions()] if prob.shape == (n_actions,) else np.full(1, np.nan)
        if not (legal >= 0).all() or abs(legal.sum() - 1) > _TOLERANCE:
            raise ConfigError(
                f"prob of player {player}'s policy is {prob.tolist()} at {node.information_state_string(player)!r}, "
                f"expected probabilities of the legal actions {node.legal_actions()} that sum up to 1"
            )
        return dict(zip(node.legal_actions(), (legal / legal.sum()).tolist(), strict=True))

    return float(of(game, tabular_policy_from_callable(game, probabilities)))


@struct
class SolvedPolicy(Policy):
    """Plays the average policy that OpenSpiel's CFR+ finds: for two players a Nash equilibrium, nearly.

    It plays whichever player it is given to, also several players of one game if each has one of its own.

    Args:
        game: What is played: a `pyspiel.Game` of players who take turns, or the `OpenSpielGame` around one.
        n_iterations: Of CFR+; 1,000 bring the exploitability of Kuhn poker below 0.001.
        state: See `Exploitability`.
        seed: Seed of its stream; `None`: the experiment names one.

    Raises:
        ConfigError: `game` is no such game, or a wrong argument.

    Source: `open_spiel.python.algorithms.cfr.CFRPlusSolver`; Tammelin 2014 (arXiv 1407.5042).
    """

    random: Random
    _table: Fixed = static()

    def __init__(
        self, game: Any, n_iterations: int = 1_000, state: StateOf | None = None, seed: int | None = None
    ) -> None:
        from open_spiel.python.algorithms.cfr import CFRPlusSolver

        game, state_of = _game_and_states(game, state)
        solver = CFRPlusSolver(game)
        for _ in range(check_whole("n_iterations", n_iterations)):
            solver.evaluate_and_update_policy()
        average = solver.average_policy()
        table = {}
        for node in _decisions(game):
            prob = np.zeros(game.num_distinct_actions())
            for action, probability in average.action_probabilities(node).items():
                prob[action] = probability
            table[_key(state_of(node, node.current_player()))] = prob
        self._table = Fixed(table)
        self.random = random_or_seeded(seed, "SolvedPolicy")

    def plan(self, env: Environment) -> int:
        """An action with the probability that the solution gives it."""
        prob = self.prob(env)
        drawn = np.searchsorted(np.cumsum(prob), self.random.uniform(), side="right")
        return int(min(drawn, np.flatnonzero(prob)[-1]))  # their sum may lie below 1 by a rounding

    def prob(self, env: Environment) -> Array:
        """The solution's probabilities, `[actions]`.

        Raises:
            EnvContractError: A state that the solved game does not have.
        """
        state = env.state()
        prob = self._table.value.get(_key(state))
        if prob is None:
            raise EnvContractError(
                f"the state {state} is none of the {len(self._table.value)} that were solved; solve the game that is "
                "played, and pass state= if another environment plays it"
            )
        return prob


class _InformationState(Environment):
    """What a policy of one player is shown of a node."""

    def __init__(self, node: Any, n_actions: int, state: Any) -> None:
        self._node, self._n_actions, self._state = node, n_actions, state

    def state(self) -> Any:
        return self._state

    def legal_action_mask(self) -> Any:
        return np.array(self._node.legal_actions_mask(), bool)

    def action_space(self) -> Space:
        return spaces.Discrete(self._n_actions)


def _game_and_states(game: Any, state: StateOf | None) -> tuple[Any, StateOf]:
    """The `pyspiel.Game`, and from a node and the player to move to the state that policies see."""
    if state is not None:
        check_function("state", state, ("node", "player"))
    shown = game if isinstance(game, OpenSpielGame) else OpenSpielGame(game)
    if shown.dynamic_style is DynamicStyle.SIMULTANEOUS:
        raise ConfigError(
            f"{shown.name} is a game of simultaneous moves, expected one by turns; pass, and play, "
            "pyspiel.convert_to_turn_based(game)"
        )
    at = copy.copy(shown)

    def state_of(node: Any, player: int) -> Any:
        at.node = node
        return at.state(player)

    return shown.game, state_of if state is None else state


def _game_of_two(game: Any, state: StateOf | None) -> tuple[Any, StateOf]:
    """The same of a game that has an exploitability."""
    game, state_of = _game_and_states(game, state)
    kind = game.get_type()
    if game.num_players() != 2 or kind.utility.name not in ("ZERO_SUM", "CONSTANT_SUM"):
        raise ConfigError(
            f"{kind.short_name} is a game of {game.num_players()} players and {kind.utility.name}, but OpenSpiel's "
            "exploitability is that of two players and a constant sum; measure with tournament instead"
        )
    return game, state_of


def _decisions(game: Any) -> Iterator[Any]:
    """Every node of the game at which a player moves."""
    waiting = [game.new_initial_state()]
    while waiting:
        node = waiting.pop()
        if node.is_terminal():
            continue
        if not node.is_chance_node():
            yield node
        waiting += [node.child(action) for action in node.legal_actions()]


def _key(state: Any) -> Any:
    return state.tobytes() if isinstance(state, np.ndarray) else state


_TOLERANCE = 1e-5  # of float32
