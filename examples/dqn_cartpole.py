"""Trains a DQN on CartPole-v1 until it is solved, and shows how it went: about a minute on two cores.

    python examples/dqn_cartpole.py [--seed 0] [--quick]
"""

import argparse

import optax
from flax import nnx

from rlcore import Experiment, evaluate
from rlcore.approximators import Approximator, TargetNetwork
from rlcore.explorers import EpsilonGreedyExplorer
from rlcore.hooks import DoEveryNEpisodes, StepsPerEpisode, TimePerStep, TotalRewardPerEpisode
from rlcore.learners import DQNLearner
from rlcore.networks import MLP
from rlcore.policies import Agent, QBasedPolicy
from rlcore.stop_conditions import StopAfterNSteps, StopSignal
from rlcore.trajectories import BatchSampler, CircularTraces, InsertSampleRatioController, Trajectory

SOLVED = 475.0  # mean return of the last 100 training episodes


def make_agent(seed: int) -> Agent:
    """A Q-network with a target, ε-greedy exploration and uniform replay."""
    network = Approximator(MLP(4, (120, 84), 2, rngs=nnx.Rngs(seed)), optax.adam(5e-4))
    learner = DQNLearner(TargetNetwork(network, sync_freq=250), gamma=0.99)
    explorer = EpsilonGreedyExplorer(0.01, epsilon_init=1.0, decay_steps=10_000)
    memory = Trajectory(CircularTraces(100_000), BatchSampler(128), InsertSampleRatioController(0.5, threshold=1_000))
    return Agent(QBasedPolicy(learner, explorer), memory)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--quick", action="store_true", help="a few thousand steps only, to see that everything works")
    arguments = parser.parse_args()

    rewards, solved = TotalRewardPerEpisode(), StopSignal()

    def stop_when_solved(n_episodes: int, policy: Agent, env: object) -> None:
        last = rewards.rewards[-100:]
        if len(last) == 100 and sum(last) / 100 >= SOLVED:
            solved.set(f"mean return of the last 100 episodes {sum(last) / 100:.1f}")

    n_steps = 3_000 if arguments.quick else 200_000
    experiment = Experiment(
        make_agent(arguments.seed),
        "CartPole-v1",
        StopAfterNSteps(n_steps) | solved,
        rewards + StepsPerEpisode() + TimePerStep() + DoEveryNEpisodes(stop_when_solved),
        seed=arguments.seed,
    ).run()

    times = experiment.hook[TimePerStep].times
    print(f"stopped after {sum(experiment.hook[StepsPerEpisode].steps):,} steps: {experiment.stop_reason}")
    print(f"{1e6 * sum(times) / len(times):.0f} µs per step, {len(rewards.rewards)} episodes")
    returns, _ = evaluate(experiment.policy, "CartPole-v1", 10 if arguments.quick else 100, seed=arguments.seed + 1)
    print(f"greedy return over {len(returns)} fresh episodes: {returns.mean():.1f} ± {returns.std():.1f} (at most 500)")


if __name__ == "__main__":
    main()
