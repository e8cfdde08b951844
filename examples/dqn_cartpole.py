"""Trains a DQN on CartPole-v1 until it is solved, and shows how it went: well under a minute on two cores.

python examples/dqn_cartpole.py [--seed 1] [--quick]
"""

import argparse

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
    Stage,
    StepsPerEpisode,
    StopAfterNSteps,
    StopSignal,
    TargetNetwork,
    TimePerStep,
    TotalRewardPerEpisode,
    Trajectory,
    evaluate,
)
from rlcore.hooks import DoEveryNEpisodes

GOAL = 475.0  # CartPole-v1 counts as solved when the last 100 training episodes return this much on average


def make_agent(seed: int) -> Agent:
    """A network with a target, ε-greedy exploration, uniform replay, an update every tenth step."""
    network = Approximator(MLP(4, (120, 84), 2, rngs=nnx.Rngs(seed)), optax.adam(2.5e-4))
    learner = DQNLearner(TargetNetwork(network, sync_freq=50), gamma=0.99)
    explorer = EpsilonGreedyExplorer(0.02, epsilon_init=1.0, decay_steps=100_000)
    memory = Trajectory(
        CircularTraces(10_000), BatchSampler(128), InsertSampleRatioController(1 / 10, threshold=10_000)
    )
    return Agent(QBasedPolicy(learner, explorer), memory)


def train(seed: int, n_steps: int = 500_000, show: bool = True) -> Experiment:
    """Runs until CartPole is solved, at most `n_steps` steps."""
    rewards, solved = TotalRewardPerEpisode(display_on_exit=show), StopSignal()

    def stop_when_solved(n_episodes: int, policy: Agent, env: object) -> None:
        last = rewards.rewards[-100:]
        if n_episodes >= 100 and sum(last) >= 100 * GOAL:
            solved.set(f"the last 100 episodes return {sum(last) / 100:.1f} on average")

    return Experiment(
        make_agent(seed),
        "CartPole-v1",
        StopAfterNSteps(n_steps, show_progress=show) | solved,
        rewards + StepsPerEpisode() + TimePerStep() + DoEveryNEpisodes(stop_when_solved, stage=Stage.POST_ACT),
        seed=seed,
    ).run()


def main() -> None:
    """Trains, shows, evaluates."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--quick", action="store_true", help="a few thousand steps only, to see that everything works")
    arguments = parser.parse_args()

    experiment = train(arguments.seed, 12_000 if arguments.quick else 500_000)
    times, steps = experiment.hook[TimePerStep].times, experiment.hook[StepsPerEpisode].steps
    print(f"{len(steps)} episodes, {sum(steps):,} steps, {1e6 * sum(times) / len(times):.0f} µs per step at the end")
    print(f"stopped by {experiment.stop_reason}")

    n_episodes = 10 if arguments.quick else 100
    returns, _ = evaluate(experiment.policy, "CartPole-v1", n_episodes, seed=arguments.seed + 1)
    print(f"greedy return over {n_episodes} fresh episodes: {returns.mean():.1f} ± {returns.std():.1f}, at most 500")


if __name__ == "__main__":
    main()
