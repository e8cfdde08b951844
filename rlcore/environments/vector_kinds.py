"""What a Gymnasium vector environment says of itself, checked before it is used."""

from gymnasium.vector import AutoresetMode, VectorEnv
from gymnasium.vector.utils import batch_space

from rlcore.errors import ConfigError


def name_of(env: VectorEnv) -> str:
    """Its id; without one the name of its class, and of the environments in it where they are at hand."""
    if env.spec is not None:
        return str(env.spec.id)
    name, inside = type(env.unwrapped).__name__, getattr(env.unwrapped, "envs", None)
    if not isinstance(inside, list):
        return name
    return f"{name} of {inside[0].spec.id if inside[0].spec else type(inside[0].unwrapped).__name__}"


def mode_of(env: VectorEnv) -> AutoresetMode:
    """When it resets the rows that ended.

    Raises:
        ConfigError: It doesn't say.
    """
    mode = (env.metadata or {}).get("autoreset_mode")
    if isinstance(mode, AutoresetMode):
        return mode
    raise ConfigError(
        f"{name_of(env)} declares the autoreset mode {mode!r}, expected a gymnasium.vector.AutoresetMode in "
        "metadata['autoreset_mode']: without it the last states of episodes would be lost. Declare what its step does"
    )


def check_rows_agree(env: VectorEnv) -> None:
    """Refuses a vector environment whose rows have different spaces.

    Raises:
        ConfigError: With both spaces.
    """
    pairs = [("observation", env.single_observation_space, getattr(env, "observation_space", None))]
    pairs += [("action", env.single_action_space, getattr(env, "action_space", None))]
    for kind, single, batched in pairs:
        expected = batch_space(single, env.num_envs)
        if batched is not None and batched != expected:
            raise ConfigError(
                f"{name_of(env)} has the {kind} space {batched}, expected {expected}, {env.num_envs} times {single}; "
                "give all rows the same space"
            )
