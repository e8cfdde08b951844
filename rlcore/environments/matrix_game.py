"""Games in which all players act at once and a table says what each wins."""

from typing import Any

import numpy as np
from gymnasium import Space, spaces

from rlcore.arguments import check_flag, check_whole
from rlcore.environments.spaces import shown
from rlcore.errors import ConfigError
from rlcore.games import Game, Player
from rlcore.interfaces import DynamicStyle
from rlcore.struct import static, struct


@struct
class MatrixGame(Game):
    """Players 0, 1, ... choose an action each, all at once, and are paid by a table; so in every round.

    In a game of one round there is one state. In a longer one the players see what all did in the round before: with
    `numbered` 0 in the first round, later 1 plus the index of that entry of the table, row by row; else float32
    `[1 + entries]`, a 1 in that place.

    Args:
        payoffs: `[n_0, n_1, ..., players]`: what each player wins by each choice of all actions; or, for two players
            who win what the other loses, `[n_0, n_1]`: what player 0 wins.
        n_rounds: After how many rounds a game ends for good; `None`: never, so that a reset condition has to cut it.
        numbered: Whether a state is a number, for tables, instead of an array.

    Attributes:
        payoffs: float64 `[n_0, n_1, ..., players]`.
        n_rounds: As given.
        is_numbered: Whether a state is a number.

    Raises:
        ConfigError: Payoffs of another shape or that are not finite, another wrong argument.
    """

    payoffs: Any
    n_rounds: int | None = static()
    is_numbered: bool = static()
    _players: Any = ()
    _round: Any = 0
    _entry: Any = ()  # the actions of the last round
    _rewards: Any = ()

    dynamic_style = DynamicStyle.SIMULTANEOUS

    def __init__(self, payoffs: Any, n_rounds: int | None = 1, numbered: bool = True) -> None:
        self.payoffs = _checked_payoffs(payoffs)
        self.n_rounds = None if n_rounds is None else check_whole("n_rounds", n_rounds)
        self.is_numbered = check_flag("numbered", numbered)
        self._players = tuple(range(self.payoffs.ndim - 1))

    def reset(self, seed: int | None = None) -> None:
        """Begins with the first round; nothing is random."""
        self._round, self._entry, self._rewards = 0, (), ()

    def act(self, action: dict[Player, int]) -> None:
        """Plays a round."""
        self._entry = tuple([action[player] for player in self._players])
        self._rewards = self.payoffs[self._entry].tolist()
        self._round += 1

    def players(self) -> tuple[Player, ...]:
        """`(0, 1, ...)`."""
        return self._players

    def active_players(self) -> tuple[Player, ...]:
        """All, until the game is over."""
        return () if self._round == self.n_rounds else self._players

    def state(self, player: Player | None = None) -> Any:
        """What all did in the round before."""
        number = 0
        if self.n_rounds != 1 and self._round:
            number = 1 + int(np.ravel_multi_index(self._entry, self.payoffs.shape[:-1]))
        return number if self.is_numbered else np.eye(1, self._n_states(), number, np.float32)[0]

    def _n_states(self) -> int:
        return 1 if self.n_rounds == 1 else 1 + self.payoffs[..., 0].size

    def reward(self, player: Any = None) -> float:
        """What the player won in the last round."""
        return self._rewards[player]

    def is_terminated(self, player: Player | None = None) -> bool:
        """Whether all rounds are played."""
        return self._round == self.n_rounds

    def action_space(self, player: Any = None) -> Space:
        """The player's choices; all are always legal."""
        return spaces.Discrete(self.payoffs.shape[player])

    def state_space(self, player: Player | None = None) -> Space:
        """A number for each state, or as many numbers that are 0 or 1."""
        n = self._n_states()
        return spaces.Discrete(n) if self.is_numbered else spaces.Box(0.0, 1.0, (n,), np.float32)


@struct
class RockPaperScissors(MatrixGame):
    """Two players, 0 and 1, choose rock (0), paper (1) or scissors (2) at once; the winner gets 1, the loser −1.

    Nobody wins in the long run against who chooses evenly. States, rounds and errors are those of a `MatrixGame`.

    Source: Julia `RockPaperScissorsEnv`.
    """

    def __init__(self, n_rounds: int | None = 1, numbered: bool = True) -> None:
        super().__init__([[0, -1, 1], [1, 0, -1], [-1, 1, 0]], n_rounds, numbered)


def _checked_payoffs(payoffs: Any) -> np.ndarray:
    try:
        table = np.asarray(payoffs, np.float64)
    except (TypeError, ValueError):
        table = np.zeros(0)
    if table.ndim == 2:
        table = np.stack((table, -table), axis=-1)
    if table.ndim < 2 or not table.size or table.shape[-1] != table.ndim - 1:
        raise ConfigError(
            f"payoffs is {shown(payoffs)}, expected an array [n_0, n_1] for two players, or [n_0, n_1, ..., players] "
            "with as many axes of actions as players"
        )
    if not np.isfinite(table).all():
        raise ConfigError(f"payoffs has {table[~np.isfinite(table)][0]} in it, expected finite numbers")
    return table + 0.0  # no −0
