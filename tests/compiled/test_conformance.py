"""Both engines run one and the same experiment: every row, every hook, every leaf, every stream."""

from functools import partial
from typing import Any, NamedTuple

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
    InsertSampleRatioController,
    QBasedPolicy,
    RandomPolicy,
    StopAfterNEpisodes,
    StopAfterNSteps,
    TargetNetwork,
    Trajectory,
    as_environment,
)
from rlcore.approximators import TabularQApproximator
from rlcore.environments import CartPole, MultiArmedBandit, Pendulum, RandomWalk1D, TabularEnvironment
from rlcore.explorers import (
    BatchExplorer,
    GreedyExplorer,
    GumbelSoftmaxExplorer,
    UCBExplorer,
    WeightedExplorer,
    WeightedSoftmaxExplorer,
)
from rlcore.learners import TDLearner
from rlcore.reset_conditions import ResetAfterNSteps
from rlcore.trajectories import LatestTransition, WholeSampler
from tests.compiled.alike import Tape, assert_alike, built_in, run_in
from tests.compiled.own import Around, Counting, Drift, Preferences, Pushed, Recurrent

N_STATES = 6


def random_walk():
    return RandomWalk1D(N_STATES)


def masked():
    """Four states in a circle, in each of which other actions are legal."""
    row = [[[(0.5, (state + 1) % 4, 1.0, state == 2), (0.5, state, 0.0, False)]] * 3 for state in range(4)]
    return TabularEnvironment(row, masks=[[1, 0, 1], [0, 1, 0], [1, 1, 1], [0, 1, 1]], max_steps=6)


def one_more(reward):
    return 1.0 + reward


def one_hot(state):
    return (jnp.arange(N_STATES) == jnp.asarray(state)[..., None]).astype(np.float32)


def table(explorer, ratio=1.0, n_states=N_STATES, n_actions=2, init=0.0, memory=None):
    learner = TDLearner(TabularQApproximator(n_states, n_actions, init), gamma=1.0, alpha=0.5)
    container, sampler = (LatestTransition(), WholeSampler()) if memory is None else memory
    return Agent(QBasedPolicy(learner, explorer), Trajectory(container, sampler, InsertSampleRatioController(ratio, 3)))


class Regular(nnx.Module):
    """A network whose statistics and random streams move with every update."""

    def __init__(self):
        self.first, self.last = nnx.Linear(N_STATES, 8, rngs=nnx.Rngs(0)), nnx.Linear(8, 2, rngs=nnx.Rngs(1))
        self.dropout, self.norm = nnx.Dropout(0.5, rngs=nnx.Rngs(2)), nnx.BatchNorm(8, rngs=nnx.Rngs(3))

    def __call__(self, x):
        return self.last(self.dropout(self.norm(nnx.relu(self.first(x)))))


def network(ratio, threshold=8, batch_size=4, size=N_STATES, target=True, double=False, module=None):
    approximator = Approximator(module or MLP(size, (8,), 2, rngs=nnx.Rngs(0)), optax.adam(1e-2))
    learner = DQNLearner(TargetNetwork(approximator, sync_freq=3) if target else approximator, double=double)
    controller = InsertSampleRatioController(ratio, threshold)
    memory = Trajectory(CircularTraces(50), BatchSampler(batch_size), controller)
    return Agent(QBasedPolicy(learner, EpsilonGreedyExplorer(0.25)), memory)


def steps(n=90):
    return StopAfterNSteps(n, show_progress=False)


def episodes(n=11):
    return StopAfterNEpisodes(n, show_progress=False)


class Case(NamedTuple):
    policy: Any
    env: Any = random_walk
    num_envs: int | None = None
    stop: Any = steps
    reset: Any = None
    tolerance: float = 0.0  # of leaves
    row_tolerance: float = 0.0  # of rewards and states
    transforms: dict = {}  # noqa: RUF012

    def make(self, hook=None):
        return {
            "policy": self.policy(),
            "env": as_environment(self.env(), num_envs=self.num_envs, **self.transforms),
            "stop_condition": self.stop(),
            "hook": Tape() + built_in(self.num_envs) if hook is None else hook(self.num_envs),
            "reset_condition": None if self.reset is None else self.reset(),
        }


def epsilon():
    return EpsilonGreedyExplorer(0.25)


paid = {"reward": one_more}
as_vectors = {"state": one_hot}
all_changed = {"state": one_hot, "action": lambda action: 1 - action, "reward": lambda reward: 2.0 * reward + 1.0}

CASES = {
    "random, walk, cut": Case(RandomPolicy, reset=partial(ResetAfterNSteps, 4)),
    "random, walk, all changed": Case(RandomPolicy, num_envs=3, transforms=all_changed),
    "random, bandit": Case(RandomPolicy, MultiArmedBandit, num_envs=3),
    "random, cart-pole": Case(RandomPolicy, CartPole, num_envs=1, stop=lambda: episodes(4), row_tolerance=1e-5),
    "random, pendulum": Case(RandomPolicy, lambda: Pendulum(max_steps=20), num_envs=3, row_tolerance=1e-4),
    "random, taxi": Case(
        RandomPolicy, lambda: TabularEnvironment.from_gymnasium("Taxi-v4", max_steps=30), stop=lambda: episodes(3)
    ),
    "random, dict, cut": Case(
        RandomPolicy,
        Drift,
        stop=lambda: episodes(20) | steps(),
        reset=lambda: ResetAfterNSteps(4) | ResetAfterNSteps(5),
    ),
    "random, dict, rows": Case(RandomPolicy, Drift, num_envs=3, stop=lambda: episodes(3) & steps()),
    "table, epsilon": Case(lambda: table(epsilon()), stop=lambda: (episodes(4) & steps(60)) | steps(200)),
    "table, epsilon, rows": Case(lambda: table(epsilon()), num_envs=3, stop=episodes),
    "table, ties, cut": Case(
        lambda: table(EpsilonGreedyExplorer(0.25, break_ties=True), n_states=4, n_actions=3),
        masked,
        reset=partial(ResetAfterNSteps, 3),
    ),
    "table, decay, two updates": Case(
        lambda: table(EpsilonGreedyExplorer(0.1, epsilon_init=1.0, warmup_steps=5, decay_steps=64), ratio=2),
        stop=episodes,
    ),
    "table, schedule": Case(
        lambda: table(EpsilonGreedyExplorer(optax.linear_schedule(1.0, 0.1, 50)), ratio=0.5), num_envs=1
    ),
    "table, ucb": Case(lambda: table(UCBExplorer(3), n_states=4, n_actions=3), masked, num_envs=3),
    "table, weighted": Case(lambda: table(WeightedExplorer(is_normalized=False), init=1.0), transforms=paid),
    "table, softmax": Case(lambda: table(WeightedSoftmaxExplorer(), n_states=4, n_actions=3), masked),
    "table, gumbel": Case(lambda: table(GumbelSoftmaxExplorer())),
    "table, greedy": Case(lambda: table(GreedyExplorer())),
    "table, one by one": Case(lambda: table(BatchExplorer(epsilon())), num_envs=3),
    "table, ring": Case(
        lambda: table(epsilon(), 0.5, memory=(CircularTraces(21), BatchSampler(4))), num_envs=3, stop=lambda: steps(99)
    ),
    "network, every step, cart-pole": Case(
        lambda: network(1, size=4), CartPole, stop=lambda: steps(60), tolerance=1e-4, row_tolerance=1e-5
    ),
    "network, a tenth, double, rows": Case(
        lambda: network(0.1, double=True), num_envs=3, stop=lambda: steps(150), tolerance=1e-5, transforms=as_vectors
    ),
    "network, two, waits for a batch": Case(
        lambda: network(2, threshold=2, batch_size=9), stop=lambda: steps(40), tolerance=1e-4, transforms=as_vectors
    ),
    "network, three tenths, dropout, cut": Case(
        lambda: network(0.3, threshold=2, target=False, module=Regular()),
        stop=episodes,
        reset=partial(ResetAfterNSteps, 5),
        tolerance=1e-4,
        transforms=as_vectors,
    ),
    "own, learns": Case(Preferences, stop=episodes, tolerance=1e-6),
    "own, learns, rows": Case(Preferences, num_envs=3, tolerance=1e-6),
    "own, recurrent, cut": Case(Recurrent, reset=partial(ResetAfterNSteps, 4)),
    "own, recurrent, rows": Case(partial(Recurrent, 3), num_envs=3),
    "own, counts": Case(Counting, reset=partial(ResetAfterNSteps, 4), stop=episodes),
    "own, counts inside, rows": Case(lambda: Around(Counting()), num_envs=3),
    "own, push": Case(Pushed),
}


@pytest.mark.parametrize("name", CASES)
def test_engines_agree(name):
    case = CASES[name]
    reference = run_in(["eager", "eager"], case.make)
    for engines in (("compiled", "compiled"), ("compiled", "eager"), ("eager", "compiled")):
        assert_alike(case.make, case.tolerance, case.row_tolerance, engines, reference)


def recurrent_in_jax():
    policy = Recurrent(3)
    policy.carry = jnp.asarray(policy.carry)
    return policy


def test_put_takes_the_rows_that_ended_whatever_it_writes_to():
    assert_alike(CASES["own, recurrent, rows"]._replace(policy=recurrent_in_jax).make)
