"""Two learners of Kuhn poker: fictitious play comes close to an equilibrium, Q-learning alone never does.

In fictitious play each player learns the best answer to what the other does on average, and remembers how often its
best answer did what. Those averages are what it plays most of the time, and what approaches the equilibrium.
Exploitability says how much a perfect opponent would win of a player on average: 0.458 chips of one that plays at
random, 0 in an equilibrium. It is OpenSpiel's: pip install 'rlcore[openspiel]'.

python examples/kuhn_poker.py [--seed 1] [--quick]
"""

import argparse
from typing import Any

import numpy as np
import pyspiel

from rlcore import Agent, EpsilonGreedyExplorer, Experiment, QBasedPolicy, Stage, StopAfterNEpisodes, Trajectory
from rlcore import InsertSampleRatioController as EveryStep
from rlcore.approximators import TabularQApproximator
from rlcore.environments import OpenSpielGame
from rlcore.hooks.plot import line_plot
from rlcore.interfaces import Policy
from rlcore.learners import TDLearner
from rlcore.openspiel import Exploitability, SolvedPolicy
from rlcore.policies import MultiAgentPolicy
from rlcore.random import Random
from rlcore.struct import cached, static, struct
from rlcore.tournament import tournament
from rlcore.trajectories import LatestTransition, WholeSampler

GAME = OpenSpielGame(pyspiel.load_game("kuhn_poker"), numbered=True)
N_STATES, N_ACTIONS = int(GAME.state_space().n), 2


@struct
class Average(Policy):
    """Acts as somebody did on average."""

    random: Random
    counts: Any = None  # [states, actions]

    def __init__(self) -> None:
        self.random, self.counts = Random(), np.full((N_STATES, N_ACTIONS), 1e-3)

    def plan(self, env) -> int:
        return int(self.random.uniform() >= self.prob(env)[0])

    def prob(self, env) -> np.ndarray:
        counts = self.counts[env.state()]
        return counts / counts.sum()


@struct
class FictitiousPlay(Policy):
    """Plays what its best answers did on average, and in a share of the games the best answer itself.

    Source: Heinrich et al. 2015, "Fictitious self-play in extensive-form games"; as a mixture of two policies, Heinrich
    & Silver 2016 (arXiv 1603.01121).
    """

    best: Agent
    average: Average
    random: Random
    share: float = static(0.3)
    _plays_best: Any = cached()

    def __init__(self, best: Agent) -> None:
        self.best, self.average, self.random = best, Average(), Random()

    def pre_episode(self, env) -> None:
        self._plays_best = self.random.uniform() < self.share

    def plan(self, env) -> int:
        answer = self.best.plan(env)  # also where the average plays: the agent learns from every step
        if not self._plays_best:
            return self.average.plan(env)
        self.average.counts[env.state(), answer] += 1
        return answer

    def prob(self, env) -> np.ndarray:
        return self.average.prob(env)

    def greedy(self) -> Policy:
        return self.average

    def handlers(self, stage: Stage) -> list:
        return super().handlers(stage) + self.best.handlers(stage)

    def learners(self, stage: Stage) -> list:
        return self.best.learners(stage)

    def check(self, env) -> None:
        self.best.check(env)


def make_agent() -> Agent:
    learner = TDLearner(TabularQApproximator(N_STATES, N_ACTIONS), alpha=0.05, gamma=1.0)
    policy = QBasedPolicy(learner, EpsilonGreedyExplorer(0.02))
    return Agent(policy, Trajectory(LatestTransition(), WholeSampler(), EveryStep()))


def train(players: dict, seed: int, n_games: int = 200_000) -> Experiment:
    hook = Exploitability(GAME, n=max(1, n_games // 40))
    return Experiment(MultiAgentPolicy(players), GAME, StopAfterNEpisodes(n_games), hook, seed=seed).run()


if __name__ == "__main__":
    parser = argparse.ArgumentParser()
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--quick", action="store_true")
    options = parser.parse_args()

    n_games = 2_000 if options.quick else 200_000
    fictitious = train({player: FictitiousPlay(make_agent()) for player in (0, 1)}, options.seed, n_games)
    independent = train({player: make_agent() for player in (0, 1)}, options.seed, n_games)
    for name, experiment in (("fictitious play", fictitious), ("independent Q-learning", independent)):
        curve = experiment.hook.values
        print(line_plot(curve, f"Exploitability, {name}", x_label=f"Every {n_games // 40} games", height=8))
        print(f"at first {curve[0]:.3f}, at the end {curve[-1]:.3f}\n")
    against = tournament(
        {"fictitious play": fictitious.policy, "CFR+": SolvedPolicy(GAME)},
        GAME,
        200 if options.quick else 20_000,
        seed=1,
    )
    print(f"against OpenSpiel's solution fictitious play wins {against.returns[0, 1]:+.3f} chips a game; 0 is the best")
