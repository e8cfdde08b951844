"""A policy for each player of a game."""

import functools
from collections.abc import Callable, Iterable, Mapping
from typing import Any, ClassVar

from rlcore.arguments import named
from rlcore.errors import ConfigError, EnvContractError
from rlcore.games import Game, Player
from rlcore.interfaces import Environment, Learner, Policy
from rlcore.players import PlayerView, ask_deciding
from rlcore.policies.function_policy import FunctionPolicy
from rlcore.stages import Stage
from rlcore.struct import cached, struct


@struct
class MultiAgentPolicy(Policy):
    """Lets each player of a game be played by a policy of its own.

    A policy is given a `PlayerView`: an environment in which only its player acts, so that whatever acts and learns
    alone does so here. PRE_ACT goes to who moves. POST_ACT comes to a player at the first move after which it decides
    again, or its game is over, with the sum of its rewards since its last decision; all such players keep what
    happened, then all of them learn. The stages of episodes and experiments go to all players. What is still open when
    a run stops is dropped.

    `policy[player]` is the policy of a player. Streams of random numbers are named by player.

    Args:
        policies: By player, each a policy, or a function `f(state, mask)` that answers an action.

    Raises:
        ConfigError: No policies, something that is none, or one policy for two players.

    Source: Julia `MultiAgentPolicy`, `PlayerTuple`.
    """

    policies: dict[Player, Policy]
    _due: Any = cached()  # the views of those whose stage it is

    plays_games: ClassVar[bool] = True

    def __init__(self, policies: Mapping[Player, Policy | Callable[[Any, Any], Any]]) -> None:
        if not isinstance(policies, Mapping) or not policies:
            raise ConfigError(
                f"policies is {named(policies) if policies else policies}, expected a dict from each player to its "
                "policy; one agent that plays all players is SelfPlay(agent)"
            )
        self.policies = {player: _as_policy(player, policy) for player, policy in policies.items()}
        owners: dict[int, Player] = {}
        for player, policy in self.policies.items():
            other = owners.setdefault(id(policy), player)
            if other != player:
                raise ConfigError(
                    f"players {other!r} and {player!r} have the same {type(policy).__name__}, expected one each, since "
                    "each keeps what its own player did; build a second one, or let it play all with SelfPlay(agent)"
                )

    def __getitem__(self, player: Player) -> Policy:
        """The policy of a player.

        Raises:
            ConfigError: There is none.
        """
        if player not in self.policies:
            raise ConfigError(f"there is no policy for player {player!r}, only for {_listed(self.policies)}")
        return self.policies[player]

    def of_player(self, player: Player) -> Policy:
        """The same."""
        return self[player]

    def plan(self, env: Environment) -> Any:
        """The action of the player to move; where all act at once, a dict of the active players' actions."""
        return ask_deciding(env, self._decide)

    def _decide(self, view: PlayerView) -> Any:
        policy = self.policies.get(view.player)
        if policy is None:
            raise EnvContractError(
                f"player {view.player!r} is to move, but there are policies only for {_listed(self.policies)}; a game "
                "that players join later must list them in possible_players()"
            )
        return policy.plan(view)

    def handlers(self, stage: Stage) -> list[Callable[..., None]]:
        """Those of the players' policies, each called with the view of its player."""
        keepers = {player: policy.handlers(stage) for player, policy in self.policies.items()}
        if stage is Stage.POST_ACT:
            return [functools.partial(self._keep, keepers)]
        if stage is Stage.PRE_ACT:
            is_used = any(keepers.values()) or any(policy.learners(stage) for policy in self.policies.values())
            return [functools.partial(self._announce, keepers)] if is_used else []
        return [functools.partial(self._call, player, one) for player, its in keepers.items() for one in its]

    def learners(self, stage: Stage) -> list[Callable[..., None]]:
        """Those of the players' policies; at PRE_ACT and POST_ACT of those whose stage it is."""
        learners = {player: policy.learners(stage) for player, policy in self.policies.items()}
        if stage in (Stage.PRE_ACT, Stage.POST_ACT):
            return [functools.partial(self._learn, learners)] if any(learners.values()) else []
        return [learn for its in learners.values() for learn in its]

    def _call(self, player: Player, keep: Callable[..., None], env: Any) -> None:
        keep(env.view(player))

    def _announce(self, keepers: dict[Player, list[Callable[..., None]]], env: Any) -> None:
        self._due = env.deciding()
        for view in self._due:
            for keep in keepers[view.player]:
                keep(view)

    def _keep(self, keepers: dict[Player, list[Callable[..., None]]], env: Any, action: Any) -> None:
        self._due = env.completed()
        for view in self._due:
            for keep in keepers[view.player]:
                keep(view, view.last_action())

    def _learn(self, learners: dict[Player, list[Callable[..., None]]], stage: Stage) -> None:
        for view in self._due:
            for learn in learners[view.player]:
                learn(stage)

    def optimise(self, stage: Stage, trajectory: Any = None) -> None:
        """Lets the policies learn whose stage it is; each has a trajectory of its own."""
        for learn in self.learners(stage):
            learn(stage)

    def prob(self, env: Environment) -> Any:
        """The probabilities of the player to move; where all act at once, a dict of the active players'."""
        return ask_deciding(env, lambda view: self[view.player].prob(view))

    def __call__(self, state: Any, mask: Any = None) -> Any:
        """Refused: a bare state does not say whose it is.

        Raises:
            ConfigError: Always, with what to ask instead.
        """
        raise ConfigError("a MultiAgentPolicy was asked about a bare state; ask one player's: policy[player](state)")

    def greedy(self) -> "MultiAgentPolicy":
        """Every player's greedy view."""
        return MultiAgentPolicy({player: policy.greedy() for player, policy in self.policies.items()})

    def check(self, env: Environment) -> None:
        """Raises `ConfigError` if players and policies don't match, or a policy can't play its player."""
        if not isinstance(env, Game):
            name = getattr(env, "name", type(env).__name__)
            raise ConfigError(f"{name} has no players, so it takes a single policy instead of a MultiAgentPolicy")
        players = env.possible_players()
        missing, unknown = set(players) - set(self.policies), set(self.policies) - set(players)
        if missing or unknown:
            wrong = [f"no policy for {_listed(missing)}"] * bool(missing)
            wrong += [f"policies for {_listed(unknown)}, which are no players"] * bool(unknown)
            raise ConfigError(
                f"MultiAgentPolicy has {' and '.join(wrong)}; the players of {env.name} are "
                f"{_listed(players)}: give each of them one policy"
            )
        game: Any = env
        for player, policy in self.policies.items():
            if player in game.players():  # of who joins later nothing is known yet
                try:
                    policy.check(game.view(player))
                except ConfigError as error:
                    raise type(error)(f"the policy of player {player!r} can't play: {error}") from None

    @property
    def metrics(self) -> Mapping[Any, Any]:
        """Of each player, those of its policy."""
        return {player: policy.metrics for player, policy in self.policies.items()}


def _as_policy(player: Player, policy: Any) -> Policy:
    if isinstance(policy, Policy) and not policy.plays_games:
        return policy
    if callable(policy) and not isinstance(policy, Policy | type):
        return FunctionPolicy(policy)
    advice = "pass a policy such as RandomPolicy(), or a function f(state, mask) that answers an action"
    if isinstance(policy, Policy):
        advice = "it plays whole games; pass a policy of one player"
    elif isinstance(policy, Learner):
        advice = "wrap it: QBasedPolicy(learner, explorer)"
    elif isinstance(policy, type):
        advice = f"pass an instance: {policy.__name__}(...)"
    raise ConfigError(f"the policy of player {player!r} is {named(policy)}, expected a policy; {advice}")


def _listed(players: Iterable[Player]) -> str:
    return ", ".join(sorted(map(repr, players)))
