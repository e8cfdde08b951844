"""Trains a DQN on CartPole as one compiled program, hooks included, and shows how fast that was.

The environment is rlcore's own CartPole, which JAX can trace, so that `run` compiles policy, learner and environment
into one program. `--engine eager` calls the same parts step by step: the same episodes, many times slower.
`--num-envs 64` acts in 64 of them side by side.

python examples/compiled_cartpole.py [--seed 1] [--engine eager] [--num-envs 64] [--quick]
"""

import argparse
import time

import numpy as np
import optax
from flax import nnx

from rlcore import (
    MLP,
    Agent,
    Approximator,
    BatchSampler,
    CircularTraces,
    DQNLearner,
    EpsilonGreedyExplorer,
    Experiment,
    InsertSampleRatioController,
    QBasedPolicy,
    StepsPerEpisode,
    StopAfterNSteps,
    TargetNetwork,
    TotalRewardPerEpisode,
    Trajectory,
    as_environment,
    evaluate,
)
from rlcore.environments import CartPole


def make_experiment(seed: int, n_steps: int, num_envs: int | None = None) -> Experiment:
    """A network with a target, ε-greedy exploration, uniform replay, an update every tenth step."""
    network = Approximator(MLP(4, (120, 84), 2, rngs=nnx.Rngs(seed)), optax.adam(2.5e-4))
    learner = DQNLearner(TargetNetwork(network, sync_freq=50), gamma=0.99)
    explorer = EpsilonGreedyExplorer(0.02, epsilon_init=1.0, decay_steps=n_steps // 3)
    memory = Trajectory(CircularTraces(10_000), BatchSampler(128), InsertSampleRatioController(1 / 10, threshold=1_000))
    agent = Agent(QBasedPolicy(learner, explorer), memory)
    hook = TotalRewardPerEpisode() + StepsPerEpisode()
    env = as_environment(CartPole(), num_envs=num_envs)
    return Experiment(agent, env, StopAfterNSteps(n_steps), hook, seed=seed)


def main() -> None:
    """Trains, shows, evaluates."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--engine", choices=["auto", "compiled", "eager"], default="auto")
    parser.add_argument("--num-envs", type=int)
    parser.add_argument("--quick", action="store_true", help="8,000 steps only, to see that everything works")
    arguments = parser.parse_args()

    n_steps = 8_000 if arguments.quick else 300_000
    experiment = make_experiment(arguments.seed, n_steps, arguments.num_envs)
    start = time.perf_counter()
    experiment.run(arguments.engine)
    seconds = time.perf_counter() - start - experiment.compile_seconds
    print(experiment.engine)
    print(f"{experiment.compile_seconds:.1f} s to compile, then {n_steps / seconds:,.0f} steps per second")
    rewards, steps = (experiment.hook[kind].result() for kind in (TotalRewardPerEpisode, StepsPerEpisode))
    print(f"{len(steps)} episodes of {np.mean(steps):.0f} steps, the last 100 return {np.mean(rewards[-100:]):.1f}")

    rows = as_environment(CartPole(), num_envs=100)  # an episode in each
    returns, _ = evaluate(experiment.policy, rows, n_episodes=100, seed=arguments.seed + 1)
    print(f"greedy return over 100 fresh episodes: {returns.mean():.1f} ± {returns.std():.1f}, at most 500")


if __name__ == "__main__":
    main()
