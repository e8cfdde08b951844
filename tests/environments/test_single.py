"""The adapter of one environment."""

import copy
import warnings

import gymnasium
import numpy as np
import pytest
from gymnasium import spaces

from rlcore.environments import RandomWalk1D, as_environment
from rlcore.environments.check_answers import same
from rlcore.errors import EnvContractError
from rlcore.experiment import Experiment
from rlcore.interfaces import ActionStyle, Environment
from rlcore.policies import Agent, RandomPolicy
from rlcore.random import Random, seed_number
from rlcore.stop_conditions import StopAfterNEpisodes
from rlcore.struct import struct
from rlcore.trajectories import CircularTraces, InsertSampleRatioController, Trajectory, WholeSampler
from tests.environments.own import Own
from tests.environments.worlds import Counter, Faulty, bare_transitions, choose


def played(env, n):
    transitions = []
    while len(transitions) < n:
        state, action = env.state(), int(choose(env.state()))
        env.act(action)
        ends = (env.is_terminated(), env.is_truncated())
        transitions.append((state.tolist(), action, env.reward(), env.next_state().tolist(), *ends))
        if env.needs_reset():
            env.reset()
    return transitions


@pytest.mark.parametrize("end", ["terminated", "truncated", "both"])
@pytest.mark.parametrize("reuse", [False, True])
def test_transitions_are_those_of_a_plain_loop(end, reuse):
    env = as_environment(Counter(end=end, reuse=reuse))
    env.reset(seed=3)
    assert played(env, 60) == bare_transitions(Counter(end=end), 3, 60)


def test_life_of_an_episode():
    env = as_environment(Counter(length=2, end="both"))
    assert env.needs_reset() and env.name == "Counter" and env.num_envs is None
    env.reset()
    assert (env.episode, env.step, env.where()) == (1, 0, "Counter, episode 1, step 0")
    assert not env.is_over() and env.ended() == () and env.last_action() is None and env.reward() == 0.0
    env.act(1)
    assert (env.reward(), env.last_action(), env.step, env.is_over(), env.ended()) == (11.0, 1, 1, False, ())
    assert env.is_transition() is True
    env.act(np.int64(2))
    assert env.is_terminated() is True and env.is_truncated() is False  # both: terminated wins
    assert env.is_over() is True and env.ended() == (0,) and env.needs_reset() is True
    env.reset()
    assert env.episode == 2 and not env.is_over() and not env.is_terminated()


def test_truncate_cuts_an_unfinished_episode_only():
    env = as_environment(Counter(length=2))
    env.reset()
    env.act(0)
    env.truncate()
    assert env.is_truncated() and not env.is_terminated() and env.ended() == (0,) and env.needs_reset()
    env.reset()
    assert not env.is_truncated()
    env.act(0), env.act(0)
    env.truncate()
    assert env.is_terminated() and not env.is_truncated()
    assert env.can_truncate_rows()


@pytest.mark.parametrize("when", ["before reset", "after the end", "after truncate"])
def test_acting_outside_an_episode_is_refused(when):
    env = as_environment(Counter(length=1 if when == "after the end" else 5))
    if when != "before reset":
        env.reset()
        env.act(0)
    if when == "after truncate":
        env.truncate()
    with pytest.raises(EnvContractError, match="call reset first"):
        env.act(0)


@pytest.mark.parametrize("reward", [2, 2.0, np.float32(2), np.int64(2), np.array(2.0), np.float16(2), np.uint8(2)])
def test_rewards_of_any_number_type(reward):
    env = as_environment(Faulty(at=0, reward=reward))
    env.reset()
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        env.act(0)
    assert env.reward() == 2.0 and type(env.reward()) is float


def test_a_reward_of_one_element_is_taken_with_one_warning():
    env = as_environment(Faulty(at=0, reward=np.array([2.0])))
    env.reset()
    with pytest.warns(UserWarning, match=r"Faulty: the reward has shape \(1,\)") as caught:
        env.act(0), env.act(0)
    assert len(caught) == 1 and env.reward() == 2.0


@pytest.mark.parametrize(
    "reward", [None, "1.0", b"1", np.array([1.0, 2.0]), [], np.nan, -np.inf, np.float32("nan"), {}]
)
def test_other_rewards_are_refused(reward):
    env = as_environment(Faulty(reward=reward))
    env.reset()
    env.act(0)
    with pytest.raises(EnvContractError, match=r"Faulty, episode 1, step 2: the reward is .*expected a"):
        env.act(0)


@pytest.mark.parametrize("flag", [True, np.True_, 1, np.array(True), np.uint8(1), np.array([True])])
def test_ends_of_any_flag_type(flag):
    for name in ("terminated", "truncated"):
        env = as_environment(Faulty(at=1, **{name: flag}))
        env.reset()
        env.act(0)
        assert env.is_over() is True
        assert (env.is_terminated(), env.is_truncated()) == (name == "terminated", name == "truncated")


@pytest.mark.parametrize("flag", [None, "no", 0.0, 2, np.nan, np.array([True, False])])
def test_other_ends_are_refused(flag):
    for name in ("terminated", "truncated"):
        env = as_environment(Faulty(at=1, **{name: flag}))
        env.reset()
        with pytest.raises(EnvContractError, match=f"step 1: {name} is .*expected a bool"):
            env.act(0)


@pytest.mark.parametrize(
    ("observation", "message"),
    [
        (np.zeros(4, np.float32), r"shape \(4,\), expected shape \(3,\)"),
        (np.array([0, np.nan, 0], np.float32), r"not finite: nan at index \[1\]"),
        (None, "NoneType"),
    ],
)
def test_bad_states_say_where(observation, message):
    env = as_environment(Faulty(at=2, length=3, observation=observation))
    env.reset()
    env.act(0)
    with pytest.raises(EnvContractError, match=f"^Faulty, episode 1, step 2: the state is .*{message}.*; correct"):
        env.act(0)
    env = as_environment(Faulty(at=0, observation=observation))
    with pytest.raises(EnvContractError, match=r"^Faulty, episode 1, step 0: the state is"):
        env.reset()
    with pytest.raises(EnvContractError, match="call reset first"):
        env.act(0)


@pytest.mark.parametrize("action", [3, -1, 0.0, np.array([0, 1]), None, "0", True])
def test_illegal_actions_never_reach_the_environment(action):
    env = as_environment(Counter())
    env.reset(seed=1)
    with pytest.raises(EnvContractError, match=r"Counter, episode 1, step 0: the policy's action is .*Discrete\(3\)"):
        env.act(action)
    assert env.source.step_number == 0


def test_discrete_spaces_with_a_start():
    env = as_environment(
        Faulty(at=0, space=spaces.Discrete(4, start=5), actions=spaces.Discrete(3, start=5), observation=8)
    )
    taken = []
    step = env._take_step
    env._take_step = lambda action: taken.append(action) or step(action)
    env.reset()
    assert env.state() == 3 and env.action_space() == spaces.Discrete(3) and env.state_space() == spaces.Discrete(4)
    env.act(0), env.act(np.int64(2))
    assert taken == [5, 7] and env.last_action() == 2
    with pytest.raises(EnvContractError):
        env.act(5)


@pytest.mark.parametrize("at", ["reset", "step"])
@pytest.mark.parametrize(
    "answer", [None, (1, 2, 3), np.zeros(3), [0] * 7, (np.zeros(3, np.float32), 0.0, False, False, 7)]
)
def test_answers_that_are_no_tuples_of_the_right_length(at, answer):
    raw = Faulty()
    env = as_environment(raw)
    if at == "reset":
        raw.reset = lambda **named: answer
        with pytest.raises(EnvContractError, match=r"reset answered .*expected the pair \(state, info\)"):
            env.reset()
        return
    env.reset()
    env._take_step = lambda action: answer
    with pytest.raises(EnvContractError, match=r"step answered .*expected the five"):
        env.act(0)


def test_exceptions_of_the_environment_pass_unchanged():
    env = as_environment(Faulty(raises=ValueError("mine")))
    env.reset()
    env.act(0)
    with pytest.raises(ValueError, match=r"^mine$"):
        env.act(0)


class Keeping(Counter):
    """Keeps the container that it answers, and writes into the array in it at the next step."""

    def __init__(self, kept, space, find):
        super().__init__(length=30)
        self.kept, self.observation_space, self.find = kept, space, find

    def answer(self):
        self.find(self.kept)[:] = self.step_number
        return self.kept, {}


def zeros():
    return np.zeros(2, np.float32)


PAIR = spaces.Box(-9, 9, (2,))
CONTAINERS = {
    "dict": lambda: Keeping({"part": zeros()}, spaces.Dict(part=PAIR), lambda kept: kept["part"]),
    "tuple": lambda: Keeping(
        (zeros(), (zeros(),)), spaces.Tuple([PAIR, spaces.Tuple([PAIR])]), lambda kept: kept[1][0]
    ),
    "beside a mask": lambda: Keeping(
        {"observation": zeros(), "action_mask": np.ones(3, np.int8)},
        spaces.Dict(observation=PAIR, action_mask=spaces.MultiBinary(3)),
        lambda kept: kept["observation"],
    ),
}


@pytest.mark.parametrize("container", CONTAINERS)
def test_states_in_containers_that_the_environment_keeps(container):
    env = as_environment(CONTAINERS[container]())
    env.reset(seed=0)
    kept = []
    for _ in range(6):
        env.act(0)
        kept.append((env.state(), copy.deepcopy(env.state())))
    assert all(same(state, copied) for state, copied in kept)


def test_five_that_the_environment_keeps():
    class Same(Faulty):
        """Answers one and the same tuple, and writes into the state in it."""

        five = (np.zeros(3, np.float32), 0.0, False, False, {})

        def step(self, action):
            self.five[0][:] += 0.1
            return self.five

    env = as_environment(Same())
    env.reset()
    firsts = [env.act(0) or env.state() for _ in range(5)]
    assert [round(float(state[0]), 1) for state in firsts] == [0.1, 0.2, 0.3, 0.4, 0.5]


def test_a_state_function_with_a_buffer():
    buffer = np.zeros(2, np.float32)

    def into_buffer(state):
        buffer[:] = state
        return buffer

    env = as_environment(Counter(length=9), state=into_buffer)
    env.reset(seed=0)
    states = [env.act(0) or env.state() for _ in range(5)]
    assert [state[1] for state in states] == [1, 2, 3, 4, 5]


def test_a_state_that_nobody_else_has_is_not_copied():
    seen = []

    class Watched(Faulty):
        def step(self, action):
            state, *rest = super().step(action)
            seen.append(id(state))
            return state, *rest

    env = as_environment(Watched())
    env.reset()
    env.act(0)
    assert id(env.state()) == seen[0]


# masks


@pytest.mark.parametrize("mask", ["info", "observation"])
@pytest.mark.parametrize("reuse", [False, True])
def test_masks_belong_to_their_state_and_stay(mask, reuse):
    env = as_environment(Counter(mask=mask, reuse=reuse, length=3))
    env.reset(seed=1)
    kept = []
    for _ in range(9):
        before = env.legal_action_mask()
        assert before[(env.source.episode + env.source.step_number) % 3] == 0 and before.sum() == 2
        env.act(0)
        kept.append((before, before.copy(), env.next_legal_action_mask(), env.next_legal_action_mask().copy()))
        if env.needs_reset():
            env.reset()
    for before, copied, after, copied_after in kept:
        np.testing.assert_array_equal(before, copied)
        np.testing.assert_array_equal(after, copied_after)
        assert before.dtype == bool and not np.array_equal(before, after)
    assert env.state_space().shape == (2,) and env.state().shape == (2,)


def test_no_mask():
    env = as_environment(Counter())
    env.reset()
    assert env.legal_action_mask() is None and env.next_legal_action_mask() is None


class Silent(Counter):
    """Gives no mask where an episode ends."""

    def answer(self):
        observation, info = super().answer()
        return observation, info if self.step_number < self.last else {}


def test_where_no_mask_comes_after_one_everything_is_legal():
    env = as_environment(Silent(mask="info", length=2))
    agent = Agent(RandomPolicy(), Trajectory(CircularTraces(20), WholeSampler(), InsertSampleRatioController()))
    Experiment(agent, env, StopAfterNEpisodes(3, show_progress=False), seed=0).run()
    kept = agent.trajectory.container.whole()
    assert kept.mask.sum(axis=1).tolist() == [2] * 6
    assert kept.next_mask.sum(axis=1).tolist() == [2, 3] * 3


def test_a_mask_that_the_space_promises_must_come():
    env = as_environment(Counter(mask="observation"))
    env.source.answer = lambda: ({"observation": np.zeros(2, np.float32)}, {})
    env.reset(seed=0)
    with pytest.raises(EnvContractError, match=r"step 0: the action mask is 'missing'.*expected bools of shape .3,."):
        env.legal_action_mask()


def test_taxi_says_which_actions_are_legal():
    env = as_environment("Taxi-v4")
    env.reset(seed=0)
    assert env.legal_action_mask().dtype == bool and env.legal_action_mask().shape == (6,)
    np.testing.assert_array_equal(env.legal_action_mask(), env.source.unwrapped.action_mask(env.state()))
    assert env.action_style is ActionStyle.FULL


@pytest.mark.parametrize(
    "mask",
    [
        np.ones(3, bool),
        np.ones((1, 2), bool),
        [1.0, 0.0],
        [1, 2],
        [True, None],
        [np.nan, 1.0],
        "11",
        [[1], [1, 0]],
        1,
        [],
    ],
)
def test_bad_masks_are_refused(mask):
    env = as_environment(Faulty(at=1, info={"action_mask": mask}))
    env.reset()
    env.act(0)
    with pytest.raises(EnvContractError, match=r"Faulty, episode 1, step 1: the action mask is .*expected"):
        env.legal_action_mask()


def test_an_empty_mask_is_refused_unless_the_episode_is_over():
    env = as_environment(Faulty(at=1, length=2, info={"action_mask": np.zeros(2, bool)}))
    env.reset()
    env.act(0)
    with pytest.raises(EnvContractError, match="step 1: the action mask allows no action"):
        env.legal_action_mask()
    env.act(0)
    assert env.is_over() and not env.next_legal_action_mask().any()


def test_a_mask_for_actions_that_are_not_discrete_is_refused():
    env = as_environment(Faulty(at=0, actions=spaces.MultiDiscrete([2, 2]), info={"action_mask": np.ones(4, bool)}))
    env.reset()
    with pytest.raises(EnvContractError, match="masks are for Discrete actions only"):
        env.legal_action_mask()


# an environment of the user's own


def test_an_own_environment():
    env = as_environment(Own(length=2, start=4))
    env.reset()
    assert env.name == "Own" and env.state() == 0 and env.state_space() == spaces.Discrete(3)
    env.act(0)
    assert (env.state(), env.reward(), env.is_over(), env.is_truncated()) == (0, -1.0, False, False)
    env.act(1), env.act(1)
    assert env.state() == 2 and env.is_terminated() is True and env.next_state() == 2
    assert env.legal_action_mask() is None and env.action_style is ActionStyle.MINIMAL


def test_an_episode_that_is_over_at_once_is_begun_again():
    class Moody(Own):
        def reset(self, seed=None):
            super().reset(seed)
            self.position = self.length if len(self.seeds) < self.n_empty else 0

    own = Moody()
    own.n_empty = 100
    env = as_environment(own)
    env.reset(seed=7)
    assert not env.is_over() and own.seeds == [7] + [None] * 99
    own.n_empty = 10**9
    with pytest.raises(EnvContractError, match="Moody was over right after reset, 100 times in a row"):
        env.reset()


# seeds


def test_seed_makes_the_next_reset_repeatable_and_only_that_one():
    own = Own()
    env = as_environment(own)
    env.seed(5)
    env.reset(), env.reset(), env.reset(seed=9)
    assert own.seeds == [seed_number(5, "environment"), None, 9]


def test_streams_of_an_own_environment_are_named():
    @struct
    class Dice(Environment):
        random: Random

        def reset(self, seed=None):
            assert seed is None

        def act(self, action):
            pass

        def state(self):
            return self.random.integers(1000)

        def reward(self):
            return 0.0

        def is_terminated(self):
            return False

        def action_space(self):
            return spaces.Discrete(2)

        def state_space(self):
            return spaces.Discrete(1000)

    def states(seed, random):
        env = as_environment(Dice(random))
        env.seed(seed)
        env.reset()
        return [env.act(0) or env.state() for _ in range(20)]

    assert states(1, Random()) == states(1, Random())
    assert states(1, Random()) != states(2, Random())
    key = np.array([3, 4], np.uint32)
    assert states(1, Random(key)) == states(2, Random(key))


def test_close():
    class Closing(Faulty):
        closed = 0

        def close(self):
            self.closed += 1

    raw = Closing()
    as_environment(raw).close()
    assert raw.closed == 1
    as_environment(RandomWalk1D()).close()  # nothing to close


def test_wrappers_and_the_time_limit():
    env = as_environment(gymnasium.wrappers.TimeLimit(Counter(length=9), 4))
    env.reset()
    for _ in range(4):
        env.act(0)
    assert env.is_truncated() and not env.is_terminated() and env.state()[1] == 4
