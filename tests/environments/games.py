"""Games of one's own."""

import numpy as np
from gymnasium import spaces

from rlcore.environments import as_environment
from rlcore.games import Game
from rlcore.interfaces import DynamicStyle


class Turns(Game):
    """Ann, Bob and Cem take turns; a state is [turn, observer]; a move pays its turn to the mover and −1 to the next.

    Bob is out after his second move, the others after `n_turns`; a mask forbids the action that the player took last.
    """

    def __init__(self, n_turns=9):
        self.n_turns = n_turns
        self.answers = {}  # to give instead
        self.seeds = []
        self.buffer = np.zeros(2, np.float32)

    def reset(self, seed=None):
        self.seeds.append(seed)
        self.turn, self.moves, self.last, self.mover = 0, [], {}, "Ann"

    def act(self, action):
        self.moves.append((self.mover, action))
        self.last[self.mover] = action
        self.turn += 1
        self.paid = {self.mover: float(self.turn)}
        players = ["Ann", "Bob", "Cem"]
        self.mover = players[(players.index(self.mover) + 1) % 3]
        if self.is_terminated(self.mover):
            self.mover = "Cem"
        self.paid[self.mover] = -1.0

    def players(self):
        return self.answers.get("players", ("Ann", "Bob", "Cem"))

    def current_player(self):
        return self.answers.get("current_player", self.mover)

    def state(self, player):
        self.buffer[:] = self.turn, "ABC".index(player[0])
        return self.answers.get("state", self.buffer)

    def reward(self, player):
        return self.answers.get("reward", self.paid.get(player, 0))

    def is_terminated(self, player):
        bobs = [mover for mover, _ in self.moves].count("Bob")
        return self.answers.get("is_terminated", self.turn >= self.n_turns or (player == "Bob" and bobs == 2))

    def action_space(self, player):
        return spaces.Discrete(3 if player == "Bob" else 2, start=5)

    def state_space(self, player):
        return spaces.Box(0, 100, (2,), np.float32)

    def legal_action_mask(self, player):
        mask = [action + 5 != self.last.get(player) for action in range(3 if player == "Bob" else 2)]
        return self.answers.get("mask", mask)


def started(**answers):
    own = Turns()
    game = as_environment(own)
    game.reset()
    own.answers = answers
    return game


def legal(game):
    return int(np.flatnonzero(game.legal_action_mask())[0])


class Simultaneous(Turns):
    """All act at once, those who are in; a player is out at the turn of its place."""

    dynamic_style = DynamicStyle.SIMULTANEOUS
    current_player = Game.current_player

    def act(self, action):
        self.moves.append(action)
        self.turn += 1
        self.paid = {player: float(chosen) for player, chosen in action.items()}

    def is_terminated(self, player):
        return self.turn > ("Cem", "Ann", "Bob").index(player)
