"""A stop condition of your own: learn until the task is solved, but no longer than a budget of steps.

Q-learning on a small frozen lake without slipping. The condition reads a hook, which is up to date when it is asked.
"""

import argparse
from typing import Any

import gymnasium

from rlcore import Agent, EpsilonGreedyExplorer, Experiment, QBasedPolicy, StopAfterNSteps, TotalRewardPerEpisode
from rlcore.approximators import TabularQApproximator
from rlcore.errors import ConfigError
from rlcore.learners import TDLearner
from rlcore.stop_conditions import StopCondition
from rlcore.trajectories import InsertSampleRatioController, LatestTransition, Trajectory, WholeSampler


class StopAtMeanReturn(StopCondition):
    """Stops when the mean return of the last `n` episodes is at least `goal`."""

    def __init__(self, hook: TotalRewardPerEpisode, goal: float, n: int = 100) -> None:
        if n < 1:
            raise ConfigError(f"n is {n}, expected at least 1")
        self._hook, self._goal, self._n = hook, goal, n

    def check(self, policy: Any, env: Any) -> bool:
        if not len(env.ended()):  # the mean only changes when an episode ends
            return False
        last = self._hook.rewards[-self._n :]
        return len(last) == self._n and sum(last) / self._n >= self._goal

    def reason(self) -> str:
        return f"the mean return of {self._n} episodes reached {self._goal}"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--goal", type=float, default=0.8, help="mean return of 100 episodes that is enough")
    parser.add_argument("--seed", type=int, default=0, help="root of all random numbers")
    parser.add_argument("--quick", action="store_true", help="a budget of 20,000 steps instead of 200,000")
    arguments = parser.parse_args()

    learner = TDLearner(TabularQApproximator(n_states=16, n_actions=4), gamma=0.99, alpha=0.1)
    trajectory = Trajectory(LatestTransition(), WholeSampler(), InsertSampleRatioController())
    agent = Agent(QBasedPolicy(learner, EpsilonGreedyExplorer(0.1, break_ties=True)), trajectory)
    env = gymnasium.make("FrozenLake-v1", is_slippery=False)
    hook = TotalRewardPerEpisode(display_on_exit=False)
    stop = StopAtMeanReturn(hook, arguments.goal) | StopAfterNSteps(20_000 if arguments.quick else 200_000)

    experiment = Experiment(agent, env, stop, hook, seed=arguments.seed).run()
    print(f"stopped after {len(hook.rewards)} episodes: {experiment.stop_reason}")
    experiment.run()  # conditions and hooks begin anew; what was learnt stays
    print(f"a second run needed {len(hook.rewards)}: {experiment.stop_reason}")


if __name__ == "__main__":
    main()
