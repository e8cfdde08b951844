"""One player's side of a game: an environment in which only that player acts."""

from collections.abc import Callable, Iterator
from typing import Any

from gymnasium import Space

from rlcore.arguments import named
from rlcore.errors import ConfigError, EnvContractError
from rlcore.games import Game, Player
from rlcore.interfaces import DynamicStyle, Environment


class PlayerView(Environment):
    """A game as one player sees it, for policies and hooks that know nothing of players.

    A step of the player lasts from its decision to its next one, or to the end of its game, whatever the others do
    meanwhile. The views that policies and hooks are given while a game is run tell of such steps: `reward()` is the sum
    of the player's rewards in that time, `state()` and `next_state()` are what it observes now, the ends are its own.
    One that is made by hand stands alone and tells of the last move.

    Args:
        env: A game, as `as_environment` gives it.
        player: One of its players.

    Attributes:
        game: The game.
        player: Whose side it is.

    Raises:
        ConfigError: No game, or no player of it.
    """

    __slots__ = ("game", "player")

    def __init__(self, env: Game, player: Player) -> None:
        everybody = _checked(env).players()
        if player not in everybody and player not in env.possible_players():
            raise ConfigError(f"player is {player!r}, expected one of {everybody}")
        self.game, self.player = env, player

    def state(self) -> Any:
        """What the player observes now."""
        return self.game.state(self.player)

    def next_state(self) -> Any:
        """What the player observes now: where its last action, and all that came after, led."""
        return self.game.next_state(self.player)

    def reward(self) -> float:
        """What the last move brought the player; in a run, all since its decision: 0 before the first of an episode."""
        return self.game.reward(self.player)

    def last_action(self) -> Any:
        """The player's own last action; `None` before the first of an episode."""
        return self.game.last_action(self.player)

    def is_terminated(self) -> Any:
        """Whether the game has ended for the player for good."""
        return self.game.is_terminated(self.player)

    def is_truncated(self) -> Any:
        """Whether the game was cut for the player."""
        return self.game.is_truncated(self.player)

    def is_over(self) -> Any:
        """Whether the player is out."""
        return self.game.is_over(self.player)

    def legal_action_mask(self) -> Any:
        """What the player may do at `state()`: bool `[actions]`, or `None`."""
        return self.game.legal_action_mask(self.player)

    def next_legal_action_mask(self) -> Any:
        """What the player may do at `next_state()`."""
        return self.game.next_legal_action_mask(self.player)

    def outcome(self) -> tuple[Any, float, Any, Any, Any]:
        """`last_action()`, `reward()`, `next_state()`, `is_terminated()` and `is_truncated()` in one."""
        return self.last_action(), self.reward(), self.next_state(), self.is_terminated(), self.is_truncated()

    def action_space(self) -> Space:
        """The space of the player's actions."""
        return self.game.action_space(self.player)

    def state_space(self) -> Space:
        """The space of what the player observes."""
        return self.game.state_space(self.player)

    @property
    def name(self) -> str:
        """The game and the player, for messages."""
        return f"{getattr(self.game, 'name', type(self.game).__name__)}, player {self.player!r}"

    def __repr__(self) -> str:
        return f"PlayerView({self.name})"


def ask_deciding(game: Any, question: Callable[[PlayerView], Any]) -> Any:
    """What `question` answers for the player to move; where all act at once, a dict of the active players'.

    Args:
        game: A game: of an adapter it is asked with the views that tell of steps, else with some that stand alone.
        question: Called with the view of each player who chooses an action now.

    Raises:
        ConfigError: No game.
        EnvContractError: Nobody is to move.
    """
    views = game.deciding() if getattr(game, "keeps_steps", False) else _deciding(_checked(game))
    if game.dynamic_style is _AT_ONCE and views:
        return {view.player: question(view) for view in views}
    if not views:
        raise EnvContractError(f"{getattr(game, 'name', type(game).__name__)}: nobody is to move; call reset first")
    return question(views[0])


def _deciding(game: Game) -> list[PlayerView]:
    """Views of those who choose an action now in a game without an adapter."""
    if game.dynamic_style is _AT_ONCE:
        return [PlayerView(game, player) for player in game.active_players()]
    mover = game.current_player()
    return [] if mover is None else [PlayerView(game, mover)]


def current_players(env: Game) -> Iterator[Any]:
    """Who is to move, again and again until the game is over; a tuple of all of them where they act at once.

    Args:
        env: A game under way, as `as_environment` gives it.

    Raises:
        ConfigError: No game.

    Source: Julia `CurrentPlayerIterator`.
    """
    return _turns(_checked(env))


def _turns(game: Game) -> Iterator[Any]:
    is_simultaneous = game.dynamic_style is _AT_ONCE
    while active := game.active_players():
        yield active if is_simultaneous else game.current_player()


def _checked(env: Any) -> Game:
    if not isinstance(env, Game):
        raise ConfigError(
            f"env is {named(env)}, expected a game; as_environment(env) makes one of a game of PettingZoo or OpenSpiel"
        )
    return env


_AT_ONCE = DynamicStyle.SIMULTANEOUS
