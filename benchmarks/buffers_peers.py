"""Replay buffers of other libraries: what `buffers.py` asks of them, in a process of their own.

Each is filled before it is measured, with the same transitions as rlcore's.
"""

from collections.abc import Callable
from typing import Any

import numpy as np
from buffers_work import BATCH, CAPACITY, Measured, States, figures, states_of
from compiled_process import answer


def stable_baselines(kind: str) -> Measured:
    import gymnasium as gym
    from stable_baselines3.common.buffers import ReplayBuffer

    states = states_of(kind, "last")
    space = gym.spaces.Box(-np.inf if kind == "vector" else 0, np.inf if kind == "vector" else 255, *states.form())
    buffer = ReplayBuffer(CAPACITY[kind], space, gym.spaces.Discrete(2), device="cpu", handle_timeout_termination=False)
    action, reward, infos = np.array([1]), np.array([1.0], np.float32), [{}]
    rows = States([(state[None], next_state[None], np.array([end])) for state, next_state, end in states.steps])

    def add(at: int) -> None:
        state, next_state, end = rows.at(at)
        buffer.add(state, next_state, action, reward, end, infos)

    stored = [buffer.observations, buffer.next_observations, buffer.actions, buffer.rewards, buffer.dones]
    return Measured(add, lambda: buffer.sample(BATCH), n_bytes=sum(array.nbytes for array in stored))


def cpprb(kind: str, is_prioritised: bool = False) -> Measured:
    import cpprb

    states = states_of(kind, "last")
    shape, dtype = states.form()
    each = {"shape": shape, "dtype": dtype}
    fields = {"obs": each, "act": {"dtype": np.int32}, "rew": {}, "next_obs": each, "done": {}}
    if is_prioritised:
        buffer = cpprb.PrioritizedReplayBuffer(CAPACITY[kind], fields, alpha=0.6)
    else:
        buffer = cpprb.ReplayBuffer(CAPACITY[kind], fields)

    def add(at: int) -> None:
        state, next_state, end = states.at(at)
        buffer.add(obs=state, act=1, rew=1.0, next_obs=next_state, done=end)

    priorities = np.random.default_rng(0).random(BATCH)

    def sample_and_update() -> None:
        batch = buffer.sample(BATCH, beta=0.4)
        buffer.update_priorities(batch["indexes"], priorities)

    return Measured(add, sample_and_update if is_prioritised else lambda: buffer.sample(BATCH))


def flashbax(kind: str) -> Measured:
    import flashbax
    import jax
    import jax.numpy as jnp

    states = states_of(kind, "last")
    shape, dtype = states.form()
    buffer = flashbax.make_flat_buffer(
        max_length=CAPACITY[kind], min_length=BATCH, sample_batch_size=BATCH, add_sequences=False, add_batch_size=None
    )
    like = {"obs": jnp.zeros(shape, dtype), "act": jnp.int32(0), "rew": jnp.float32(0), "done": jnp.array(False)}
    held: dict[str, Any] = {"state": buffer.init(like), "key": jax.random.key(0)}
    push, draw, split = jax.jit(buffer.add, donate_argnums=0), jax.jit(buffer.sample), jax.jit(jax.random.split)
    action, reward = np.int32(1), np.float32(1)

    def add(at: int) -> None:
        state, _, end = states.at(at)
        given = {"obs": state, "act": action, "rew": reward, "done": np.bool_(end)}
        held["state"] = push(held["state"], given)
        if at % 16 == 15:
            jax.block_until_ready(held["state"])

    def sample() -> None:
        held["key"], key = split(held["key"])
        jax.block_until_ready(draw(held["state"], key))

    n_bytes = sum(leaf.nbytes for leaf in jax.tree.leaves(held["state"].experience))
    return Measured(add, sample, n_bytes=n_bytes)


LIBRARIES: dict[str, Callable[..., Measured]] = {
    "Stable-Baselines3": stable_baselines,
    "cpprb": cpprb,
    "cpprb, prioritised": lambda kind: cpprb(kind, is_prioritised=True),
    "flashbax": flashbax,
}

if __name__ == "__main__":
    answer({name: lambda kind, make=make: figures(make, kind) for name, make in LIBRARIES.items()})
