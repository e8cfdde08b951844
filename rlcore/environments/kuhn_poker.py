"""Poker with three cards."""

from typing import Any

import numpy as np
from gymnasium import Space, spaces

from rlcore.arguments import check_flag
from rlcore.games import Game, Player
from rlcore.random import Random, random_or_seeded, stream
from rlcore.struct import static, struct


@struct
class KuhnPoker(Game):
    """Two players, 0 and 1, put in one chip each and are dealt one of three cards; the higher one wins.

    They take turns, player 0 first: action 0 passes (checks or folds), action 1 bets a chip more (bets or calls). Two
    passes or two bets in a row, or a pass after a bet, end the game; whoever passes after a bet loses its chip, else
    the cards decide. A reward is what the player has won, −2 to 2. The value of the game is −1/18 for player 0.

    A player sees its card and the moves so far: with `numbered` the number 9 c + h of card c, 0 to 2, and history h,
    one of "", p, b, pp, pb, bp, bb, pbp, pbb in this order; else float32 `[9]`: a 1 for the card among three places,
    and for each of three moves a 1 at the first (pass) or the second (bet) of two places.

    Attributes:
        is_numbered: Whether a state is a number, for tables, instead of an array.
        random: The stream of the deals.
        cards: The cards of both players, 0 to 2.
        history: The moves so far, "p" and "b".

    Raises:
        ConfigError: `numbered` is not `True` or `False`, or `seed` not a whole number of at least 0.

    Source: Kuhn 1950, "A simplified two-person poker"; Julia `KuhnPokerEnv`, where chance is a player.
    """

    is_numbered: bool = static()
    random: Random
    cards: Any = (0, 1)
    history: Any = ""

    def __init__(self, numbered: bool = True, seed: int | None = None) -> None:
        self.is_numbered = check_flag("numbered", numbered)
        self.random = random_or_seeded(seed, "KuhnPoker")

    def reset(self, seed: int | None = None) -> None:
        """Deals; a `seed` starts the stream again."""
        if seed is not None:
            self.random = stream(seed, "KuhnPoker")
        self.cards, self.history = _DEALS[self.random.integers(len(_DEALS))], ""

    def act(self, action: int) -> None:
        """Passes or bets."""
        self.history += "pb"[action]

    def players(self) -> tuple[Player, ...]:
        """`(0, 1)`."""
        return _PLAYERS

    def active_players(self) -> tuple[Player, ...]:
        """Both, until the game is over."""
        return () if self.history in _STAKES else _PLAYERS

    def current_player(self) -> Player | None:
        """Who passes or bets next."""
        return None if self.history in _STAKES else len(self.history) % 2

    def state(self, player: Any = None) -> Any:
        """The player's card and the moves so far."""
        if self.is_numbered:
            return 9 * self.cards[player] + _HISTORIES.index(self.history)
        seen = np.zeros(9, np.float32)
        seen[[self.cards[player], *(3 + 2 * i + "pb".index(move) for i, move in enumerate(self.history))]] = 1.0
        return seen

    def reward(self, player: Any = None) -> float:
        """What the player has won with the last move of the game; 0 before."""
        stake = _STAKES.get(self.history, 0.0)
        folds = {"bp": 0, "pbp": 1}
        winner = folds.get(self.history, int(self.cards[1] > self.cards[0]))
        return stake if player == winner else -stake

    def is_terminated(self, player: Player | None = None) -> bool:
        """Whether the game is over."""
        return self.history in _STAKES

    def action_space(self, player: Player | None = None) -> Space:
        """Pass and bet; both are always legal."""
        return spaces.Discrete(2)

    def state_space(self, player: Player | None = None) -> Space:
        """27 numbers, or nine numbers that are 0 or 1."""
        return spaces.Discrete(27) if self.is_numbered else spaces.Box(0.0, 1.0, (9,), np.float32)


_HISTORIES = ("", "p", "b", "pp", "pb", "bp", "bb", "pbp", "pbb")
_STAKES = {"pp": 1.0, "bp": 1.0, "pbp": 1.0, "bb": 2.0, "pbb": 2.0}
_DEALS = ((0, 1), (0, 2), (1, 0), (1, 2), (2, 0), (2, 1))
_PLAYERS = (0, 1)
