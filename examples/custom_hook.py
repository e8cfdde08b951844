"""A hook of your own: how often each action is taken while an agent learns, in tenths of the run.

Q-learning drives a taxi. In the beginning it mostly drives about; the shorter the episodes become, the larger the share
of its actions that pick somebody up or drop somebody off.
"""

import argparse
from typing import Any

import numpy as np

from rlcore import Agent, EpsilonGreedyExplorer, Experiment, Hook, QBasedPolicy, StepsPerEpisode, StopAfterNSteps
from rlcore.approximators import TabularQApproximator
from rlcore.learners import TDLearner
from rlcore.trajectories import InsertSampleRatioController, LatestTransition, Trajectory, WholeSampler

ACTIONS = ["south", "north", "east", "west", "pick up", "drop off"]


class ActionShares(Hook):
    """Counts the actions of every `window` steps.

    Attributes:
        shares: `[actions]` each, one per window, summing to 1.
    """

    def __init__(self, window: int) -> None:
        self._window = window

    def pre_experiment(self, policy: Any, env: Any) -> None:
        self.shares: list[np.ndarray] = []
        self._counts = np.zeros(env.action_space().n, int)

    def post_act(self, policy: Any, env: Any) -> None:
        self._counts[env.last_action()] += 1
        if self._counts.sum() == self._window:
            self.shares.append(self._counts / self._window)
            self._counts = np.zeros_like(self._counts)

    def result(self) -> list[np.ndarray]:
        return self.shares


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--seed", type=int, default=0, help="root of all random numbers")
    parser.add_argument("--quick", action="store_true", help="learn for 20,000 steps instead of 200,000")
    arguments = parser.parse_args()

    n_steps = 20_000 if arguments.quick else 200_000
    learner = TDLearner(TabularQApproximator(n_states=500, n_actions=6), gamma=0.99, alpha=0.5)
    trajectory = Trajectory(LatestTransition(), WholeSampler(), InsertSampleRatioController())
    agent = Agent(QBasedPolicy(learner, EpsilonGreedyExplorer(0.1)), trajectory)
    hook = ActionShares(window=n_steps // 10) + StepsPerEpisode()
    Experiment(agent, "Taxi-v4", StopAfterNSteps(n_steps), hook, seed=arguments.seed).run()

    print("tenth" + "".join(f"{name:>10}" for name in ACTIONS))
    for tenth, shares in enumerate(hook[ActionShares].shares, 1):
        print(f"{tenth:5}" + "".join(f"{share:10.1%}" for share in shares))
    steps = hook[StepsPerEpisode].steps
    print(f"steps per episode: {np.mean(steps[:50]):.0f} in the first 50, {np.mean(steps[-50:]):.0f} in the last 50")


if __name__ == "__main__":
    main()
