"""Trains a dueling double DQN on CartPole, and shows what its two heads have learnt.

The network has a head for the value of a state and one for the advantages of its actions; the online network chooses
the action whose target value counts. Everything else is as in dqn_cartpole.py.

python examples/dueling_dqn.py [--seed 1] [--quick]
"""

import argparse

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
    StopAfterNSteps,
    TargetNetwork,
    TotalRewardPerEpisode,
    Trajectory,
    as_environment,
    evaluate,
)
from rlcore.environments import CartPole
from rlcore.networks import DuelingNetwork


def make_experiment(seed: int, n_steps: int) -> Experiment:
    """A dueling network with a target, ε-greedy exploration, uniform replay, an update every tenth step."""
    rngs = nnx.Rngs(seed)
    base = nnx.Sequential(MLP(4, (120,), 84, rngs=rngs), nnx.relu)
    model = DuelingNetwork(base, value=nnx.Linear(84, 1, rngs=rngs), advantage=nnx.Linear(84, 2, rngs=rngs))
    network = TargetNetwork(Approximator(model, optax.adam(2.5e-4)), sync_freq=50)
    learner = DQNLearner(network, gamma=0.99, double=True)
    explorer = EpsilonGreedyExplorer(0.02, epsilon_init=1.0, decay_steps=n_steps // 3)
    memory = Trajectory(CircularTraces(10_000), BatchSampler(128), InsertSampleRatioController(1 / 10, threshold=1_000))
    agent = Agent(QBasedPolicy(learner, explorer), memory)
    return Experiment(agent, CartPole(), StopAfterNSteps(n_steps), TotalRewardPerEpisode(), seed=seed)


def main() -> None:
    """Trains, evaluates, and asks the heads about two states."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--quick", action="store_true", help="8,000 steps only, to see that everything works")
    arguments = parser.parse_args()

    experiment = make_experiment(arguments.seed, 8_000 if arguments.quick else 300_000).run()
    print(experiment.engine)
    rewards = experiment.hook.result()
    print(f"{len(rewards)} episodes, the last 100 return {np.mean(rewards[-100:]):.1f}")

    rows = as_environment(CartPole(), num_envs=100)  # an episode in each
    returns, _ = evaluate(experiment.policy, rows, n_episodes=100, seed=arguments.seed + 1)
    print(f"greedy return over 100 fresh episodes: {returns.mean():.1f} ± {returns.std():.1f}, at most 500")

    model = experiment.policy.policy.learner.approximator.model
    for name, angle in (("upright", 0.0), ("falling to the right", 0.15)):
        features = model.base(np.array([0.0, 0.0, angle, 4 * angle], np.float32))
        (value,), (left, right) = model.value(features).tolist(), model.advantage(features).tolist()
        print(f"{name}: the state is worth {value:.1f}, pushing right rather than left {right - left:+.2f}")


if __name__ == "__main__":
    main()
