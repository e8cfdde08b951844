"""The long proofs: what is learnt, seed by seed. `make proofs` runs them and prints the tables of docs/results.md."""

import importlib.util
from pathlib import Path

import numpy as np
import optax
import pytest
from flax import nnx

from rlcore.approximators import Approximator, TargetNetwork
from rlcore.experiment import Experiment, evaluate
from rlcore.explorers import EpsilonGreedyExplorer
from rlcore.hooks import Hook, StepsPerEpisode, TotalRewardPerEpisode
from rlcore.learners import DQNLearner
from rlcore.networks import MLP
from rlcore.policies import Agent, QBasedPolicy
from rlcore.stop_conditions import StopAfterNSteps
from rlcore.trajectories import BatchSampler, CircularTraces, InsertSampleRatioController, Trajectory


def example(name, folder="examples"):
    path = Path(__file__).parents[1] / folder / f"{name}.py"
    spec = importlib.util.spec_from_file_location(name, path)
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


@pytest.mark.proof
@pytest.mark.timeout(3600)
def test_the_example_solves_cartpole_for_nine_of_ten_seeds(capsys):
    rows = []
    for seed in range(10):
        experiment = example("dqn_cartpole").train(seed, show=False)
        returns = evaluate(experiment.policy, "CartPole-v1", 100, seed=1000 + seed).returns
        steps = sum(experiment.hook[StepsPerEpisode].steps)
        last = np.mean(experiment.hook[TotalRewardPerEpisode].rewards[-100:])
        rows.append((seed, steps, last, returns.mean(), returns.min()))
        with capsys.disabled():
            print("| {} | {:,} | {:.1f} | {:.1f} | {:.0f} |".format(*rows[-1]), flush=True)
    assert sum(row[3] >= 475 for row in rows) >= 9


@pytest.mark.proof
@pytest.mark.timeout(600)
@pytest.mark.parametrize("name", ["FrozenLake-v1", "Taxi-v4"])
def test_compiled_q_learning_comes_within_a_hundredth_of_the_best_possible_return(name, capsys):
    tables = example("compiled_tables")
    best = tables.expected_return(name, None)
    for seed in range(5):
        experiment = tables.make_experiment(name, 2_000_000, seed).run("compiled")
        learnt = tables.expected_return(name, experiment.policy.policy.learner.approximator.table)
        with capsys.disabled():
            print(f"| {name} | {seed} | {learnt:.4f} | {best:.4f} |", flush=True)
        assert best - 0.01 <= learnt <= best + 1e-9


@pytest.mark.parametrize(("env_id", "least"), [("CartPole-v1", 100.0), ("Acrobot-v1", -350.0)])
def test_the_agent_of_the_proofs_gets_far_beyond_chance_in_a_few_steps(env_id, least, monkeypatch):
    """The short form of `benchmarks/proofs.py`: the last twenty episodes; chance returns 22 and -499."""
    monkeypatch.syspath_prepend(Path(__file__).parents[1] / "benchmarks")
    curve, _ = example("proofs", "benchmarks").learn(env_id, seed=0, n_steps=12_000, n_evaluated=1)
    assert curve[-1] > least


class LargestValue(Hook):
    """The largest mean Q of an update."""

    def pre_experiment(self, policy, env):
        self.q = 0.0

    def post_episode(self, policy, env):
        if policy.metrics:
            self.q = max(self.q, abs(float(policy.metrics["q"])))


def cleanrl(loss, n_steps, threshold=10_000, decay_steps=250_000):
    """CleanRL's published setting for CartPole-v1, with a loss of one's choice."""
    network = Approximator(MLP(4, (120, 84), 2, rngs=nnx.Rngs(1)), optax.adam(2.5e-4))
    learner = DQNLearner(TargetNetwork(network, sync_freq=50), gamma=0.99, loss=loss)
    explorer = EpsilonGreedyExplorer(0.05, epsilon_init=1.0, decay_steps=decay_steps)
    memory = Trajectory(CircularTraces(10_000), BatchSampler(128), InsertSampleRatioController(1 / 10, threshold))
    largest = LargestValue()
    stop = StopAfterNSteps(n_steps, show_progress=False)
    Experiment(Agent(QBasedPolicy(learner, explorer), memory), "CartPole-v1", stop, largest, seed=1).run()
    return largest.q


def test_the_squared_error_keeps_values_within_what_is_possible():
    """No return of reward 1 and gamma 0.99 exceeds 100; this is the short form of the proof below."""
    assert cleanrl(optax.squared_error, 15_000, threshold=1_000, decay_steps=5_000) < 120


@pytest.mark.proof
@pytest.mark.timeout(3600)
def test_the_squared_error_overestimates_for_a_while_where_a_huber_loss_runs_off_into_the_millions(capsys):
    """The most that can be right is 100; measured for half a million steps: 273 and 63 million."""
    squared, huber = (cleanrl(loss, 500_000) for loss in (optax.squared_error, optax.huber_loss))
    with capsys.disabled():
        print(f"largest mean Q: squared error {squared:,.0f}, Huber loss {huber:,.0f}", flush=True)
    assert squared < 1_000
    assert huber > 1_000_000
