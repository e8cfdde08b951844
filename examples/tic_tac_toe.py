"""Learns tic-tac-toe by playing both sides, and proves that the result never loses: less than half a minute.

python examples/tic_tac_toe.py [--seed 1] [--quick]
"""

import argparse

from rlcore import Agent, EpsilonGreedyExplorer, Experiment, QBasedPolicy, RandomPolicy, StopAfterNEpisodes, Trajectory
from rlcore import InsertSampleRatioController as EveryStep
from rlcore.approximators import TabularQApproximator
from rlcore.environments import TicTacToe
from rlcore.learners import TDLearner
from rlcore.policies import SelfPlay
from rlcore.tournament import tournament
from rlcore.trajectories import LatestTransition, WholeSampler


def make_agent(n_games: int) -> Agent:
    """A table that hopes to win from everywhere, so that it tries everything until it knows better."""
    table = TabularQApproximator(n_states=3**9, n_actions=9, init=1.0)
    explorer = EpsilonGreedyExplorer(0.01, epsilon_init=0.2, decay_steps=8 * n_games)  # about as many moves
    policy = QBasedPolicy(TDLearner(table, alpha=0.5, gamma=1.0), explorer)
    return Agent(policy, Trajectory(LatestTransition(), WholeSampler(), EveryStep()))


def train(seed: int, n_games: int = 50_000) -> Agent:
    agent = make_agent(n_games)
    Experiment(SelfPlay(agent), TicTacToe(), StopAfterNEpisodes(n_games), seed=seed).run()
    return agent


def outcomes(policy, side, moves=()):
    """How every game ends for `side` that `policy` can play on it, whatever the other side does."""
    game = TicTacToe()
    game.reset()
    for move in moves:
        game.act(move)
    if game.is_terminated():
        return [game.reward(side)]
    player, mask = game.current_player(), game.legal_action_mask()
    choices = [policy(game.state(player), mask)] if player == side else mask.nonzero()[0].tolist()
    return [end for choice in choices for end in outcomes(policy, side, (*moves, choice))]


if __name__ == "__main__":
    parser = argparse.ArgumentParser()
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--quick", action="store_true")
    options = parser.parse_args()

    agent = train(options.seed, 500 if options.quick else 50_000)
    for side in ("x", "o"):
        ends = outcomes(agent.greedy(), side)
        print(f"as {side}: {ends.count(1)} won, {ends.count(0)} drawn, {ends.count(-1)} lost, of all {len(ends)} games")
    policies = {"learnt": agent, "random": RandomPolicy(), "first cell": lambda state, mask: int(mask.argmax())}
    print(tournament(policies, TicTacToe(), 100 if options.quick else 1_000, seed=1))
