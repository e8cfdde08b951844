"""The games of OpenSpiel as games of ours."""

from typing import Any

import numpy as np
from gymnasium import Space, spaces

from rlcore.arguments import check_flag, named
from rlcore.errors import ConfigError, EnvContractError
from rlcore.games import Game, Player
from rlcore.interfaces import DynamicStyle
from rlcore.random import random_or_seeded


class OpenSpielGame(Game):
    """A game of OpenSpiel; its players are numbered from 0.

    Chance is played here, from a stream of its own that a seed starts. A player observes the tensor of its information
    state, or of its observation where the game has no such one; or the number of its information state.

    Args:
        game: A `pyspiel.Game`, such as `pyspiel.load_game("kuhn_poker")`.
        numbered: Whether a state is a number from 0, as tables need it, instead of a float32 array. The whole tree of
            the game is walked once to number them, so that it has to be a small one.
        seed: Seed of the chance moves; `None`: the experiment names the stream. The few games that throw dice of their
            own (negotiation, tarok) take a seed of theirs: `pyspiel.load_game("negotiation(rng_seed=1)")`.

    Attributes:
        node: The `pyspiel.State` at which the game stands.
        random: The stream of the chance moves.

    Raises:
        ConfigError: No game of OpenSpiel, a wrong argument, a mean-field game, one whose players observe no tensor, or
            one of too many states to number.
    """

    def __init__(self, game: Any, numbered: bool = False, seed: int | None = None) -> None:
        if not callable(getattr(game, "new_initial_state", None)):
            raise ConfigError(
                f'game is {named(game)}, expected a game of OpenSpiel, such as pyspiel.load_game("kuhn_poker")'
            )
        check_flag("numbered", numbered)
        kind = game.get_type()
        self.game, self.name = game, kind.short_name
        dynamics = kind.dynamics.name
        if dynamics not in ("SEQUENTIAL", "SIMULTANEOUS"):
            raise ConfigError(f"{self.name} is a game of {dynamics} dynamics, expected moves by turns or at once")
        self.dynamic_style = DynamicStyle[dynamics]  # type: ignore[misc]
        self.random = random_or_seeded(seed, "chance")
        self.node = game.new_initial_state()
        self._players = tuple(range(game.num_players()))
        self._at_once = dynamics == "SIMULTANEOUS"
        self._actions = spaces.Discrete(game.num_distinct_actions())
        self._rewards = self._returns = [0.0] * len(self._players)
        self._is_paid_at_end = kind.reward_model.name == "TERMINAL"
        self._mover: int | None = None
        self._active: tuple[int, ...] = ()
        self._question, self._shape = _observation(kind, game, numbered)
        self._numbers = _numbers(game, self._question) if numbered else None

    def reset(self, seed: int | None = None) -> None:
        if seed is not None:
            self.random = random_or_seeded(seed, "chance")
        self.node = self.game.new_initial_state()
        self._rewards = self._returns = [0.0] * len(self._players)
        self._settle()

    def act(self, action: Any) -> None:
        if self._at_once:
            self.node.apply_actions([action[player] for player in self._players])
        else:
            self.node.apply_action(action)
        self._settle()
        if self._active and self._is_paid_at_end:  # mostly, and quicker
            return
        before, self._returns = self._returns, self.node.returns()
        self._rewards = [now - then for now, then in zip(self._returns, before, strict=True)]

    def _settle(self) -> None:
        """Plays chance, and reads who is to move."""
        node = self.node
        mover = node.current_player()
        while mover == _CHANCE:
            node.apply_action(self._drawn(node.chance_outcomes()))
            mover = node.current_player()
        self._mover, self._active = (None, ()) if mover == _OVER else (mover, self._players)
        if self._at_once and self._active:
            self._mover = None
            if mover != _AT_ONCE:
                raise EnvContractError(
                    f"{self.name}: player {mover} is to move alone in a game of simultaneous moves; expected moves of "
                    "all players: play pyspiel.convert_to_turn_based(game) instead"
                )

    def _drawn(self, outcomes: list[tuple[int, float]]) -> int:
        u = self.random.uniform()
        for action, probability in outcomes:
            u -= probability
            if u < 0.0:
                return action
        return outcomes[-1][0]

    def players(self) -> tuple[Player, ...]:
        return self._players

    def active_players(self) -> tuple[Player, ...]:
        return self._active

    def current_player(self) -> Player | None:
        return self._mover

    def state(self, player: Any = None) -> Any:
        if self._numbers is not None:
            return self._numbers.get(getattr(self.node, self._question)(player), len(self._numbers))
        return np.array(getattr(self.node, self._question)(player), np.float32).reshape(self._shape)

    def reward(self, player: Any = None) -> float:
        return self._rewards[player]

    def is_terminated(self, player: Player | None = None) -> bool:
        return not self._active

    def legal_action_mask(self, player: Any = None) -> Any:
        return self.node.legal_actions_mask(player)

    def action_space(self, player: Player | None = None) -> Space:
        return self._actions

    def state_space(self, player: Player | None = None) -> Space:
        if self._numbers is not None:
            return spaces.Discrete(len(self._numbers) + 1)
        return spaces.Box(-np.inf, np.inf, self._shape, np.float32)


def _observation(kind: Any, game: Any, numbered: bool) -> tuple[str, list[int]]:
    """The question that a player's state answers, and the shape of the answer."""
    hides = kind.information.name != "PERFECT_INFORMATION"
    form = "string" if numbered else "tensor"
    for what in ("information_state", "observation") if hides else ("observation", "information_state"):
        if getattr(kind, f"provides_{what}_{form}"):
            return f"{what}_{form}", [] if numbered else getattr(game, f"{what}_tensor_shape")()
    raise ConfigError(
        f"players of {kind.short_name} observe no {form}, so policies would see nothing; play another game"
    )


def _numbers(game: Any, question: str) -> dict[str, int]:
    """A number for everything that a player to move can observe, in the order of a walk through the tree."""
    numbers: dict[str, int] = {}
    waiting, n_seen = [game.new_initial_state()], 0
    while waiting:
        node = waiting.pop()
        n_seen += 1
        if n_seen > _MOST_NODES:
            raise ConfigError(
                f"{game.get_type().short_name} has more than {_MOST_NODES:_} nodes, too many to number its "
                "states; leave numbered out and learn with a network"
            )
        if node.is_terminal():
            continue
        if not node.is_chance_node():
            at_once = node.is_simultaneous_node()
            for player in range(game.num_players()) if at_once else (node.current_player(),):
                numbers.setdefault(getattr(node, question)(player), len(numbers))
        waiting += [node.child(action) for action in reversed(node.legal_actions())]
    return numbers


_CHANCE, _AT_ONCE, _OVER = -1, -2, -4  # of pyspiel.PlayerId
_MOST_NODES = 1_000_000
