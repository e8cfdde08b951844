"""One door for every kind of environment."""

from typing import Any

import gymnasium
from gymnasium import spaces
from gymnasium.vector import AutoresetMode

from rlcore.arguments import check_whole, named
from rlcore.environments.contract import contract_problems, space_of, takes_seed
from rlcore.environments.game import EMPTY_EPISODES, GameEnvironment
from rlcore.environments.game_contract import game_problems
from rlcore.environments.jax_environment import JaxEnvironment, JaxEnvironments
from rlcore.environments.libraries import wrap_functional, wrap_game
from rlcore.environments.single import SingleEnvironment
from rlcore.environments.transforms import _Transforms, check_transforms
from rlcore.environments.vector import VectorEnvironment
from rlcore.errors import ConfigError, EnvContractError
from rlcore.games import Game
from rlcore.interfaces import Environment
from rlcore.struct import is_struct


def as_environment(
    env: Any, state: Any = None, action: Any = None, reward: Any = None, num_envs: int | None = None
) -> SingleEnvironment | VectorEnvironment | GameEnvironment:
    """Puts the adapter around an environment that the loop and policies need; an adapter comes back as it is.

    Args:
        env: A Gymnasium id, a Gymnasium environment, vector environment or functional environment, a gymnax or pgx
            environment, or an `Environment` of your own, which is a JAX environment if it is a `@struct` whose methods
            can be traced; or a game: a `Game` of your own, an AEC or Parallel environment of PettingZoo, a
            `pyspiel.Game`. Of a game the functions below are applied to the states, actions and rewards of each player.
        state: A function from the environment's state to the one that policies see, or a pair of it and its space;
            without a space it is found by transforming one element of the environment's space. Several
            environments: it gets and gives all rows at once. Or `StackFrames`, so that a state is the latest frames of
            its episode, or a pair of a function, which makes a frame of the environment's state, and `StackFrames`.
            The adapter keeps stacks of its own, one for each environment; the one given says shape and dtype only.
        action: A function from the policy's action to the environment's, or a pair of it and the space that the
            policy chooses from; without a space that is the environment's own.
        reward: A function from the environment's reward to the one that is learnt from.
        num_envs: How many copies run side by side: of a JAX environment, or of a Gymnasium id (in this process, one
            after the other, with `AutoresetMode.DISABLED`); `None`: a single one, without a leading axis.

    Raises:
        ConfigError: Something that is no environment, an `Environment` that lacks methods (all are named), spaces that
            aren't supported, a wrong argument.

    Source: Julia `StateTransformedEnv`, `ActionTransformedEnv`, `RewardTransformedEnv` are the three functions.
    """
    transforms = check_transforms(state, action, reward)
    if isinstance(env, SingleEnvironment | VectorEnvironment | GameEnvironment):
        if transforms != _Transforms() or num_envs is not None:
            raise ConfigError("env is an adapter already, so it takes no functions; pass the environment inside it")
        return env
    game = env if isinstance(env, Game) else wrap_game(env)
    if game is not None:
        return _game(env, game, transforms, num_envs)
    env = wrap_functional(env) or env
    if isinstance(env, str):
        env = _make(env, num_envs)
    elif num_envs is not None and not is_struct(env):
        raise ConfigError(
            f"num_envs is {num_envs}, expected None for {env!r}; copies are made of a Gymnasium id or a JAX environment"
        )
    if isinstance(env, gymnasium.vector.VectorEnv):
        return VectorEnvironment(env, transforms)
    if isinstance(env, gymnasium.Env):
        return _gymnasium(env, transforms)
    if isinstance(env, Environment):
        return _own(env, transforms, num_envs)
    raise ConfigError(
        f"env is {named(env)}, expected a Gymnasium id, environment or vector environment, an rlcore Environment, or a "
        "game of PettingZoo or OpenSpiel" + ("; pass an instance, not the class" if isinstance(env, type) else "")
    )


def _make(name: str, num_envs: int | None) -> Any:
    """One environment, or several in the mode that lets a reset condition cut rows and spends no step on a reset.

    Gymnasium's own checks and copies are left out, since the adapter checks and copies everything itself.
    """
    kinds = {"autoreset_mode": AutoresetMode.DISABLED, "copy": False}
    try:
        if num_envs is None:
            return gymnasium.make(name, disable_env_checker=True)
        check_whole("num_envs", num_envs)
        return gymnasium.make_vec(
            name, num_envs, vectorization_mode="sync", vector_kwargs=kinds, disable_env_checker=True
        )
    except gymnasium.error.Error as error:
        raise ConfigError(f"env is {name!r}, expected the id of a Gymnasium environment: {error}") from error


def _game(source: Any, game: Any, transforms: _Transforms, num_envs: int | None) -> GameEnvironment:
    if num_envs is not None or transforms.stack is not None:
        came = f"num_envs is {num_envs}" if num_envs is not None else "state is StackFrames"
        raise ConfigError(f"{came}, expected None for the game {source}; a game is played one at a time, unstacked")
    problems = [f"{what}; {fix}" for what, fix in game_problems(game)]
    if problems:
        raise ConfigError("\n".join(problems))
    name = getattr(game, "name", None)
    name = name if isinstance(name, str) else type(game).__name__
    return GameEnvironment(source, game, name, transforms)


def _gymnasium(env: gymnasium.Env, transforms: _Transforms) -> SingleEnvironment:
    name = env.spec.id if env.spec else type(env.unwrapped).__name__
    state_space, action_space = (_space_of(name, env, kind) for kind in ("observation_space", "action_space"))
    return SingleEnvironment(
        env, name, env.step, lambda seed: env.reset(seed=seed), state_space, action_space, transforms
    )


def _space_of(name: str, env: Any, kind: str) -> spaces.Space:
    """The space that an environment has as an attribute, or answers as a method."""
    try:
        space = space_of(env, kind) if isinstance(env, Environment) else getattr(env, kind)
    except (AttributeError, NotImplementedError):
        space = None
    if not isinstance(space, spaces.Space):
        raise ConfigError(f"{kind} of {name} is {space!r}, expected a Gymnasium space such as Discrete(2) or Box(...)")
    return space


def _own(env: Environment, transforms: _Transforms, num_envs: int | None) -> SingleEnvironment | VectorEnvironment:
    """An `Environment` of the user's."""
    name = type(env).__name__
    if env.num_envs is not None:
        raise ConfigError(
            f"{name}.num_envs is {env.num_envs}, expected None: an environment of your own is a single one"
        )
    problems = [f"{what}; {fix}" for what, fix in contract_problems(env)]
    if problems:
        raise ConfigError("\n".join(problems))
    if not is_struct(env):
        return _on_host(env, name, transforms)
    if num_envs is not None:
        return JaxEnvironments(env, check_whole("num_envs", num_envs), transforms)
    try:
        return JaxEnvironment(env, transforms)
    except ConfigError as reason:
        adapter = _on_host(env, name, transforms)
        adapter.why_untraced = str(reason)
        return adapter


def _on_host(env: Environment, name: str, transforms: _Transforms) -> SingleEnvironment:
    """The adapter of an environment that Python steps: its answers become the five of a Gymnasium step."""
    is_seeded = takes_seed(env)

    def info() -> dict[str, Any]:
        mask = env.legal_action_mask()
        return {} if mask is None else {"action_mask": mask}

    def begin(seed: int | None) -> tuple[Any, dict[str, Any]]:
        for _ in range(EMPTY_EPISODES):
            env.reset(seed=seed) if is_seeded and seed is not None else env.reset()
            if not (env.is_terminated() or env.is_truncated()):
                return env.state(), info()
            seed = None
        raise EnvContractError(
            f"{name} was over right after reset, {EMPTY_EPISODES} times in a row; expected a state to act in: "
            "make reset clear what is_terminated and is_truncated answer"
        )

    def take_step(action: Any) -> tuple[Any, Any, Any, Any, dict[str, Any]]:
        env.act(action)
        return env.state(), env.reward(), env.is_terminated(), env.is_truncated(), info()

    state_space, action_space = (_space_of(name, env, kind) for kind in ("state_space", "action_space"))
    return SingleEnvironment(env, name, take_step, begin, state_space, action_space, transforms)
