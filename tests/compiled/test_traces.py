"""Both engines keep the same in every storage, and learn the same from it."""

from functools import partial

import jax.numpy as jnp
import numpy as np
import optax
import pytest
from flax import nnx

from rlcore import (
    Agent,
    Approximator,
    BatchSampler,
    CircularTraces,
    DQNLearner,
    EpsilonGreedyExplorer,
    InsertSampleRatioController,
    QBasedPolicy,
    Trajectory,
)
from rlcore.environments import CartPole, RandomWalk1D, StackFrames
from rlcore.reset_conditions import ResetAfterNSteps
from tests.compiled.alike import assert_alike
from tests.compiled.test_conformance import Case

N_STATES = 5


class Flat(nnx.Module):
    """Q-values of whatever a state holds."""

    def __init__(self, size):
        self.layer = nnx.Linear(size, 2, rngs=nnx.Rngs(0))

    def __call__(self, state):
        leaves = list(state.values()) if isinstance(state, dict) else [state]
        parts = [leaf.reshape(leaf.shape[0], -1).astype(jnp.float32) for leaf in leaves]
        return self.layer(jnp.concatenate(parts, axis=-1) / 255)


def agent(size, container):
    learner = DQNLearner(Approximator(Flat(size), optax.sgd(0.125)))
    memory = Trajectory(container(), BatchSampler(4), InsertSampleRatioController(0.25, 8))
    return Agent(QBasedPolicy(learner, EpsilonGreedyExplorer(0.25)), memory)


def as_image(state):
    """Which state it is, as 40 x 40 pixels."""
    place = jnp.asarray(state)[..., None, None] == jnp.arange(40)
    return jnp.broadcast_to(place * np.uint8(255), (*jnp.shape(state), 40, 40)).astype(np.uint8)


def as_icon(state):
    return as_image(state)[..., :10, :10]


def as_picture(state):
    """The four numbers of a state as columns of 2 x 4 pixels, and as they are."""
    return {"image": jnp.stack([state, -state], axis=-2), "numbers": state}


walk = partial(RandomWalk1D, N_STATES)

CASES = {
    "images, cut": Case(
        lambda: agent(1600, partial(CircularTraces, 30)),
        walk,
        reset=partial(ResetAfterNSteps, 4),
        transforms={"state": as_image},
    ),
    "once, dict, rows": Case(
        lambda: agent(12, partial(CircularTraces, 21, states_once=True)),
        CartPole,
        num_envs=3,
        transforms={"state": as_picture},
        tolerance=1e-5,
        row_tolerance=1e-5,
    ),
    "stacks": Case(
        lambda: agent(12, partial(CircularTraces, 30, n_frames=3)),
        CartPole,
        transforms={"state": StackFrames((3, 4))},
        tolerance=1e-5,
        row_tolerance=1e-5,
    ),
    "stacks, rows": Case(
        lambda: agent(300, partial(CircularTraces, 50, n_frames=3)),
        walk,
        num_envs=2,
        transforms={"state": (as_icon, StackFrames((3, 10, 10), np.uint8))},
    ),
}


@pytest.mark.parametrize("name", CASES)
def test_engines_agree(name):
    case = CASES[name]
    assert_alike(case.make, case.tolerance, case.row_tolerance)
