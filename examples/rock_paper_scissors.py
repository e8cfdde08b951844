"""Two learners that know nothing of each other play rock, paper, scissors, and go round in circles.

Each does what has paid lately, so that each is always about to be beaten. Over a long time all three actions come
equally often, which is how the game should be played, but at no moment are they equally likely.

python examples/rock_paper_scissors.py [--seed 1] [--quick]
"""

import argparse

import numpy as np

from rlcore import Agent, Experiment, Hook, QBasedPolicy, StopAfterNSteps, Trajectory
from rlcore import InsertSampleRatioController as EveryStep
from rlcore.approximators import TabularQApproximator
from rlcore.environments import RockPaperScissors
from rlcore.explorers import WeightedSoftmaxExplorer
from rlcore.hooks import MultiAgentHook
from rlcore.hooks.plot import line_plot
from rlcore.learners import TDLearner
from rlcore.policies import MultiAgentPolicy
from rlcore.trajectories import LatestTransition, WholeSampler


class Strategy(Hook):
    """Keeps the probabilities with which a player acts, every `n` rounds."""

    def __init__(self, n: int = 20) -> None:
        self.n = n

    def pre_experiment(self, policy, env) -> None:
        self.count, self.probs = 0, []

    def post_act(self, policy, env) -> None:
        self.count += 1
        if self.count % self.n == 0:
            self.probs.append(policy.prob(env))

    def result(self) -> np.ndarray:
        return np.array(self.probs)  # [moments, actions]


def make_agent() -> Agent:
    """Three values, of which the higher is the likelier."""
    learner = TDLearner(TabularQApproximator(n_states=1, n_actions=3), alpha=0.02)
    policy = QBasedPolicy(learner, WeightedSoftmaxExplorer(temperature=0.1))
    return Agent(policy, Trajectory(LatestTransition(), WholeSampler(), EveryStep()))


def rounds_of(probs: np.ndarray) -> float:
    """How often probabilities `[moments, actions]` went round the centre, from rock by paper and scissors to rock."""
    places = (probs - 1 / 3) @ np.exp(2j * np.pi * np.arange(3) / 3)  # the three actions as corners of a triangle
    angles = np.unwrap(np.angle(places))
    return (angles[-1] - angles[0]) / (2 * np.pi)


def train(seed: int, n_rounds: int = 20_000) -> Experiment:
    policy = MultiAgentPolicy({0: make_agent(), 1: make_agent()})
    hook = MultiAgentHook({0: Strategy(), 1: Strategy()})
    return Experiment(policy, RockPaperScissors(), StopAfterNSteps(n_rounds), hook, seed=seed).run()


if __name__ == "__main__":
    parser = argparse.ArgumentParser()
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--quick", action="store_true")
    options = parser.parse_args()

    probs = train(options.seed, 2_000 if options.quick else 20_000).hook[0].result()
    print(line_plot(probs[:150, 0], "Probability that player 0 plays rock", x_label="Moment (20 rounds)"))
    for action, name in enumerate(("rock", "paper", "scissors")):
        low, mean, high = probs[:, action].min(), probs[:, action].mean(), probs[:, action].max()
        print(f"{name:8}  between {low:.2f} and {high:.2f}, on average {mean:.2f}")
    print(f"{rounds_of(probs):.0f} times from rock by paper and scissors back to rock, counting steps back against it")
