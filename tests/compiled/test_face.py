"""What a policy or reset condition may ask inside a program is answered as eagerly, or refused; never otherwise."""

from typing import Any

import jax.numpy as jnp
import numpy as np
import pytest

from rlcore import Experiment, StopAfterNSteps, as_environment
from rlcore.environments import CartPole, RandomWalk1D
from rlcore.errors import ConfigError, EnvContractError, RLCoreError
from rlcore.hooks import StepsPerEpisode
from rlcore.interfaces import Policy
from rlcore.reset_conditions import ResetAfterNSteps, ResetCondition
from rlcore.struct import static, struct
from tests.compiled.test_conformance import N_STATES


@struct
class Asks(Policy):
    """Goes right, and adds up what the environment answers to one question at one stage; nothing counts as -7."""

    total: Any
    stage: str = static()
    question: str = static()

    def __init__(self, stage, question, rows=None):
        self.stage, self.question = stage, question
        self.total = np.zeros(() if rows is None else rows, np.float32)

    def note(self, stage, env):
        if stage == self.stage:
            answer = getattr(env, self.question)()
            self.total = 0.5 * self.total + jnp.asarray(-7.0 if answer is None else answer, jnp.float32)

    def plan(self, env):
        self.note("plan", env)
        return 1 if env.num_envs is None else np.ones(env.num_envs, int)

    def pre_episode(self, env):
        self.note("pre_episode", env)

    def pre_act(self, env):
        self.note("pre_act", env)

    def post_act(self, env, action):
        self.note("post_act", env)

    def post_episode(self, env):
        self.note("post_episode", env)


def total(engine, stage, question, rows):
    """After 8 steps: the second of two episodes, and of single environments also the first, are over by then."""
    policy = Asks(stage, question, rows)
    env = as_environment(RandomWalk1D(9), num_envs=rows)
    reset = None if rows else ResetAfterNSteps(3)
    Experiment(policy, env, StopAfterNSteps(8 * (rows or 1), False), reset_condition=reset, seed=1).run(engine)
    return np.asarray(policy.total).tolist()


STAGES = ["plan", "pre_act", "post_act", "pre_episode", "post_episode"]
QUESTIONS = ["state", "next_state", "last_action", "reward", "is_terminated", "is_over", "is_transition", "needs_reset"]


@pytest.mark.parametrize("rows", [None, 2])
@pytest.mark.parametrize("stage", STAGES)
@pytest.mark.parametrize("question", QUESTIONS)
def test_an_answer_is_that_of_the_eager_engine_or_an_error(stage, question, rows):
    try:
        compiled = total("compiled", stage, question, rows)
    except ConfigError as error:
        moment = "PRE_ACT" if stage == "plan" else stage.upper()
        assert f"can't be run as one program: Asks.note asked env.{question} at {moment}" in str(error)
        assert "ask at POST_ACT" in str(error)
        assert stage != "post_act"
        return
    assert compiled == total("eager", stage, question, rows)


@struct
class LeavesThree(ResetCondition):
    """Cuts where the state is 3, by what a reset condition may ask."""

    seen: Any = np.float32(0.0)

    def check(self, policy, env):
        asked = env.reward() + env.is_terminated() + env.last_action() + env.is_over()
        self.seen = 0.5 * self.seen + jnp.asarray(asked, jnp.float32)
        return env.state() == 3


def test_a_reset_condition_of_ones_own_is_part_of_the_program():
    seen = {}
    for engine in ("eager", "compiled"):
        condition = LeavesThree()
        env = RandomWalk1D(N_STATES)
        policy = Asks("post_act", "is_truncated")
        Experiment(policy, env, StopAfterNSteps(50, False), reset_condition=condition, seed=1).run(engine)
        seen[engine] = float(condition.seen), float(policy.total)
    assert seen["compiled"] == pytest.approx(seen["eager"])
    assert seen["eager"][1] > 0


@struct
class Answers(Policy):
    """Chooses something of a fixed shape and type, right or wrong."""

    action: Any

    def plan(self, env):
        return jnp.asarray(self.action)


@pytest.mark.parametrize(
    ("action", "rows"),
    [(np.float32(1.0), None), (np.bool_(True), None), (np.ones(2, np.int32), 3)],
)
def test_an_action_of_the_wrong_shape_or_type_is_the_policys_fault(action, rows):
    for engine in ("eager", "compiled"):
        env = as_environment(CartPole(), num_envs=rows)
        with pytest.raises(RLCoreError, match="the policy's action is"):
            Experiment(Answers(action), env, StopAfterNSteps(30, False), seed=1).run(engine)


@struct
class Typed(Policy):
    """Goes left, right, right, ... in numbers of some type."""

    calls: Any = np.int32(0)
    dtype: str = static("int32")

    def plan(self, env):
        self.calls = self.calls + 1
        action = jnp.asarray(self.calls % 3 > 0).astype(self.dtype)
        return action if env.num_envs is None else jnp.full(env.num_envs, action)


@pytest.mark.parametrize(("dtype", "rows"), [("uint8", None), ("uint8", 3), ("int8", None), ("bool", 3)])
def test_actions_reach_the_environment_in_the_type_of_their_space(dtype, rows):
    """`2 * action - 1` of an unsigned 0 would be 255."""
    lengths = {}
    for engine in ("eager", "compiled"):
        hook, env = StepsPerEpisode(), as_environment(Turns(), num_envs=rows)
        Experiment(Typed(dtype=dtype), env, StopAfterNSteps(60, False), hook, seed=1).run(engine)
        lengths[engine] = hook.steps
    assert lengths["compiled"] == lengths["eager"] != []


@struct
class Turns(RandomWalk1D):
    def act(self, action):
        self.position = self.position + (2 * action - 1)


def test_one_whole_number_in_an_array_is_an_action():
    for engine in ("eager", "compiled"):
        run = Experiment(Answers(np.ones(1, np.int32)), RandomWalk1D(9), StopAfterNSteps(30, False), seed=1).run(engine)
        assert run.env.last_action().shape == (1,)


def test_a_reward_must_be_one_number_per_row():
    with pytest.raises(EnvContractError, match=r"the reward is .* expected 3 numbers, one per environment"):
        as_environment(RandomWalk1D(9), num_envs=3, reward=lambda reward: reward.sum())
