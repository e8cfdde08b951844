"""Q-learning on FrozenLake: a table of 16 states and 4 actions.

Prints how often the goal was reached while learning, the way that the greedy policy takes, and how often that policy
arrives. On slippery ice, where a step goes astray two times in three, about three in four is the best there is.
"""

import argparse

import gymnasium
import numpy as np

from rlcore import Agent, EpsilonGreedyExplorer, Experiment, StopAfterNSteps, TotalRewardPerEpisode, evaluate
from rlcore.approximators import TabularQApproximator
from rlcore.learners import TDLearner
from rlcore.policies import QBasedPolicy
from rlcore.trajectories import InsertSampleRatioController, LatestTransition, Trajectory, WholeSampler

ARROWS = np.array(["<", "v", ">", "^"])


def make_agent(n_states: int, n_actions: int, n_steps: int) -> Agent:
    """Q-learning with epsilon falling from 1 to 0.02 in the first third of the run."""
    learner = TDLearner(TabularQApproximator(n_states, n_actions), gamma=0.99, alpha=0.05)
    explorer = EpsilonGreedyExplorer(0.02, decay_steps=n_steps // 3, break_ties=True)
    trajectory = Trajectory(LatestTransition(), WholeSampler(), InsertSampleRatioController())
    return Agent(QBasedPolicy(learner, explorer), trajectory)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--slippery", action="store_true", help="steps may go astray")
    parser.add_argument("--seed", type=int, default=0, help="root of all random numbers")
    parser.add_argument("--quick", action="store_true", help="learn for 20,000 steps instead of 200,000")
    arguments = parser.parse_args()

    env = gymnasium.make("FrozenLake-v1", is_slippery=arguments.slippery)
    n_steps = 20_000 if arguments.quick else 200_000
    agent = make_agent(env.observation_space.n, env.action_space.n, n_steps)
    Experiment(agent, env, StopAfterNSteps(n_steps), TotalRewardPerEpisode(), seed=arguments.seed).run()

    table = agent.policy.learner.approximator.table
    layout = env.unwrapped.desc.astype(str)  # S start, F frozen, H hole, G goal
    arrows = np.where(np.isin(layout, ["H", "G"]), layout, ARROWS[table.argmax(axis=1)].reshape(layout.shape))
    print("\n".join(" ".join(row) for row in arrows))
    result = evaluate(agent, env, n_episodes=200, seed=arguments.seed)
    print(f"the goal is reached in {result.returns.mean():.0%} of 200 episodes, of {result.lengths.mean():.1f} steps")


if __name__ == "__main__":
    main()
