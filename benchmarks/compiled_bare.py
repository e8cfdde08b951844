"""Loops written by hand in JAX for one purpose: what the compiled engine is measured by.

Both draw the random numbers of a whole chunk of steps in one call, which is many times faster than splitting a key in
every step, and are cut into chunks, whose record lies ready on the host before the next one begins.
"""

import functools
from collections.abc import Callable

import gymnasium
import jax
import jax.numpy as jnp
import numpy as np
from compiled_process import answer, clock

PUSH, POLE, GRAVITY, SECONDS = 10.0 / 1.1, 0.1 * 0.5 / 1.1, 9.8, 0.02  # as in `rlcore.environments.CartPole`
FARTHEST, STEEPEST, LONGEST = 2.4, 12 * 2 * np.pi / 360, 500
ALPHA, GAMMA, EPSILON = 0.1, 0.99, 0.1


def rollout(n_envs: int, n_steps: int) -> Callable[[int], dict]:
    """A random policy on CartPole, as Gymnasium moves it; `n_steps` over all environments."""
    length = 100_000 // n_envs  # of a chunk, the fastest of those tried for 1, 64 and 1,024 environments
    n_chunks = n_steps // (length * n_envs)
    lanes = () if n_envs == 1 else (n_envs,)

    def step(state, numbers):
        x, x_dot, theta, theta_dot, age = state
        sine, cosine = jnp.sin(theta), jnp.cos(theta)
        push = jnp.where(numbers[0] < 0.5, -PUSH, PUSH) + POLE * theta_dot * theta_dot * sine
        turn = (GRAVITY * sine - cosine * push) / (2 / 3 - POLE * cosine * cosine)
        pull = push - POLE * turn * cosine
        moved = x + SECONDS * x_dot, x_dot + SECONDS * pull, theta + SECONDS * theta_dot, theta_dot + SECONDS * turn
        terminated = (jnp.abs(moved[0]) > FARTHEST) | (jnp.abs(moved[2]) > STEEPEST)
        truncated = (age + 1 >= LONGEST) & ~terminated
        is_over = terminated | truncated
        begun = tuple(0.1 * numbers[1 + i] - 0.05 for i in range(4))
        state = tuple(jnp.where(is_over, *pair) for pair in zip(begun, moved, strict=True))
        return (*state, jnp.where(is_over, 0, age + 1)), (jnp.ones(lanes), terminated, truncated)

    @functools.partial(jax.jit, donate_argnums=1)
    def chunk(key, state):
        key, draw = jax.random.split(key)
        state, record = jax.lax.scan(step, state, jax.random.uniform(draw, (length, 5, *lanes)))
        return key, state, record

    def play(seed: int) -> list:
        key = jax.random.key(seed)
        state = (*(jnp.zeros(lanes) for _ in range(4)), jnp.zeros(lanes, jnp.int32))
        ends = []
        for _ in range(n_chunks):
            key, state, record = chunk(key, state)
            _, terminated, truncated = map(np.asarray, record)
            ends.append(terminated | truncated)
        return ends

    def run(seed: int) -> dict:
        ends, figures = clock(lambda: play(seed))
        n_played = n_chunks * length * n_envs
        return figures | {"n_steps": n_played, "mean episode length": n_played / sum(int(end.sum()) for end in ends)}

    return run


def q_learning(env_id: str, n_steps: int) -> Callable[[int], dict]:
    """Q-learning on an environment that Gymnasium describes by a table of transitions."""
    length = 20_000
    chances, next_states, rewards, terminates = (jnp.asarray(column) for column in transitions(env_id))
    n_states, n_actions, n_outcomes = next_states.shape
    spec = gymnasium.spec(env_id)
    start = int(gymnasium.make(env_id).unwrapped.initial_state_distrib.argmax())

    def step(learnt, numbers):
        table, state, age = learnt
        row = table[state]
        action = jnp.where(numbers[0] < EPSILON, (numbers[0] / EPSILON * n_actions).astype(jnp.int32), row.argmax())
        outcome = (numbers[1] > chances[state, action]).sum() if n_outcomes > 1 else 0
        at = state, action, outcome
        terminated = terminates[at]
        target = rewards[at] + jnp.where(terminated, 0.0, GAMMA * table[next_states[at]].max())
        table = table.at[state, action].add(ALPHA * (target - row[action]))
        is_over = terminated if spec.max_episode_steps is None else terminated | (age + 1 >= spec.max_episode_steps)
        return (table, jnp.where(is_over, start, next_states[at]), jnp.where(is_over, 0, age + 1)), None

    @functools.partial(jax.jit, donate_argnums=1)
    def chunk(key, learnt):
        key, draw = jax.random.split(key)
        numbers = jax.random.uniform(draw, (length, 2 if n_outcomes > 1 else 1))
        return key, jax.lax.scan(step, learnt, numbers)[0]

    def learn(seed: int) -> jax.Array:
        key, learnt = jax.random.key(seed), (jnp.zeros((n_states, n_actions)), jnp.int32(start), jnp.int32(0))
        for _ in range(n_steps // length):
            key, learnt = chunk(key, learnt)
        return learnt[0]

    def run(seed: int) -> dict:
        table, figures = clock(lambda: learn(seed))
        return figures | {"n_steps": n_steps // length * length, "value of the start": float(table[start].max())}

    return run


def transitions(env_id: str) -> tuple[np.ndarray, ...]:
    """By state, action and outcome: the chance of it or an earlier one, next state, reward, whether it terminates."""
    table = gymnasium.make(env_id).unwrapped.P
    n_outcomes = max(len(outcomes) for actions in table.values() for outcomes in actions.values())
    shape = (len(table), len(table[0]), n_outcomes)
    chances = np.full(shape, 2.0, np.float32)  # no number drawn exceeds the last one
    next_states, rewards, terminates = np.zeros(shape, np.int32), np.zeros(shape, np.float32), np.zeros(shape, bool)
    for state, actions in table.items():
        for action, outcomes in actions.items():
            before = 0.0
            for i, (chance, next_state, reward, terminated) in enumerate(outcomes):
                at = state, action, i
                before += chance
                chances[at] = before if i + 1 < len(outcomes) else 2.0
                next_states[at], rewards[at], terminates[at] = next_state, reward, terminated
    return chances, next_states, rewards, terminates


if __name__ == "__main__":
    answer({"rollout": rollout, "q_learning": q_learning})
