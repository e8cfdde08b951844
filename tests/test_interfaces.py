"""What the base classes of components of one's own say when something is missing or wrong."""

from typing import Any

import jax.numpy as jnp
import numpy as np
import optax
import pytest
from flax import nnx
from worlds import Count

from rlcore.approximators import Approximator, TabularQApproximator
from rlcore.errors import ConfigError, HookError
from rlcore.experiment import Experiment, evaluate
from rlcore.explorers import EpsilonGreedyExplorer, GreedyExplorer
from rlcore.interfaces import Explorer, Learner, Policy
from rlcore.learners import TDLearner
from rlcore.networks import MLP
from rlcore.policies import Agent, QBasedPolicy
from rlcore.reset_conditions import ResetCondition
from rlcore.stages import Stage
from rlcore.stop_conditions import StopAfterNSteps, StopCondition
from rlcore.struct import struct
from rlcore.trajectories import BatchSampler, CircularTraces, InsertSampleRatioController, Trajectory

N_STEPS = 12


def network(n_inputs=1):
    return Approximator(MLP(n_inputs, (4,), 2, rngs=nnx.Rngs(0)), optax.sgd(1e-8))


@struct
class Values(Learner):
    """Has values, and nothing to learn by."""

    approximator: Any = None

    def forward(self, state):
        return self.approximator.forward(state)


def learning(kind):
    memory = Trajectory(CircularTraces(20), BatchSampler(4, seed=0), InsertSampleRatioController(1.0, 4))
    return Agent(QBasedPolicy(kind(network()), EpsilonGreedyExplorer(0.1, seed=0)), memory)


def experiment(policy, **arguments):
    return Experiment(policy, Count(5), StopAfterNSteps(N_STEPS, show_progress=False), **arguments)


def with_objective(function):
    return struct(type("Mine", (Values,), {"objective": function, "__module__": __name__}))


def missing(base):
    return type("Mine", (base,), {})()


@pytest.mark.parametrize("base", [Policy, Explorer])
def test_without_plan_no_experiment_is_built(base):
    policy = missing(base) if base is Policy else QBasedPolicy(with_objective(mean_loss)(network()), missing(base))
    with pytest.raises(HookError, match=r"Mine has not written plan; write def plan\(self, "):
        experiment(policy)


def test_without_check_no_experiment_is_built():
    stop, reset = missing(StopCondition), missing(ResetCondition)
    expected = r"Mine has not written check; write def check\(self, policy, env\)"
    policy = QBasedPolicy(with_objective(mean_loss)(network()), GreedyExplorer())
    with pytest.raises(HookError, match=expected):
        Experiment(policy, Count(5), StopAfterNSteps(3, show_progress=False) | stop)
    with pytest.raises(HookError, match=expected):
        experiment(policy, reset_condition=reset)


def test_an_explorer_that_takes_no_mask_is_refused():
    class Short(Explorer):
        def plan(self, values):
            return 0

    with pytest.raises(HookError, match=r"Short\.plan\(values\) .*; expected plan\(self, values, mask=None\)"):
        experiment(QBasedPolicy(with_objective(mean_loss)(network()), Short()))


def test_an_explorer_needs_prob_only_when_it_is_asked():
    class Last(Explorer):
        def plan(self, values, mask=None):
            return 1

    assert experiment(QBasedPolicy(with_objective(mean_loss)(network()), Last())).run().stop_reason
    with pytest.raises(NotImplementedError, match=r"Last has not written prob; write def prob\(self, values, mask"):
        Last().prob(np.zeros(2))


def test_a_plan_that_would_never_be_called_is_refused():
    @struct
    class Mine(EpsilonGreedyExplorer):
        def plan(self, values, mask=None):
            return 0

    @struct
    class Whole(Mine):
        def decide(self, n_actions, shape=(), mask=None):
            return True, 0

        def finish(self, explore, action, values, mask=None):
            return 0

    with pytest.raises(HookError, match="Mine has written plan, but inherits decide and finish from EpsilonGreedyExp"):
        experiment(QBasedPolicy(with_objective(mean_loss)(network()), Mine(0.1)))
    experiment(QBasedPolicy(with_objective(mean_loss)(network()), Whole(0.1)))


def test_a_learner_needs_values_and_something_to_learn_by():
    with pytest.raises(HookError, match=r"Mine has not written forward; write def forward\(self, state\)"):
        experiment(QBasedPolicy(struct(type("Mine", (Learner,), {}))(), GreedyExplorer()))
    with pytest.raises(HookError, match=r"Values has written neither objective nor update.*def objective\(self, para"):
        experiment(QBasedPolicy(Values(network()), GreedyExplorer()))
    with pytest.raises(ConfigError, match="Mine has an objective, but no approximator"):
        experiment(QBasedPolicy(with_objective(mean_loss)(), GreedyExplorer()))
    own_update = struct(type("Mine", (Values,), {"update": lambda self, batch: {}}))
    experiment(QBasedPolicy(own_update(network()), GreedyExplorer()))


def test_a_learner_that_only_has_values_can_be_evaluated():
    assert evaluate(QBasedPolicy(Values(network()), GreedyExplorer()), Count(5), 2).lengths.tolist() == [5, 5]


def test_a_learner_that_is_no_struct_is_refused():
    class Plain(Values):
        pass

    with pytest.raises(ConfigError, match=r"learner is of class Plain.*write @struct above class Plain"):
        QBasedPolicy(Plain(network()), GreedyExplorer())


def test_a_learners_network_is_shown_the_states():
    approximator = network()
    experiment(QBasedPolicy(with_objective(mean_loss)(approximator), GreedyExplorer()))
    assert approximator.state_ndim == 1
    with pytest.raises(ConfigError, match="the network can't take a batch of two states"):
        experiment(QBasedPolicy(with_objective(mean_loss)(network(3)), GreedyExplorer()))


def test_a_learners_stages_are_checked():
    learner = with_objective(mean_loss)(network())
    learner.stages = ("post_act",)
    with pytest.raises(ConfigError, match="expected a tuple of stages"):
        experiment(QBasedPolicy(learner, GreedyExplorer()))
    with pytest.raises(ConfigError, match="expected a tuple of stages"):
        TDLearner(TabularQApproximator(2, 2), stages=Stage.POST_ACT)


def mean_loss(self, parameters, batch):
    return jnp.square(self.approximator.forward(batch.state, parameters)).mean(), {"rows": len(batch.reward)}


def test_an_objective_of_ones_own_learns():
    agent = learning(with_objective(mean_loss))
    state = np.full(1, 1003, np.float32)
    before = np.square(agent.policy.learner.forward(state)).sum()
    experiment(agent).run()
    assert set(agent.metrics) == {"loss", "rows"}
    assert np.square(agent.policy.learner.forward(state)).sum() < before


@pytest.mark.parametrize(
    ("objective", "message"),
    [
        (lambda self, parameters, batch: mean_loss(self, parameters, batch)[0], r"an array \(\), expected the pair"),
        (lambda self, parameters, batch: (mean_loss(self, parameters, batch)[0], 3), r"an array \(\), int, expected"),
        (lambda self, parameters, batch: None, "NoneType, expected the pair"),
        (lambda self, parameters, batch: (batch.reward, {}), r"loss of shape \(4,\) .* take the mean over the rows"),
        (lambda self, parameters, batch: (jnp.asarray(1), {}), "type int32, expected one floating-point number"),
    ],
)
def test_what_an_objective_returns_is_checked(objective, message):
    with pytest.raises(ConfigError, match=rf"Mine\.objective returned .*{message}"):
        experiment(learning(with_objective(objective))).run()


def test_a_field_that_is_not_declared_is_explained_where_a_run_meets_it():
    def objective(self, parameters, batch):
        self.latest = 3
        return mean_loss(self, parameters, batch)

    with pytest.raises(AttributeError, match="declare it as a field of the @struct: `latest: Any = None` in the body"):
        experiment(learning(with_objective(objective))).run()
