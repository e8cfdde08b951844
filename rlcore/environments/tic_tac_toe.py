"""Noughts and crosses."""

from typing import Any

import numpy as np
from gymnasium import Space, spaces

from rlcore.arguments import check_flag
from rlcore.games import Game, Player
from rlcore.struct import static, struct


@struct
class TicTacToe(Game):
    """Three in a row on a board of 3 by 3; `"x"` begins, then `"o"` and `"x"` take turns.

    Action 3r + c marks the cell in row r and column c, which must be empty. The winner is rewarded with 1, the loser
    with −1, both with 0 if the board is full. There are 255,168 games; good play on both sides is a draw.

    A player sees the board with its own marks first, so that one agent can play both sides: with `numbered` the number
    Σ 3^i m_i, where m_i is 1 for an own mark and 2 for the other's in cell i; else float32 `[3, 3, 2]`, ones where it
    has marked itself and where the other has.

    Attributes:
        is_numbered: Whether a state is a number, for tables, instead of an array.

    Raises:
        ConfigError: `numbered` is not `True` or `False`.

    Source: Julia `TicTacToeEnv` with the state styles `Observation{Int}` and `Observation{BitArray{3}}`.
    """

    is_numbered: bool = static()
    _x: Any = 0  # the cells of "x", a bit each
    _o: Any = 0
    _is_turn_of_x: Any = True
    _winner: Any = None
    _is_over: Any = False

    def __init__(self, numbered: bool = True) -> None:
        self.is_numbered = check_flag("numbered", numbered)

    def reset(self, seed: int | None = None) -> None:
        """Clears the board; nothing is random."""
        self._x = self._o = 0
        self._is_turn_of_x, self._winner, self._is_over = True, None, False

    def act(self, action: int) -> None:
        """Marks a cell."""
        if self._is_turn_of_x:
            self._x = marked = self._x | 1 << action
        else:
            self._o = marked = self._o | 1 << action
        if _HAS_LINE[marked]:
            self._winner, self._is_over = "x" if self._is_turn_of_x else "o", True
        else:
            self._is_over = self._x | self._o == _FULL
        self._is_turn_of_x = not self._is_turn_of_x

    def players(self) -> tuple[Player, ...]:
        """`("x", "o")`."""
        return _PLAYERS

    def active_players(self) -> tuple[Player, ...]:
        """Both, until the game is over."""
        return () if self._is_over else _PLAYERS

    def current_player(self) -> Player | None:
        """Who marks the next cell."""
        if self._is_over:
            return None
        return "x" if self._is_turn_of_x else "o"

    def state(self, player: Player | None = None) -> Any:
        """The board with the player's marks first."""
        own, other = (self._x, self._o) if player == "x" else (self._o, self._x)
        if self.is_numbered:
            return _TERNARY[own] + 2 * _TERNARY[other]
        return np.stack((_BOARDS[own], _BOARDS[other]), axis=-1)

    def reward(self, player: Player | None = None) -> float:
        """1 for the move that wins, −1 for the other player, else 0."""
        if self._winner is None:
            return 0.0
        return 1.0 if player == self._winner else -1.0

    def is_terminated(self, player: Player | None = None) -> bool:
        """Whether somebody has three in a row, or the board is full."""
        return self._is_over

    def legal_action_mask(self, player: Player | None = None) -> np.ndarray:
        """The empty cells."""
        return _MASKS[self._x | self._o]

    def action_space(self, player: Player | None = None) -> Space:
        """The nine cells, row by row."""
        return spaces.Discrete(9)

    def state_space(self, player: Player | None = None) -> Space:
        """3^9 numbers, or two boards."""
        return spaces.Discrete(3**9) if self.is_numbered else spaces.Box(0.0, 1.0, (3, 3, 2), np.float32)


_PLAYERS = ("x", "o")
_FULL = 0b111111111
_LINES = (0o7, 0o70, 0o700, 0o111, 0o222, 0o444, 0o421, 0o124)
_CELLS = (np.arange(_FULL + 1)[:, None] >> np.arange(9)) & 1  # [sets of cells, cells]
_HAS_LINE = [any(cells & line == line for line in _LINES) for cells in range(_FULL + 1)]
_TERNARY = (_CELLS @ 3 ** np.arange(9)).tolist()
_BOARDS = _CELLS.reshape(-1, 3, 3).astype(np.float32)
_MASKS = _CELLS == 0
