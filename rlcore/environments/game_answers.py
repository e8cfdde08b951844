"""What the adapter of a game answers, with a player and without one."""

from collections.abc import Callable
from typing import Any

from gymnasium import spaces

from rlcore.environments.seat import NotYetIn, Seat
from rlcore.environments.spaces import shown
from rlcore.environments.transforms import _Transforms
from rlcore.errors import ConfigError, EnvContractError
from rlcore.games import Game, Player
from rlcore.interfaces import DynamicStyle
from rlcore.players import PlayerView


class GameAnswers(Game):
    """The half of `GameEnvironment` that answers; the other half plays.

    Rewards and ends have been read when they are asked for; states and masks are read then, once a move. A seat is also
    the view of its player, see `PlayerView`.
    """

    keeps_steps = True

    def __init__(self, source: Any, game: Game, name: str, transforms: _Transforms) -> None:
        self.source, self.game, self.name = source, game, name
        self.num_envs = None  # type: ignore[misc]  # of the instance: found quicker than the class's
        self.dynamic_style = game.dynamic_style  # type: ignore[misc]
        self.episode = self.step = 0
        self._at_once = game.dynamic_style is DynamicStyle.SIMULTANEOUS
        self._transforms = transforms
        self.gives_masks = False  # whether there was one; from then on, none means that all actions are legal
        self._players: tuple[Player, ...] = ()
        self._seats: dict[Player, Seat] = {}
        self._dicts: dict[tuple[Player, ...], tuple[spaces.Dict, spaces.Dict]] = {}
        self._take_seats(game.players())
        for seat in self._seats.values():
            seat.mask = None  # until the first reset nothing is known
        self._active: tuple[Player, ...] = ()
        self._playing: list[Seat] = []  # those of the active players
        self._mover: Seat | None = None  # who is to move, or moved last; nobody where all act at once
        # whom questions without a player mean
        self._meant: tuple[Player, ...] = self._players if self._at_once else self._players[:1]
        self._action: Any = None
        self._waiting: list[Seat] = []  # whose step goes on, in the order of their decisions
        self._completed: list[Seat] = []  # whose step ended with the last move
        self._over, self._truncated = True, True  # until the first reset

    def _take_seats(self, players: Any) -> None:
        """Seats all players, and checks their list."""
        is_fine = isinstance(players, tuple | list) and len(players) and len({*players}) == len(players)
        if not is_fine or tuple(players[: len(self._players)]) != self._players:
            grown = f", beginning with {self._players}: players may be added at the end only" if self._players else ""
            raise self.broken(
                f"players() answered {shown(players)}", f"expected a tuple of different strings or ints{grown}"
            )
        for player in players[len(self._players) :]:
            state_space, action_space = (self._space_of(kind, player) for kind in ("state_space", "action_space"))
            self._seats[player] = Seat(self, player, state_space, action_space, self._transforms)
        self._players = tuple(players)

    def _space_of(self, kind: str, player: Player) -> spaces.Space:
        space: Any = getattr(self.game, kind)
        space = space if isinstance(space, spaces.Space) else space(player)
        if not isinstance(space, spaces.Space):
            raise ConfigError(
                f"{kind}({player!r}) of {self.name} is {shown(space)}, expected a Gymnasium space such as Discrete(2)"
            )
        return space

    def broken(self, what: str, remedy: str, *, turn: int = 0, player: Player | None = None) -> EnvContractError:
        """The error; `turn` is 1 if the move that would come next is at fault."""
        who = "" if player is None else f", player {player!r}"
        place = f"{self.name}, game {self.episode}, turn {self.step + turn}{who}"
        return EnvContractError(f"{place}: {what}" + (f"; {remedy}" if remedy else ""))

    def where(self) -> str:
        """The game, its number and the turn, for messages."""
        return f"{self.name}, game {self.episode}, turn {self.step}"

    def _seat(self, player: Player) -> Seat:
        try:
            return self._seats[player]
        except (KeyError, TypeError):
            raise ConfigError(f"player is {shown(player)}, expected one of {self._players} of {self.name}") from None

    def state(self, player: Player | None = None) -> Any:
        """What the player observes now.

        Raises:
            ConfigError: An unknown player.
            EnvContractError: The state does not fit its space.
        """
        if player is None:
            return self._of_meant(self.state)
        return (self._seats.get(player) or self._seat(player)).state()

    def legal_action_mask(self, player: Player | None = None) -> Any:
        """Bool `[actions]`, or `None` where the game gives no mask and never gave one.

        Raises:
            ConfigError: An unknown player.
            EnvContractError: The mask has the wrong length or type, or allows the player to move nothing.
        """
        if player is None:
            masks = self._of_meant(self.legal_action_mask)
            return None if self._at_once and all(mask is None for mask in masks.values()) else masks
        return (self._seats.get(player) or self._seat(player)).legal_action_mask()

    def _of_meant(self, question: Callable[[Player], Any]) -> Any:
        if self._at_once:
            return {player: question(player) for player in self._meant}
        return question(self._meant[0])

    def reward(self, player: Player | None = None) -> Any:
        if player is None:
            return {seat.player: seat.brought for seat in self._seats.values()}
        return self._seat(player).brought

    def is_terminated(self, player: Player | None = None) -> bool:
        """Whether the game has ended for the player for good; without a player, whether it has for all."""
        if player is None:
            return self._over and not self._truncated
        return self._seat(player).terminated

    def is_truncated(self, player: Player | None = None) -> bool:
        """Whether the game was cut for the player; without a player, whether it is over and was cut for any."""
        if player is None:
            return self._over and self._truncated
        return self._seat(player).truncated

    def is_over(self, player: Player | None = None) -> bool:
        if player is None:
            return self._over
        seat = self._seat(player)
        return seat.terminated or seat.truncated

    def needs_reset(self) -> bool:
        return self._over

    def ended(self) -> tuple[int, ...]:
        """`(0,)` if the game ended with the last move, else empty."""
        return (0,) if self._over and self.step else ()

    def players(self) -> tuple[Player, ...]:
        return self._players

    def possible_players(self) -> tuple[Player, ...]:
        """All who may ever play."""
        return tuple(self.game.possible_players())

    def active_players(self) -> tuple[Player, ...]:
        return self._active

    def current_player(self) -> Player | None:
        return None if self._over or self._mover is None else self._mover.player

    def view(self, player: Player) -> PlayerView:
        """The player's view, which tells of its steps; the same one until others play the game.

        Of a player who has not joined, one that knows nothing yet.
        """
        return self._seats.get(player) or NotYetIn(self, player)

    def deciding(self) -> list[Seat]:
        """The views of those who choose an action now: one where players take turns, none when the game is over."""
        if self._over:
            return []
        mover = self._mover
        return self._playing if mover is None else [mover]

    def completed(self) -> list[Seat]:
        """The views of those whose step ended with the last move: who decides again now, or is out.

        They come in the order of their decisions. Rewards before a player's first decision belong to no step.
        """
        return self._completed

    def last_action(self, player: Player | None = None) -> Any:
        return self._action if player is None else self._seat(player).action

    def action_space(self, player: Player | None = None) -> spaces.Space:
        """The space of the player's actions; a discrete one counts from 0."""
        if player is not None:
            return self._seat(player).action_space()
        return self._dict_spaces()[0] if self._at_once else self._seats[self._meant[0]].action_space()

    def state_space(self, player: Player | None = None) -> spaces.Space:
        """The space of the player's states, without an action mask that they carry."""
        if player is not None:
            return self._seat(player).state_space()
        return self._dict_spaces()[1] if self._at_once else self._seats[self._meant[0]].state_space()

    def _dict_spaces(self) -> tuple[spaces.Dict, spaces.Dict]:
        """Of actions and of states of those who act at once."""
        if self._meant not in self._dicts:
            seats: dict[Any, Seat] = {player: self._seats[player] for player in self._meant}
            self._dicts[self._meant] = (
                spaces.Dict({player: seat.action_space() for player, seat in seats.items()}),
                spaces.Dict({player: seat.state_space() for player, seat in seats.items()}),
            )
        return self._dicts[self._meant]
