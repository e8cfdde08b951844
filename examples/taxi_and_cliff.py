"""Q-learning, SARSA and their relatives on CliffWalking and Taxi, beside the best that is possible.

On the cliff the shortest way runs along the edge. Q-learning finds it, and falls off now and then while it explores;
SARSA and expected SARSA learn what exploring will do to them, and walk further from the edge. How well a way pays is
computed from the environment's table of transitions, for a policy that explores and for one that does not, and so is
the best that can be reached in either case.
"""

import argparse
import time

import gymnasium
import numpy as np

from rlcore import Agent, EpsilonGreedyExplorer, Experiment, StopAfterNSteps
from rlcore.approximators import TabularQApproximator
from rlcore.environments import TabularEnvironment
from rlcore.learners import TDLearner
from rlcore.policies import QBasedPolicy
from rlcore.trajectories import (
    InsertSampleRatioController,
    LatestTransition,
    LatestTransitions,
    Trajectory,
    WholeSampler,
)

EPSILON = 0.1
METHODS = {
    "Q-learning": {},
    "double Q-learning": {"double": True},
    "SARSA": {"method": "SARSA"},
    "SARSA, 3 steps": {"method": "SARSA", "n": 2},
    "expected SARSA": {"method": "ExpectedSARSA"},
}


def make_experiment(name: str, method: str, n_steps: int, seed: int) -> Experiment:
    """An agent that always explores one time in ten, and whose step size falls from 0.5 to 0.005."""
    env, named = TabularEnvironment.from_gymnasium(name), METHODS[method]
    if method == "expected SARSA":  # the policy that it learns of: that of the agent
        named = named | {"explorer": EpsilonGreedyExplorer(EPSILON, break_ties=True)}
    table = TabularQApproximator(env.n_states, env.n_actions)
    learner = TDLearner(table, gamma=1.0, alpha=lambda n: 0.5 / (1 + 99 * n / n_steps), **named)
    steps = learner.n_transitions
    container = LatestTransition() if steps == 1 else LatestTransitions(steps)
    trajectory = Trajectory(container, WholeSampler(), InsertSampleRatioController())
    agent = Agent(QBasedPolicy(learner, EpsilonGreedyExplorer(EPSILON, break_ties=True)), trajectory)
    return Experiment(agent, env, StopAfterNSteps(n_steps), seed=seed)


def expected_return(name: str, table: np.ndarray | None, epsilon: float) -> float:
    """What an epsilon-greedy policy by `table` returns on average; `None`: what the best of all such policies does."""
    made = gymnasium.make(name)
    env, n_states, n_actions = made.unwrapped, made.observation_space.n, made.action_space.n
    legal = np.array([env.action_mask(s) if hasattr(env, "action_mask") else [1] * n_actions for s in range(n_states)])
    follows, pays = np.zeros((n_states, n_actions, n_states)), np.zeros((n_states, n_actions))
    for state, action in np.ndindex(n_states, n_actions):
        for chance, next_state, reward, terminated in env.P[state][action]:
            follows[state, action, next_state] += chance * (not terminated)
            pays[state, action] += chance * reward
    value = np.zeros(n_states)
    for _ in range(made.spec.max_episode_steps or 1_000):  # from the last step of an episode to the first
        values = pays + follows @ value
        best = np.where(legal, values if table is None else table, -np.inf).argmax(axis=1)
        explored = (values * legal).sum(axis=1) / legal.sum(axis=1)
        value = (1 - epsilon) * values[np.arange(n_states), best] + epsilon * explored
    return float(env.initial_state_distrib @ value)


def way_along_the_cliff(table: np.ndarray) -> str:
    """The greedy way from the start to the goal."""
    picture = np.array([list("............")] * 3 + [list("S" + "C" * 10 + "G")])
    row, column = 3, 0
    for _ in range(40):
        row_step, column_step = [(-1, 0), (0, 1), (1, 0), (0, -1)][table[row * 12 + column].argmax()]
        row, column = np.clip(row + row_step, 0, 3), np.clip(column + column_step, 0, 11)
        if picture[row, column] != ".":
            break
        picture[row, column] = "*"
    return "\n".join("    " + "".join(line) for line in picture)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--seed", type=int, default=0, help="root of all random numbers")
    parser.add_argument("--quick", action="store_true", help="learn for 200,000 steps instead of 4,000,000")
    arguments = parser.parse_args()

    n_steps = 200_000 if arguments.quick else 4_000_000
    for name, methods in (("CliffWalking-v1", METHODS), ("Taxi-v4", ["Q-learning", "SARSA, 3 steps"])):
        bests = [expected_return(name, None, epsilon) for epsilon in (0, EPSILON)]
        print(f"{name}: the best possible is {bests[0]:.2f}, and {bests[1]:.2f} while exploring")
        for method in methods:
            experiment = make_experiment(name, method, n_steps, arguments.seed)
            start = time.perf_counter()
            experiment.run()
            speed = n_steps / (time.perf_counter() - start - experiment.compile_seconds) / 1e6
            table = experiment.policy.policy.learner.forward(np.arange(experiment.env.state_space().n))
            learnt = [expected_return(name, table, epsilon) for epsilon in (0, EPSILON)]
            print(f"  {method}: {learnt[0]:.2f}, and {learnt[1]:.2f} ({speed:.1f} million steps per second)")
            if method in ("Q-learning", "SARSA") and name == "CliffWalking-v1":
                print(way_along_the_cliff(table))


if __name__ == "__main__":
    main()
