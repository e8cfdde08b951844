"""How fast tabular Q-learning is beside the shortest loop in NumPy, with alpha 0.1, gamma 0.99 and epsilon 0.1.

All tables are also played greedily, to show that what was timed did learn. On Taxi-v4 rlcore obeys the mask of legal
actions, which the shortest loop does not read; one that does is measured too.
"""

import argparse
import time

import gymnasium
import numpy as np
from measure import interleave, print_machine, report

from rlcore import Agent, Experiment, QBasedPolicy, StopAfterNSteps
from rlcore.approximators import TabularQApproximator
from rlcore.explorers import EpsilonGreedyExplorer
from rlcore.learners import TDLearner
from rlcore.trajectories import InsertSampleRatioController, LatestTransition, Trajectory, WholeSampler

ALPHA, GAMMA, EPSILON = 0.1, 0.99, 0.1


def bare(env_id: str, n_steps: int) -> tuple[float, np.ndarray]:
    """Steps per second, and the table."""
    env, random = gymnasium.make(env_id), np.random.default_rng(0)
    table = np.zeros((env.observation_space.n, env.action_space.n))
    n_actions = int(env.action_space.n)
    start = time.perf_counter()
    state, _ = env.reset(seed=0)
    for _ in range(n_steps):
        action = int(random.integers(n_actions)) if random.random() < EPSILON else int(table[state].argmax())
        next_state, reward, terminated, truncated, _ = env.step(action)
        target = reward + (0.0 if terminated else GAMMA * table[next_state].max())
        table[state, action] += ALPHA * (target - table[state, action])
        state = env.reset()[0] if terminated or truncated else next_state
    return n_steps / (time.perf_counter() - start), table


def bare_with_masks(env_id: str, n_steps: int) -> tuple[float, np.ndarray]:
    """The same where actions and targets obey the mask that the environment gives."""
    env, random = gymnasium.make(env_id), np.random.default_rng(0)
    table = np.zeros((env.observation_space.n, env.action_space.n))
    start = time.perf_counter()
    state, info = env.reset(seed=0)
    legal = np.flatnonzero(info["action_mask"])
    for _ in range(n_steps):
        explores = random.random() < EPSILON
        action = int(legal[random.integers(len(legal)) if explores else table[state, legal].argmax()])
        next_state, reward, terminated, truncated, info = env.step(action)
        legal = np.flatnonzero(info["action_mask"])
        target = reward + (0.0 if terminated else GAMMA * table[next_state, legal].max())
        table[state, action] += ALPHA * (target - table[state, action])
        state = next_state
        if terminated or truncated:
            state, info = env.reset()
            legal = np.flatnonzero(info["action_mask"])
    return n_steps / (time.perf_counter() - start), table


def rlcore_learning(env_id: str, n_steps: int) -> tuple[float, np.ndarray]:
    """Steps per second, and the table."""
    env = gymnasium.make(env_id)
    approximator = TabularQApproximator(int(env.observation_space.n), int(env.action_space.n))
    learner = TDLearner(approximator, gamma=GAMMA, alpha=ALPHA)
    trajectory = Trajectory(LatestTransition(), WholeSampler(), InsertSampleRatioController())
    agent = Agent(QBasedPolicy(learner, EpsilonGreedyExplorer(EPSILON)), trajectory)
    experiment = Experiment(agent, env, StopAfterNSteps(n_steps, show_progress=False), seed=0)
    start = time.perf_counter()
    experiment.run()
    return n_steps / (time.perf_counter() - start), np.asarray(approximator.table)


def greedy_return(env_id: str, table: np.ndarray, n_episodes: int = 200) -> float:
    """The mean return of the table's greedy policy."""
    env, total = gymnasium.make(env_id), 0.0
    for episode in range(n_episodes):
        state, _ = env.reset(seed=episode)
        is_over = False
        while not is_over:
            state, reward, terminated, truncated, _ = env.step(int(table[state].argmax()))
            total += reward
            is_over = terminated or truncated
    return total / n_episodes


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--steps", type=int, default=100_000)
    parser.add_argument("--repeats", type=int, default=5)
    arguments = parser.parse_args()
    print_machine("rlcore", "gymnasium", "numpy", "jax")
    for env_id in ("FrozenLake-v1", "Taxi-v4"):
        tables = {}

        def measure(name, learn, env_id=env_id, tables=tables):
            steps_per_second, tables[name] = learn(env_id, arguments.steps)
            return steps_per_second

        candidates = {
            "bare NumPy loop": lambda measure=measure: measure("bare NumPy loop", bare),
            "rlcore": lambda measure=measure: measure("rlcore", rlcore_learning),
        }
        if env_id == "Taxi-v4":
            candidates["NumPy loop with masks"] = lambda measure=measure: measure("with masks", bare_with_masks)
        runs = interleave(candidates, arguments.repeats)
        report(f"Q-learning on {env_id}", runs, "steps/s", "bare NumPy loop")
        for name, table in tables.items():
            print(f"  {name}: mean return of the greedy policy {greedy_return(env_id, table):.2f}")


if __name__ == "__main__":
    main()
