"""Transitions of a Minari dataset."""

from typing import Any

import jax
import numpy as np
from gymnasium import spaces

from rlcore.environments import as_environment
from rlcore.environments.masks import KEY, without_mask
from rlcore.environments.spaces import indexed_from_zero, range_of
from rlcore.errors import ConfigError, shorten
from rlcore.offline.sequences import Sequences, misfit_of, traces_of
from rlcore.trajectories import CircularTraces


def load_minari(dataset: Any, env: Any = None, capacity: int | None = None, n_frames: int = 1) -> CircularTraces:
    """Reads the episodes of a Minari dataset into a container.

    States and actions become what policies see of the environment: discrete values count from 0, an `action_mask` is
    taken out of a dict observation. An episode that ends without an end of its own was cut: its last transition counts
    as truncated. Needs the package minari: `pip install "rlcore[minari]"`.

    Args:
        dataset: A `minari.MinariDataset`, or the id of one that is on this machine.
        env: Where the transitions will be used: whatever `as_environment` takes; `None`: not compared.
        capacity: How many transitions the container can hold; `None`: just these.
        n_frames: How many frames a state is a stack of, each of which is then kept once; see `CircularTraces`.

    Raises:
        ConfigError: Minari is not installed, there is no such dataset or nothing in it, its spaces are not supported or
            not those of `env`, its episodes don't fit them, or its states are no stacks of `n_frames`.

    Source: Younis et al., Minari, https://minari.farama.org.
    """
    dataset = _dataset(dataset) if isinstance(dataset, str) else dataset
    name = f"the dataset {dataset.spec.dataset_id}"
    raw, actions = dataset.observation_space, dataset.action_space
    inside, rest = without_mask(raw, actions)
    state_space, action_space = indexed_from_zero(rest), indexed_from_zero(actions)
    if env is not None:
        env = as_environment(env)
        for what, space, own in (
            ("states", state_space, env.state_space()),
            ("actions", action_space, env.action_space()),
        ):
            if space != own:
                raise ConfigError(f"the {what} of {name} are {space}, but those of {env.name} are {own}; pass its own")
    episodes = [_episode(name, episode, inside, rest, actions) for episode in dataset.iterate_episodes()]
    episodes = [episode for episode in episodes if len(episode.reward)]
    if not episodes:
        raise ConfigError(f"{name} holds no transition, expected at least one")
    for i, episode in enumerate(episodes):
        if why := misfit_of(episode, state_space, action_space):
            raise ConfigError(f"in episode {i} of {name} {why}; correct the dataset")
    whole = jax.tree.map(lambda *parts: np.concatenate(parts), *(one._replace(lanes=None) for one in episodes))
    return traces_of(whole, capacity, n_frames)


def _dataset(name: str) -> Any:
    try:
        import minari
    except ImportError as error:
        raise ConfigError(
            f'dataset is {name!r}, but the package minari is not installed; run pip install "rlcore[minari]"'
        ) from error
    try:
        return minari.load_dataset(name)
    except (OSError, ValueError) as error:
        raise ConfigError(
            f"dataset is {name!r}, which can't be read here: {shorten(str(error))}; "
            f"minari.load_dataset({name!r}, download=True) fetches one that is published"
        ) from error


def _episode(name: str, episode: Any, inside: str, state_space: Any, action_space: Any) -> Sequences:
    """One episode as a sequence."""
    observations, mask = episode.observations, None
    if inside:
        mask = np.asarray(observations[KEY], bool)
        rest = {key: part for key, part in observations.items() if key != KEY}
        observations = rest["observation"] if inside == "alone" else rest
    rewards = np.asarray(episode.rewards, np.float32)
    terminated, truncated = (np.array(ends, bool) for ends in (episode.terminations, episode.truncations))
    if not len(rewards) == len(terminated) == len(truncated):
        raise ConfigError(
            f"episode {episode.id} of {name} has {len(rewards)} rewards, {len(terminated)} terminations and "
            f"{len(truncated)} truncations, expected as many of each; correct the dataset"
        )
    truncated[-1:] |= ~terminated[-1:]
    return Sequences(
        state=_from_zero(state_space, observations),
        mask=mask,
        action=_from_zero(action_space, episode.actions),
        reward=rewards,
        terminated=terminated,
        truncated=truncated,
        extras=None,
        length=np.array([len(rewards)], np.int64),
        lane=np.zeros(1, np.int64),
        lanes=None,
    )


def _from_zero(space: spaces.Space, values: Any) -> Any:
    """Elements `[rows, ...]` of a space as transitions hold them: whole numbers that count from 0."""
    if isinstance(space, spaces.Dict):
        return {key: _from_zero(part, values[key]) for key, part in space.spaces.items()}
    if isinstance(space, spaces.Tuple):
        return tuple(_from_zero(part, one) for part, one in zip(space.spaces, values, strict=True))
    values = np.asarray(values)
    return values if isinstance(space, spaces.Box) else values - range_of(space)[0]
