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
    meanwhile: `reward()` is the sum of its rewards in that time, `state()` and `next_state()` are what it observes now,
    the ends are its own. `PlayerViews` advances the views of a game that is run; one that stands alone tells of the
    last move.

    Args:
        env: A game, as `as_environment` gives it.
        player: One of its players.

    Attributes:
        game: The game.
        player: Whose side it is.

    Raises:
        ConfigError: No game, or no player of it.
    """

    __slots__ = ("_action", "_reward", "_terminated", "_truncated", "game", "player")

    def __init__(self, env: Game, player: Player) -> None:
        everybody = _checked(env).players()
        if player not in everybody and player not in env.possible_players():
            raise ConfigError(f"player is {player!r}, expected one of {everybody}")
        self.game, self.player = env, player
        self._action: Any = None
        self._reward: float | None = None  # `None`: as the game says
        self._terminated: bool | None = None
        self._truncated = False

    def state(self) -> Any:
        """What the player observes now."""
        return self.game.state(self.player)

    def next_state(self) -> Any:
        """What the player observes now: where its last action, and all that came after, led."""
        return self.game.next_state(self.player)

    def reward(self) -> float:
        """The sum of the player's rewards since its last decision; 0 before the first of an episode."""
        return self.game.reward(self.player) if self._reward is None else self._reward

    def last_action(self) -> Any:
        """The player's own last action; `None` before the first of an episode."""
        return self.game.last_action(self.player) if self._reward is None else self._action

    def is_terminated(self) -> Any:
        """Whether the game has ended for the player for good."""
        return self.game.is_terminated(self.player) if self._terminated is None else self._terminated

    def is_truncated(self) -> Any:
        """Whether the game was cut for the player."""
        return self.game.is_truncated(self.player) if self._terminated is None else self._truncated

    def is_over(self) -> Any:
        """Whether the player is out."""
        return self.game.is_over(self.player) if self._terminated is None else self._terminated or self._truncated

    def legal_action_mask(self) -> Any:
        """What the player may do at `state()`: bool `[actions]`, or `None`."""
        return self.game.legal_action_mask(self.player)

    def next_legal_action_mask(self) -> Any:
        """What the player may do at `next_state()`."""
        return self.game.next_legal_action_mask(self.player)

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

    def _show(self, other: "PlayerView") -> None:
        """Becomes the view of another player."""
        self.player, self._reward, self._action = other.player, other._reward, other._action
        self._terminated, self._truncated = other._terminated, other._truncated


class PlayerViews:
    """The views of all players of a game, advanced together at every move.

    Attributes:
        game: The adapter of the game.
        is_simultaneous: Whether all players act at once.
    """

    __slots__ = ("_active", "_deciding", "_views", "_waiting", "game", "is_simultaneous")

    def __init__(self, game: Game) -> None:
        self.game = game
        self.is_simultaneous = game.dynamic_style is DynamicStyle.SIMULTANEOUS
        self._views: dict[Player, PlayerView] = {}
        self._waiting: list[PlayerView] = []  # who decided and has not been told what came of it
        self._deciding: list[PlayerView] = []
        self._active: tuple[Player, ...] = ()

    def __getitem__(self, player: Player) -> PlayerView:
        view = self._views.get(player)
        if view is None:
            view = self._views[player] = PlayerView(self.game, player)
            view._reward, view._terminated = 0.0, False
        return view

    def begin(self) -> None:
        """Starts an episode; what is still open from the one before is dropped."""
        for view in self._views.values():
            view._reward, view._action, view._terminated, view._truncated = 0.0, None, False, False
        self._waiting = []
        self._deciding, self._active = self.deciding(), self.game.active_players()

    def deciding(self) -> list[PlayerView]:
        """The views of those who choose an action now: one where players take turns, none when the game is over."""
        if self.is_simultaneous:
            return [self[player] for player in self.game.active_players()]
        player = self.game.current_player()
        return [] if player is None else [self._views.get(player) or self[player]]

    def answers(self, question: Callable[[PlayerView], Any]) -> Any:
        """What `question` answers for the player to move; where all act at once, a dict of the active players'.

        Raises:
            EnvContractError: Nobody is to move.
        """
        deciding = self.deciding()
        if not deciding:
            raise EnvContractError(f"{self.game.name}: nobody is to move; call reset first")
        if self.is_simultaneous:
            return {view.player: question(view) for view in deciding}
        return question(deciding[0])

    def advance(self, action: Any) -> list[PlayerView]:
        """Adds what the last move brought.

        Args:
            action: That of the move; a dict where all players act at once.

        Returns:
            The views of those whose step is complete with it: who decides again now, or is out. They come in the order
            of their decisions.
        """
        game, at_once, waiting = self.game, self.is_simultaneous, self._waiting
        for view in self._deciding:
            view._reward, view._action = 0.0, action[view.player] if at_once else action
            waiting.append(view)
        rewards, active = game.reward(), game.active_players()
        if active is not self._active and active != self._active:
            self._read_ends(active)
        self._deciding = self.deciding()
        mover = game.current_player()
        complete: list[PlayerView] = []
        self._waiting = []
        for view in waiting:
            player = view.player
            view._reward += rewards[player]
            is_complete = at_once or player == mover or view._terminated or view._truncated
            (complete if is_complete else self._waiting).append(view)
        return complete

    def _read_ends(self, active: tuple[Player, ...]) -> None:
        self._active = active
        for player in self.game.players():
            view = self[player]
            view._terminated, view._truncated = self.game.is_terminated(player), self.game.is_truncated(player)


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
    is_simultaneous = game.dynamic_style is DynamicStyle.SIMULTANEOUS
    while active := game.active_players():
        yield active if is_simultaneous else game.current_player()


def _checked(env: Any) -> Game:
    if not isinstance(env, Game):
        raise ConfigError(
            f"env is {named(env)}, expected a game; as_environment(env) makes one of a game of PettingZoo or OpenSpiel"
        )
    return env
