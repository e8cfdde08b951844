"""What every adapter must do, whatever is inside."""

from functools import cache
from itertools import pairwise

import numpy as np
import pytest
from gymnasium import spaces
from gymnasium.vector import AutoresetMode, SyncVectorEnv
from gymnasium.vector.utils import batch_space

from rlcore.environments import MultiArmedBandit, RandomWalk1D, as_environment
from rlcore.environments.check_answers import same
from rlcore.policies import RandomPolicy
from tests.environments.own import Own
from tests.environments.worlds import Counter, counters


class Sampled(Counter):
    """Observes anything of its space and takes any action of its other space."""

    def __init__(self, observation_space, action_space):
        super().__init__()
        self.observation_space, self.action_space = observation_space, action_space

    def answer(self):
        self.observation_space.seed(self.base + 1000 * self.episode + self.step_number)
        return self.observation_space.sample(), {}

    def step(self, action):
        assert action in self.action_space, action
        return super().step(0)


SPACES = {
    "discrete": (spaces.Discrete(4, start=5), spaces.Discrete(3, start=5)),
    "multi-discrete": (spaces.MultiDiscrete([2, 3], start=[1, -1]), spaces.MultiDiscrete([3, 2], start=[4, 0])),
    "multi-binary": (spaces.MultiBinary(3), spaces.MultiBinary(2)),
    "box": (spaces.Box(0, 255, (4, 4, 3), np.uint8), spaces.Box(-2, 2, (2,))),
    "integer box": (spaces.Box(-3, 3, (2,), np.int32), spaces.Box(0, 5, (2,), np.int8)),
    "dict": (
        spaces.Dict(a=spaces.Discrete(2, start=1), b=spaces.Dict(c=spaces.Box(-1, 1, (2,)))),
        spaces.Dict(a=spaces.Discrete(2, start=1), b=spaces.Box(-1, 1, (2,))),
    ),
    "tuple": (
        spaces.Tuple([spaces.Discrete(3), spaces.Tuple([spaces.Box(-1, 1, (40,)), spaces.MultiBinary(2)])]),
        spaces.Tuple([spaces.Discrete(3, start=-1), spaces.MultiDiscrete([2, 2])]),
    ),
}


def cases():
    for name in ("CartPole-v1", "FrozenLake-v1", "Taxi-v4", "Blackjack-v1", "Pendulum-v1"):
        yield name, lambda name=name: as_environment(name)
        yield f"2 {name}", lambda name=name: as_environment(name, num_envs=2)
    for name, pair in SPACES.items():
        yield name, lambda pair=pair: as_environment(Sampled(*pair))
        for mode in AutoresetMode:
            yield (
                f"3 {name} {mode.name}",
                lambda pair=pair, mode=mode: as_environment(
                    SyncVectorEnv([lambda: Sampled(*pair)] * 3, autoreset_mode=mode)
                ),
            )
    yield "own", lambda: as_environment(Own(start=3))
    yield "walk", lambda: as_environment(RandomWalk1D())
    yield "bandit", lambda: as_environment(MultiArmedBandit())
    for mask in ("info", "observation"):
        yield f"mask in {mask}", lambda mask=mask: as_environment(Counter(mask=mask))
        for mode in AutoresetMode:
            yield (
                f"masks in {mask} {mode.name}",
                lambda mask=mask, mode=mode: as_environment(counters(2, mode, mask=mask)),
            )


CASES = dict(cases())
each = pytest.mark.parametrize("name", CASES)


def run(env, seed, n_steps=40):
    """Steps as the loop does; everything that was answered, and a copy of it taken at once."""
    policy = RandomPolicy(seed=7)
    env.seed(seed)
    env.reset()
    record, copies = [], []
    for _ in range(n_steps):
        before = (env.state(), env.legal_action_mask())
        env.act(policy.plan(env))
        ends = (env.is_terminated(), env.is_truncated(), env.is_over(), env.ended())
        after = (env.reward(), env.next_state(), env.next_legal_action_mask(), *ends, env.is_transition())
        record.append((*before, *after))
        copies.append(copied(record[-1]))
        if env.needs_reset():
            env.reset()
    env.close()
    return record, copies


@cache
def first_run(name):
    """The adapter, what it answered, and the copies; the tests of one case share it."""
    env = CASES[name]()
    return env, *run(env, 1)


def copied(answer):
    if isinstance(answer, tuple):
        return tuple(map(copied, answer))
    if isinstance(answer, dict):
        return {key: copied(part) for key, part in answer.items()}
    return answer.copy() if isinstance(answer, np.ndarray) else answer


@each
def test_answers_are_what_the_spaces_promise(name):
    env, record, _ = first_run(name)
    n = env.num_envs
    space = env.state_space() if n is None else batch_space(env.state_space(), n)
    for state, mask, reward, next_state, next_mask, terminated, truncated, over, ended, moved in record:
        assert state in space and next_state in space
        assert (mask is None) == (next_mask is None)
        for flags in (terminated, truncated, over, moved):
            assert type(flags) is bool if n is None else (flags.shape, flags.dtype) == ((n,), bool)
        assert type(reward) is float if n is None else reward.shape == (n,) and reward.dtype.kind == "f"
        assert np.isfinite(reward).all()
        assert not np.any(np.asarray(terminated) & truncated)
        np.testing.assert_array_equal(over, np.asarray(terminated) | truncated)
        assert list(ended) == np.flatnonzero(over).tolist()
        for flags in () if mask is None else (mask, next_mask):
            assert flags.dtype == bool and flags.shape == (() if n is None else (n,)) + (int(env.action_space().n),)
        assert mask is None or mask.any(axis=-1).all() or env.num_envs


@each
def test_nothing_handed_out_changes_later(name):
    _, record, copies = first_run(name)
    for answers, then in zip(record, copies, strict=True):
        assert same(answers, then)


@each
def test_the_seed_decides_everything(name):
    first, second, other = first_run(name)[2], run(CASES[name](), 1)[1], run(CASES[name](), 2)[1]
    assert same(first, second)
    if name not in ("own", "walk"):  # nothing is random in these
        assert not same(first, other)


@each
def test_states_follow_each_other(name):
    """Where no episode ended, the next action starts where the last one led."""
    env, record, _ = first_run(name)
    for one, two in pairwise(record):
        over = np.atleast_1d(one[7])
        assert same(rows_of(one[3], ~over, env.num_envs), rows_of(two[0], ~over, env.num_envs))


def rows_of(state, rows, n):
    if n is None:
        return state if rows[0] else None
    if isinstance(state, dict):
        return {key: rows_of(part, rows, n) for key, part in state.items()}
    if isinstance(state, tuple):
        return tuple(rows_of(part, rows, n) for part in state)
    return state[rows]
