"""OfflineAgent: learns at every step from data that stays as it is."""

import numpy as np
import optax
import pytest
from flax import nnx
from worlds import Corridor, Count

from rlcore.approximators import Approximator, TabularQApproximator
from rlcore.environments import CartPole, as_environment
from rlcore.errors import ConfigError
from rlcore.experiment import Experiment, evaluate
from rlcore.explorers import EpsilonGreedyExplorer
from rlcore.interfaces import Learner
from rlcore.learners import DQNLearner, TDLearner
from rlcore.networks import MLP
from rlcore.policies import Agent, OfflineAgent, OfflineBehavior, QBasedPolicy, RandomPolicy
from rlcore.random import Random
from rlcore.stages import Stage
from rlcore.stop_conditions import StopAfterNEpisodes, StopAfterNSteps
from rlcore.struct import static, struct, walk
from rlcore.trajectories import (
    Batch,
    BatchSampler,
    CircularTraces,
    ElasticTraces,
    EpisodeSampleRatioController,
    InsertSampleRatioController,
    LatestTransition,
    PrioritizedTraces,
    Trajectory,
    WholeSampler,
)
from tests.offline.recorded import assert_same


@struct
class Watching(Learner):
    """Counts the rows of the batches that it is shown, and adds up their rewards."""

    approximator: TabularQApproximator
    n_batches: int = 0
    n_rows: int = 0
    reward: float = 0.0
    update_is_jitted = False

    def __init__(self, n_states=4, stages=(Stage.POST_ACT,)):
        self.approximator, self.stages = TabularQApproximator(n_states, 2), stages

    def forward(self, state):
        return self.approximator.forward(state)

    def update(self, batch: Batch):
        self.n_batches += 1
        self.n_rows += len(batch.reward)
        self.reward += float(np.sum(batch.reward))
        return {}


def corridor_traces(n=10):
    """Transitions of a `Corridor(3)`, of which number i pays i."""
    traces = CircularTraces(n)
    for i in range(n):
        traces.push(i % 3, i % 2, float(i), i % 3 + 1, i % 3 == 2, False)
    return traces


def offline(learner=None, traces=None, sampler=None, ratio=1.0, threshold=1, behavior=None):
    policy = QBasedPolicy(Watching() if learner is None else learner, EpsilonGreedyExplorer(0.5))
    controller = InsertSampleRatioController(ratio, threshold)
    traces = corridor_traces() if traces is None else traces
    return OfflineAgent(policy, Trajectory(traces, sampler or WholeSampler(), controller), behavior)


def steps(n):
    return StopAfterNSteps(n, show_progress=False)


@pytest.mark.parametrize(
    ("ratio", "threshold", "n", "expected"), [(1, 1, 7, 7), (2, 1, 7, 13), (0.5, 1, 7, 4), (1, 4, 7, 4)]
)
def test_it_learns_at_every_step_from_all_that_is_there(ratio, threshold, n, expected):
    agent = offline(ratio=ratio, threshold=threshold)
    Experiment(agent, Corridor(3), steps(n), seed=0).run()
    learner = agent.policy.learner
    assert learner.n_batches == expected
    assert learner.n_rows == 10 * expected
    assert learner.reward == 45.0 * expected


def test_what_happens_is_not_stored():
    agent, untouched = offline(), corridor_traces()
    Experiment(agent, Corridor(3), StopAfterNEpisodes(20, show_progress=False)).run()
    assert_same(agent.trajectory.container.whole(), untouched.whole())
    assert len(agent.trajectory) == 10


@pytest.mark.parametrize("num_envs", [1, 3])
def test_several_environments_count_one_step_for_each_row(num_envs):
    learner = DQNLearner(Approximator(MLP(4, (8,), 2, rngs=nnx.Rngs(0)), optax.adam(1e-2)))
    traces = CircularTraces(20)
    for i in range(20):
        traces.push(np.full(4, i, np.float32), i % 2, 1.0, np.full(4, i + 1, np.float32), False, False)
    agent = offline(learner, traces, BatchSampler(4), ratio=0.5)
    Experiment(agent, as_environment(CartPole(), num_envs=num_envs), steps(30), seed=0).run("eager")
    assert agent.trajectory.controller.inserted == 30
    assert agent.trajectory.controller.sampled == 15


def test_rows_that_are_reset_count_no_step():
    """Of two environments with episodes of one step, each is reset at every second step."""
    import gymnasium
    from gymnasium.vector import AutoresetMode, SyncVectorEnv

    env = SyncVectorEnv([lambda: Count(1)] * 2, autoreset_mode=AutoresetMode.NEXT_STEP)
    traces = CircularTraces(4)
    traces.push(np.zeros(1, np.float32), 0, 1.0, np.zeros(1, np.float32), False, False)
    agent = OfflineAgent(
        RandomPolicy(), Trajectory(traces, WholeSampler(), InsertSampleRatioController()), OfflineBehavior()
    )
    assert isinstance(env.single_action_space, gymnasium.spaces.Discrete)
    Experiment(agent, env, steps(10), seed=0).run()
    assert agent.trajectory.controller.inserted == 10


def test_a_learner_at_other_stages_learns_there():
    agent = offline(Watching(stages=(Stage.POST_EPISODE,)), ratio=1.0)
    Experiment(agent, Corridor(3), StopAfterNEpisodes(4, show_progress=False)).run()
    assert agent.policy.learner.n_batches == 12  # what three steps allow, at each of four ends


def test_the_greedy_view_and_the_bare_policy():
    agent = offline(TDLearner(TabularQApproximator(4, 2), gamma=1.0, alpha=0.5), sampler=WholeSampler())
    Experiment(agent, Corridor(3), steps(30), seed=0).run()
    counts = [part.count for _, part in walk(agent) if isinstance(part, Random)]
    inserted, table = agent.trajectory.controller.inserted, agent.policy.learner.approximator.table.copy()
    assert evaluate(agent, Corridor(3), 5).returns.tolist() == [3.0] * 5
    assert [part.count for _, part in walk(agent) if isinstance(part, Random)] == counts
    assert agent.trajectory.controller.inserted == inserted
    assert np.array_equal(agent.policy.learner.approximator.table, table)
    assert table[0].argmax() == agent.greedy()(0)
    assert agent(0) in (0, 1)
    assert agent.extras == {}


def test_a_learner_without_data_of_its_own_actions_finds_the_best():
    """Of a walk of which only rewards of state 2 matter: fitted Q-iteration from random transitions."""
    traces = CircularTraces(600)
    random = np.random.default_rng(0)
    for _ in range(600):
        state, action = int(random.integers(5)), int(random.integers(2))
        there = state + (1 if action else -1)
        ends = there in (-1, 5)
        traces.push(state, action, float(there == 5), min(max(there, 0), 4), ends, False)
    learner = TDLearner(TabularQApproximator(5, 2), gamma=0.5, alpha=0.5)
    policy = QBasedPolicy(learner, EpsilonGreedyExplorer(1.0))
    memory = Trajectory(traces, WholeSampler(), InsertSampleRatioController())
    Experiment(OfflineAgent(policy, memory), Corridor(4), steps(20), seed=0).run()
    right = 0.5 ** np.arange(4, -1, -1)
    left = np.array([0, *(0.5 * right[:-1])])
    assert np.allclose(learner.approximator.table, np.stack([left, right], axis=1), atol=1e-5)


@pytest.mark.parametrize(
    ("make", "expected"),
    [
        (lambda: OfflineAgent(Watching(), memory()), "wrap it: QBasedPolicy"),
        (lambda: OfflineAgent(RandomPolicy(), CircularTraces(9)), r"wrap it: Trajectory\(container"),
        (lambda: OfflineAgent(RandomPolicy(), memory(), RandomPolicy()), r"wrap it: OfflineBehavior\(agent, steps\)"),
        (lambda: OfflineAgent(RandomPolicy(), memory(), behavior(11)), "steps is 11, but .* room for 10 more"),
        (lambda: OfflineAgent(RandomPolicy(), memory(corridor_traces()), behavior(1)), "room for 0 more"),
        (lambda: OfflineAgent(RandomPolicy(), memory(corridor_traces()), behavior(None)), "all 10 places are taken"),
    ],
)
def test_parts_that_do_not_fit_are_refused(make, expected):
    with pytest.raises(ConfigError, match=expected):
        make()


def memory(container=None, sampler=None):
    container = CircularTraces(10) if container is None else container
    return Trajectory(container, sampler or WholeSampler(), InsertSampleRatioController())


def behavior(n):
    return OfflineBehavior(RandomPolicy(), n)


@pytest.mark.parametrize(("n", "batch_size"), [(0, 1), (3, 4)])
def test_too_little_data_is_refused_before_the_run(n, batch_size):
    traces = CircularTraces(10)
    for _ in range(n):
        traces.push(0, 0, 1.0, 1, False, False)
    agent = OfflineAgent(RandomPolicy(), memory(traces, BatchSampler(batch_size)))
    with pytest.raises(ConfigError, match=f"holds {n} transitions, too few for a batch of BatchSampler"):
        Experiment(agent, Corridor(3), steps(5))


def test_too_few_collected_steps_are_refused_before_the_first_step():
    agent = OfflineAgent(RandomPolicy(), memory(sampler=BatchSampler(8)), behavior(7))
    experiment = Experiment(agent, Corridor(3), steps(5))
    with pytest.raises(ConfigError, match="holds 7 transitions, too few"):
        experiment.run()
    assert experiment.policy.trajectory.controller.inserted == 0


@pytest.mark.parametrize(
    ("env", "expected"),
    [
        ("CartPole-v1", r"its states are int32\[1\], expected float32 of shape \[1, 4\]"),
        (Corridor(1), r"its states are whole numbers from 2 to 2, which are not all in Discrete\(2\)"),
    ],
)
def test_data_of_another_environment_is_refused(env, expected):
    traces = CircularTraces(4)
    traces.push(2, 0, 1.0, 3, False, False)
    with pytest.raises(ConfigError, match=f"was not collected in such an environment: {expected}"):
        Experiment(OfflineAgent(RandomPolicy(), memory(traces)), env, steps(5))


@pytest.mark.parametrize("container", [CircularTraces, ElasticTraces, PrioritizedTraces])
@pytest.mark.parametrize(
    ("place", "number", "expected"),
    [
        (0, 9, r"its states are whole numbers from 0 to 9, which are not all in Discrete\(4\)"),
        (3, -1, r"its next states are whole numbers from -1 to 1, which are not all in Discrete\(4\)"),
        (1, 2, r"its actions are whole numbers from 0 to 2, which are not all in Discrete\(2\)"),
    ],
)
def test_a_single_number_of_another_environment_is_refused(container, place, number, expected):
    """Compiled code would read the last row of a table for it, and no value at all of a network."""
    for rows in ((), (2,)):
        traces = container() if container is ElasticTraces else container(12)
        for i in range(4):
            transition = [0, 0, 1.0, 1, False, False]
            transition[place] = number if i == 2 else transition[place]
            traces.push(*(np.full(rows, value)[()] for value in transition))
        with pytest.raises(ConfigError, match=f"was not collected in such an environment: {expected}"):
            Experiment(OfflineAgent(RandomPolicy(), memory(traces, BatchSampler(2))), Corridor(3), steps(5))


def test_the_last_transition_alone_is_data_too():
    latest = LatestTransition()
    latest.push(0, 1, 1.0, 1, False, False)
    learner = TDLearner(TabularQApproximator(4, 2), gamma=1.0, alpha=0.5)
    agent = offline(learner, latest)
    Experiment(agent, Corridor(3), steps(3)).run()
    assert learner.approximator.table.tolist()[0] == [0.0, 0.875]


@struct
class Own(OfflineAgent):
    """A class that says itself when to learn."""

    asked: int = 0
    word: str = static("")

    def optimise(self, stage, trajectory=None):
        self.asked += 1


def test_a_class_of_ones_own_is_called_at_every_stage():
    agent = Own(RandomPolicy(), memory(corridor_traces()))
    Experiment(agent, Corridor(3), steps(3)).run("eager")
    assert agent.asked == 3 * 2 + 4


def test_it_is_no_agent_that_stores():
    assert not isinstance(offline(), Agent)


def test_a_controller_of_episodes_counts_those_of_the_run():
    learner, controller = Watching(), EpisodeSampleRatioController(ratio=2, threshold=2)
    policy = QBasedPolicy(learner, EpsilonGreedyExplorer(0.5))
    agent = OfflineAgent(policy, Trajectory(corridor_traces(), WholeSampler(), controller))
    Experiment(agent, Corridor(3), StopAfterNEpisodes(4, show_progress=False), seed=0).run(engine="eager")
    assert controller.ended == 4
    assert learner.n_batches == controller.sampled == 5  # one at the second episode, two at each of the others
