"""The environments of PettingZoo as games."""

from typing import Any

from gymnasium import Space

from rlcore.environments.masks import KEY
from rlcore.environments.spaces import shown
from rlcore.errors import ConfigError, EnvContractError
from rlcore.games import Game, Player
from rlcore.interfaces import DynamicStyle


class _PettingZooGame(Game):
    """What both kinds have in common: the spaces, and how players join."""

    def __init__(self, env: Any) -> None:
        self.env = env
        self.name = str(getattr(env.unwrapped, "metadata", {}).get("name", type(env.unwrapped).__name__))
        if not getattr(env, "possible_agents", None):
            env.reset()
        self._players: tuple[Player, ...] = tuple(getattr(env, "possible_agents", None) or env.agents)
        self._active: tuple[Player, ...] = ()
        self._present: list[Player] | None = None
        self._rewards: dict[Player, Any] = {}
        self._terminated: set[Player] = set()
        self._truncated: set[Player] = set()

    def _begin(self) -> None:
        self._active, self._rewards, self._present = (), {}, None
        self._terminated, self._truncated = set(), set()

    def _note_ends(self, terminations: dict[Player, Any], truncations: dict[Player, Any]) -> bool:
        """Notes who is out; whether anybody is."""
        if True not in terminations.values() and True not in truncations.values():  # mostly
            return False
        self._terminated.update(agent for agent, is_out in terminations.items() if is_out)
        self._truncated.update(agent for agent, is_out in truncations.items() if is_out)
        return True

    def _read_agents(self, agents: list[Player]) -> None:
        """Notes who plays and who is in."""
        self._present = list(agents)
        self._players += tuple(agent for agent in agents if agent not in self._players)
        out = self._terminated | self._truncated
        self._active = tuple(player for player in self._players if player in agents and player not in out)

    def players(self) -> tuple[Player, ...]:
        return self._players

    def active_players(self) -> tuple[Player, ...]:
        return self._active

    def reward(self, player: Player | None = None) -> Any:
        return self._rewards.get(player, 0.0)

    def is_terminated(self, player: Player | None = None) -> bool:
        return player in self._terminated

    def is_truncated(self, player: Player | None = None) -> bool:
        return player in self._truncated

    def action_space(self, player: Player | None = None) -> Space:
        return self.env.action_space(player)

    def state_space(self, player: Player | None = None) -> Space:
        return self.env.observation_space(player)


class PettingZooTurns(_PettingZooGame):
    """An AEC environment of PettingZoo, whose agents take turns.

    An agent's reward for a move is what the move adds to the total that `env.last()` would show it. The empty steps
    that PettingZoo asks of agents who are out are taken here; what such an agent observed last is kept.

    Args:
        env: An AEC environment, such as `pettingzoo.make("aec", "classic/tictactoe-v3")`.
    """

    def __init__(self, env: Any) -> None:
        super().__init__(env)
        self._facts = env  # where the attributes of `env` are found
        self._mover: Player | None = None
        self._totals: dict[Player, Any] = {}
        self._last: dict[Player, tuple[Any, Any]] = {}  # what those who were taken out of the environment saw

    def reset(self, seed: int | None = None) -> None:
        self._begin()
        self._last.clear()
        self.env.reset(seed=seed)
        self._facts = _without_passing_wrappers(self.env)
        self._totals = dict(self._facts._cumulative_rewards)
        self._settle()

    def act(self, action: Any) -> None:
        self._rewards = {}
        self._step(self._mover, action)
        self._settle()

    def _step(self, agent: Player | None, action: Any) -> None:
        """One step of the environment, which begins the total of the agent who takes it anew."""
        self.env.step(action)
        totals, before, rewards = self._facts._cumulative_rewards, self._totals, self._rewards
        for player, total in totals.items():
            gain = total - (0.0 if player == agent else before.get(player, 0.0))
            rewards[player] = rewards.get(player, 0.0) + gain
        self._totals = dict(totals)

    def _settle(self) -> None:
        """Reads who is in, and takes the empty steps of those who are out as long as anybody is in."""
        facts = self._facts
        while True:
            terminations, truncations, agents = facts.terminations, facts.truncations, facts.agents
            if self._note_ends(terminations, truncations) or agents != self._present:
                self._read_agents(agents)
            agent = facts.agent_selection if self._active else None
            self._mover = agent
            if agent is None or not (terminations[agent] or truncations[agent]):
                return
            self._last[agent] = self.env.observe(agent), facts.infos[agent].get(KEY)
            self._step(agent, None)

    def current_player(self) -> Player | None:
        return self._mover

    def state(self, player: Player | None = None) -> Any:
        return self._last[player][0] if player in self._last else self.env.observe(player)

    def legal_action_mask(self, player: Player | None = None) -> Any:
        return self._last[player][1] if player in self._last else self._facts.infos.get(player, {}).get(KEY)


class PettingZooAtOnce(_PettingZooGame):
    """A Parallel environment of PettingZoo, whose agents act at once.

    Args:
        env: A Parallel environment, such as `pettingzoo.make("parallel", "classic/rps-v2")`.
    """

    dynamic_style = DynamicStyle.SIMULTANEOUS

    def __init__(self, env: Any) -> None:
        super().__init__(env)
        self._states: dict[Player, Any] = {}
        self._infos: dict[Player, Any] = {}

    def reset(self, seed: int | None = None) -> None:
        self._begin()
        self._states, self._infos = self._of_agents("reset", self.env.reset(seed=seed), 2)
        self._follow({}, {})

    def act(self, action: dict[Player, Any]) -> None:
        states, self._rewards, terminations, truncations, infos = self._of_agents("step", self.env.step(action), 5)
        self._states, self._infos = self._states | states, infos
        self._follow(terminations, truncations)

    def _of_agents(self, method: str, answer: Any, n: int) -> Any:
        if answer.__class__ is tuple and len(answer) == n:
            for part in answer:
                if not isinstance(part, dict):
                    break
            else:
                return answer
        raise EnvContractError(f"{self.name}: {method} answered {shown(answer)}, expected {n} dicts by agent")

    def _follow(self, terminations: dict[Player, Any], truncations: dict[Player, Any]) -> None:
        agents = self.env.agents
        if self._note_ends(terminations, truncations) or agents != self._present:
            self._read_agents(agents)

    def state(self, player: Player | None = None) -> Any:
        """What the agent observed last.

        Raises:
            ConfigError: The agent has not joined yet.
        """
        if player not in self._states:
            raise ConfigError(f"player {player!r} has not joined {self.name} yet, so it observes nothing; ask later")
        return self._states[player]

    def legal_action_mask(self, player: Player | None = None) -> Any:
        return self._infos.get(player, {}).get(KEY)


def _without_passing_wrappers(env: Any) -> Any:
    """The environment inside those wrappers of PettingZoo that only pass its attributes on, and slowly."""
    while "env" in vars(env) and not any(_has(env, name) for name in _FACTS):
        passes_on = getattr(type(env), "__getattr__", None)
        if not getattr(passes_on, "__module__", "").startswith("pettingzoo."):
            break
        env = env.env
    return env


def _has(env: Any, name: str) -> bool:
    return name in vars(env) or hasattr(type(env), name)


_FACTS = ("agents", "agent_selection", "terminations", "truncations", "infos", "_cumulative_rewards")
