"""`StackFrames` as the state of an environment, beside stacks made by hand of what it answers without them."""

from types import SimpleNamespace

import gymnasium
import jax
import numpy as np
import pytest
from gymnasium import spaces
from gymnasium.vector import AutoresetMode

from rlcore import Experiment, StopAfterNSteps
from rlcore.environments import CartPole, RandomWalk1D, StackFrames, as_environment
from rlcore.errors import ConfigError, EnvContractError
from rlcore.hooks import Hook
from rlcore.interfaces import Policy
from rlcore.policies import RandomPolicy
from rlcore.reset_conditions import ResetAfterNSteps
from tests.environments.own import Own
from tests.environments.worlds import Counter, Faulty, choose, counters

N_FRAMES = 3
MODES = pytest.mark.parametrize("mode", list(AutoresetMode), ids=lambda mode: mode.name)


def frames(size=2, dtype=np.float32):
    return StackFrames((N_FRAMES, size), dtype)


class Moves(Hook):
    """Writes down, row by row, the transitions: state, reward, next state, whether the episode was over."""

    reads_policy = False

    def pre_experiment(self, policy, env):
        self.rows = [[] for _ in range(env.num_envs or 1)]

    def pre_act(self, policy, env):
        self.before = env.state()

    def post_act(self, policy, env):
        answers = (self.before, env.reward(), env.next_state(), env.is_over())
        valid = np.ones(1, bool)
        if env.num_envs is None:
            answers = tuple(np.asarray(answer)[None] for answer in answers)
        else:
            valid = env.is_transition()
        for row in np.flatnonzero(valid):
            self.rows[row].append([np.asarray(answer)[row].tolist() for answer in answers])


class Choosing(Policy):
    """Acts by the latest frame alone, so that it acts alike in both."""

    def __init__(self, is_stacked, function=choose):
        self.is_stacked, self.function = is_stacked, function

    def plan(self, env):
        state = env.state()
        if self.is_stacked:
            state = state[-1] if env.num_envs is None else state[:, -1]
        actions = self.function(state)
        return int(actions) if env.num_envs is None else actions


def transitions(env, is_stacked, reset_condition=None, function=choose):
    hook, stop = Moves(), StopAfterNSteps(60 * (env.num_envs or 1), show_progress=False)
    Experiment(Choosing(is_stacked, function), env, stop, hook, reset_condition, seed=4).run("eager")
    return hook.rows


def stacked(row, size):
    """What the transitions of one environment are with the latest frames as its states."""
    nothing = [[0.0] * size] * N_FRAMES
    seen, result = None, []
    for state, reward, next_state, is_over in row:
        seen = [*nothing, state] if seen is None else seen
        assert seen[-1] == state
        result.append([seen[-N_FRAMES:], reward, [*seen, next_state][-N_FRAMES:], is_over])
        seen = None if is_over else [*seen, next_state]
    return result


def assert_stacked(make, reset_condition=None, function=choose, size=2, least=5):
    """`make(state)` gives the environment; with stacks it gives those of what it gives without."""
    plain = transitions(make(None), False, reset_condition and reset_condition(), function=function)
    rows = transitions(make(frames(size)), True, reset_condition and reset_condition(), function=function)
    assert rows == [stacked(row, size) for row in plain]
    assert all(sum(is_over for *_, is_over in row) >= least for row in rows)


RESETS = pytest.mark.parametrize("reset", [None, lambda: ResetAfterNSteps(3)], ids=["own ends", "cut"])


@RESETS
@pytest.mark.parametrize("end", ["terminated", "truncated"])
def test_one_environment(end, reset):
    assert_stacked(lambda state: as_environment(Counter(end=end), state=state), reset)


@MODES
def test_several_in_every_autoreset_mode(mode):
    assert_stacked(lambda state: as_environment(counters(3, mode), state=state))


def test_several_whose_rows_are_cut():
    make = lambda state: as_environment(counters(2, AutoresetMode.DISABLED), state=state)  # noqa: E731
    assert_stacked(make, lambda: ResetAfterNSteps(2))


def lean(state):
    return (np.asarray(state)[..., 2] > 0).astype(int)


@RESETS
def test_a_jax_environment(reset):
    assert_stacked(lambda state: as_environment(CartPole(max_steps=9), state=state), reset, lean, 4)


def test_several_of_a_jax_environment():
    assert_stacked(lambda state: as_environment(CartPole(max_steps=9), num_envs=3, state=state), None, lean, 4)


def test_a_gymnasium_id():
    assert_stacked(lambda state: as_environment("CartPole-v1", state=state), lambda: ResetAfterNSteps(8), lean, 4)


def test_a_vector_environment_of_its_own_spaces():
    env = as_environment("CartPole-v1", num_envs=2, state=StackFrames((4, 4)))
    env.reset(seed=0)
    assert env.state_space() == spaces.Box(-np.inf, np.inf, (4, 4), np.float32)
    assert env.state().shape == (2, 4, 4)


# frames that a function makes


def observed(state):
    return np.stack([state, state]) if np.ndim(state) == 0 else np.stack([state, state], -1)


def test_a_function_makes_the_frames():
    env = as_environment(Own(length=3), state=(observed, StackFrames((2, 2), np.int32)))
    env.reset()
    assert env.state().tolist() == [[0, 0], [0, 0]]
    env.act(1)
    env.act(1)
    assert env.state().tolist() == [[1, 1], [2, 2]] and env.state().dtype == np.int32
    assert env.state_space().shape == (2, 2)


@pytest.mark.parametrize("rows", [None, 2])
def test_a_function_selects_of_a_dict(rows):
    space = spaces.Dict(screen=spaces.Box(0, 255, (2, 2), np.uint8), speed=spaces.Box(-1, 1, (), np.float32))
    seen = {"screen": np.full((2, 2), 7, np.uint8), "speed": np.float32(0.5)}

    def make():
        return Faulty(at=0, length=3, space=space, observation=seen)

    raw = make() if rows is None else gymnasium.vector.SyncVectorEnv([make] * rows)
    stack = StackFrames((2, 2, 2), np.uint8)
    env = as_environment(raw, state=(lambda state: state["screen"], stack))
    env.reset(seed=0)
    state = env.state() if rows is None else env.state()[1]
    assert state.tolist() == [[[0, 0]] * 2, [[7, 7]] * 2] and state.dtype == np.uint8
    assert env.state_space() == spaces.Box(0, 255, (2, 2, 2), np.uint8)
    np.testing.assert_array_equal(stack.frames, 0)  # the adapter keeps its own


def test_whole_numbers_are_frames_too():
    """Also in compiled code, where a function sees JAX arrays."""
    for source in (Own(length=4), RandomWalk1D(7)):
        env = as_environment(source, state=StackFrames((2,), np.int32))
        env.reset(seed=0)
        first = int(env.state()[-1])
        env.act(1)
        assert env.state().tolist() == [first, first + 1] and env.state_space().shape == (2,)


# what was handed out


@pytest.mark.parametrize(
    "make",
    [
        lambda: as_environment(Counter(reuse=True), state=frames()),
        lambda: as_environment(counters(2, AutoresetMode.DISABLED, reuse=True), state=frames()),
        lambda: as_environment(counters(2, AutoresetMode.NEXT_STEP), state=frames()),
        lambda: as_environment(RandomWalk1D(3), num_envs=2, state=StackFrames((N_FRAMES,), np.int32)),
    ],
)
def test_stacks_are_never_overwritten(make):
    env = make()
    env.reset(seed=0)
    kept = []
    for _ in range(20):
        if env.needs_reset():
            env.reset()
        env.act(0 if env.num_envs is None else np.zeros(2, int))
        answers = env.state(), env.next_state()
        kept.append((answers, [answer.copy() for answer in answers]))
    for answers, copies in kept:
        for answer, copied in zip(answers, copies, strict=True):
            np.testing.assert_array_equal(answer, copied)


def test_two_environments_of_one_stack_share_nothing():
    stack = frames()
    one, other = (as_environment(Counter(base=base), state=stack) for base in (0, 100_000))
    one.reset(seed=0), other.reset(seed=0)
    one.act(0)
    assert one.state()[:, 0].tolist() == [0, 1000, 1001] and other.state()[:, 0].tolist() == [0, 0, 101_000]


def test_a_second_experiment_reuses_the_compilation():
    """The form of a stack counts, not the object."""
    envs = [as_environment(CartPole(), state=StackFrames((2, 4))) for _ in range(2)]
    assert envs[0].form == envs[1].form
    assert envs[0].form != as_environment(CartPole(), state=StackFrames((3, 4))).form


def test_a_random_policy_runs_compiled():
    env = as_environment(CartPole(), num_envs=4, state=StackFrames((2, 4)))
    experiment = Experiment(RandomPolicy(), env, StopAfterNSteps(200, show_progress=False), seed=0).run()
    assert experiment.engine.startswith("compiled") and env.state().shape == (4, 2, 4)
    assert jax.tree.leaves(env.world.frames)[0].shape == (4, 2, 4)


# wrong stacks


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: as_environment(Counter(), state=StackFrames((4, 84, 84))), r"shape \(2,\), expected \(84, 84\), one"),
        (lambda: as_environment(Counter(), state=frames(dtype=np.uint8)), "dtype float32, expected one that .* uint8"),
        (
            lambda: as_environment(counters(2, AutoresetMode.DISABLED), state=StackFrames((4, 3))),
            r"shape \(2,\), expected \(3,\)",
        ),
        (lambda: as_environment(CartPole(), state=StackFrames((4, 3))), r"shape \(4,\), expected \(3,\)"),
        (lambda: as_environment(CartPole(), num_envs=2, state=frames()), r"shape \(4,\), expected \(2,\)"),
        (
            lambda: as_environment(Faulty(space=spaces.Dict(a=spaces.Box(0, 1, (2,)))), state=frames()),
            r"expected one array to stack; select it",
        ),
        (lambda: as_environment(Counter(), state=(3, frames())), "expected a function, or a pair"),
        (lambda: as_environment(as_environment(Counter()), state=frames()), "env is an adapter already"),
    ],
)
def test_stacks_that_do_not_fit_are_refused(make, message):
    with pytest.raises(ConfigError, match=message):
        make()


def test_a_frame_of_another_shape_than_promised_is_found():
    shape = SimpleNamespace(now=(2,))
    env = as_environment(Counter(length=9), state=(lambda state: np.zeros(shape.now, np.float32), frames()))
    env.reset()
    shape.now = (3,)
    with pytest.raises(EnvContractError, match=r"not what the state function promised: .*expected shape \(2,\)"):
        env.act(0)
