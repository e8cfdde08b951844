"""Both engines with every kind of memory: prioritised, several steps, several batches, what can't be compiled."""

from functools import partial
from typing import Any

import jax.numpy as jnp
import numpy as np
import optax
import pytest
from flax import nnx

from rlcore import (
    MLP,
    Agent,
    Approximator,
    BatchSampler,
    CircularTraces,
    DQNLearner,
    EpsilonGreedyExplorer,
    Experiment,
    InsertSampleRatioController,
    QBasedPolicy,
    StopAfterNSteps,
    TargetNetwork,
    Trajectory,
    as_environment,
    run_seeds,
)
from rlcore.approximators import TabularQApproximator
from rlcore.environments import RandomWalk1D, TabularEnvironment
from rlcore.errors import ConfigError
from rlcore.interfaces import Learner
from rlcore.learners import TDLearner
from rlcore.struct import static, struct
from rlcore.trajectories import (
    AsyncInsertSampleRatioController,
    EpisodeSampleRatioController,
    EpisodesSampler,
    MetaSampler,
    MultiBatchSampler,
    MultiStepSampler,
    NStepBatchSampler,
    PrioritizedTraces,
)
from tests.compiled.alike import assert_alike

N_STATES = 6


def one_hot(state):
    return (jnp.arange(N_STATES) == jnp.asarray(state)[..., None]).astype(np.float32)


@struct
class Several(Learner):
    """Counts up a table from whatever it is shown, with a priority for every row of a prioritised batch."""

    table: Any = None
    gives: str = static("all")

    update_is_jitted = False

    def __init__(self, gives="all"):
        self.table, self.gives = np.zeros((N_STATES, 2), np.float32), gives

    def forward(self, state):
        return self.table[state]

    def update(self, batch):
        return {"n": np.float32(1.0)} | ({} if self.gives == "nothing" else {"priority": self.learn_from(batch)})

    def learn_from(self, batch):
        if isinstance(batch, dict):
            return {name: self.learn_from(one) for name, one in batch.items()}
        if isinstance(batch, list):
            return [self.learn_from(one) for one in batch]
        reward, state, action = batch.reward, batch.state, batch.action
        if getattr(batch, "valid", None) is not None:
            reward, state, action = (reward * batch.valid).sum(1), state[:, 0], action[:, 0]
        for i in range(len(reward)):
            old = self.table[state[i], action[i]]
            new = old + np.float32(0.5) * (reward[i] - old)
            if isinstance(self.table, np.ndarray):
                self.table[state[i], action[i]] = new
            else:
                self.table = self.table.at[state[i], action[i]].set(new)
        if self.gives == "negative":
            return -abs(reward) - 1
        return abs(reward) + 0.5


def several(sampler, container=None, ratio=0.5, gives="all"):
    container = CircularTraces(15) if container is None else container
    trajectory = Trajectory(container, sampler, InsertSampleRatioController(ratio, 4))
    return Agent(QBasedPolicy(Several(gives), EpsilonGreedyExplorer(0.5)), trajectory)


def network(container, sampler, ratio=0.5):
    approximator = Approximator(MLP(N_STATES, (8,), 2, rngs=nnx.Rngs(0)), optax.adam(1e-2))
    learner = DQNLearner(TargetNetwork(approximator, sync_freq=3), gamma=0.9, double=True)
    trajectory = Trajectory(container, sampler, InsertSampleRatioController(ratio, 8))
    return Agent(QBasedPolicy(learner, EpsilonGreedyExplorer(0.25)), trajectory)


def table(container, sampler):
    learner = TDLearner(TabularQApproximator(N_STATES, 2), gamma=1.0, alpha=0.5)
    trajectory = Trajectory(container, sampler, InsertSampleRatioController(0.5, 8))
    return Agent(QBasedPolicy(learner, EpsilonGreedyExplorer(0.25)), trajectory)


def make(policy, num_envs=None, n=90, **transforms):
    def parts(hook=None):
        return {
            "policy": policy(),
            "env": as_environment(RandomWalk1D(N_STATES), num_envs=num_envs, **transforms),
            "stop_condition": StopAfterNSteps(n, show_progress=False),
        }

    return parts


def prioritized(capacity, **options):
    return PrioritizedTraces(capacity, beta=optax.linear_schedule(0.4, 1.0, 20), **options)


POLICIES = {
    "table, by priority": (lambda: table(prioritized(21), BatchSampler(4)), {}, 3, 1e-6),
    "network, by priority": (lambda: network(prioritized(33), BatchSampler(4)), {"state": one_hot}, None, 1e-4),
    "network, by priority, stored once, n steps": (
        lambda: network(prioritized(CircularTraces(80, states_once=True)), NStepBatchSampler(4, 3, 0.9), 1.0),
        {"state": one_hot},
        3,
        1e-4,
    ),
    "windows": (lambda: several(MultiStepSampler(3, 2)), {}, 3, 1e-6),
    "by priority, dict of lists": (
        lambda: several(
            MetaSampler(a=MultiBatchSampler(BatchSampler(3), 2), b=MultiStepSampler(2, 2)), prioritized(15)
        ),
        {},
        None,
        1e-6,
    ),
}


@pytest.mark.parametrize("name", POLICIES)
def test_engines_agree(name):
    policy, transforms, num_envs, tolerance = POLICIES[name]
    one = assert_alike(make(policy, num_envs, **transforms), tolerance)
    container = one.policy.trajectory.container
    if isinstance(container, PrioritizedTraces):
        numbers = container.tree.levels[0]
        assert (numbers[numbers > 0] != 1.0).any()  # priorities did come back
        assert "priority" not in one.policy.policy.learner.metrics


@pytest.mark.parametrize("num_envs", [None, 2])
def test_both_learn_where_short_episodes_leave_less_room_than_a_batch(num_envs):
    """States that are stored once, of episodes of one step, each with another end than the next one's start."""
    one_step = TabularEnvironment([[[(1.0, 1, 1.0, True)]] * 2] * 2, [1.0, 0.0])

    def parts(hook=None):
        return {
            "policy": several(BatchSampler(150), CircularTraces(200, states_once=True), ratio=1 / 8),
            "env": as_environment(one_step, num_envs=num_envs),
            "stop_condition": StopAfterNSteps(200, show_progress=False),
        }

    one = assert_alike(parts, 1e-6)
    assert len(one.policy.trajectory) < 150 and one.policy.trajectory.controller.sampled > 20


@pytest.mark.parametrize("engine", ["eager", "compiled"])
def test_a_batch_that_the_rows_of_an_environment_leave_no_room_for_is_refused(engine):
    parts = make(lambda: several(BatchSampler(9), CircularTraces(10)), num_envs=4)
    with pytest.raises(ConfigError, match="batch_size is 9, but only 8 transitions can be stored"):
        Experiment(**parts()).run(engine)


@pytest.mark.parametrize("engine", ["eager", "compiled"])
def test_a_window_does_not_go_on_from_one_run_to_the_next(engine):
    """No episode ends with its first step, so all three runs of one step stop within one; the last may go on."""
    experiment = Experiment(**make(lambda: several(NStepBatchSampler(3, 3, 0.5), CircularTraces(40)), n=1)())
    for _ in range(3):
        experiment.run(engine)
    container = experiment.policy.trajectory.container
    assert container.truncated[: container.n_stored].tolist() == [True, True, False]
    assert container.window(np.arange(3), 3)[1].sum(1).tolist() == [1] * 3


def test_an_eager_run_goes_on_compiled_with_the_priorities_that_were_under_way():
    policy = POLICIES["network, by priority"][0]
    assert_alike(make(policy, n=50, state=one_hot), 1e-4, engines=("eager", "compiled"))


def test_many_seeds_at_once_have_priorities_of_their_own():
    parts = make(POLICIES["network, by priority"][0], state=one_hot)
    alone = [Experiment(**parts(), seed=seed).run("compiled") for seed in (1, 2)]
    at_once = run_seeds(lambda seed: Experiment(**parts(), seed=seed), (1, 2), engine="compiled")
    trees = [[np.asarray(one.policy.trajectory.container.tree.levels[0]) for one in ones] for ones in (alone, at_once)]
    np.testing.assert_allclose(trees[0], trees[1], 1e-3, 1e-5)
    assert (trees[1][0] != trees[1][1]).any()


@pytest.mark.parametrize("engine", ["eager", "compiled"])
@pytest.mark.parametrize("sampler", [partial(BatchSampler, 3), lambda: MultiBatchSampler(BatchSampler(3), 2)])
def test_a_learner_that_gives_no_priorities_is_named(engine, sampler):
    experiment = Experiment(**make(lambda: several(sampler(), prioritized(15), gives="nothing"))())
    with pytest.raises(
        ConfigError, match=r"Several.update gave no priorities for a prioritised batch; return them among"
    ):
        experiment.run(engine)


@pytest.mark.parametrize("engine", ["eager", "compiled"])
@pytest.mark.parametrize("n", [4, 90])
def test_negative_priorities_end_the_run(engine, n):
    experiment = Experiment(**make(lambda: several(BatchSampler(3), prioritized(15), gives="negative"), n=n)())
    with pytest.raises(ConfigError, match=r"priorit.* expected finite numbers"):
        experiment.run(engine)
    assert "priorit" in experiment.stop_reason


def test_priorities_are_no_metrics_and_nobody_asks_for_them_without_keys():
    parts = make(lambda: several(BatchSampler(3), gives="nothing"))
    assert Experiment(**parts()).run("eager").policy.metrics == {"n": 1.0}
    parts = make(lambda: several(BatchSampler(3), prioritized(15)))
    assert set(Experiment(**parts()).run("eager").policy.metrics) == {"n"}


@pytest.mark.parametrize(
    ("sampler", "controller", "reason"),
    [
        (
            BatchSampler(3),
            EpisodeSampleRatioController(),
            r"EpisodeSampleRatioController counts episodes.*; count transitions with InsertSampleRatioController",
        ),
        (
            BatchSampler(3),
            AsyncInsertSampleRatioController(),
            r"AsyncInsertSampleRatioController learns in a thread.*; use InsertSampleRatioController",
        ),
        (
            EpisodesSampler(2),
            InsertSampleRatioController(),
            r"EpisodesSampler gives episodes of many lengths.*; sample with MultiStepSampler\(batch_size, n\)",
        ),
        (
            MetaSampler(a=EpisodesSampler(2)),
            InsertSampleRatioController(),
            r"EpisodesSampler gives episodes of many lengths.*; sample with MultiStepSampler\(batch_size, n\)",
        ),
    ],
)
def test_what_can_not_be_compiled_is_refused_with_the_way_out_and_runs_eagerly(sampler, controller, reason):
    def policy():
        return Agent(
            QBasedPolicy(Several(), EpsilonGreedyExplorer(0.5)), Trajectory(CircularTraces(15), sampler, controller)
        )

    with pytest.raises(ConfigError, match=rf"can't be run as one program: {reason}.*or run with engine='eager'"):
        Experiment(**make(policy)()).run("compiled")
    one = Experiment(**make(policy)()).run()
    assert one.engine.startswith("eager: ")
    assert one.policy.trajectory.controller.sampled > 1
