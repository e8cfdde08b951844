"""The user's functions between an environment and its policy."""

import numpy as np
import pytest
from gymnasium import spaces
from gymnasium.vector import AutoresetMode

from rlcore.environments import as_environment
from rlcore.errors import ConfigError, EnvContractError
from tests.environments.own import Own
from tests.environments.worlds import Counter, Faulty, counters


def test_all_three_functions_in_one_adapter():
    raw = Counter(length=3)
    env = as_environment(
        raw, state=lambda state: state[:1] * 2, action=lambda action: 2 - action, reward=lambda reward: reward / 10
    )
    env.reset(seed=0)
    assert env.source is raw and env.state().tolist() == [2000.0] and env.state_space().shape == (1,)
    env.act(0)
    assert env.reward() == (10 + 2) / 10 and env.last_action() == 0 and env.next_state().tolist() == [2002.0]


@pytest.mark.parametrize(
    ("function", "expected"),
    [
        (lambda state: state.sum(), spaces.Box(-np.inf, np.inf, ())),
        (lambda state: state.astype(np.float64)[None], spaces.Box(-np.inf, np.inf, (1, 3), np.float64)),
        (lambda state: {"a": state, "b": (state[:1],)}, None),
        (lambda state: state > 0, spaces.Box(-128, 127, (3,), np.int8)),
    ],
)
def test_the_space_is_found_by_transforming_an_element(function, expected):
    env = as_environment(Faulty(), state=function)
    if expected is None:
        assert env.state_space()["a"].shape == (3,) and env.state_space()["b"][0].shape == (1,)
    else:
        assert env.state_space() == expected


def test_a_whole_number_stays_in_its_discrete_space():
    env = as_environment(Own(length=3, start=4), state=lambda state: 3 - state)
    env.reset()
    assert env.state_space() == spaces.Discrete(4) and env.state() == 3
    env = as_environment(Own(length=3), state=lambda state: state * 2)
    env.reset()
    env.act(1)
    with pytest.raises(EnvContractError, match="not what the state function promised: 4, expected a whole number"):
        env.act(1)


def test_a_given_space_is_what_policies_see_and_what_is_checked():
    given = spaces.Discrete(2, start=1)
    env = as_environment(Faulty(), state=(lambda state: 1 + int(state[0] > 0.5), given))
    env.reset()
    assert env.state_space() == spaces.Discrete(2) and env.state() == 0
    wide = as_environment(Faulty(), state=(lambda state: state, spaces.Box(-1, 1, (4,))))
    with pytest.raises(EnvContractError, match=r"not what the state function promised: .*expected shape \(4,\)"):
        wide.reset()


def test_numbers_that_the_function_makes_infinite_are_refused():
    env = as_environment(Faulty(), state=lambda state: np.full(3, np.inf, np.float32) if state[0] == 0 else state)
    with pytest.raises(EnvContractError, match="step 0: the state is not what the state function promised: not finite"):
        env.reset()


def test_the_functions_answer_is_copied():
    buffer = np.zeros(1, np.float32)

    def function(state):
        buffer[:] = state[1]
        return buffer

    env = as_environment(Counter(length=9), state=function)
    env.reset()
    env.act(0)
    first = env.state()
    env.act(0)
    assert first.tolist() == [1.0] and env.state().tolist() == [2.0]


@pytest.mark.parametrize("name", ["state", "action", "reward"])
def test_exceptions_of_a_function_pass_unchanged(name):
    calls = []

    def function(value):
        calls.append(value)
        if name != "state" or len(calls) > 2:  # twice to find the space
            raise ValueError("mine")
        return value

    env = as_environment(Faulty(), **{name: function})
    with pytest.raises(ValueError, match=r"^mine$"):
        env.reset()
        env.act(0)


def test_the_random_numbers_of_the_space_stay():
    raw, other = Faulty(), Faulty()
    raw.observation_space.seed(1), other.observation_space.seed(1)
    as_environment(raw, state=lambda state: state * 2)
    np.testing.assert_array_equal(raw.observation_space.sample(), other.observation_space.sample())


# actions


def test_a_given_action_space():
    taken = []

    class Push(Faulty):
        def step(self, action):
            taken.append(float(action[0]))
            return super().step(action)

    raw = Push(actions=spaces.Box(-1, 1, (1,)))
    env = as_environment(raw, action=(lambda action: np.array([action - 1.0]), spaces.Discrete(3)))
    env.reset()
    assert env.action_space() == spaces.Discrete(3)
    for action in (0, 1, 2):
        env.act(action)
    assert taken == [-1.0, 0.0, 1.0]
    for bad in (3, -1, 0.5):
        with pytest.raises(EnvContractError, match=r"it must come from Discrete\(3\)"):
            env.act(bad)


def test_a_function_that_answers_an_illegal_action():
    env = as_environment(Faulty(), action=lambda action: action + 1)
    env.reset()
    env.act(0)
    with pytest.raises(EnvContractError, match="the policy's action is 2, expected an index from 0 to 1"):
        env.act(1)


def test_spaces_with_a_start_on_both_sides():
    taken = []

    class Note(Faulty):
        def step(self, action):
            taken.append(action)
            return super().step(action)

    env = as_environment(
        Note(actions=spaces.Discrete(3, start=10)), action=(lambda action: action - 5, spaces.Discrete(2, start=5))
    )
    env.reset()
    env.act(0), env.act(1)
    assert taken == [10, 11]


@pytest.mark.parametrize("rows", [None, 2])
def test_masks_follow_the_actions(rows):
    """Counter forbids (episode + step) % 3 of its three actions: at the start action 1."""

    def reverse(action):
        return 2 - action

    def last_two(action):
        return action + 1

    raw = Counter(mask="info") if rows is None else counters(rows, AutoresetMode.DISABLED, mask="info")
    for function, expected in ((reverse, [1, 0, 1]), ((last_two, spaces.Discrete(2)), [0, 1])):
        env = as_environment(raw, action=function)
        env.reset(seed=0)
        mask = env.legal_action_mask()
        assert mask.tolist() == (expected if rows is None else [expected] * rows)


def test_a_mask_that_cannot_follow_is_dropped():
    given = spaces.Box(0, 2, (1,))
    env = as_environment(Counter(mask="info"), action=(lambda action: int(action[0]), given))
    env.reset(seed=0)
    assert env.legal_action_mask() is None
    env.act(np.array([2.0], np.float32))
    assert env.reward() == 12.0


# wrong arguments


@pytest.mark.parametrize("argument", [3, (len, 3), (3, spaces.Discrete(2)), (len, len, len), "f"])
def test_other_arguments_are_refused(argument):
    for name in ("state", "action"):
        with pytest.raises(ConfigError, match=f"{name} is .*expected a function, or a pair"):
            as_environment(Faulty(), **{name: argument})


def test_a_reward_argument_that_is_no_function_is_refused():
    with pytest.raises(ConfigError, match=r"reward is \(.*expected a function of the reward"):
        as_environment(Faulty(), reward=(len, spaces.Discrete(2)))


def test_unsupported_given_spaces_are_refused():
    for name in ("state", "action"):
        with pytest.raises(ConfigError, match="not supported"):
            as_environment(Faulty(), **{name: (len, spaces.Text(3))})


def test_a_state_function_that_answers_no_numbers_is_refused():
    with pytest.raises(ConfigError, match="the state function answers 'a', expected numbers"):
        as_environment(Faulty(), state=lambda state: "a")
    with pytest.raises(ConfigError, match="whose first axis is the 3 rows"):
        as_environment(counters(3, AutoresetMode.DISABLED), state=lambda state: state[0])
