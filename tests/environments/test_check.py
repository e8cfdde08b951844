"""One report of everything that is wrong with an environment."""

import random
import time

import gymnasium
import numpy as np
import pytest
from gymnasium import spaces
from gymnasium.vector import AutoresetMode, SyncVectorEnv

from rlcore.environments import (
    CartPole,
    MultiArmedBandit,
    Pendulum,
    RandomWalk1D,
    TabularEnvironment,
    as_environment,
    check_environment,
)
from rlcore.errors import ConfigError, EnvContractError
from rlcore.interfaces import Environment
from rlcore.random import Random
from tests.environments.own import Own
from tests.environments.worlds import Counter, Faulty, counters

MODES = pytest.mark.parametrize("mode", list(AutoresetMode), ids=lambda mode: mode.name)


def report(env, n_steps=80, **arguments):
    with pytest.raises(EnvContractError) as caught:
        check_environment(env, n_steps, **arguments)
    return str(caught.value)


@pytest.mark.parametrize(
    "name",
    ["CartPole-v1", "FrozenLake-v1", "Taxi-v4", "Blackjack-v1", "Pendulum-v1", "MountainCar-v0", "CliffWalking-v1"],
)
def test_good_environments_pass(name):
    assert check_environment(name, n_steps=60) is None
    assert check_environment(gymnasium.make(name), n_steps=60) is None


@pytest.mark.parametrize(
    "env",
    [
        Own(),
        Own(length=2, start=7),
        RandomWalk1D(),
        MultiArmedBandit(),
        MultiArmedBandit(seed=1),
        Counter(),
        Counter(mask="info"),
        Counter(mask="observation", end="truncated"),
        Counter(length=1),
        as_environment(Counter(), state=lambda state: state * np.nan),  # an adapter: what is inside is checked
    ],
)
def test_good_objects_pass(env):
    assert check_environment(env, n_steps=80) is None


@MODES
@pytest.mark.parametrize("mask", [None, "info", "observation"])
def test_good_vector_environments_pass(mode, mask):
    assert check_environment(counters(3, mode, mask=mask), n_steps=60) is None
    assert check_environment(as_environment(counters(1, mode)), n_steps=60) is None


def test_the_native_vector_environment_passes():
    assert check_environment(gymnasium.make_vec("CartPole-v1", 4), n_steps=60) is None


@pytest.mark.parametrize("env", [CartPole(), Pendulum(), TabularEnvironment.from_gymnasium("FrozenLake-v1")])
def test_jax_environments_pass(env):
    assert check_environment(env, n_steps=12) is None
    assert check_environment(as_environment(env, num_envs=2), n_steps=12) is None


def test_copies_side_by_side_pass():
    assert check_environment(as_environment("CartPole-v1", num_envs=2), n_steps=60) is None


def test_an_own_environment_may_hand_out_its_arrays_again():
    class Reusing(Own):
        def __init__(self):
            super().__init__()
            self.buffer = np.zeros(1)

        def state(self):
            self.buffer[0] = self.position
            return self.buffer

        def state_space(self):
            return spaces.Box(0, self.length, (1,), np.float64)

    assert check_environment(Reusing(), n_steps=60) is None


def test_it_is_quick():
    check_environment("CartPole-v1")
    start = time.process_time()
    check_environment("CartPole-v1")
    assert time.process_time() - start < 1


@pytest.mark.parametrize(
    ("faults", "expected"),
    [
        ({"observation": np.zeros(4, np.float32)}, "step 2: the state is ndarray of shape (4,), expected shape (3,)"),
        ({"observation": np.zeros(3)}, "step 2: the state has dtype float64, expected float32"),
        ({"observation": [0.0, 0.0, 0.0]}, "the state has dtype float64"),
        ({"observation": np.full(3, np.nan, np.float32)}, "step 2: the state is not finite: nan at index [0]"),
        (
            {"observation": np.array([0, 1.5, 0], np.float32)},
            "step 2: the state is 1.5 at index [1], expected -1.0 to 1.0",
        ),
        ({"observation": None}, "the state is NoneType"),
        ({"reward": None}, "step 2: the reward is None (NoneType), expected a number"),
        ({"reward": "1.0"}, "the reward is '1.0' (str)"),
        ({"reward": np.array([1.0])}, "the reward is array([1.]) (float64 of shape (1,))"),
        ({"reward": np.inf}, "the reward is inf, expected finite numbers"),
        ({"terminated": 0}, "step 2: terminated is 0 (int), expected a bool"),
        ({"truncated": None}, "truncated is None (NoneType), expected a bool"),
        ({"info": None}, "step 2: step answered"),
        ({"info": {"action_mask": [True]}}, "step 2: the action mask is [True] (bool of shape (1,)), expected bools"),
        ({"info": {"action_mask": np.zeros(2, bool)}}, "step 2: the action mask allows no action"),
        ({"info": {"action_mask": np.ones(2)}}, "(float64 of shape (2,)), expected bools of shape (2,)"),
        ({"raises": KeyError("lost")}, "step 2: the step failed with KeyError: 'lost'"),
        (
            {"space": spaces.Discrete(3, start=5), "at": 0, "observation": 2},
            "the state is 2, expected a whole number from 5",
        ),
        ({"space": spaces.Text(3)}, "before the first step: space Text"),
        ({"actions": spaces.Text(3)}, "before the first step: space Text"),
    ],
)
def test_each_fault_is_found(faults, expected):
    text = report(Faulty(**faults))
    assert expected in text
    assert text.startswith("Faulty has 1 problem:\n1. ") and text.count("\n") == 1


def test_all_faults_are_in_one_report_once_each():
    raw = Faulty(observation=np.zeros(4, np.float32), reward=None, terminated="no", truncated=0)
    text = report(raw)
    assert text.startswith("Faulty has 4 problems:\n")
    for number, part in enumerate(("the reward", "terminated", "truncated", "the state"), 1):
        assert f"{number}. episode 1, step 2: {part} is" in text
    assert text.count("times more") == 4


def test_exceptions_are_chained_and_others_still_found():
    error = RuntimeError("third")

    class Third(Faulty):
        episode = 0

        def reset(self, **named):
            self.episode += 1
            return super().reset(**named)

        def step(self, action):
            if self.episode % 3 == 0 and self.steps == 2:
                raise error
            return super().step(action)

    with pytest.raises(EnvContractError) as caught:
        check_environment(Third(reward=None, at=4))
    assert caught.value.__cause__ is error
    assert "episode 3, step 3: the step failed with RuntimeError: third" in str(caught.value)
    assert "the reward is None" in str(caught.value)


@pytest.mark.parametrize("answer", [None, np.zeros(3, np.float32), (np.zeros(3, np.float32), {}, {}), (1, None)])
def test_reset_must_answer_a_pair(answer):
    raw = Faulty()
    raw.reset = lambda *, seed=None, options=None: answer
    assert "episode 1, step 0: reset answered" in report(raw)


@pytest.mark.parametrize("answer", [None, (1, 2), (np.zeros(3, np.float32), 0.0, False, {})])
def test_step_must_answer_five(answer):
    raw = Faulty()
    raw.step = lambda action: answer
    assert "episode 1, step 1: step answered" in report(raw)


def test_a_reset_that_fails():
    raw = Faulty()

    def reset(*, seed=None, options=None):
        raise OSError("no display")

    raw.reset = reset
    assert "reset(seed=0) failed with OSError: no display" in report(raw)


def test_a_reset_that_takes_no_seed():
    class Seedless(Faulty):
        def reset(self):
            return super().reset()

    text = report(Seedless(reward=None))
    assert "reset takes no seed" in text and "def reset(self, seed=None)" in text and "the reward is None" in text


# random numbers


class Noisy(Faulty):
    """Draws from a generator of its own."""

    def __init__(self, after=0):
        super().__init__(length=10**9)
        self.observation_space = spaces.Box(0, 1, (1,), np.float64)
        self.after, self.episode = after, 0

    def reset(self, *, seed=None, options=None):
        super().reset(seed=seed)
        self.episode = 1 if seed is not None else self.episode + 1
        return self.draw(), {}

    def draw(self):
        noise = random.random() if self.episode > self.after else self.np_random.random()
        return np.array([noise])

    def step(self, action):
        return self.draw(), 0.0, False, False, {}


@pytest.mark.parametrize("after", [0, 1])
def test_numbers_that_the_seed_does_not_decide(after):
    text = report(Noisy(after))
    assert f"episode {after + 1}, step 0: the same seed and actions gave" in text and "self.np_random" in text
    assert check_environment(Noisy(after), seed=None) is None
    assert check_environment(Noisy(after=100)) is None


def test_the_generator_of_the_users_space_and_own_environments_stay():
    raw, other = Counter(), Counter()
    raw.action_space.seed(3), other.action_space.seed(3)
    check_environment(raw)
    assert raw.action_space.sample() == other.action_space.sample()
    own = Own()
    bandit, twin = MultiArmedBandit(seed=4), MultiArmedBandit(seed=4)
    check_environment(own), check_environment(bandit)
    assert own.seeds == [] and own.position == 0
    np.testing.assert_array_equal(bandit.true_values, twin.true_values)
    assert bandit.random.count == twin.random.count
    unnamed = MultiArmedBandit()
    check_environment(unnamed)
    assert not unnamed.random.is_named()


class Dice(Own):
    """Rolls a die in every step; the seed is ignored unless a test overrides `reset`."""

    def __init__(self):
        super().__init__(length=4)
        self.generator = np.random.default_rng(1)

    def act(self, action):
        super().act(1)
        self.face = int(self.generator.integers(6))

    def reward(self):
        return self.face


class SeededDice(Dice):
    def reset(self, seed=None):
        super().reset(seed)
        if seed is not None:
            self.generator = np.random.default_rng(seed)


def test_an_own_environment_that_ignores_the_seed():
    """Equal copies would agree: their generators are equal as well."""
    text = report(Dice())
    assert text.count("\n") == 1 and "step 1: the same seed and actions gave" in text
    assert "draw every random number from a generator that reset starts anew if it is given a seed" in text
    assert check_environment(SeededDice()) is None
    assert check_environment(Dice(), seed=None) is None


def test_a_generator_that_only_the_first_seed_starts():
    class Once(Dice):
        seeded = False

        def reset(self, seed=None):
            super().reset(seed)
            if seed is not None and not self.seeded:
                self.generator, self.seeded = np.random.default_rng(seed), True

    assert "the same seed and actions gave" in report(Once())


def test_two_resets_directly_after_one_another():
    class Flips(Own):
        """Every second reset begins elsewhere; the rollouts of an even number of episodes begin alike."""

        n_resets = 0

        def reset(self, seed=None):
            self.n_resets += 1
            self.position = self.n_resets % 2

        def act(self, action):
            self.position += 2

        def is_terminated(self):
            return self.position >= 2

    assert "at the end: two resets with the same seed gave 1 and 0" in report(Flips(length=9), n_steps=5)


def test_an_own_reset_that_takes_no_seed():
    class Seedless(Dice):
        def reset(self):
            super().reset()

    class Fixed(Own):
        def reset(self):
            super().reset()

    assert "write def reset(self, seed=None), and start the generator anew there" in report(Seedless())
    assert check_environment(Fixed(), n_steps=40) is None  # nothing is random, so nothing needs a seed


def test_streams_are_the_experiments_to_seed():
    class Streamed(Own):
        def __init__(self):
            super().__init__(length=4)
            self.random = Random()

        def act(self, action):
            super().act(1)
            self.face = self.random.integers(6)

        def reward(self):
            return self.face

    assert check_environment(Streamed(), n_steps=40) is None


# episodes


def test_a_reset_inside_step():
    class Eager(Counter):
        def step(self, action):
            observation, reward, terminated, truncated, info = super().step(action)
            if terminated:
                observation, info = self.reset()
            return observation, reward, terminated, truncated, info

    text = report(Eager())
    assert "reset was called inside the step, expected the episode's last state" in text
    assert "reset" not in vars(Eager())
    raw = Eager()
    report(gymnasium.wrappers.TimeLimit(raw, 50))
    assert "reset" not in vars(raw)  # what watched it is gone


def test_episodes_that_end_where_they_begin():
    class Jumps(Own):
        def act(self, action):
            super().act(1)
            self.over = self.position >= self.length
            self.position %= self.length

        def reset(self, seed=None):
            super().reset(seed)
            self.over = False

        def is_terminated(self):
            return self.over

    assert "episodes ended in the state 0, where they began" in report(Jumps())


def test_an_own_environment_that_is_over_after_reset():
    class Short(Own):
        def is_terminated(self):
            return True

    assert "episode 1, step 0: the episode is over right after reset" in report(Short())


@pytest.mark.parametrize("buffer", ["whole", "view"])
def test_a_buffer_that_is_handed_out_again(buffer):
    class Reusing(Counter):
        def answer(self):
            observation, info = super().answer()
            return observation if buffer == "whole" else observation[:], info

    text = report(Reusing(reuse=True))
    assert "the state answered one step ago was" in text and "answer a copy: state.copy()" in text
    assert text.count("\n") == 1


def test_spaces_that_change():
    class Growing(Faulty):
        def reset(self, **named):
            self.action_space = spaces.Discrete(self.action_space.n + 1)
            return super().reset(**named)

    assert "make the spaces in the constructor, once" in report(Growing())


# what is missing


def test_missing_methods_are_all_named():
    class Empty(Environment):
        pass

    text = report(Empty())
    assert text.startswith("Empty has 1 problem:")
    assert "lacks the methods reset, act, state, reward, is_terminated, action_space, state_space" in text
    assert "write def reset(self, seed=None), def act(self, action), def state(self)" in text

    class Nothing(gymnasium.Env):
        pass

    text = report(Nothing())
    for part in (
        "observation_space of Nothing is None",
        "action_space of Nothing",
        "no method reset",
        "no method step",
    ):
        assert part in text


def test_misspelt_optional_methods():
    class Misspelt(Own):
        def legal_actions_mask(self):
            return np.array([True, False])

        def is_truncted(self):
            return self.position > 1

    text = report(Misspelt())
    assert text.startswith("Misspelt has 2 problems:")
    assert "Misspelt.legal_actions_mask looks like legal_action_mask, which Misspelt lacks" in text
    assert "rename it to is_truncated, or to _is_truncted if it is a method of your own" in text


def test_other_names_are_the_users_own():
    class Rich(Own):
        def legal_action_mask(self):
            return np.ones(2, bool)

        def legal_actions(self):
            return [0, 1]

        def states(self):
            return range(self.length)

        def render(self):
            return "."

        truncated = property(lambda self: 1 / 0)  # is not run

        def is_truncated(self):
            return False

    assert check_environment(Rich(), n_steps=40) is None


def test_a_method_that_an_attribute_hides():
    class Hidden(Own):
        def act(self, action):
            super().act(1)
            self.reward = -1.0

    text = report(Hidden())
    assert "after 80 steps: Hidden.reward is -1.0, expected a method; write def reward(self), and keep what it" in text


def test_spaces_may_be_attributes():
    class Habit(Own):
        action_space = spaces.Discrete(2)

        def __init__(self):
            super().__init__()
            self.state_space = spaces.Discrete(4)

    assert check_environment(Habit(), n_steps=40) is None


# one line for each kind


class Drifting(Own):
    """A new state outside the space in every step, and a reward that is never a number."""

    def state_space(self):
        return spaces.Box(-1, 1, (2,), np.float64)

    def state(self):
        return np.array([0.0, self.position * 1.7 + 0.1])

    def act(self, action):
        self.position += 1

    def reward(self):
        return [self.position, None, "x"][self.position % 3] if self.position % 3 else -float("inf") * self.position


def test_problems_that_differ_in_values_only_are_one():
    text = report(Drifting(length=90))
    kinds = [line.partition("expected")[2] for line in text.splitlines()[1:]]
    assert len(kinds) == 3 and len(set(kinds)) == 3, text
    assert "step 1: the state is 1.8 at index [1], expected -1.0 to 1.0" in text and "more)" in text


@pytest.mark.parametrize("bad", ["shape", "nan"])
def test_problems_of_other_kinds_stay_apart(bad):
    class Mixed(Drifting):
        def state(self):
            if self.position % 2:
                return super().state()
            return np.zeros(self.position + 3) if bad == "shape" else np.array([0.0, np.nan])

    text = report(Mixed(length=90))
    assert "the state is 1.8" in text
    assert text.count("of shape (3,), expected shape (2,)" if bad == "shape" else "not finite: nan") == 1


def test_a_long_list_is_cut():
    names = [f"part{chr(97 + i)}" for i in range(24)]

    class Wide(Own):
        def state_space(self):
            return spaces.Dict({name: spaces.Box(0, 1, (1,)) for name in names})

        def state(self):
            return {name: np.full(1, 2, np.float32) for name in names}

    lines = report(Wide()).splitlines()
    assert lines[0] == "Wide has 24 problems:" and len(lines) == 22
    assert lines[20].startswith("20. ") and lines[21] == "and 4 more kinds of problems"


@pytest.mark.parametrize("env", [None, 3, Own, Counter, "NoSuch-v0"])
def test_what_is_no_environment(env):
    with pytest.raises(ConfigError, match="expected"):
        check_environment(env)


@pytest.mark.parametrize("arguments", [{"n_steps": 0}, {"n_steps": 1.5}, {"seed": -1}, {"seed": "a"}])
def test_bad_arguments(arguments):
    with pytest.raises(ConfigError, match=next(iter(arguments))):
        check_environment(Own(), **arguments)


# several side by side


def test_an_undeclared_mode():
    raw = counters(2, AutoresetMode.NEXT_STEP)
    raw.metadata = {}
    text = report(raw, n_steps=40)
    assert text.count("\n") == 1 and "declares the autoreset mode None" in text


@pytest.mark.parametrize(
    ("declared", "real", "expected"),
    [
        (AutoresetMode.NEXT_STEP, AutoresetMode.SAME_STEP, "info has a final_obs, expected none"),
        (AutoresetMode.SAME_STEP, AutoresetMode.NEXT_STEP, "info has no final_obs, expected one"),
    ],
)
def test_a_mode_that_is_another(declared, real, expected):
    raw = counters(2, real)
    raw.metadata["autoreset_mode"] = declared
    assert expected in report(raw)


def test_a_reset_of_rows_that_resets_all():
    class Careless(SyncVectorEnv):
        def reset(self, *, seed=None, options=None):
            return super().reset(seed=seed)

    raw = Careless([lambda: Counter(length=2), lambda: Counter(length=9)], autoreset_mode=AutoresetMode.DISABLED)
    assert "changed row 1, expected only the rows that ended" in report(raw)


def test_rows_of_different_spaces():
    class Wide(Counter):
        def __init__(self):
            super().__init__()
            self.observation_space = spaces.Box(-1e9, 1e9, (2,))

    assert "give all rows the same space" in report(SyncVectorEnv([Counter, Wide], observation_mode="different"))


@MODES
def test_faults_of_rows(mode):
    raw = SyncVectorEnv(
        [Faulty, lambda: Faulty(reward=np.nan, observation=np.full(3, 2, np.float32))], autoreset_mode=mode
    )
    text = report(raw)
    assert "step 2: the reward is array([ 1., nan]), expected finite numbers" in text
    assert "the state is 2.0 at index [1, 0], expected -1.0 to 1.0" in text
