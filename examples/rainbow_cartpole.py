"""Trains Rainbow on CartPole: six extensions of DQN in one learner, each a part that can be left out.

Double Q-learning, a dueling network, replay by priority, returns over three steps, a distribution over 51 values, and
noisy layers in place of ε-greedy exploration.

python examples/rainbow_cartpole.py [--seed 1] [--quick]
"""

import argparse

import numpy as np
import optax
from flax import nnx

from rlcore import (
    Agent,
    Approximator,
    DQNLearner,
    Experiment,
    InsertSampleRatioController,
    QBasedPolicy,
    StopAfterNSteps,
    TargetNetwork,
    TotalRewardPerEpisode,
    Trajectory,
    as_environment,
    evaluate,
)
from rlcore.environments import CartPole
from rlcore.explorers import GreedyExplorer
from rlcore.learners import CategoricalSupport
from rlcore.networks import DuelingNetwork, NoisyLinear
from rlcore.trajectories import NStepBatchSampler, PrioritizedTraces

GAMMA = 0.99
SUPPORT = CategoricalSupport(v_min=0, v_max=100, n_atoms=51)  # a reward of 1 for ever is worth 1 / (1 - GAMMA)


def make_experiment(seed: int, n_steps: int) -> Experiment:
    """All parts, an update every fourth step."""
    rngs, n = nnx.Rngs(seed), SUPPORT.n_atoms
    base = nnx.Sequential(nnx.Linear(4, 128, rngs=rngs), nnx.relu)
    value = nnx.Sequential(NoisyLinear(128, 64, rngs=rngs), nnx.relu, NoisyLinear(64, n, rngs=rngs))
    advantage = nnx.Sequential(NoisyLinear(128, 64, rngs=rngs), nnx.relu, NoisyLinear(64, 2 * n, rngs=rngs))
    model = DuelingNetwork(base, value, advantage, n_atoms=n)
    network = TargetNetwork(Approximator(model, optax.adam(5e-4, eps=1.5e-4)), sync_freq=100)
    learner = DQNLearner(network, gamma=GAMMA, double=True, distribution=SUPPORT)
    beta = optax.linear_schedule(0.4, 1.0, n_steps // 4)
    memory = Trajectory(
        PrioritizedTraces(20_000, alpha=0.5, beta=beta),
        NStepBatchSampler(batch_size=64, n=3, gamma=GAMMA),
        InsertSampleRatioController(1 / 4, threshold=1_000),
    )
    agent = Agent(QBasedPolicy(learner, GreedyExplorer()), memory)
    return Experiment(agent, CartPole(), StopAfterNSteps(n_steps), TotalRewardPerEpisode(), seed=seed)


def main() -> None:
    """Trains, evaluates, and shows what the distribution says of two states."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--quick", action="store_true", help="3,000 steps only, to see that everything works")
    arguments = parser.parse_args()

    experiment = make_experiment(arguments.seed, 3_000 if arguments.quick else 50_000).run()
    print(experiment.engine)
    rewards = experiment.hook.result()
    print(f"{len(rewards)} episodes, the last 20 return {np.mean(rewards[-20:]):.1f}")

    rows = as_environment(CartPole(), num_envs=100)  # an episode in each, with the means of the noisy layers
    returns, _ = evaluate(experiment.policy, rows, n_episodes=100, seed=arguments.seed + 1)
    print(f"greedy return over 100 fresh episodes: {returns.mean():.1f} ± {returns.std():.1f}, at most 500")

    model = experiment.policy.policy.learner.approximator.model
    for name, angle in (("upright", 0.0), ("nearly fallen", 0.15)):
        logits = model(np.array([0.0, 0.0, angle, 5 * angle], np.float32)).reshape(2, SUPPORT.n_atoms)
        means = nnx.softmax(logits) @ SUPPORT.atoms
        deviations = np.sqrt(nnx.softmax(logits) @ SUPPORT.atoms**2 - means**2)
        (left, right), (of_left, of_right) = means.tolist(), deviations.tolist()
        print(f"{name}: it expects {left:.0f} ± {of_left:.0f} pushing left, {right:.0f} ± {of_right:.0f} pushing right")


if __name__ == "__main__":
    main()
