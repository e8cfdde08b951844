"""A hook for each player of a game."""

import functools
import operator
from collections.abc import Callable, Mapping
from typing import Any

from rlcore.arguments import named
from rlcore.errors import ConfigError
from rlcore.games import Game, Player
from rlcore.hooks.base import Hook, _members, check_hook, check_is_hook
from rlcore.interfaces import Policy
from rlcore.players import PlayerView
from rlcore.stages import Stage


class MultiAgentHook(Hook):
    """Watches each player of a game with a hook of its own; players without one are not watched.

    A hook is given the policy of its player and a `PlayerView`: an environment in which only its player acts, so that
    it counts that player's steps, rewards and episodes. PRE_ACT and POST_ACT come to it as they come to the player's
    policy in `MultiAgentPolicy`, the stages of episodes and experiments to all.

    `hook[player]` is the hook of a player.

    Args:
        hooks: By player.

    Raises:
        ConfigError: No hooks, something that is none, or one hook for two players.

    Source: Julia `MultiAgentHook`.
    """

    reads_policy = False  # but for its members

    def __init__(self, hooks: Mapping[Player, Hook]) -> None:
        if not isinstance(hooks, Mapping) or not hooks:
            raise ConfigError(
                f"hooks is {named(hooks) if hooks else hooks}, expected a dict from players to their hooks; a hook "
                "that counts all moves of a game is given as it is"
            )
        owners: dict[int, Player] = {}
        for player, hook in hooks.items():
            check_is_hook(hook, f"a hook of player {player!r}")
            for part in _members(hook):
                if isinstance(part, MultiAgentHook):
                    raise ConfigError(
                        f"the hook of player {player!r} is a MultiAgentHook, expected a hook of one player; add the two"
                        " with +"
                    )
                other = owners.setdefault(id(part), player)
                if other != player:
                    raise ConfigError(
                        f"players {other!r} and {player!r} have the same {type(part).__name__}, which would mix up what"
                        " happened to them; build a second one"
                    )
        self.hooks = dict(hooks)

    def handlers(self, stage: Stage) -> list[Callable[[Any, Any], None]]:
        """Those of the players' hooks, each called with its player's policy and view."""
        watchers = {player: watching for player, hook in self.hooks.items() if (watching := hook.handlers(stage))}
        views: dict[Stage, Callable[[Any], list[PlayerView]]] = {
            Stage.PRE_EPISODE: lambda env: [env.view(player) for player in watchers],
            Stage.PRE_ACT: operator.methodcaller("deciding"),
            Stage.POST_ACT: operator.methodcaller("completed"),
        }
        if stage in views:
            return [functools.partial(self._call_some, views[stage], watchers)] if watchers else []
        return [functools.partial(self._call, player, one) for player, its in watchers.items() for one in its]

    def __getitem__(self, player: Player) -> Hook:
        """The hook of a player.

        Raises:
            ConfigError: There is none.
        """
        if player not in self.hooks:
            raise ConfigError(f"there is no hook for player {player!r}, only for {_listed(self.hooks)}")
        return self.hooks[player]

    def result(self) -> dict[Player, Any]:
        """The results by player."""
        return {player: hook.result() for player, hook in self.hooks.items()}

    def __repr__(self) -> str:
        return f"MultiAgentHook({', '.join(f'{player!r}: {hook!r}' for player, hook in self.hooks.items())})"

    def _call(self, player: Player, watch: Callable[[Any, Any], None], policy: Policy, env: Any) -> None:
        watch(policy.of_player(player), env.view(player))

    def _call_some(
        self,
        views: Callable[[Any], list[PlayerView]],
        watchers: Mapping[Player, list[Callable[..., None]]],
        policy: Policy,
        env: Any,
    ) -> None:
        """Calls the watchers of those players whose `views` the game answers."""
        for view in views(env):
            watching = watchers.get(view.player)
            if watching:
                its = policy.of_player(view.player)
                for watch in watching:
                    watch(its, view)


def check_players(hook: Hook, env: Any) -> None:
    """Refuses a hook (or one of several added up) that can't watch `env`, being a game or none.

    Raises:
        ConfigError: It has hooks for players that `env` lacks, or reads the reward of nobody in particular.
        HookError: A stage method of a player's hook is misspelt or takes the wrong arguments.
    """
    parts = tuple(_members(hook))
    for part in parts:
        if isinstance(part, MultiAgentHook):
            for player, of_player in part.hooks.items():
                check_hook(of_player)
                for member in _members(of_player):
                    if any(member is other for other in parts):
                        raise ConfigError(
                            f"the same {type(member).__name__} watches player {player!r} and the whole game, which "
                            "would mix up what happened; build a second one"
                        )
            _check_known(part, env)
        elif isinstance(env, Game) and part.reads_reward:
            name = type(part).__name__
            raise ConfigError(
                f"{name} reads rewards, but {env.name} gives one to each of its players {_listed(env.players())}; "
                f"write MultiAgentHook({{player: {name}()}}) for the players to watch"
            )


def _check_known(hook: MultiAgentHook, env: Any) -> None:
    if not isinstance(env, Game):
        raise ConfigError(f"{env.name} has no players, so it takes a single hook instead of a MultiAgentHook")
    unknown = set(hook.hooks) - set(env.possible_players())
    if unknown:
        raise ConfigError(
            f"MultiAgentHook has hooks for {_listed(unknown)}, which are no players of {env.name}; expected some of "
            f"{_listed(env.possible_players())}"
        )


def _listed(players: Any) -> str:
    return ", ".join(sorted(map(repr, players)))
