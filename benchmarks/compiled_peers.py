"""Random rollouts of gymnax, and DQN by PureJaxRL and by rejax, all compiled.

DQN's setting is PureJaxRL's, which is CleanRL's: hidden layers 120 and 84, Adam 2.5e-4, batches of 128 every 10 steps,
squared error, target copied every 500 steps, 10,000 transitions kept, learning from step 10,000 on, epsilon from 1 to
0.05 over 250,000 steps.
"""

import os
import sys
import types
from collections.abc import Callable
from pathlib import Path
from typing import Any

import flax.linen
import gymnax
import jax
import jax.numpy as jnp
import numpy as np
from compiled_process import answer, clock

ENV = "CartPole-v1"


def rollout(n_envs: int, n_steps: int) -> Callable[[int], dict]:
    """gymnax, which splits a key in every step; `n_steps` over all environments."""
    env, parameters = gymnax.make(ENV)
    reset, act, length = env.reset, env.step, n_steps // n_envs
    lanes = () if n_envs == 1 else (n_envs,)
    if lanes:
        reset, act = jax.vmap(reset, in_axes=(0, None)), jax.vmap(act, in_axes=(0, 0, 0, None))

    def keys(key):
        return jax.random.split(key, n_envs) if lanes else key

    @jax.jit
    def play(key):
        key, begin = jax.random.split(key)
        _, state = reset(keys(begin), parameters)

        def step(carry, _):
            key, choose, move = jax.random.split(carry[0], 3)
            action = jax.random.randint(choose, lanes, 0, 2)
            _, state, reward, is_over, _ = act(keys(move), carry[1], action, parameters)
            return (key, state), (reward, is_over)

        return jax.lax.scan(step, (key, state), None, length)[1]

    def run(seed: int) -> dict:
        (_, ends), figures = clock(lambda: play(jax.random.key(seed)))
        n_played = length * n_envs
        return figures | {"n_steps": n_played, "mean episode length": n_played / int(np.asarray(ends).sum())}

    return run


def import_purejaxrl() -> Any:
    """Its `dqn`, from the checkout, with what it imports and CartPole does not need left empty."""
    sys.path.insert(0, str(Path(os.environ["PUREJAXRL_DIR"]) / "purejaxrl"))
    sys.modules.setdefault("wandb", types.ModuleType("wandb"))
    jax.tree_map = jax.tree.map  # gone since JAX 0.6
    import dqn

    return dqn


def purejaxrl(n_envs: int, n_steps: int, n_seeds: int | None = None) -> Callable[[int], dict]:
    settings = {
        "NUM_ENVS": n_envs,
        "BUFFER_SIZE": 10_000,
        "BUFFER_BATCH_SIZE": 128,
        "TOTAL_TIMESTEPS": n_steps,
        "EPSILON_START": 1.0,
        "EPSILON_FINISH": 0.05,
        "EPSILON_ANNEAL_TIME": 250_000,
        "TARGET_UPDATE_INTERVAL": 500,
        "LR": 2.5e-4,
        "LEARNING_STARTS": 10_000,
        "TRAINING_INTERVAL": 10,
        "LR_LINEAR_DECAY": False,
        "GAMMA": 0.99,
        "TAU": 1.0,
        "ENV_NAME": ENV,
        "WANDB_MODE": "disabled",
    }
    train = import_purejaxrl().make_train(settings)

    def last_return(result: dict) -> float:
        return float(np.mean(np.asarray(result["metrics"]["returns"])[..., -2_000 // n_envs :]))

    return training(train, n_steps, n_seeds, lambda result: {"mean return at the end": last_return(result)})


def rejax(n_envs: int, n_steps: int, n_seeds: int | None = None) -> Callable[[int], dict]:
    """Learns every `n_envs` steps; it can't do otherwise, so `n_envs` has to be 10 for the others' setting."""
    from rejax import DQN

    algorithm = DQN.create(
        env=ENV,
        num_envs=n_envs,
        buffer_size=10_000,
        fill_buffer=10_000,
        batch_size=128,
        learning_rate=2.5e-4,
        gamma=0.99,
        target_update_freq=500,
        polyak=0.0,
        eps_start=1.0,
        eps_end=0.05,
        exploration_fraction=250_000 / n_steps,
        ddqn=False,
        total_timesteps=n_steps,
        eval_freq=n_steps,
        skip_initial_evaluation=True,
        agent_kwargs={"activation": "relu"},
    )
    agent = algorithm.agent.clone(hidden_layer_sizes=(120, 84), activation=flax.linen.relu)
    algorithm = algorithm.replace(agent=agent, eval_callback=lambda algorithm, state, key: jnp.zeros(()))
    return training(algorithm.train, n_steps, n_seeds, lambda result: {})


def training(
    train: Callable[[Any], Any], n_steps: int, n_seeds: int | None, tell: Callable[[Any], dict]
) -> Callable[[int], dict]:
    """One training, or as many at once as there are seeds; steps are those of all."""
    compiled = jax.jit(train if n_seeds is None else jax.vmap(train))

    def run(seed: int) -> dict:
        key = jax.random.PRNGKey(seed)
        keys = key if n_seeds is None else jax.random.split(key, n_seeds)
        result, figures = clock(lambda: compiled(keys))
        return figures | {"n_steps": n_steps * (n_seeds or 1)} | tell(result)

    return run


if __name__ == "__main__":
    answer({"rollout": rollout, "purejaxrl": purejaxrl, "rejax": rejax})
