"""The contract of a game: an environment that several players act in, by turns or at once."""

from collections.abc import Hashable
from typing import Any, ClassVar

from gymnasium import Space

from rlcore.interfaces import DynamicStyle, Environment
from rlcore.stages import not_written

Player = Hashable  # in practice a string or an int


class Game(Environment):
    """What the loop, policies and hooks ask of a game.

    A class of your own writes `reset`, `act`, `players`, `current_player` (not where all players act at once) and, for
    the player it is asked about, `state`, `reward`, `is_terminated`, `action_space`, `state_space`, and what it has of
    `is_truncated` and `legal_action_mask`. `as_environment` puts an adapter around it, which gives the rest, checks
    what passes, and answers every question also without a player.

    A question with a player is answered for that player, whoever is to move. Without one, `reward()` is a dict of all
    players; `state()`, the masks and the spaces are those of the player to move, and dicts of the active players where
    all act at once; when the game is over, they are those of who moved last. The ends are those of the whole game: it
    is over when nobody is active any more, truncated if anybody's part was truncated, else terminated.

    Attributes:
        dynamic_style: Whether the players take turns or act at once.
        keeps_steps: Whether it keeps account of its players' steps, as adapters do.
        name: What error messages call it; a class may do without, and is then called by its own name.

    Source: Julia `AbstractEnv` of ReinforcementLearningBase with `DynamicStyle`, `players`, `current_player`.
    """

    __slots__ = ()

    dynamic_style: ClassVar[DynamicStyle] = DynamicStyle.SEQUENTIAL
    keeps_steps: ClassVar[bool] = False
    name: str

    def act(self, action: Any) -> None:
        """Takes the action of the player to move; where all act at once, a dict of exactly the active players'."""
        raise not_written(self, "act")

    def players(self) -> tuple[Player, ...]:
        """All players in their fixed order, those included that are out; one that is added appears at the end."""
        raise not_written(self, "players")

    def possible_players(self) -> tuple[Player, ...]:
        """All who may ever play, each of whom needs a policy: those of `players()`, and who may be added later."""
        return self.players()

    def current_player(self) -> Player | None:
        """Who is to move; `None` where all act at once, and when the game is over."""
        if self.dynamic_style is DynamicStyle.SIMULTANEOUS:
            return None
        raise not_written(self, "current_player")

    def active_players(self) -> tuple[Player, ...]:
        """Those who are still in, in order; empty when the game is over."""
        return tuple(player for player in self.players() if not self.is_over(player))

    def state(self, player: Player | None = None) -> Any:
        """What the player observes now: an array, an int, or a dict or tuple of these."""
        raise not_written(self, "state")

    def reward(self, player: Player | None = None) -> Any:
        """What the last move, whoever made it, brought the player; 0 if nothing."""
        raise not_written(self, "reward")

    def is_terminated(self, player: Player | None = None) -> Any:
        """Whether the game has ended for the player for good."""
        raise not_written(self, "is_terminated")

    def is_truncated(self, player: Player | None = None) -> Any:
        """Whether the game was cut for the player: more would have come."""
        return False

    def is_over(self, player: Player | None = None) -> Any:
        """Whether the player is out: terminated or truncated."""
        return self.is_terminated(player) or self.is_truncated(player)

    def action_space(self, player: Player | None = None) -> Space:
        """The Gymnasium space of the player's actions."""
        raise not_written(self, "action_space")

    def state_space(self, player: Player | None = None) -> Space:
        """The Gymnasium space of what the player observes."""
        raise not_written(self, "state_space")

    def legal_action_mask(self, player: Player | None = None) -> Any:
        """Bool `[actions]`, true for each action that is legal at `state(player)`; `None`: all are."""
        return None

    def next_state(self, player: Player | None = None) -> Any:
        """Where the last move led: `state(player)`, because a game never begins anew by itself."""
        return self.state(player)

    def next_legal_action_mask(self, player: Player | None = None) -> Any:
        """The legal actions at `next_state(player)`."""
        return self.legal_action_mask(player)

    def last_action(self, player: Player | None = None) -> Any:
        """The player's latest action in this game; without a player, that of the last move. `None`: none yet."""
        raise not_written(self, "last_action")
