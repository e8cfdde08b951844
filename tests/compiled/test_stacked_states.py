"""States that are the latest frames of an episode: the same in both engines."""

from functools import partial

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
    StopAfterNSteps,
    Trajectory,
    as_environment,
)
from rlcore.environments import CartPole, StackFrames
from rlcore.hooks import TotalRewardPerEpisode
from rlcore.policies import RandomPolicy
from rlcore.reset_conditions import ResetAfterNSteps
from tests.compiled.alike import Tape, assert_alike
from tests.compiled.own import Drift


def flat(stacks):
    return jnp.asarray(stacks).reshape(*np.shape(stacks)[:-2], -1)


def dqn():
    network = Approximator(nnx.Sequential(flat, MLP(12, (8,), 2, rngs=nnx.Rngs(0))), optax.adam(1e-2))
    memory = Trajectory(CircularTraces(50), BatchSampler(4), InsertSampleRatioController(0.5, 8))
    return Agent(QBasedPolicy(DQNLearner(network), EpsilonGreedyExplorer(0.5)), memory)


def position(state):
    """A frame of a dict with a whole number and an array: for one environment, and for several at once."""
    return jnp.concatenate([jnp.asarray(state["at"], jnp.float32)[..., None], jnp.asarray(state["speed"])], -1)


CASES = {
    "network": (dqn, partial(CartPole, max_steps=9), StackFrames((3, 4)), None, None),
    "network, cut": (dqn, partial(CartPole, max_steps=9), StackFrames((3, 4)), partial(ResetAfterNSteps, 5), None),
    "network, rows": (dqn, partial(CartPole, max_steps=9), StackFrames((3, 4)), None, 3),
    "random, dict": (RandomPolicy, Drift, (position, StackFrames((2, 3))), None, None),
    "random, dict, rows": (RandomPolicy, Drift, (position, StackFrames((2, 3))), None, 2),
}


@pytest.mark.parametrize("case", CASES)
def test_both_engines_stack_the_same_frames(case):
    policy, env, state, reset, num_envs = CASES[case]

    def make():
        return {
            "policy": policy(),
            "env": as_environment(env(), num_envs=num_envs, state=state),
            "stop_condition": StopAfterNSteps(90, show_progress=False),
            "hook": Tape() + TotalRewardPerEpisode(display_on_exit=False),
            "reset_condition": None if reset is None else reset(),
        }

    experiment = assert_alike(make, tolerance=1e-5, row_tolerance=1e-6, engines=("compiled", "eager"))
    assert len(experiment.hook[TotalRewardPerEpisode].rewards) > 3
