"""Runs Q-learning on a slippery lake for 32 seeds at once, and draws what they learnt together.

Every seed is an experiment of its own, with its own hooks; all of them are one compiled program.

python examples/seeds.py [--seed 0] [--quick]
"""

import argparse

import numpy as np

from rlcore import (
    Agent,
    EpsilonGreedyExplorer,
    Experiment,
    InsertSampleRatioController,
    QBasedPolicy,
    StopAfterNSteps,
    TotalRewardPerEpisode,
    Trajectory,
    run_seeds,
)
from rlcore.approximators import TabularQApproximator
from rlcore.environments import TabularEnvironment
from rlcore.hooks.plot import line_plot
from rlcore.learners import TDLearner
from rlcore.statistics import bootstrap_interval, interquartile_mean
from rlcore.trajectories import LatestTransition, WholeSampler

N_POINTS = 40  # of a curve


def make_experiment(seed: int, n_steps: int) -> Experiment:
    """Q-learning on FrozenLake, with exploration that fades."""
    learner = TDLearner(TabularQApproximator(n_states=16, n_actions=4), gamma=0.99, alpha=0.1)
    explorer = EpsilonGreedyExplorer(0.0, epsilon_init=1.0, decay_steps=n_steps // 2, break_ties=True)
    memory = Trajectory(LatestTransition(), WholeSampler(), InsertSampleRatioController())
    agent = Agent(QBasedPolicy(learner, explorer), memory)
    hook = TotalRewardPerEpisode(display_on_exit=False)
    stop = StopAfterNSteps(n_steps, show_progress=False)
    return Experiment(agent, TabularEnvironment.from_gymnasium("FrozenLake-v1"), stop, hook, seed=seed)


def curve(rewards: list[float]) -> np.ndarray:
    """The mean return in `N_POINTS` stretches of a run's episodes."""
    return np.array([part.mean() for part in np.array_split(np.asarray(rewards), N_POINTS)])


def main() -> None:
    """Learns, draws, compares."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--seed", type=int, default=0, help="the first of 32")
    parser.add_argument("--quick", action="store_true", help="20,000 steps only, to see that everything works")
    arguments = parser.parse_args()

    n_steps = 20_000 if arguments.quick else 300_000
    seeds = range(arguments.seed, arguments.seed + 32)
    experiments = run_seeds(lambda seed: make_experiment(seed, n_steps), seeds)
    curves = np.stack([curve(experiment.hook.result()) for experiment in experiments])  # [seeds, points]
    middle, (low, high) = interquartile_mean(curves), bootstrap_interval(curves)
    print(experiments[0].engine)
    print(line_plot(middle.round(3), f"Interquartile mean of {len(seeds)} returns", x_label="Stretch"))
    for point in range(0, N_POINTS, N_POINTS // 5):
        print(f"stretch {point + 1:>2}: {middle[point]:.3f}, 95 % interval {low[point]:.3f} to {high[point]:.3f}")
    print(f"stretch {N_POINTS}: {middle[-1]:.3f}, 95 % interval {low[-1]:.3f} to {high[-1]:.3f}")


if __name__ == "__main__":
    main()
