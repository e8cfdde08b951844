"""Learns CartPole from a file of transitions that a clumsy player has left, without playing while it learns.

The player pushes to where the pole falls, but every second time anywhere. Behaviour cloning learns what it mostly does;
conservative Q-learning learns what would have been best. Both balance the pole far longer than the player.

python examples/offline_cartpole.py [--seed 1] [--file cartpole.safetensors] [--quick]
"""

import argparse
import tempfile
from pathlib import Path
from typing import Any

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
    Trajectory,
    as_environment,
    evaluate,
)
from rlcore.environments import CartPole
from rlcore.explorers import GreedyExplorer
from rlcore.interfaces import Environment, Policy
from rlcore.learners import BehaviorCloningLearner
from rlcore.networks import CategoricalNetwork
from rlcore.offline import load_traces, save_traces
from rlcore.policies import OfflineAgent, StochasticPolicy
from rlcore.struct import struct


@struct
class ClumsyPlayer(Policy):
    """Pushes to where the pole falls, and with probability epsilon anywhere."""

    explorer: EpsilonGreedyExplorer

    def __init__(self, epsilon: float) -> None:
        self.explorer = EpsilonGreedyExplorer(epsilon)

    def plan(self, env: Environment) -> Any:
        state = env.state()  # position, velocity, angle, angular velocity
        to_the_right = state[..., 2] + 0.5 * state[..., 3] + 0.1 * (state[..., 0] + state[..., 1])
        return self.explorer.plan(to_the_right[..., None] * np.float32([-1, 1]))


def collect(path: Path, n_steps: int, seed: int) -> None:
    """Lets the player play, and saves what happened."""
    memory = Trajectory(CircularTraces(n_steps), BatchSampler(1), InsertSampleRatioController())
    Experiment(Agent(ClumsyPlayer(0.5), memory), CartPole(), StopAfterNSteps(n_steps), seed=seed).run()
    save_traces(path, memory, CartPole())


def learn(policy: Policy, path: Path, n_updates: int, seed: int) -> None:
    """Learns from the file, one batch per step of a run whose own steps are not stored."""
    traces = load_traces(path, CartPole())
    memory = Trajectory(traces, BatchSampler(128), InsertSampleRatioController(ratio=1.0))
    Experiment(OfflineAgent(policy, memory), CartPole(), StopAfterNSteps(n_updates), seed=seed).run()


def show(name: str, policy: Policy, seed: int) -> None:
    """Prints how long a policy balances the pole."""
    rows = as_environment(CartPole(), num_envs=50)  # an episode in each
    returns, _ = evaluate(policy, rows, n_episodes=50, seed=seed)
    print(f"{name}: {returns.mean():.1f} ± {returns.std():.1f} steps, at most 500")


def cloning(seed: int) -> StochasticPolicy:
    """Behaviour cloning."""
    network = CategoricalNetwork(MLP(4, (64, 64), 2, rngs=nnx.Rngs(seed)))
    return StochasticPolicy(BehaviorCloningLearner(Approximator(network, optax.adam(1e-3))))


def conservative(seed: int) -> QBasedPolicy:
    """Conservative Q-learning: double DQN that is wary of actions the data does not show."""
    network = Approximator(MLP(4, (64, 64), 2, rngs=nnx.Rngs(seed)), optax.adam(1e-3))
    learner = DQNLearner(TargetNetwork(network, sync_freq=100), double=True, conservative_weight=5.0)
    return QBasedPolicy(learner, GreedyExplorer())


def main() -> None:
    """Collects, learns, compares."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--file", type=Path, help="where to keep the transitions; by default they are thrown away")
    parser.add_argument("--quick", action="store_true", help="little data and few updates, to see that it all works")
    arguments = parser.parse_args()

    seed, quick = arguments.seed, arguments.quick
    with tempfile.TemporaryDirectory() as folder:
        path = arguments.file or Path(folder) / "cartpole.safetensors"
        collect(path, 1_000 if quick else 10_000, seed)
        print(f"{len(load_traces(path)):,} transitions in {path.stat().st_size:,} bytes")
        show("the player", ClumsyPlayer(0.5), seed + 1)
        for name, policy, n_updates in (
            ("behaviour cloning", cloning(seed), 2_000),
            ("conservative Q-learning", conservative(seed), 8_000),
        ):
            learn(policy, path, n_updates // 20 if quick else n_updates, seed)
            show(name, policy, seed + 1)


if __name__ == "__main__":
    main()
