"""One player's place in a game: its spaces, and what passes between it and the game, checked."""

from math import isfinite
from typing import Any

import numpy as np
from gymnasium import spaces

from rlcore.environments.masks import KEY, without_mask
from rlcore.environments.readers import state_reader, whole_number
from rlcore.environments.spaces import shown
from rlcore.environments.transforms import _Transforms
from rlcore.errors import EnvContractError
from rlcore.games import Player
from rlcore.interfaces import Array

UNSEEN: Any = object()  # what nobody has asked for since the last move


class Seat:
    """What the adapter of a game knows of one player.

    Its methods raise `EnvContractError` without a place; the adapter adds it.

    Attributes:
        player: Who sits there.
        state_space: As policies see it.
        action_space: As policies see it.
        all_legal: The mask that allows everything; `None` where actions are not discrete.
        inside: How the game's states carry a mask, see `without_mask`.
        raw: The game's own state of the player since the last move, or `UNSEEN`.
        state: The same as policies see it.
        mask: Which actions are legal there.
        action: The player's latest action, as the policy chose it; `None` before the first.
        terminated: Whether its game has ended for good.
        truncated: Whether its game was cut.
    """

    __slots__ = (
        *("player", "state_space", "action_space", "all_legal", "inside", "raw", "state", "mask", "action"),
        *("terminated", "truncated", "_n_direct", "_start", "_read", "_change", "_write", "_read_mask", "_known_masks"),
    )

    def __init__(
        self, player: Player, state_space: spaces.Space, action_space: spaces.Space, transforms: _Transforms
    ) -> None:
        self.player = player
        self.inside, own_space = without_mask(state_space, action_space)
        self.state_space, self.action_space = transforms.state_space(own_space), transforms.action_space(action_space)
        self._read, self._change = state_reader(own_space), transforms.state_change(own_space)
        self._write, self._read_mask = transforms.writer(action_space), transforms.mask_reader(action_space)
        self._n_direct = self._start = 0  # how many actions need nothing but the start added
        if isinstance(action_space, spaces.Discrete) and transforms.action is None:
            self._n_direct, self._start = int(action_space.n), int(action_space.start)
        self._known_masks: dict[bytes, np.ndarray] = {}
        self.all_legal: np.ndarray | None = None
        if isinstance(self.action_space, spaces.Discrete):
            self.all_legal = np.ones(int(self.action_space.n), bool)
            self.all_legal.flags.writeable = False
        self.begin()

    def begin(self) -> None:
        """Forgets the game before."""
        self.raw = self.state = self.mask = UNSEEN
        self.action: Any = None
        self.terminated = self.truncated = False

    def read_state(self, raw: Any) -> Any:
        """The state as policies see it: a copy, without a mask inside it."""
        if self.inside:
            if not isinstance(raw, dict):
                raise EnvContractError(f"{shown(raw)}, expected a dict with an {KEY!r}, as the space of states says")
            raw = raw.get("observation") if self.inside == "alone" else {k: v for k, v in raw.items() if k != KEY}
        state = self._read(raw)
        return state if self._change is None else self._change(state)

    def read_mask(self, raw: Any) -> np.ndarray | None:
        """Bool `[actions]`; the same few masks come again and again, so that each is checked once.

        One that has been checked and allows something is read-only.
        """
        key = _key_of(raw)
        mask = self._known_masks.get(key)
        if mask is None:
            mask = self._read_mask(raw)
            if key and mask is not None and mask.any() and len(self._known_masks) < _MANY:
                mask.flags.writeable = False
                self._known_masks[key] = mask
        return mask

    def write(self, action: Any, mask: np.ndarray | None) -> Any:
        """The game's action for the policy's.

        Raises:
            EnvContractError: An action outside the space, or one that `mask` forbids.
        """
        if action.__class__ is int and 0 <= action < self._n_direct:
            if mask is None or mask[action]:
                return action + self._start
            raise EnvContractError(_illegal(action, mask))
        try:
            raw = self._write(action)
        except EnvContractError as error:
            raise EnvContractError(f"the action is {error}; it must come from {self.action_space}") from None
        if mask is not None and not mask[whole_number(action)]:
            raise EnvContractError(_illegal(action, mask))
        return raw


def _key_of(raw: Any) -> bytes:
    """The bytes of a mask that is a list or an array of flags; empty for anything else."""
    if raw.__class__ is list:
        try:
            return bytes(raw)
        except (TypeError, ValueError):
            return b""
    is_flags = raw.__class__ is np.ndarray and raw.dtype.char in "b?" and raw.ndim == 1
    return raw.tobytes() if is_flags else b""


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
