"""Proof that agents learn: one and the same agent on three environments, over five seeds.

A double deep Q-network with returns over three steps, with the same settings everywhere. After the run its greedy
policy plays fresh episodes. Writes docs/proofs.svg, the returns while learning, and prints the table of docs/proofs.md.
LunarLander-v3 takes part where Box2D is installed (`pip install "gymnasium[box2d]"`).
"""

import argparse
import time
from importlib.util import find_spec
from pathlib import Path

import numpy as np
import optax
from curves import draw
from flax import nnx
from measure import print_machine

from rlcore import Agent, EpsilonGreedyExplorer, Experiment, QBasedPolicy, StopAfterNSteps, evaluate
from rlcore.approximators import Approximator, TargetNetwork
from rlcore.environments import as_environment
from rlcore.hooks import StepsPerEpisode, TotalRewardPerEpisode
from rlcore.learners import DQNLearner
from rlcore.networks import MLP
from rlcore.statistics import bootstrap_interval, interquartile_mean
from rlcore.trajectories import CircularTraces, InsertSampleRatioController, NStepBatchSampler, Trajectory

STEPS = {"CartPole-v1": 200_000, "Acrobot-v1": 80_000, "LunarLander-v3": 400_000}
GOALS = {"CartPole-v1": 475.0, "Acrobot-v1": -100.0, "LunarLander-v3": 200.0}  # what counts as solved, where published
GAMMA = 0.99
POINTS = 50  # of a curve


def make_agent(env_id: str, seed: int, n_steps: int) -> Agent:
    """Double DQN, returns over three steps, an update of 128 transitions every eighth step, ever smaller ones."""
    env = as_environment(env_id)
    n_inputs, n_actions = env.state_space().shape[0], int(env.action_space().n)
    optimiser = optax.adam(optax.linear_schedule(1e-3, 0.0, n_steps // 8))
    network = Approximator(MLP(n_inputs, (128, 128), n_actions, rngs=nnx.Rngs(seed)), optimiser)
    learner = DQNLearner(TargetNetwork(network, sync_freq=100), GAMMA, double=True)
    explorer = EpsilonGreedyExplorer(0.02, epsilon_init=1.0, decay_steps=n_steps // 4)
    memory = CircularTraces(100_000), NStepBatchSampler(128, 3, GAMMA), InsertSampleRatioController(1 / 8, 1_000)
    return Agent(QBasedPolicy(learner, explorer), Trajectory(*memory))


def learn(env_id: str, seed: int, n_steps: int, n_evaluated: int = 100) -> tuple[np.ndarray, float]:
    """The curve `[POINTS]`, each the mean return of the last 20 episodes, and the greedy policy's mean return."""
    hook = TotalRewardPerEpisode(display_on_exit=False) + StepsPerEpisode()
    agent = make_agent(env_id, seed, n_steps)
    stop = StopAfterNSteps(n_steps, show_progress=False)
    Experiment(agent, env_id, stop, hook, seed=seed).run()
    rewards, ends = np.array(hook[TotalRewardPerEpisode].rewards), np.cumsum(hook[StepsPerEpisode].steps)
    finished = np.searchsorted(ends, np.linspace(0, n_steps, POINTS + 1)[1:], side="right").clip(1)
    curve = np.array([rewards[max(n - 20, 0) : n].mean() for n in finished])
    return curve, float(evaluate(agent, env_id, n_evaluated, seed=1_000 + seed).returns.mean())


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--seeds", type=int, default=5)
    parser.add_argument("--share", type=float, default=1.0, help="of the steps")
    parser.add_argument("--only", choices=list(STEPS), action="append", help="this environment; may be repeated")
    parser.add_argument("--plot", type=Path, default=Path(__file__).parents[1] / "docs" / "proofs.svg")
    arguments = parser.parse_args()

    print_machine("rlcore", "jax", "gymnasium")
    print("| | steps | seeds | greedy return, each seed | interquartile mean | 95 % interval | solved at |")
    print("|---|---|---|---|---|---|---|")
    curves = {}
    for env_id in arguments.only or STEPS:
        if env_id.startswith("LunarLander") and find_spec("Box2D") is None:
            print(f"{env_id} is left out: Box2D is not installed")
            continue
        n_steps, start = int(STEPS[env_id] * arguments.share), time.perf_counter()
        results = [learn(env_id, seed, n_steps) for seed in range(arguments.seeds)]
        curves[env_id] = (n_steps, np.array([curve for curve, _ in results]), GOALS[env_id])
        returns = [greedy for _, greedy in results]
        low, high = bootstrap_interval(returns)
        each = ", ".join(f"{one:.0f}" for one in returns)
        print(
            f"| {env_id} | {n_steps:,} | {len(returns)} | {each} | {interquartile_mean(returns):.1f} | "
            f"{low:.1f} to {high:.1f} | {GOALS[env_id]:.0f} |",
            flush=True,
        )
        print(f"({(time.perf_counter() - start) / len(returns):.0f} s per seed)", flush=True)
        arguments.plot.write_text(draw(curves), encoding="utf-8")


if __name__ == "__main__":
    main()
