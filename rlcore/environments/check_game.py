"""A check of a game before anybody learns in it."""

import copy
from collections.abc import Iterator
from typing import Any, NamedTuple

import jax
import numpy as np
from gymnasium import spaces

from rlcore.arguments import check_whole
from rlcore.environments.convert import as_environment
from rlcore.environments.game import GameEnvironment
from rlcore.environments.spaces import shown
from rlcore.errors import ConfigError, EnvContractError
from rlcore.games import Player
from rlcore.interfaces import DynamicStyle
from rlcore.random import Random, check_seed, stream


def check_game(game: Any, n_moves: int = 1000, seed: int = 0) -> None:
    """Plays random games twice with the same seed, asks every player everything after every move, and compares.

    The game needs a `reset`, with a seed of yours, before it is used again (an experiment does).

    Args:
        game: What `as_environment` makes a game of, or such an adapter.
        n_moves: Moves of each of the two rollouts, at least 1; a quarter of it is the longest game.
        seed: Of both rollouts.

    Raises:
        EnvContractError: What came, what was expected, and where; or where the two rollouts differ.
        ConfigError: Something that is no game, one that lacks methods, or a wrong argument.
    """
    check_whole("n_moves", n_moves)
    check_seed(seed)
    env = as_environment(game)
    if not isinstance(env, GameEnvironment):
        raise ConfigError(f"game is {env.name}, which has no players; check it with check_environment")
    first, second = ([*_played(env, n_moves, seed)] for _ in range(2))
    for one, other in zip(first, second, strict=False):  # as long as both are alike, they are equally long
        for (what, value), (_, again) in zip(one.answers, other.answers, strict=False):
            if not _same(value, again):
                raise EnvContractError(
                    f"{one.place}: {what} is {shown(value)} in one rollout and {shown(again)} in the next with the "
                    "same seed and actions; start your random generator again where reset is given a seed"
                )


class _Moment(NamedTuple):
    """What all players were told at one time."""

    place: str
    answers: list[tuple[str, Any]]


def _played(env: GameEnvironment, n_moves: int, seed: int) -> Iterator[_Moment]:
    random, longest, n_played = stream(seed, "check_game"), max(1, n_moves // 4), 0
    env.reset(seed=seed)
    while True:
        yield _moment(env)
        if n_played == n_moves:
            return
        if env.is_over() or env.step >= longest:
            env.reset()
            continue
        env.act(_action(env, random))
        n_played += 1


def _moment(env: GameEnvironment) -> _Moment:
    answers = [
        ("active_players()", env.active_players()),
        ("current_player()", env.current_player()),
        *((f"the reward of {player!r}", env.reward(player)) for player in env.players()),
    ]
    for player in env.active_players():
        state, again = env.state(player), env._seat(player).read_state(env.game.state(player))
        if not _same(state, again):
            raise EnvContractError(
                f"{env.where()}: state({player!r}) is {shown(state)}, and {shown(again)} when asked again; expected "
                "the same until the next move: move nothing in state"
            )
        answers += [(f"the state of {player!r}", state), (f"the mask of {player!r}", env.legal_action_mask(player))]
    return _Moment(env.where(), answers)


def _action(env: GameEnvironment, random: Random) -> Any:
    if env.dynamic_style is DynamicStyle.SEQUENTIAL:
        return _choice(env, env.current_player(), random)
    return {player: _choice(env, player, random) for player in env.active_players()}


def _choice(env: GameEnvironment, player: Player | None, random: Random) -> Any:
    space, mask = env.action_space(player), env.legal_action_mask(player)
    if mask is not None:
        legal = np.flatnonzero(mask)
        return int(legal[random.integers(len(legal))])
    if isinstance(space, spaces.Discrete):
        return random.integers(int(space.n))
    space = copy.deepcopy(space)  # sampling must not move the generator of the user's space
    space.seed(random.integers(1 << 31))
    return space.sample()


def _same(one: Any, other: Any) -> bool:
    one, other = jax.tree.leaves(one), jax.tree.leaves(other)
    return len(one) == len(other) and all(np.array_equal(a, b) for a, b in zip(one, other, strict=True))
