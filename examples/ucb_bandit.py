"""Two ways to explore a bandit with ten arms: upper confidence bounds and epsilon-greedy.

Each arm pays its true value and noise of about the same size. All agents learn the values as moving averages of what
they see. Printed is how often the best arm was pulled, in each tenth of the run, averaged over several bandits; those
of one agent are run at once, as one compiled program.
"""

import argparse
from collections.abc import Callable
from functools import partial
from typing import Any

import numpy as np

from rlcore import Agent, EpsilonGreedyExplorer, Experiment, Hook, QBasedPolicy, StopAfterNSteps, run_seeds
from rlcore.approximators import TabularQApproximator
from rlcore.environments import MultiArmedBandit
from rlcore.explorers import UCBExplorer
from rlcore.interfaces import Explorer
from rlcore.learners import TDLearner
from rlcore.trajectories import InsertSampleRatioController, LatestTransition, Trajectory, WholeSampler

N_ARMS = 10


class Arms(Hook):
    """Keeps which arm was pulled in every step."""

    reads_policy = False

    def pre_experiment(self, policy: Any, env: Any) -> None:
        self.arms: list[int] = []

    def post_act(self, policy: Any, env: Any) -> None:
        self.arms.append(env.last_action())


def make_experiment(make_explorer: Callable[[], Explorer], n_steps: int, seed: int) -> Experiment:
    """A bandit of its own for every seed."""
    learner = TDLearner(TabularQApproximator(1, N_ARMS), gamma=0.0, alpha=0.05)  # a bandit has one state
    trajectory = Trajectory(LatestTransition(), WholeSampler(), InsertSampleRatioController())
    agent = Agent(QBasedPolicy(learner, make_explorer()), trajectory)
    bandit = MultiArmedBandit(N_ARMS, seed=seed)
    return Experiment(agent, bandit, StopAfterNSteps(n_steps, show_progress=False), Arms(), seed=seed)


def share_of_best_arm(experiment: Experiment) -> np.ndarray:
    """How often the best arm was pulled in each tenth of a run, `[10]`."""
    is_best = np.array(experiment.hook.arms) == experiment.env.source.best_action
    return is_best.reshape(10, -1).mean(axis=1)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--seed", type=int, default=0, help="that of the first bandit; the others count on from it")
    parser.add_argument("--quick", action="store_true", help="5 bandits of 1,000 steps instead of 30 of 2,000")
    arguments = parser.parse_args()

    n_bandits, n_steps = (5, 1_000) if arguments.quick else (30, 2_000)
    seeds = range(arguments.seed, arguments.seed + n_bandits)
    makers = {
        "UCB, c = 2": lambda: UCBExplorer(N_ARMS, c=2.0),
        "UCB, c = 0.5": lambda: UCBExplorer(N_ARMS, c=0.5),
        "epsilon = 0.1": lambda: EpsilonGreedyExplorer(0.1, break_ties=True),
        "epsilon = 0.01": lambda: EpsilonGreedyExplorer(0.01, break_ties=True),
    }
    print(f"share of the best of {N_ARMS} arms in each tenth of {n_steps} steps, averaged over {n_bandits} bandits:")
    for name, make in makers.items():
        experiments = run_seeds(partial(make_experiment, make, n_steps), seeds)
        shares = np.mean([share_of_best_arm(experiment) for experiment in experiments], axis=0)
        print(f"{name:15}" + "".join(f"{share:6.0%}" for share in shares))


if __name__ == "__main__":
    main()
