import jax
import jax.numpy as jnp
import numpy as np
import pytest

from rlcore.errors import ConfigError, EnvContractError
from rlcore.trajectories import BatchSampler, InsertSampleRatioController, LatestTransitions, Trajectory, WholeSampler


def push(container, i, **named):
    return container.push(i, i % 3, float(i), i + 1, i == 5, False, **named)


def row(*rewards):
    rewards = np.array(rewards, np.float32)
    states, ends = rewards.astype(int), np.zeros(len(rewards), bool)
    return {"state": states, "action": states, "reward": rewards, "next_state": states + 1} | {
        "terminated": ends,
        "truncated": ends,
    }


def test_keeps_the_last_pushes_as_they_came():
    container = LatestTransitions(3)
    assert container.whole() is None and len(container) == 0
    for i in range(5):
        assert push(container, i, mask=np.array([True]), next_mask=np.array([False])) == 1
        assert container.whole() is container and len(container) == min(i + 1, 3)
    assert [one.state for one in container.transitions] == [2, 3, 4]
    assert [one.reward for one in container.transitions] == [2.0, 3.0, 4.0]
    assert container.valid == [True, True, True]
    assert container.transitions[-1].next_mask.tolist() == [False]


def test_rows_that_are_not_valid_are_kept_as_gaps():
    container = LatestTransitions(2)
    assert container.push(**row(1, 2)) == 1
    assert container.push(**row(3, 4), valid=np.array([False, True])) == 1
    assert [valid.tolist() for valid in container.valid] == [[True, True], [False, True]]
    assert len(container) == 3
    assert container.push(**row(5, 6), valid=np.array([False, False])) == 0
    assert container.whole() is None
    with pytest.raises(EnvContractError, match=r"valid has shape \(3,\), expected \(2,\)"):
        container.push(**row(1, 2), valid=np.ones(3, bool))


def test_other_environments_than_before_begin_anew():
    container = LatestTransitions(3)
    push(container, 1)
    container.push(**row(1, 2))
    assert [np.asarray(valid).tolist() for valid in container.valid] == [[False, False], [False, False], [True, True]]
    push(container, 2)
    assert container.valid[-1] is True and not np.any(container.valid[:2])


def test_every_push_is_one_batch():
    trajectory = Trajectory(LatestTransitions(2), WholeSampler(), InsertSampleRatioController())
    seen = []
    for i in range(4):
        trajectory.push(**row(i, i))
        seen += [[one.reward for one in window.transitions][-1].tolist() for window in trajectory]
    assert seen == [[i, i] for i in range(4)]


def test_allocate_fixes_shapes_and_keeps_what_is_there_apart():
    container = LatestTransitions(2)
    pushed = row(1, 2)
    pushed["next_state"] = pushed["state"]
    container.push(**pushed)
    container.allocate(**row(0, 0))
    empty, kept = container.transitions
    assert empty.state.tolist() == [0, 0] and container.valid[0].tolist() == [False, False]
    assert kept.state.tolist() == [1, 2] and container.valid[1].tolist() == [True, True]
    kept.state[0] = 9
    assert kept.next_state.tolist() == [1, 2]


def test_compiled_code_keeps_the_same():
    def step(container, pushed):
        container.push(**pushed)
        return container, container.n_stored

    container, eager = LatestTransitions(3), LatestTransitions(3)
    container.allocate(**row(0, 0))
    rows = [row(i, 2 * i) for i in range(5)]
    stacked = jax.tree.map(lambda *leaves: np.stack(leaves), *rows)
    container, stored = jax.jit(lambda c, g: jax.lax.scan(step, c, g))(jax.tree.map(jnp.asarray, container), stacked)
    assert stored.tolist() == [step(eager, one)[1] for one in rows] == [2, 4, 6, 6, 6]
    for one, other in zip(container.transitions, eager.transitions, strict=True):
        np.testing.assert_array_equal(one.next_state, other.next_state)


def test_a_sampler_that_draws_single_transitions_is_refused():
    with pytest.raises(ConfigError, match="BatchSampler can't draw from LatestTransitions"):
        Trajectory(LatestTransitions(2), BatchSampler(1), InsertSampleRatioController())


def test_more_pushes_than_memory_are_refused_with_their_size():
    with pytest.raises(ConfigError, match=r"1,000,000,000,000 pushes take [\d,]+ bytes"):
        LatestTransitions(10**12)
