import jax
import jax.numpy as jnp
import numpy as np
import pytest

from rlcore.errors import ConfigError, EnvContractError
from rlcore.trajectories import (
    Batch,
    BatchSampler,
    InsertSampleRatioController,
    LatestTransition,
    LatestTransitions,
    Trajectory,
    WholeSampler,
)


def row_of(*rewards):
    rewards = np.array(rewards, np.float32)
    ends = np.zeros(len(rewards), bool)
    state = {"x": np.stack([rewards, rewards], axis=1)}
    return {"state": state, "action": rewards.astype(int), "reward": rewards, "next_state": state} | {
        "terminated": ends,
        "truncated": ends,
    }


def test_holds_the_very_objects_of_the_last_push():
    container = LatestTransition()
    state, next_state = {"x": np.zeros(3)}, {"x": np.ones(3)}
    container.push(5, 0, 1.0, 6, False, False)
    assert container.push(state, 2, 0.5, next_state, True, False, extras={"value": 3}) == 1
    batch = WholeSampler().sample(container)
    assert isinstance(batch, Batch)
    assert batch.state is state and batch.next_state is next_state
    assert (batch.action, batch.reward, batch.terminated, batch.truncated) == (2, 0.5, True, False)
    assert batch.extras == {"value": 3} and batch.mask is None and batch.discount is None
    assert type(batch.action) is int and type(batch.reward) is float and batch.terminated is True
    assert len(container) == 1


def test_nothing_is_there_before_the_first_push_and_after_one_that_is_not_valid():
    container = LatestTransition()
    assert len(container) == 0 and WholeSampler().sample(container) is None
    container.push(1, 1, 1.0, 2, False, False)
    assert container.push(2, 1, 1.0, 3, False, False, valid=False) == 0
    assert len(container) == 0 and WholeSampler().sample(container) is None


def test_of_a_row_only_the_valid_ones_are_kept():
    container = LatestTransition()
    assert container.push(**row_of(1, 2, 3), valid=np.array([True, False, True])) == 1
    assert len(container) == 2
    np.testing.assert_array_equal(container.reward, [1, 3])
    np.testing.assert_array_equal(container.state["x"], [[1, 1], [3, 3]])
    assert container.push(**row_of(4, 5), valid=np.array([False, False])) == 0
    assert len(container) == 0
    assert container.push(**row_of(6, 7), valid=np.array([True, True])) == 1
    np.testing.assert_array_equal(container.action, [6, 7])


def test_valid_is_one_flag_per_row():
    with pytest.raises(EnvContractError, match=r"valid has shape \(3,\), expected \(2,\)"):
        LatestTransition().push(**row_of(1, 2), valid=np.ones(3, bool))


@pytest.mark.parametrize("rows", [None, 3])
def test_every_push_is_one_batch(rows):
    trajectory = Trajectory(LatestTransition(), WholeSampler(), InsertSampleRatioController())
    seen = []
    for i in range(5):
        trajectory.push(**(row_of(*[i] * rows) if rows else row_of(i)))
        seen += [batch.reward.tolist() for batch in trajectory]
    assert seen == [[i] * (rows or 1) for i in range(5)]


def test_a_sampler_that_draws_single_transitions_is_refused():
    with pytest.raises(ConfigError, match=r"can't draw from LatestTransition.*WholeSampler"):
        Trajectory(LatestTransition(), BatchSampler(1), InsertSampleRatioController())


def test_compiled_code_gives_the_same_batch():
    def step(container, values):
        container.push(**values)
        batch = WholeSampler().sample(container)
        return container, (batch.reward + batch.next_state["x"].sum(), container.n_stored)

    container = LatestTransition()
    rows = [row_of(i, 2 * i) for i in range(4)]
    container.allocate(**rows[0])
    assert len(container) == 0 and container.state["x"].shape == (2, 2)
    given = jax.tree.map(lambda *leaves: np.stack(leaves), *rows)
    container = jax.tree.map(jnp.asarray, container)
    _, (compiled, n_stored) = jax.jit(lambda c, g: jax.lax.scan(step, c, g))(container, given)
    eager = LatestTransition()
    np.testing.assert_array_equal(compiled, [step(eager, row)[1][0] for row in rows])
    np.testing.assert_array_equal(n_stored, [2] * 4)


def test_a_single_transition_in_compiled_code():
    container = LatestTransition()
    container.allocate(state=0, action=0, reward=0.0, next_state=0, terminated=False, truncated=False)
    assert (container.state, container.reward, container.terminated) == (0, 0.0, False)

    @jax.jit
    def push(container, state):
        container.push(state, 1, 0.5, state + 1, False, False)
        return container

    container = push(push(container, 3), 4)
    assert (int(container.state), int(container.next_state), float(container.reward)) == (4, 5, 0.5)


def test_rows_can_not_be_left_out_in_compiled_code():
    with pytest.raises(ConfigError, match="can't leave out rows in compiled code"):
        jax.jit(lambda valid: LatestTransition().push(**row_of(1, 2), valid=valid))(np.ones(2, bool))


@pytest.mark.parametrize("reward", [np.nan, np.inf, -np.inf, np.float32("nan"), None, "1", np.array([0.0, np.nan])])
@pytest.mark.parametrize("make", [LatestTransition, lambda: LatestTransitions(2)], ids=["one", "two"])
def test_a_reward_that_is_no_finite_number_is_refused_and_nothing_is_kept(make, reward):
    container = make()
    with pytest.raises(EnvContractError, match=r"reward is .*, expected a (finite )?number"):
        container.push(0, 0, reward, 1, False, False)
    assert len(container) == 0


def test_a_reward_that_is_not_kept_may_be_anything():
    container = LatestTransition()
    rows = np.zeros(2, np.int64)
    container.push(rows, rows, np.array([1.0, np.nan]), rows, rows > 0, rows > 0, valid=np.array([True, False]))
    assert container.whole().reward.tolist() == [1.0]
