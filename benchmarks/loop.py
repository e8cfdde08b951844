"""What the loop costs: a random policy watched by three hooks, beside a bare loop over the same environment.

The bare loop draws every action from a NumPy generator, looks for ends, and keeps nothing but their number.
"""

import argparse
import time

import gymnasium
import numpy as np
from measure import interleave, print_machine, report

from rlcore import Experiment, RandomPolicy, StepsPerEpisode, StopAfterNSteps, TimePerStep, TotalRewardPerEpisode

ENV = "CartPole-v1"


def bare_single(n_steps: int) -> float:
    """Steps per second."""
    env, random = gymnasium.make(ENV), np.random.default_rng(0)
    start = time.perf_counter()
    env.reset(seed=0)
    for _ in range(n_steps):
        _, _, terminated, truncated, _ = env.step(int(random.integers(2)))
        if terminated or truncated:
            env.reset()
    return n_steps / (time.perf_counter() - start)


def make_vector(mode: str, n_envs: int) -> gymnasium.vector.VectorEnv:
    return gymnasium.make_vec(ENV, num_envs=n_envs, vectorization_mode=mode)


def bare_vector(mode: str, n_envs: int, n_steps: int) -> float:
    """Row steps per second, those that Gymnasium spends on resets included."""
    env, random = make_vector(mode, n_envs), np.random.default_rng(0)
    n_episodes = 0
    start = time.perf_counter()
    env.reset(seed=0)
    for _ in range(n_steps // n_envs):
        _, _, terminated, truncated, _ = env.step(random.integers(0, 2, n_envs))
        for _row in np.flatnonzero(terminated | truncated):
            n_episodes += 1
    seconds = time.perf_counter() - start
    env.close()
    return n_steps // n_envs * n_envs / seconds


class CountedSteps(gymnasium.vector.VectorWrapper):
    """Counts row steps, because the experiment stops by transitions and a reset is none."""

    rows = 0

    def step(self, actions):
        self.rows += self.env.num_envs
        return self.env.step(actions)


def row_steps(make, n_steps: int) -> int:
    """How many row steps the run of `n_steps` transitions takes: counted once, since a seed repeats it."""
    env = CountedSteps(make())
    experiment(env, n_steps).run()
    return env.rows


def experiment(env, n_steps: int) -> Experiment:
    hook = StepsPerEpisode() + TotalRewardPerEpisode(display_on_exit=False) + TimePerStep()
    return Experiment(RandomPolicy(), env, StopAfterNSteps(n_steps, show_progress=False), hook, seed=0)


def rlcore_steps(make, n_steps: int, n_row_steps: int) -> float:
    """Row steps per second of a whole run."""
    env = make()
    prepared = experiment(env, n_steps)
    start = time.perf_counter()
    prepared.run()
    seconds = time.perf_counter() - start
    env.close()
    return n_row_steps / seconds


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--steps", type=int, default=50_000)
    parser.add_argument("--repeats", type=int, default=7)
    parser.add_argument("--n-envs", type=int, default=8)
    arguments = parser.parse_args()
    n_steps, n_envs = arguments.steps, arguments.n_envs
    print_machine("rlcore", "gymnasium", "numpy", "jax")

    single = {
        "bare loop": lambda: bare_single(n_steps),
        "rlcore, three hooks": lambda: rlcore_steps(lambda: gymnasium.make(ENV), n_steps, n_steps),
    }
    report(f"{ENV}, one environment", interleave(single, arguments.repeats), "steps/s", "bare loop")

    for mode, name in (("sync", "SyncVectorEnv"), ("vector_entry_point", "native vector environment")):

        def make(mode=mode):
            return make_vector(mode, n_envs)

        n_row_steps = row_steps(make, n_steps)
        vector = {
            "bare loop": lambda mode=mode: bare_vector(mode, n_envs, n_steps),
            "rlcore, three hooks": lambda make=make, n=n_row_steps: rlcore_steps(make, n_steps, n),
        }
        report(f"{ENV}, {n_envs} x {name}", interleave(vector, arguments.repeats), "row steps/s", "bare loop")


if __name__ == "__main__":
    main()
