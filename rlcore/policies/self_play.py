"""One agent that plays all sides of a game."""

import functools
from collections.abc import Callable
from typing import Any, ClassVar

import jax
import numpy as np

from rlcore.arguments import named
from rlcore.environments.seat import UNSEEN
from rlcore.errors import ConfigError, EnvContractError
from rlcore.games import Game, Player
from rlcore.interfaces import DynamicStyle, Environment, Policy
from rlcore.players import PlayerView, ask_deciding
from rlcore.policies.agent import Agent
from rlcore.stages import Stage
from rlcore.struct import cached, struct
from rlcore.trajectories import LatestTransition, LatestTransitions


@struct
class SelfPlay(Policy):
    """Lets one policy play all players of a game, and an agent learn from what happens to each of them.

    Every player has an open transition of its own: the state and mask of its decision, its action and what the policy
    knew then, kept when the player decides again or is out. The players are the lanes of the agent's trajectory, as the
    rows of several environments are. The stages of episodes and experiments come once.

    Args:
        policy: An `Agent`, or a policy that keeps nothing at POST_ACT, such as `RandomPolicy`. The players must have
            the same spaces, so what they observe must tell them apart where that matters.

    Raises:
        ConfigError: Something else.
    """

    policy: Policy
    _game: Any = cached()
    _lanes: Any = cached()  # the players, in the order of the trajectory's lanes
    _mover: Any = cached()  # one view for all, so that the policy sees one environment
    _open: Any = cached()  # by player: state, mask and extras of its decision
    _due: Any = cached()  # the views of those whose step the last move completed

    plays_games: ClassVar[bool] = True

    def __init__(self, policy: Policy) -> None:
        if not isinstance(policy, Policy) or policy.plays_games:
            raise ConfigError(
                f"policy is {named(policy)}, expected an Agent, or a policy of one player; write SelfPlay(agent)"
            )
        changed = isinstance(policy, Agent) and [
            name for name in ("plan", "post_act") if getattr(type(policy), name) is not getattr(Agent, name)
        ]
        if changed or (not isinstance(policy, Agent) and policy.handlers(Stage.POST_ACT)):
            raise ConfigError(
                f"{type(policy).__name__} keeps one step at a time in its own way, which mixes up the players of a "
                "game; expected an Agent(policy, trajectory), or give every player a policy with MultiAgentPolicy"
            )
        self.policy = policy

    def plan(self, env: Environment) -> Any:
        """The action of the player to move; where all act at once, a dict of the active players' actions."""
        self._meet(env)
        return ask_deciding(env, self._decide)

    def _decide(self, view: PlayerView) -> Any:
        mover, policy = self._mover, self.policy
        mover.view = view
        if not isinstance(policy, Agent):
            return policy.plan(mover)
        mover.seen = state = view.state()
        mover.mask = mask = view.legal_action_mask()
        try:
            action = policy.policy.plan(mover)
        finally:
            mover.seen = mover.mask = UNSEEN
        self._open[view.player] = state, mask, None if policy._knows_nothing else dict(policy.policy.extras)
        return action

    def _meet(self, env: Any) -> None:
        """Gets ready to play a game, unless it was the last one."""
        if env is self._game:
            return
        self._mover = _InTurn(PlayerView(env, env.players()[0]))
        self._game, self._lanes, self._open = env, env.possible_players(), {}

    def handlers(self, stage: Stage) -> list[Callable[..., None]]:
        """Its own, then those of the policy; an agent's steps are kept here, in its place."""
        keeps = stage is Stage.POST_ACT and isinstance(self.policy, Agent)
        keepers = self.policy.policy.handlers(stage) if keeps else self.policy.handlers(stage)  # type: ignore[attr-defined]
        if stage is Stage.POST_ACT:
            return [functools.partial(self._keep, keepers, bool(self.policy.learners(stage)))]
        if stage is Stage.PRE_ACT:
            return [functools.partial(self._announce, keepers)] if keepers else []
        calls: list[Callable[..., None]] = [functools.partial(self._call, keep) for keep in keepers]
        return [self._begin, *calls] if stage is Stage.PRE_EPISODE else calls

    def learners(self, stage: Stage) -> list[Callable[..., None]]:
        """Those of the policy; at POST_ACT only if the move completed a step of any player."""
        learners = self.policy.learners(stage)
        if stage is not Stage.POST_ACT or not learners:
            return learners
        return [functools.partial(self._learn, learners)]

    def _begin(self, env: Any) -> None:
        self._meet(env)
        self._open.clear()
        self._mover.view = env.deciding()[0]

    def _call(self, keep: Callable[..., None], env: Any) -> None:
        self._meet(env)
        keep(self._mover)

    def _announce(self, keepers: list[Callable[..., None]], env: Any) -> None:
        for view in env.deciding():
            for keep in keepers:
                keep(view)

    def _keep(self, keepers: list[Callable[..., None]], learns: bool, env: Any, action: Any) -> None:
        due, policy = env.completed(), self.policy
        if isinstance(policy, Agent):  # what it decided before it played elsewhere is dropped
            due = [view for view in due if view.player in self._open]
        self._due = due
        if due and isinstance(policy, Agent):
            trajectory = policy.trajectory
            if trajectory.container.__class__ is not LatestTransition:
                self._push_rows(trajectory, due)
            else:  # which holds one: each of the others is kept once the one before has been learnt from
                for view in due[:1] if learns else due:
                    trajectory.push(*self._transition(view))
        for view in due if keepers else ():
            for keep in keepers:
                keep(view, view.last_action())

    def _learn(self, learners: list[Callable[..., None]], stage: Stage) -> None:
        if not self._due:
            return
        for learn in learners:
            learn(stage)
        policy: Any = self.policy
        if (
            len(self._due) > 1
            and isinstance(policy, Agent)
            and policy.trajectory.container.__class__ is LatestTransition
        ):
            for view in self._due[1:]:
                policy.trajectory.push(*self._transition(view))
                for learn in learners:
                    learn(stage)

    def _transition(self, view: PlayerView) -> tuple[Any, ...]:
        """The arguments of a trajectory's push."""
        state, mask, extras = self._open[view.player]
        action, reward, next_state, terminated, truncated = view.outcome()
        next_mask = None if mask is None else view.next_legal_action_mask()
        return state, action, reward, next_state, terminated, truncated, None, extras, mask, next_mask

    def _push_rows(self, trajectory: Any, due: list[PlayerView]) -> None:
        """A row of transitions, one per player; the rows of others than those that are due are not valid."""
        known = {view.player: self._transition(view) for view in due}
        if not known.keys() <= set(self._lanes):
            late = [player for player in known if player not in self._lanes]
            raise EnvContractError(
                f"{self._game.name}: the trajectory has a lane for each of {self._lanes}, but none for {late}; a "
                "game that players join later must list them in possible_players()"
            )
        anything = next(iter(known.values()))
        rows = [known.get(player, anything) for player in self._lanes]
        columns = [jax.tree.map(lambda *leaves: np.stack(leaves), *column) for column in zip(*rows, strict=True)]
        columns[_VALID] = np.asarray([player in known for player in self._lanes])
        trajectory.push(*columns)

    def optimise(self, stage: Stage, trajectory: Any = None) -> None:
        """Lets the policy learn."""
        self.policy.optimise(stage, trajectory)

    def prob(self, env: Environment) -> Any:
        """The probabilities of the player to move; where all act at once, a dict of the active players'."""
        return ask_deciding(env, self.policy.prob)

    def __call__(self, state: Any, mask: Any = None) -> Any:
        """The policy's choice at a bare state."""
        return self.policy(state, mask)

    def greedy(self) -> "SelfPlay":
        """The policy's greedy view in its place."""
        return SelfPlay(self.policy.greedy())

    def of_player(self, player: Player) -> Policy:
        """The one policy, whoever is asked for."""
        return self.policy

    def check(self, env: Environment) -> None:
        """Raises `ConfigError` if the players of `env` differ in their spaces, or the policy can't play them."""
        if not isinstance(env, Game):
            name = getattr(env, "name", type(env).__name__)
            raise ConfigError(f"{name} has no players; pass the {type(self.policy).__name__} without SelfPlay")
        first, *others = env.players()
        for player in others:
            for kind in ("state_space", "action_space"):
                mine, its = getattr(env, kind)(first), getattr(env, kind)(player)
                if mine != its:
                    raise ConfigError(
                        f"the {kind} of player {first!r} is {mine}, that of {player!r} is {its}; SelfPlay expects the "
                        "same for all players, since one policy plays them: use MultiAgentPolicy, or bring them to one "
                        "form in the game"
                    )
        container = self.policy.trajectory.container if isinstance(self.policy, Agent) else None
        if isinstance(container, LatestTransitions) and env.dynamic_style is DynamicStyle.SEQUENTIAL:
            raise ConfigError(
                "LatestTransitions keeps the last pushes of all players together, so that the steps of a player who "
                "takes turns are not next to each other; use CircularTraces(capacity) with NStepBatchSampler, "
                "LatestTransition() with n=0, or MultiAgentPolicy"
            )
        self._meet(env)
        self.policy.check(self._mover)

    @property
    def metrics(self) -> Any:
        """The policy's."""
        return self.policy.metrics


class _InTurn(PlayerView):
    """The view of whoever decides.

    Attributes:
        view: Whose it is.
        seen: The state at which it decides, while it does.
        mask: What it may do there.
    """

    __slots__ = ("mask", "seen", "view")

    def __init__(self, view: PlayerView) -> None:
        self.game, self.view = view.game, view
        self.seen = self.mask = UNSEEN

    def __reduce__(self) -> tuple[Any, ...]:
        return _InTurn, (self.view,)

    @property
    def player(self) -> Player:  # type: ignore[override]
        return self.view.player

    def state(self) -> Any:
        return self.view.state() if self.seen is UNSEEN else self.seen

    def next_state(self) -> Any:
        return self.view.next_state()

    def reward(self) -> float:
        return self.view.reward()

    def last_action(self) -> Any:
        return self.view.last_action()

    def is_terminated(self) -> Any:
        return self.view.is_terminated()

    def is_truncated(self) -> Any:
        return self.view.is_truncated()

    def is_over(self) -> Any:
        return self.view.is_over()

    def legal_action_mask(self) -> Any:
        return self.view.legal_action_mask() if self.mask is UNSEEN else self.mask

    def next_legal_action_mask(self) -> Any:
        return self.view.next_legal_action_mask()


_VALID = 6  # its place among the arguments of a trajectory's push
