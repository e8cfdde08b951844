"""Q-learning on tables as one compiled program: a million steps in a few seconds, and how good the result is.

FrozenLake on slippery ice, and Taxi with its masks of legal actions. Because the tables of transitions are known, the
best possible return is known too (backward induction over the time limit), and so is the one that the learnt policy
expects: no episode has to be played for either.
"""

import argparse
import time

import gymnasium
import numpy as np

from rlcore import Agent, EpsilonGreedyExplorer, Experiment, StepsPerEpisode, StopAfterNSteps, TotalRewardPerEpisode
from rlcore.approximators import TabularQApproximator
from rlcore.environments import TabularEnvironment
from rlcore.learners import TDLearner
from rlcore.policies import QBasedPolicy
from rlcore.trajectories import InsertSampleRatioController, LatestTransition, Trajectory, WholeSampler

LEARNING_RATES = {"FrozenLake-v1": 0.01, "Taxi-v4": 0.25}  # slipping is a matter of chance, a taxi's way is not


def make_experiment(name: str, n_steps: int, seed: int) -> Experiment:
    """Q-learning with epsilon falling from 1 to 0.1 in the first half of the run."""
    env = TabularEnvironment.from_gymnasium(name)
    approximator = TabularQApproximator(env.n_states, env.n_actions)
    learner = TDLearner(approximator, gamma=0.99, alpha=LEARNING_RATES[name])
    explorer = EpsilonGreedyExplorer(0.1, decay_steps=n_steps // 2, break_ties=True)
    trajectory = Trajectory(LatestTransition(), WholeSampler(), InsertSampleRatioController())
    hook = StepsPerEpisode() + TotalRewardPerEpisode(display_on_exit=False)
    agent = Agent(QBasedPolicy(learner, explorer), trajectory)
    return Experiment(agent, env, StopAfterNSteps(n_steps), hook, seed=seed)


def expected_return(name: str, table: np.ndarray | None) -> float:
    """What the greedy policy of `table` returns on average, undiscounted; `None`: what the best policy returns."""
    made = gymnasium.make(name)
    env = made.unwrapped
    n_states, n_actions = made.observation_space.n, made.action_space.n
    mask = np.array([env.action_mask(s) for s in range(n_states)], bool) if hasattr(env, "action_mask") else True
    greedy = None if table is None else np.where(mask, table, -np.inf).argmax(axis=1)
    follows = np.zeros((n_states, n_actions, n_states))
    pays = np.zeros((n_states, n_actions))
    for state, action in np.ndindex(n_states, n_actions):
        for chance, next_state, reward, terminated in env.P[state][action]:
            follows[state, action, next_state] += chance * (not terminated)
            pays[state, action] += chance * reward
    value = np.zeros(n_states)
    for _ in range(made.spec.max_episode_steps):  # from the last step of an episode to the first
        values = pays + follows @ value
        value = values.max(axis=1) if greedy is None else values[np.arange(n_states), greedy]
    return float(env.initial_state_distrib @ value)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--seed", type=int, default=0, help="root of all random numbers")
    parser.add_argument("--quick", action="store_true", help="learn for 100,000 steps instead of 2,000,000")
    arguments = parser.parse_args()

    n_steps = 100_000 if arguments.quick else 2_000_000
    for name in LEARNING_RATES:
        experiment = make_experiment(name, n_steps, arguments.seed)
        start = time.perf_counter()
        experiment.run()
        seconds = time.perf_counter() - start - experiment.compile_seconds
        rewards = experiment.hook[TotalRewardPerEpisode].rewards
        learnt = expected_return(name, experiment.policy.policy.learner.approximator.table)
        print(f"{name}: {experiment.compile_seconds:.1f} s to compile, then {n_steps / seconds:,.0f} steps per second")
        print(f"  {len(rewards)} episodes, the last 1,000 return {np.mean(rewards[-1000:]):.2f} while exploring")
        print(f"  the greedy policy returns {learnt:.2f}, the best possible is {expected_return(name, None):.2f}")


if __name__ == "__main__":
    main()
