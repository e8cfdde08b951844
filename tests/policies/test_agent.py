"""Agent: what it keeps is what happened, row by row."""

import gymnasium
import numpy as np
import pytest
from gymnasium import spaces
from gymnasium.vector import AutoresetMode
from policies_asked import FixedValues
from worlds import Corridor, Count, Still, counts

from rlcore.approximators import TabularQApproximator
from rlcore.errors import ConfigError
from rlcore.experiment import Experiment
from rlcore.explorers import EpsilonGreedyExplorer
from rlcore.learners import TDLearner
from rlcore.policies import Agent, QBasedPolicy
from rlcore.reset_conditions import ResetAfterNSteps
from rlcore.stages import Stage
from rlcore.stop_conditions import StopAfterNSteps
from rlcore.trajectories import BatchSampler, CircularTraces, InsertSampleRatioController, Trajectory, WholeSampler


def memory(capacity=1000):
    return Trajectory(CircularTraces(capacity), WholeSampler(), InsertSampleRatioController(0.0))


def kept(agent):
    return agent.trajectory.sample()


def test_transitions_of_one_environment():
    agent = Agent(Still(), memory())
    Experiment(agent, Corridor(3), StopAfterNSteps(7, show_progress=False)).run()
    batch = kept(agent)
    assert np.asarray(batch.state).tolist() == [0, 1, 2, 0, 1, 2, 0]
    assert np.asarray(batch.next_state).tolist() == [1, 2, 3, 1, 2, 3, 1]
    assert np.asarray(batch.terminated).tolist() == [False, False, True, False, False, True, False]
    assert not np.asarray(batch.truncated).any()
    assert np.asarray(batch.action).tolist() == [0] * 7
    assert np.asarray(batch.reward).tolist() == [1.0] * 7


@pytest.mark.parametrize(("truncates", "limit"), [(True, None), (False, 2)])
def test_a_time_limit_is_no_termination(truncates, limit):
    agent = Agent(Still(), memory())
    reset = None if limit is None else ResetAfterNSteps(limit)
    Experiment(agent, Corridor(3, truncates), StopAfterNSteps(6, show_progress=False), reset_condition=reset).run()
    batch = kept(agent)
    period = limit or 3
    assert np.asarray(batch.truncated).tolist() == [(i + 1) % period == 0 for i in range(6)]
    assert not np.asarray(batch.terminated).any()
    assert np.asarray(batch.next_state).tolist() == [i % period + 1 for i in range(6)]  # the true last state


def test_a_second_run_joins_no_episodes():
    agent = Agent(Still(), memory())
    experiment = Experiment(agent, Count(4), StopAfterNSteps(6, show_progress=False))
    experiment.run()
    experiment.run()
    batch = kept(agent)
    assert (np.asarray(batch.next_state) - np.asarray(batch.state) == 1).all()
    assert len(agent.trajectory) == 12


@pytest.mark.parametrize("mode", list(AutoresetMode))
@pytest.mark.parametrize("truncates", [False, True])
@pytest.mark.parametrize("lengths", [(3,), (2, 5), (1, 2, 3, 4, 5, 6, 7)])
def test_rows_keep_every_transition_and_no_other(mode, truncates, lengths):
    agent = Agent(Still(), memory(10_000))
    env = counts(lengths, mode, truncates)
    Experiment(agent, env, StopAfterNSteps(200, show_progress=False)).run()
    batch = kept(agent)
    state, following = (np.asarray(x)[:, 0].astype(int) for x in (batch.state, batch.next_state))
    over = np.asarray(batch.truncated if truncates else batch.terminated)
    assert (following - state == 1).all()
    for row, length in enumerate(lengths):
        mine = np.sort(state[state // 100_000 == row] % 100_000)
        expected = [1000 * (1 + i // length) + i % length for i in range(len(mine))]
        assert mine.tolist() == expected  # none lost, none invented
        assert (over[state // 100_000 == row] == (following[state // 100_000 == row] % 1000 == length)).all()


def test_masks_of_both_states_are_kept():
    agent = Agent(Still(), memory())

    class Masked(Count):
        def _info(self):
            return {"action_mask": np.array([1, self.steps % 2], np.int8)}

        def reset(self, **arguments):
            return super().reset(**arguments)[0], self._info()

        def step(self, action):
            return (*super().step(action)[:4], self._info())

    Experiment(agent, Masked(3), StopAfterNSteps(5, show_progress=False)).run()
    batch = kept(agent)
    assert np.asarray(batch.mask)[:, 1].tolist() == [False, True, False, False, True]
    assert np.asarray(batch.next_mask)[:, 1].tolist() == [True, False, True, True, False]


def test_nested_states_and_actions_are_kept():
    class Nested(gymnasium.Env):
        observation_space = spaces.Dict({"a": spaces.Box(-1e3, 1e3, (2,)), "b": spaces.Tuple([spaces.Discrete(50)])})
        action_space = spaces.MultiDiscrete([2, 3])

        def _observe(self):
            return {"a": np.full(2, self.t, np.float32), "b": (self.t,)}

        def reset(self, seed=None, options=None):
            self.t = 0
            return self._observe(), {}

        def step(self, action):
            self.t += 1
            return self._observe(), 0.0, False, self.t == 4, {}

    class Pairs(Still):
        def plan(self, env):
            return np.array([1, 2])

    agent = Agent(Pairs(), memory())
    Experiment(agent, Nested(), StopAfterNSteps(6, show_progress=False)).run()
    batch = kept(agent)
    assert batch.state["a"][:, 0].tolist() == [0, 1, 2, 3, 0, 1]
    assert np.asarray(batch.next_state["b"][0]).tolist() == [1, 2, 3, 4, 1, 2]
    assert batch.action.tolist() == [[1, 2]] * 6


def test_extras_of_the_policy_are_kept_beside_the_action():
    class Knows(Still):
        def plan(self, env):
            self.known = {"log_prob": -float(env.state())}
            return 0

        @property
        def extras(self):
            return self.known

    agent = Agent(Knows(), memory())
    Experiment(agent, Corridor(3), StopAfterNSteps(4, show_progress=False)).run()
    assert np.asarray(kept(agent).extras["log_prob"]).tolist() == [0.0, -1.0, -2.0, 0.0]


def test_the_policy_inside_sees_every_stage_and_learns_after_the_agent_has_kept():
    tape = []

    class Inner(Still):
        def push(self, stage, env, action=None):
            tape.append((stage.value, len(agent.trajectory)))

        def optimise(self, stage, trajectory=None):
            assert trajectory is agent.trajectory
            tape.append(f"learn {stage.value}")

    agent = Agent(Inner(), memory())
    Experiment(agent, Corridor(5), StopAfterNSteps(1, show_progress=False)).run()
    stages = [stage.value for stage in Stage]
    assert [entry for entry in tape if isinstance(entry, str)] == [f"learn {stage}" for stage in stages]
    assert [entry[0] for entry in tape if not isinstance(entry, str)] == stages
    assert ("post_act", 1) in tape


def test_other_parts_are_refused():
    with pytest.raises(ConfigError, match="policy is 3, expected a Policy"):
        Agent(3, memory())
    with pytest.raises(ConfigError, match=r"policy is a Trajectory, .*; the order is Agent\(policy, trajectory\)"):
        Agent(memory(), Still())
    learner = FixedValues(np.eye(2))
    with pytest.raises(ConfigError, match=r"policy is a FixedValues, .* wrap it: QBasedPolicy\(learner, explorer\)"):
        Agent(learner, memory())
    with pytest.raises(ConfigError, match=r"trajectory is a list, .*; build one: Trajectory\("):
        Agent(Still(), [])
    with pytest.raises(ConfigError, match=r"trajectory is a CircularTraces, .*; wrap it: Trajectory\(container"):
        Agent(Still(), CircularTraces(4))
    with pytest.raises(ConfigError, match=r"capacity|batch"):
        Trajectory(CircularTraces(4), BatchSampler(5), InsertSampleRatioController())


def test_it_is_shown_as_the_call_that_makes_it():
    agent = Agent(
        QBasedPolicy(TDLearner(TabularQApproximator(500, 6), alpha=0.1), EpsilonGreedyExplorer(0.1)), memory()
    )
    assert repr(agent) == (
        "Agent(QBasedPolicy(TDLearner(TabularApproximator(float32[500, 6]), alpha=0.1), EpsilonGreedyExplorer(0.1)), "
        "Trajectory(CircularTraces(1000), WholeSampler(), InsertSampleRatioController(ratio=0.0)))"
    )
