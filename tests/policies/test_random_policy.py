"""RandomPolicy: uniform among the legal actions of any space, the same count of draws every step."""

import jax
import numpy as np
import pytest
from gymnasium import spaces
from scipy import stats

from rlcore.environments import as_environment
from rlcore.errors import ConfigError, EnvContractError
from rlcore.interfaces import Environment
from rlcore.policies import RandomPolicy


class Asked(Environment):
    """Answers what a policy asks."""

    def __init__(self, space, mask=None, num_envs=None):
        self.space, self.mask, self.num_envs = space, mask, num_envs

    def state(self):
        return 0

    def action_space(self):
        return self.space

    def legal_action_mask(self):
        return self.mask


@pytest.mark.parametrize("mask", [None, np.array([True, False, True, True]), np.array([False, False, True, False])])
def test_actions_are_uniform_among_the_legal_ones(mask):
    """Chi-square; a right policy fails for one seed in 1,000."""
    policy, env = RandomPolicy(seed=1), Asked(spaces.Discrete(4), mask)
    actions = [policy.plan(env) for _ in range(4000)]
    assert all(type(action) is int for action in actions)
    prob = policy.prob(env)
    counts = np.bincount(actions, minlength=4)
    assert counts[prob == 0].sum() == 0
    if (prob > 0).sum() > 1:
        assert stats.chisquare(counts[prob > 0]).pvalue > 1e-3
        assert np.allclose(prob[prob > 0], 1 / (prob > 0).sum())
    assert policy.random.count == 4000


def test_rows_are_drawn_one_by_one_and_masks_hold():
    policy = RandomPolicy(seed=2)
    mask = np.array([[True, False, False], [False, True, True]])
    actions = np.stack([policy.plan(Asked(spaces.Discrete(3), mask, 2)) for _ in range(500)])
    assert set(actions[:, 0]) == {0}
    assert set(actions[:, 1]) == {1, 2}
    assert policy.random.count == 1000
    assert RandomPolicy(seed=2).plan(Asked(spaces.Discrete(3), None, 5)).shape == (5,)
    assert np.allclose(policy.prob(Asked(spaces.Discrete(3), mask, 2)), [[1, 0, 0], [0, 0.5, 0.5]])


@pytest.mark.parametrize(
    "space",
    [
        spaces.Box(np.array([-1.0, 0.0], np.float32), np.array([1.0, 5.0], np.float32)),
        spaces.Box(0, 255, (2, 2), np.uint8),
        spaces.MultiDiscrete([3, 2, 7]),
        spaces.MultiBinary(5),
        spaces.Dict({"a": spaces.Discrete(3), "b": spaces.Tuple([spaces.MultiBinary(2), spaces.Discrete(2)])}),
    ],
)
def test_other_spaces(space):
    policy = RandomPolicy(seed=3)
    actions = [policy.plan(Asked(space)) for _ in range(300)]
    assert all(space.contains(action) for action in actions)
    if isinstance(space, spaces.Box):
        values = np.stack(actions).astype(float)
        middle, width = (space.low + space.high.astype(float)) / 2, space.high - space.low.astype(float)
        assert (np.abs(values.mean(0) - middle) < 5 * width / np.sqrt(12 * 300)).all()
    with pytest.raises(ConfigError, match="prob needs discrete actions"):
        policy.prob(Asked(space))


def test_a_fixed_space_is_drawn_from_whatever_the_environment_says():
    policy = RandomPolicy(spaces.Discrete(2, start=5), seed=4)
    actions = {policy.plan(Asked(spaces.Discrete(9), np.ones(9, bool))) for _ in range(50)}
    assert actions == {0, 1}
    assert policy(0) in (0, 1)
    with pytest.raises(ConfigError, match="bare state"):
        RandomPolicy(seed=0)(0)
    assert RandomPolicy(seed=0)(0, [False, True]) == 1


def test_what_cannot_be_drawn_is_refused_before_the_run():
    endless = spaces.Box(-np.inf, np.inf, (2,))
    with pytest.raises(ConfigError, match="no bounds"):
        RandomPolicy().check(Asked(endless))
    with pytest.raises(ConfigError, match="no bounds"):
        RandomPolicy(spaces.Tuple([endless]))
    with pytest.raises(ConfigError, match="expected a Gymnasium space"):
        RandomPolicy(4)
    with pytest.raises(EnvContractError, match="allows no action"):
        RandomPolicy(seed=0).plan(Asked(spaces.Discrete(2), np.zeros(2, bool)))


UNIT = spaces.Box(0, 1, (2,))
TWO = spaces.Discrete(2)


@pytest.mark.parametrize(
    ("fixed", "own", "fits"),
    [
        (TWO, spaces.Discrete(3), True),
        (spaces.Discrete(2, start=7), TWO, True),  # counted from 0, as all actions are
        (spaces.Discrete(3), TWO, False),
        (UNIT, TWO, False),
        (UNIT, spaces.Box(-1, 1, (2,)), True),
        (spaces.Box(-1, 1, (2,)), UNIT, False),
        (spaces.Box(0, 1, (3,)), UNIT, False),
        (spaces.MultiDiscrete([2, 3]), spaces.MultiDiscrete([2, 4]), True),
        (spaces.MultiDiscrete([2, 5]), spaces.MultiDiscrete([2, 4]), False),
        (spaces.MultiBinary(3), spaces.MultiBinary(3), True),
        (spaces.MultiBinary(3), spaces.MultiBinary(4), False),
        (spaces.Dict(a=TWO, b=UNIT), spaces.Dict(a=spaces.Discrete(3), b=UNIT), True),
        (spaces.Dict(a=TWO), spaces.Dict(a=TWO, b=UNIT), False),
        (spaces.Tuple([TWO, UNIT]), spaces.Tuple([TWO, UNIT]), True),
        (spaces.Tuple([UNIT, TWO]), spaces.Tuple([TWO, UNIT]), False),
    ],
)
def test_a_fixed_space_must_lie_in_that_of_the_environment(fixed, own, fits):
    policy = RandomPolicy(fixed)
    if fits:
        return policy.check(Asked(own))
    with pytest.raises(ConfigError, match=r"action_space is .*, but the environment's actions are .*expected a part"):
        policy.check(Asked(own))


@pytest.mark.parametrize("masked", [False, True])
@pytest.mark.parametrize("rows", [None, 3])
def test_host_and_trace_agree(masked, rows):
    space = spaces.Discrete(4)
    generator = np.random.default_rng(0)
    host, traced = RandomPolicy(seed=5), RandomPolicy(seed=5)

    @jax.jit
    def plan(policy, mask):
        return policy, policy.plan(Asked(space, mask, rows))

    for _ in range(200):
        mask = None
        if masked:
            mask = generator.random((4,) if rows is None else (rows, 4)) < 0.5
            mask[..., 2] = True
        traced, action = plan(traced, mask)
        assert np.array_equal(action, host.plan(Asked(space, mask, rows)))
    assert traced.random.count == host.random.count == 200 * (rows or 1)


@pytest.mark.parametrize("rows", [None, 20_000])
@pytest.mark.parametrize(
    "space",
    [
        spaces.MultiDiscrete([3, 1000]),
        spaces.Box(100_000, 100_099, (2,), np.int32),
        spaces.Box(-(2**31), 2**31 - 1, (2,), np.int32),
        spaces.Box(0, 4, (), np.int8),
    ],
)
def test_whole_numbers_are_the_same_in_a_trace(space, rows):
    """Floats of 32 bits would round up some of them, also beyond the space."""
    host, traced = RandomPolicy(seed=5), RandomPolicy(seed=5)
    actions = host.plan(Asked(space, None, rows)), jax.jit(lambda policy: policy.plan(Asked(space, None, rows)))(traced)
    assert np.array_equal(*actions)
    assert actions[0].dtype == space.dtype
    assert all(map(space.contains, actions[0] if rows else [actions[0]]))


def test_the_greedy_view_moves_no_stream():
    policy = RandomPolicy(seed=6)
    env = as_environment("CartPole-v1")
    env.reset()
    policy.greedy().plan(env)
    assert policy.random.count == 0
