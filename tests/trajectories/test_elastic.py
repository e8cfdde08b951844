import jax
import numpy as np
import pytest

from rlcore import Agent, Experiment, StopAfterNSteps
from rlcore.approximators import TabularQApproximator
from rlcore.environments import RandomWalk1D
from rlcore.errors import ConfigError, EnvContractError
from rlcore.explorers import EpsilonGreedyExplorer
from rlcore.learners import TDLearner
from rlcore.policies import QBasedPolicy
from rlcore.trajectories import BatchSampler, ElasticTraces, InsertSampleRatioController, Trajectory, memory


def agent():
    policy = QBasedPolicy(TDLearner(TabularQApproximator(7, 2)), EpsilonGreedyExplorer(0.1))
    return Agent(policy, Trajectory(ElasticTraces(), BatchSampler(8), InsertSampleRatioController()))


@pytest.mark.parametrize("lanes", [None, 3])
@pytest.mark.parametrize("width", [2, 2000])
def test_keeps_everything(lanes, width):
    container, n = ElasticTraces(), 2_100
    for at in range(n):
        rewards = np.array([at + 10_000 * lane for lane in range(lanes or 1)], np.float32)
        states = np.stack([np.full(width, reward % 200, np.uint8) for reward in rewards])
        values = (states, rewards.astype(np.int32), rewards, (states + 1) % 200, rewards % 50 == 49, rewards < 0)
        container.push(*([value[0] for value in values] if lanes is None else values))
    assert len(container) == n * (lanes or 1)
    batch = container.whole()
    expected = np.concatenate([np.arange(n) + 10_000 * lane for lane in range(lanes or 1)])
    np.testing.assert_array_equal(batch.reward, expected)
    np.testing.assert_array_equal(batch.state[:, 0], expected % 200)
    np.testing.assert_array_equal(batch.next_state[:, -1], (expected + 1) % 200)
    assert [len(episode) for episode in container.episodes()] == [50] * (n // 50) * (lanes or 1)


def test_a_sampler_waits_until_enough_is_stored_and_has_no_limit():
    container = ElasticTraces()
    sampler = BatchSampler(5_000, seed=0)
    sampler.check(container)
    container.push(1, 0, 0.0, 2, False, False)
    assert sampler.sample(container) is None
    for _ in range(5_000):
        container.push(1, 0, 0.0, 2, False, False)
    assert sampler.sample(container).state.shape == (5_000,)


def test_growth_beyond_the_memory_is_refused_with_its_bytes_and_harms_nothing(monkeypatch):
    container = ElasticTraces()
    for at in range(1024):
        container.push(at, 0, 0.0, at + 1, False, False)
    monkeypatch.setattr(memory, "available_bytes", lambda: 1000)
    with pytest.raises(ConfigError, match="2,048 transitions take 36,864 bytes, but only 1,000 bytes of memory are fr"):
        container.push(1024, 0, 0.0, 1025, False, False)
    monkeypatch.undo()
    container.push(1024, 0, 0.0, 1025, False, False)
    np.testing.assert_array_equal(container.whole().state, np.arange(1025))


def test_a_reward_that_is_not_finite_is_refused():
    container = ElasticTraces()
    with pytest.raises(EnvContractError, match="reward is inf, expected a finite number"):
        container.push(1, 0, float("inf"), 2, False, False)


@pytest.mark.parametrize("is_allocated", [False, True])
def test_compiled_code_is_refused_with_the_way_out(is_allocated):
    container = ElasticTraces()
    if is_allocated:
        container.push(1, 0, 0.0, 2, False, False)
    with pytest.raises(ConfigError, match=r"ElasticTraces grows.*CircularTraces\(capacity\).*engine='eager'"):
        jax.jit(lambda container, state: container.push(state, 0, 0.0, state, False, False))(container, 1)


def test_an_experiment_runs_eagerly_and_says_why():
    stop = StopAfterNSteps(50, show_progress=False)
    experiment = Experiment(agent(), RandomWalk1D(7), stop, seed=0).run()
    assert experiment.engine.startswith("eager") and "ElasticTraces grows" in experiment.engine
    assert len(experiment.policy.trajectory) == 50
    with pytest.raises(ConfigError, match="ElasticTraces grows"):
        Experiment(agent(), RandomWalk1D(7), stop, seed=0).run("compiled")
