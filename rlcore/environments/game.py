"""The adapter of a game: one of the user's own, of PettingZoo or of OpenSpiel."""

import warnings
from math import isfinite
from typing import Any

import numpy as np

from rlcore.environments.contract import takes_seed
from rlcore.environments.game_answers import GameAnswers
from rlcore.environments.seat import UNSEEN, Seat, check_actors, checked_flag, checked_reward
from rlcore.environments.spaces import shown
from rlcore.environments.transforms import _Transforms
from rlcore.errors import EnvContractError
from rlcore.games import Game, Player
from rlcore.random import begin_streams

EMPTY_EPISODES = 100


class GameEnvironment(GameAnswers):
    """A game behind the contract of `Game`, checked at every move.

    Rewards and ends are read after every move, states and masks when they are asked for. Whoever is out keeps the
    state that it saw last. Without a player, `state()`, the masks and the spaces are those of the player to move, or
    dicts of the active players where all act at once; when the game is over, of who moved last.

    Attributes:
        source: What the user passed.
        game: The `Game` that is played: the source itself, or what makes a `Game` of it.
        name: What error messages call it.
        episode: Number of the current game, from 1.
        step: Number of the last move in it, from 1; 0 right after `reset`.
        is_in_use: Whether an experiment is running in it.
        why_untraced: Why it is no JAX environment.
    """

    def __init__(self, source: Any, game: Game, name: str, transforms: _Transforms) -> None:
        super().__init__(source, game, name, transforms)
        self.why_untraced = f"{name} is a game of several players"
        self.is_in_use = False
        self._root: int | None = None  # the seed for the next reset
        self._has_warned = False
        self._is_seeded = takes_seed(game)
        # of the instance: found quicker than the game's
        self._act, self._reward_of, self._players_of = game.act, game.reward, game.players
        self._active_of, self._mover_of = game.active_players, game.current_player

    def __repr__(self) -> str:
        return f"GameEnvironment({self.name})"

    def seed(self, seed: int) -> None:
        """Makes the next `reset` start the game's random numbers from its own stream under `seed`.

        A game of `Random` streams keeps those that have a seed of their own; the others begin anew.
        """
        self._root = seed

    def reset(self, seed: int | None = None) -> None:
        """Begins a new game.

        Raises:
            EnvContractError: An answer breaks the contract, or 100 games in a row were over at once.
        """
        if self._root is not None:
            own, self._root = begin_streams(self.game, self._root, "environment"), None
            seed = own if seed is None else seed
        self.episode, self.step, self._over, self._truncated, self._action = self.episode + 1, 0, True, True, None
        self._waiting, self._completed = [], []  # a step that was still open is dropped
        for _ in range(EMPTY_EPISODES):
            self.game.reset(seed=seed) if self._is_seeded and seed is not None else self.game.reset()
            seed, self._active, self._playing, self._mover = None, (), [], None
            players = self._players_of()
            if not isinstance(players, tuple | list) or tuple(players) != self._players:
                self._players, self._seats = (), {}  # others play this game
            for seat in self._seats.values():
                seat.begin()
            self._follow()
            if self._active:
                self._over = self._truncated = False
                # known before anybody asks, so that a player without masks has the same answer from the first move on
                self.gives_masks = self.gives_masks or (self.episode == 1 and any(map(Seat.gives_mask, self._playing)))
                return
        raise self.broken(
            f"the game was over right after reset, {EMPTY_EPISODES} times in a row",
            "expected players to act; make reset clear what is_terminated and is_truncated answer",
        )

    def act(self, action: Any) -> None:
        """Takes the action of the player to move; where all act at once, a dict of exactly the active players'.

        Raises:
            EnvContractError: An illegal action, one of a player who is out, a missing one, a move after the end, or an
                answer that breaks the contract.
        """
        if self._over:
            raise self.broken(f"the action is {shown(action)}, but no game is under way", "call reset first", turn=1)
        mover, playing = self._mover, self._playing
        if mover is None:
            raw_action, decided = self._written_at_once(action), playing
            for seat in decided:
                seat.action = action[seat.player]
        else:
            raw_action, decided = self._written(mover, action), [mover]
            mover.action = action
        self._action = action
        self.step = step = self.step + 1
        self._act(raw_action)
        for seat in decided:
            seat.decided, seat.waits, seat.gain = step, True, 0.0
        for seat in playing:
            seat.raw = seat.seen = seat.mask = UNSEEN
        has_changed = self._follow()
        reward_of, change = self._reward_of, self._transforms.reward
        for player, seat in self._seats.items():
            reward = reward_of(player) if change is None else change(reward_of(player))
            if reward.__class__ is int:
                reward = float(reward)
            elif reward.__class__ is not float or not isfinite(reward):
                reward = self._checked_reward(player, reward)
            seat.brought = reward
            if seat.waits:
                seat.gain += reward
        self._waiting += decided
        mover = self._mover
        if has_changed or mover is None:
            self._complete(mover)
        elif mover.waits:  # mostly: nobody's but that of who is to move again
            mover.waits, self._completed = False, [mover]
            self._waiting.remove(mover)
        else:
            self._completed = []

    def _complete(self, mover: Seat | None) -> None:
        """Notes whose step has ended with a move by which players have left, or all acted at once."""
        waiting, self._waiting, self._completed = self._waiting, [], []
        for seat in waiting:
            seat.waits = mover is not None and seat is not mover and not (seat.terminated or seat.truncated)
            (self._waiting if seat.waits else self._completed).append(seat)

    def _written(self, seat: Seat, action: Any) -> Any:
        mask = seat.mask
        if mask is UNSEEN:
            mask = seat.legal_action_mask()
        if action.__class__ is int and 0 <= action < seat.n_direct and (mask is None or mask[action]):
            return action + seat.start  # mostly, and quicker
        try:
            return seat.write(action, mask)
        except EnvContractError as error:
            raise self.broken(str(error), "", turn=1, player=seat.player) from None

    def _written_at_once(self, actions: Any) -> dict[Player, Any]:
        playing, seats = self._playing, self._seats
        if actions.__class__ is not dict or actions.keys() != seats.keys() or len(playing) < len(seats):  # seldom
            active = self._active
            try:
                check_actors(actions, active, self._players)
            except EnvContractError as error:
                raise self.broken(str(error), f"expected a dict with an action of each of {active}", turn=1) from None
        return {seat.player: self._written(seat, actions[seat.player]) for seat in playing}

    def _follow(self) -> bool:
        """Reads who plays, who is in and who is to move, after a reset or a move; whether anybody has left or come."""
        players = self._players_of()
        if players is not self._players and players != self._players:
            self._take_seats(players)
        active = self._active_of()
        has_changed = active is not self._active and active != self._active
        if has_changed:
            self._come_and_go(active)
        if not active:
            return has_changed
        if self._at_once:
            self._meant = self._active
            return has_changed
        mover, seat = self._mover_of(), self._mover
        if seat is None or seat.player != mover or has_changed:
            if mover not in self._active:
                raise self.broken(
                    f"current_player() answered {shown(mover)}", f"expected one of the active players {self._active}"
                )
            self._mover, self._meant = self._seats[mover], (mover,)
        return has_changed

    def _come_and_go(self, active: Any) -> None:
        """Reads the ends of those who left, and keeps the last state of each if the game goes on."""
        if not isinstance(active, tuple | list):
            raise self.broken(f"active_players() answered {shown(active)}", "expected a tuple of players")
        for player in active:
            if player not in self._active:
                self._enter(player)
        left = [player for player in self._active if player not in active]
        self._active, self._over = tuple(active), self._over or not active
        self._playing = [self._seats[player] for player in self._active]
        for player in left:
            seat = self._seats[player]
            seat.terminated = self._flag("is_terminated", player)
            seat.truncated = self._flag("is_truncated", player) and not seat.terminated
            self._truncated |= seat.truncated
            if not (seat.terminated or seat.truncated):
                came = "active_players() lacks the player, but neither is_terminated nor is_truncated is true"
                raise self.broken(came, "expected one of them", player=player)
            if active:
                self.state(player), self.legal_action_mask(player)

    def _enter(self, player: Player) -> None:
        if player not in self._seats:
            raise self.broken(f"active_players() answered {player!r}", f"expected some of the players {self._players}")
        if self._seats[player].terminated or self._seats[player].truncated:
            raise self.broken("active_players() has the player again", "who is out can't come back", player=player)
        for name in ("is_terminated", "is_truncated"):
            if self._flag(name, player):
                raise self.broken(f"{name} is true of a player who has just come in", "expected False", player=player)

    def _flag(self, name: str, player: Player) -> bool:
        try:
            return checked_flag(getattr(self.game, name)(player))
        except EnvContractError as error:
            raise self.broken(f"{name} answered {error}", "", player=player) from None

    def _checked_reward(self, player: Player, reward: Any) -> float:
        try:
            number = checked_reward(reward)
        except EnvContractError as error:
            raise self.broken(f"the reward is {error}", "", player=player) from None
        if np.ndim(reward) and not self._has_warned:
            self._has_warned = True
            warnings.warn(f"{self.name}: the reward has shape {np.shape(reward)}, expected a number", stacklevel=3)
        return number

    def truncate(self, rows: Any = None) -> None:
        """Cuts the game of all active players after the last move."""
        for seat in self._playing:
            seat.truncated = True
        if not self._over:
            self._active, self._playing, self._over, self._truncated = (), [], True, True
            self._completed = sorted([*self._completed, *self._waiting], key=lambda seat: seat.decided)
            self._waiting = []

    def can_truncate_rows(self) -> bool:
        """Whether a reset condition can cut a game: always."""
        return True

    def close(self) -> None:
        """Closes the source, where it can be closed."""
        close = getattr(self.source, "close", None)
        if callable(close):
            close()
