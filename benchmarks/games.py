"""What several players cost: two random policies with hooks beside bare loops of PettingZoo and OpenSpiel.

The bare loops draw every action from a NumPy generator and keep nothing. A move is one action of one player. Two kinds
of rlcore's are timed: with a hook that counts the moves of games, and with hooks of each player besides.
"""

import argparse
import time
import warnings
from collections.abc import Callable
from typing import Any

import numpy as np
from measure import interleave, print_machine, report

from rlcore import (
    Agent,
    Experiment,
    QBasedPolicy,
    RandomPolicy,
    StepsPerEpisode,
    StopAfterNSteps,
    TotalRewardPerEpisode,
)
from rlcore.approximators import TabularQApproximator
from rlcore.environments import TicTacToe, as_environment
from rlcore.explorers import EpsilonGreedyExplorer
from rlcore.hooks import MultiAgentHook
from rlcore.learners import TDLearner
from rlcore.policies import MultiAgentPolicy, SelfPlay
from rlcore.trajectories import InsertSampleRatioController, LatestTransition, Trajectory, WholeSampler


def bare_turns(make: Callable[[], Any], n_moves: int) -> float:
    """Moves per second of PettingZoo's own loop."""
    env, random, moves, game = make(), np.random.default_rng(0), 0, 0
    start = time.perf_counter()
    while moves < n_moves:
        env.reset(seed=game)
        game += 1
        for agent in env.agent_iter():
            observation, _, terminated, truncated, _ = env.last()
            if terminated or truncated:
                env.step(None)
                continue
            if isinstance(observation, dict):
                legal = np.flatnonzero(observation["action_mask"])
                env.step(int(legal[random.integers(len(legal))]))
            else:
                env.step(int(random.integers(env.action_space(agent).n)))
            moves += 1
    return moves / (time.perf_counter() - start)


def bare_at_once(make: Callable[[], Any], n_moves: int) -> float:
    """Moves per second of PettingZoo's own loop, two for each step."""
    env, random, moves, game = make(), np.random.default_rng(0), 0, 0
    start = time.perf_counter()
    while moves < n_moves:
        env.reset(seed=game)
        game += 1
        while env.agents:
            moves += len(env.agents)
            env.step({agent: int(random.integers(3)) for agent in env.agents})
    return moves / (time.perf_counter() - start)


def bare_openspiel(n_moves: int) -> float:
    """Moves per second in OpenSpiel's Python environment."""
    from open_spiel.python import rl_environment

    env, random, moves = rl_environment.Environment("tic_tac_toe"), np.random.default_rng(0), 0
    start = time.perf_counter()
    while moves < n_moves:
        step = env.reset()
        while not step.last():
            legal = step.observations["legal_actions"][step.observations["current_player"]]
            step = env.step([legal[int(random.integers(len(legal)))]])
            moves += 1
    return moves / (time.perf_counter() - start)


def random_play(make: Callable[[], Any], n_moves: int, hooks_each: bool = False) -> float:
    """Moves per second of an experiment with a random policy for each player."""
    env = as_environment(make())
    moves_a_step = (
        len(env.players()) if env.current_player() is None and env.dynamic_style.value == "simultaneous" else 1
    )
    hook: Any = StepsPerEpisode()
    if hooks_each:
        hook = hook + MultiAgentHook(
            {player: StepsPerEpisode() + TotalRewardPerEpisode(display_on_exit=False) for player in env.players()}
        )
    policy = MultiAgentPolicy({player: RandomPolicy() for player in env.players()})
    stop = StopAfterNSteps(n_moves // moves_a_step, show_progress=False)
    experiment = Experiment(policy, env, stop, hook, seed=0)
    start = time.perf_counter()
    experiment.run()
    return n_moves / (time.perf_counter() - start)


def tabular_self_play(n_moves: int) -> float:
    """Moves per second of one Q-learner that plays both sides of the built-in tic-tac-toe."""
    learner = TDLearner(TabularQApproximator(3**9, 9), gamma=1.0, alpha=0.5)
    trajectory = Trajectory(LatestTransition(), WholeSampler(), InsertSampleRatioController())
    agent = SelfPlay(Agent(QBasedPolicy(learner, EpsilonGreedyExplorer(0.1)), trajectory))
    stop = StopAfterNSteps(n_moves, show_progress=False)
    experiment = Experiment(agent, TicTacToe(), stop, StepsPerEpisode(), seed=0)
    start = time.perf_counter()
    experiment.run()
    return n_moves / (time.perf_counter() - start)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--moves", type=int, default=20_000)
    parser.add_argument("--repeats", type=int, default=7)
    arguments = parser.parse_args()
    n, repeats = arguments.moves, arguments.repeats
    warnings.simplefilter("ignore")  # PettingZoo's, about the old constructors
    import pettingzoo
    import pyspiel

    print_machine("rlcore", "pettingzoo", "open-spiel", "numpy")
    for title, kind, name, bare in (
        ("tic-tac-toe of PettingZoo, by turns", "aec", "classic/tictactoe-v3", bare_turns),
        ("rock paper scissors of PettingZoo, by turns", "aec", "classic/rps-v2", bare_turns),
        ("rock paper scissors of PettingZoo, at once", "parallel", "classic/rps-v2", bare_at_once),
    ):

        def make(kind=kind, name=name):
            return pettingzoo.make(kind, name)

        candidates = {
            "bare loop": lambda bare=bare, make=make: bare(make, n),
            "rlcore, one hook": lambda make=make: random_play(make, n),
            "rlcore, hooks of each player": lambda make=make: random_play(make, n, True),
        }
        report(title, interleave(candidates, repeats), "moves/s", "bare loop")

    candidates = {
        "PettingZoo's, bare loop": lambda: bare_turns(lambda: pettingzoo.make("aec", "classic/tictactoe-v3"), n),
        "built-in, one hook": lambda: random_play(TicTacToe, 5 * n),
        "built-in, hooks of each player": lambda: random_play(TicTacToe, 5 * n, True),
        "built-in, tabular self-play": lambda: tabular_self_play(5 * n),
    }
    report("tic-tac-toe, built in", interleave(candidates, repeats), "moves/s", "PettingZoo's, bare loop")

    candidates = {
        "rl_environment": lambda: bare_openspiel(3 * n),
        "rlcore, one hook": lambda: random_play(lambda: pyspiel.load_game("tic_tac_toe"), 3 * n),
        "rlcore, hooks of each player": lambda: random_play(lambda: pyspiel.load_game("tic_tac_toe"), 3 * n, True),
    }
    report("tic-tac-toe of OpenSpiel", interleave(candidates, repeats), "moves/s", "rl_environment")


if __name__ == "__main__":
    main()
