"""Games that write into every state who observes it and when, and whose every reward is known."""

from typing import Any

import numpy as np
from gymnasium import spaces

from rlcore.games import Game
from rlcore.interfaces import DynamicStyle


class Scripted(Game):
    """Players move in the order of `movers`; move t pays t to the first player, 10 t to the second, 100 t to the third.

    A state is `[game, turn, index of the observer]`. After the last move all are out.

    Args:
        movers: Who moves, turn by turn, such as "abab".
        out: Whom a turn eliminates, such as `{3: "b"}`.
        joins: Who joins after a turn; from the start, all others of `players`.
        players: All of them.
        is_growing: Whether a player is listed only once it has joined, then for ever.
        truncates: Whether the game is cut after the last move.
    """

    def __init__(
        self,
        movers: str,
        out: dict[int, str] | None = None,
        joins: dict[int, str] | None = None,
        players: str = "ab",
        truncates: bool = False,
        is_growing: bool = False,
    ) -> None:
        self.movers, self.out, self.joins = movers, out or {}, joins or {}
        self.everybody, self.truncates, self.is_growing = tuple(players), truncates, is_growing
        self.episode = self.turn = 0
        self.actions: list[Any] = []
        self._seat()
        self.listed = tuple(self.present)

    def _seat(self) -> None:
        late = set("".join(self.joins.values()))
        self.present = [player for player in self.everybody if player not in late]
        self.gone: set[str] = set()

    def reset(self, seed: int | None = None) -> None:
        self.episode += 1
        self.turn = 0
        self._seat()

    def act(self, action: Any) -> None:
        self.actions.append((self.current_player(), action))
        self.turn += 1
        self.present += self.joins.get(self.turn, "")
        self.listed += tuple(player for player in self.present if player not in self.listed)
        self.gone |= set(self.out.get(self.turn, ""))

    def is_finished(self) -> bool:
        return self.turn >= len(self.movers)

    def players(self) -> tuple[str, ...]:
        return self.listed if self.is_growing else self.everybody

    def active_players(self) -> tuple[str, ...]:
        return tuple(player for player in self.everybody if player in self.present and not self.is_over(player))

    def current_player(self) -> str:
        return self.movers[self.turn]

    def state(self, player: Any = None) -> np.ndarray:
        return np.array([self.episode, self.turn, self.everybody.index(player)], np.float32)

    def reward(self, player: Any = None) -> float:
        return float(self.turn * 10 ** self.everybody.index(player))

    def is_terminated(self, player: Any = None) -> bool:
        return player in self.gone or (self.is_finished() and not self.truncates)

    def is_truncated(self, player: Any = None) -> bool:
        return self.is_finished() and self.truncates

    def action_space(self, player: Any = None) -> spaces.Space:
        return spaces.Discrete(3)

    def state_space(self, player: Any = None) -> spaces.Space:
        return spaces.Box(0, 1e6, (3,))


class AtOnce(Scripted):
    """The same where all that are in act at once; `movers` only says how many rounds there are."""

    dynamic_style = DynamicStyle.SIMULTANEOUS

    def current_player(self) -> None:
        return None
