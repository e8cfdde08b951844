"""One player's place in a game: its spaces, and what passes between it and the game, checked."""

from collections.abc import Callable
from math import isfinite
from typing import Any

import numpy as np
from gymnasium import spaces

from rlcore.environments.masks import KEY, mask_inside, without_mask
from rlcore.environments.readers import state_reader, whole_number
from rlcore.environments.spaces import shown
from rlcore.environments.transforms import _Transforms
from rlcore.errors import EnvContractError
from rlcore.games import Game, Player
from rlcore.interfaces import Array
from rlcore.legal import remember
from rlcore.players import PlayerView


class Unseen:
    """Stands for what nobody has asked for since the last move; a class, so that copies of it are itself."""


UNSEEN: Any = Unseen


class Seat(PlayerView):
    """What the adapter of a game knows of one player, and the player's view of the game while it is run.

    What the player observes and may do is read when it is first asked for after a move.

    Attributes:
        read_state: From a state of the game's to that which policies see: a copy, without a mask inside it.
        all_legal: The mask that allows everything; `None` where actions are not discrete.
        inside: How the game's states carry a mask, see `without_mask`.
        raw: The game's own state of the player since the last move, or `UNSEEN`.
        seen: The same as policies see it.
        mask: Which actions are legal there.
        action: The player's latest action, as the policy chose it; `None` before the first.
        decided: The number of the move in which it chose it.
        waits: Whether its step goes on: it decided, and neither decides again nor is out yet.
        gain: The sum of its rewards since its decision.
        brought: Its reward for the last move.
        terminated: Whether its game has ended for good.
        truncated: Whether its game was cut.
    """

    game: Any

    __slots__ = (
        *("all_legal", "inside", "raw", "seen", "mask", "action", "decided", "waits", "gain", "brought"),
        *("terminated", "truncated", "n_direct", "start", "read_state"),
        *("_source", "_state_space", "_action_space", "_read", "_change", "_write"),
        *("_mask_of", "_read_mask", "_known_masks"),
    )

    def __init__(
        self,
        game: Any,
        player: Player,
        state_space: spaces.Space,
        action_space: spaces.Space,
        transforms: _Transforms,
    ) -> None:
        self.game, self.player = game, player
        self._source: Game = game.game
        self._mask_of = self._source.legal_action_mask  # of the instance: found quicker than the game's
        self.inside, own_space = without_mask(state_space, action_space)
        self._state_space, self._action_space = transforms.state_space(own_space), transforms.action_space(action_space)
        self._read, self._change = state_reader(own_space), transforms.state_change(own_space)
        is_plain = not self.inside and self._change is None
        self.read_state: Callable[[Any], Any] = self._read if is_plain else self._read_and_change
        self._write, self._read_mask = transforms.writer(action_space), transforms.mask_reader(action_space)
        self.n_direct = self.start = 0  # how many actions need nothing but the start added
        if isinstance(action_space, spaces.Discrete) and transforms.action is None:
            self.n_direct, self.start = int(action_space.n), int(action_space.start)
        self._known_masks: dict[bytes, np.ndarray] = {}
        self.all_legal: np.ndarray | None = None
        if isinstance(self._action_space, spaces.Discrete):
            self.all_legal = remember(np.ones(int(self._action_space.n), bool))
        self.begin()

    def begin(self) -> None:
        """Forgets the game before."""
        self.raw = self.seen = self.mask = UNSEEN
        self.action: Any = None
        self.decided, self.waits = 0, False
        self.gain = self.brought = 0.0
        self.terminated = self.truncated = False

    def state(self) -> Any:
        if self.seen is UNSEEN:
            try:
                self.seen = self.read_state(self._raw() if self.inside else self._source.state(self.player))
            except EnvContractError as error:
                why, remedy = f"the state is {error}", "correct the game, or its space of states"
                raise self.game.broken(why, remedy, player=self.player) from None
        return self.seen

    next_state = state

    def legal_action_mask(self) -> Any:
        if self.mask is UNSEEN:
            self.mask = self._look_at_mask()
        return self.mask

    next_legal_action_mask = legal_action_mask

    def reward(self) -> float:
        return self.gain

    def last_action(self) -> Any:
        return self.action

    def is_terminated(self) -> bool:
        return self.terminated

    def is_truncated(self) -> bool:
        return self.truncated

    def is_over(self) -> bool:
        return self.terminated or self.truncated

    def outcome(self) -> tuple[Any, float, Any, bool, bool]:
        return self.action, self.gain, self.state(), self.terminated, self.truncated

    def action_space(self) -> spaces.Space:
        return self._action_space

    def state_space(self) -> spaces.Space:
        return self._state_space

    def _raw(self) -> Any:
        if self.raw is UNSEEN:
            self.raw = self._source.state(self.player)
        return self.raw

    def _read_and_change(self, raw: Any) -> Any:
        if self.inside:
            if not isinstance(raw, dict):
                raise EnvContractError(f"{shown(raw)}, expected a dict with an {KEY!r}, as the space of states says")
            raw = raw.get("observation") if self.inside == "alone" else {k: v for k, v in raw.items() if k != KEY}
        state = self._read(raw)
        return state if self._change is None else self._change(state)

    def gives_mask(self) -> bool:
        """Whether the game says what the player may do now."""
        return bool(self.inside) or self._mask_of(self.player) is not None

    def _look_at_mask(self) -> np.ndarray | None:
        """Bool `[actions]`; the same few masks come again and again, so that each is checked once.

        One that has been checked and allows something is read-only.
        """
        game = self.game
        if self.inside:
            state = self._raw()
            raw = mask_inside(state) if isinstance(state, dict) else None
        else:
            raw = self._mask_of(self.player)
        if raw is None:
            return self.all_legal if game.gives_masks else None
        key = b""
        if raw.__class__ is np.ndarray:
            if raw.ndim == 1 and raw.dtype.char in "?b":
                key = raw.tobytes()
        elif raw.__class__ is list:
            key = _bytes_of(raw)
        game.gives_masks = True
        mask = self._known_masks.get(key)
        return self._checked_mask(raw, key) if mask is None else mask

    def _checked_mask(self, raw: Any, key: bytes) -> np.ndarray | None:
        try:
            mask = self._read_mask(raw)
        except EnvContractError as error:
            raise self.game.broken(f"the action mask is {error}", "correct the game", player=self.player) from None
        if mask is None:
            return None
        if mask.any():
            if key and len(self._known_masks) < _MANY:
                mask = self._known_masks[key] = remember(np.array(mask))
        elif not self.is_over() and self in self.game.deciding():
            raise self.game.broken(
                "the action mask allows no action though it is the player's move",
                "end the game instead, or let somebody else move",
                player=self.player,
            )
        return mask

    def write(self, action: Any, mask: np.ndarray | None) -> Any:
        """The game's action for the policy's.

        Raises:
            EnvContractError: An action outside the space, or one that `mask` forbids.
        """
        try:
            raw = self._write(action)
        except EnvContractError as error:
            raise EnvContractError(f"the action is {error}; it must come from {self._action_space}") from None
        if mask is not None and not mask[whole_number(action)]:
            raise EnvContractError(_illegal(action, mask))
        return raw


class NotYetIn(PlayerView):
    """The view of a player who may join later: nothing has come of its game yet."""

    __slots__ = ()

    def __init__(self, game: Any, player: Player) -> None:
        self.game, self.player = game, player

    def reward(self) -> float:
        return 0.0

    def last_action(self) -> Any:
        return None

    def is_terminated(self) -> bool:
        return False

    def is_truncated(self) -> bool:
        return False

    def is_over(self) -> bool:
        return False


def _bytes_of(flags: list[Any]) -> bytes:
    """A byte for each; empty if they are no small whole numbers."""
    try:
        return bytes(flags)
    except (TypeError, ValueError):
        return b""


def check_actors(actions: Any, active: tuple[Player, ...], players: tuple[Player, ...]) -> None:
    """Refuses actions of players who act at once unless they are a dict of exactly the active ones'."""
    if not isinstance(actions, dict):
        raise EnvContractError(f"the action is {shown(actions)}")
    for player, action in actions.items():
        if player not in active:
            why = "is out of the game" if player in players else f"is none of the players {players}"
            raise EnvContractError(f"the action of player {player!r} is {shown(action)}, but {player!r} {why}")
    for player in active:
        if player not in actions:
            raise EnvContractError(f"no action of player {player!r} came, only {shown(actions)}")


def checked_flag(value: Any) -> bool:
    """A bool out of what holds a single one, or a 0 or 1."""
    if value.__class__ is bool:
        return value
    array = np.asarray(value)
    if array.size != 1 or array.dtype.kind not in "bui" or array.item() not in (0, 1):
        raise EnvContractError(f"{shown(value)} ({type(value).__name__}), expected a bool")
    return bool(array.item())


def checked_reward(value: Any) -> float:
    """A finite float out of what holds a single number."""
    if isinstance(value, float | int):
        number = float(value)
    else:
        array = np.asarray(value if isinstance(value, np.generic | Array) else "")
        if array.size != 1 or array.dtype.kind not in "biuf":
            raise EnvContractError(f"{shown(value)} ({type(value).__name__}), expected a number")
        number = float(array.item())
    if not isfinite(number):
        raise EnvContractError(f"{number}, expected a finite number")
    return number


def _illegal(action: Any, mask: np.ndarray) -> str:
    legal = np.flatnonzero(mask).tolist()
    return f"the action is {shown(action)}, which is illegal; legal are {shown(legal)}, as legal_action_mask() says"


_MANY = 4096
