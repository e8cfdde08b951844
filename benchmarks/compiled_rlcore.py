"""rlcore's compiled engine on the tasks of `compiled_bare.py` and `compiled_peers.py`, in the same settings."""

from collections.abc import Callable

import numpy as np
import optax
from compiled_process import answer, clock
from flax import nnx

import rlcore
from rlcore import Agent, Experiment, QBasedPolicy, RandomPolicy, StopAfterNSteps, as_environment
from rlcore.approximators import Approximator, TabularQApproximator, TargetNetwork
from rlcore.environments import CartPole, TabularEnvironment
from rlcore.explorers import EpsilonGreedyExplorer
from rlcore.hooks import Hook, StepsPerEpisode, TimePerStep, TotalRewardPerEpisode
from rlcore.learners import DQNLearner, TDLearner
from rlcore.networks import MLP
from rlcore.trajectories import (
    BatchSampler,
    CircularTraces,
    InsertSampleRatioController,
    LatestTransition,
    Trajectory,
    WholeSampler,
)

ALPHA, GAMMA, EPSILON = 0.1, 0.99, 0.1


def hooks() -> Hook:
    return StepsPerEpisode() + TotalRewardPerEpisode(display_on_exit=False) + TimePerStep()


def cartpole(n_envs: int) -> object:
    return as_environment(CartPole(), num_envs=None if n_envs == 1 else n_envs)


def rollout(n_envs: int, n_steps: int) -> Callable[[int], dict]:
    """With three hooks."""

    def run(seed: int) -> dict:
        stop = StopAfterNSteps(n_steps, show_progress=False)
        experiment = Experiment(RandomPolicy(), cartpole(n_envs), stop, hooks(), seed=seed)
        _, figures = clock(lambda: experiment.run(engine="compiled").policy)
        return figures | {"n_steps": n_steps, "mean episode length": float(np.mean(experiment.hook[0].steps))}

    return run


def q_learning(env_id: str, n_steps: int) -> Callable[[int], dict]:
    def run(seed: int) -> dict:
        env = TabularEnvironment.from_gymnasium(env_id)
        approximator = TabularQApproximator(int(env.state_space().n), int(env.action_space().n))
        learner = TDLearner(approximator, gamma=GAMMA, alpha=ALPHA)
        trajectory = Trajectory(LatestTransition(), WholeSampler(), InsertSampleRatioController())
        agent = Agent(QBasedPolicy(learner, EpsilonGreedyExplorer(EPSILON)), trajectory)
        experiment = Experiment(agent, env, StopAfterNSteps(n_steps, show_progress=False), seed=seed)
        _, figures = clock(lambda: experiment.run(engine="compiled").policy)
        experiment.env.reset()
        value = float(np.max(approximator.table[int(experiment.env.state())]))
        return figures | {"n_steps": n_steps, "value of the start": value}

    return run


def dqn_experiment(n_envs: int, n_steps: int, seed: int) -> Experiment:
    network = Approximator(MLP(4, (120, 84), 2, rngs=nnx.Rngs(seed)), optax.adam(2.5e-4))
    learner = DQNLearner(TargetNetwork(network, sync_freq=50), gamma=0.99)
    explorer = EpsilonGreedyExplorer(0.05, epsilon_init=1.0, decay_steps=250_000)
    controller = InsertSampleRatioController(ratio=1 / 10, threshold=10_000)
    trajectory = Trajectory(CircularTraces(10_000), BatchSampler(128), controller)
    agent = Agent(QBasedPolicy(learner, explorer), trajectory)
    return Experiment(agent, cartpole(n_envs), StopAfterNSteps(n_steps, show_progress=False), hooks(), seed=seed)


def dqn(n_envs: int, n_steps: int, n_seeds: int | None = None) -> Callable[[int], dict]:
    """One training, or as many at once as there are seeds, with three hooks; to build them is part of the time."""

    def train(seed: int) -> list[Experiment]:
        if n_seeds is None:
            return [dqn_experiment(n_envs, n_steps, seed).run(engine="compiled")]
        seeds = range(seed * n_seeds, (seed + 1) * n_seeds)
        return rlcore.run_seeds(lambda seed: dqn_experiment(n_envs, n_steps, seed), seeds)

    def run(seed: int) -> dict:
        experiments, figures = clock(lambda: train(seed))
        returns = [np.mean(experiment.hook[1].rewards[-100:]) for experiment in experiments]
        figures |= {"n_steps": n_steps * len(experiments), "mean return at the end": float(np.mean(returns))}
        return figures | {"compile_seconds": experiments[0].compile_seconds}

    return run


if __name__ == "__main__":
    answer({"rollout": rollout, "q_learning": q_learning, "dqn": dqn})
