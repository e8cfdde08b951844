import jax
import jax.numpy as jnp
import numpy as np
import pytest

from rlcore.errors import ConfigError
from rlcore.random import Random
from rlcore.struct import walk
from rlcore.trajectories import (
    BatchSampler,
    CircularTraces,
    EpisodesSampler,
    InsertSampleRatioController,
    MetaSampler,
    MultiBatchSampler,
    NStepBatchSampler,
    PrioritizedTraces,
    Trajectory,
    WholeSampler,
)


def filled(n, capacity=10, kind=CircularTraces):
    container = kind(capacity)
    for i in range(n):
        container.push(i, 0, float(i), i + 1, False, False)
    return container


def test_a_dict_of_batches_is_what_each_sampler_draws_alone():
    sampler = MetaSampler(
        actor=BatchSampler(4, seed=1), critic=NStepBatchSampler(3, 2, 0.5, seed=2), all=WholeSampler()
    )
    batch = sampler.sample(filled(8))
    assert set(batch) == {"actor", "critic", "all"}
    np.testing.assert_array_equal(batch["actor"].state, BatchSampler(4, seed=1).sample(filled(8)).state)
    np.testing.assert_array_equal(batch["critic"].reward, NStepBatchSampler(3, 2, 0.5, seed=2).sample(filled(8)).reward)
    np.testing.assert_array_equal(batch["all"].state, np.arange(8))


def test_a_list_of_batches_goes_on_in_one_stream():
    batches = MultiBatchSampler(BatchSampler(4, seed=1), 3).sample(filled(8))
    alone = BatchSampler(4, seed=1)
    assert len(batches) == 3
    for batch in batches:
        np.testing.assert_array_equal(batch.state, alone.sample(filled(8)).state)


@pytest.mark.parametrize(
    "sampler",
    [
        MetaSampler(small=BatchSampler(2), large=BatchSampler(5)),
        MultiBatchSampler(MetaSampler(small=BatchSampler(2), large=BatchSampler(5)), 2),
    ],
)
def test_all_wait_for_the_one_that_needs_most_and_none_draws(sampler):
    container = filled(4)
    assert sampler.batch_size == 5
    assert not sampler.is_ready(container) and sampler.sample(container) is None
    assert [part.count for _, part in walk(sampler) if isinstance(part, Random)] == [0, 0]
    container.push(4, 0, 0.0, 5, False, False)
    assert sampler.is_ready(container) and sampler.sample(container) is not None


def test_the_controller_counts_them_as_one_batch():
    trajectory = Trajectory(
        filled(6), MultiBatchSampler(MetaSampler(a=BatchSampler(2), b=WholeSampler()), 2), InsertSampleRatioController()
    )
    trajectory.push(6, 0, 6.0, 7, False, False)
    (batches,) = trajectory
    assert [batch["a"].state.shape for batch in batches] == [(2,), (2,)]
    assert trajectory.controller.sampled == 1


@pytest.mark.parametrize("kind", [CircularTraces, PrioritizedTraces])
def test_compiled_code_draws_the_same(kind):
    def make():
        return MultiBatchSampler(MetaSampler(one=BatchSampler(3, seed=1), two=NStepBatchSampler(3, 2, 0.5, seed=2)), 2)

    container, sampler = filled(7, kind=kind), make()
    expected = sampler.sample(container)
    compiled = jax.jit(lambda sampler, container: sampler.sample(container))(
        make(), jax.tree.map(jnp.asarray, filled(7, kind=kind))
    )
    jax.tree.map(lambda one, two: np.testing.assert_allclose(one, two, 1e-6), expected, compiled)


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (MetaSampler, "MetaSampler got no samplers"),
        (lambda: MetaSampler(policy=CircularTraces(3)), "policy is a CircularTraces, expected a sampler"),
        (lambda: MetaSampler(policy=BatchSampler), "policy is the class BatchSampler"),
        (lambda: MultiBatchSampler(None, 2), "sampler is None"),
        (lambda: MultiBatchSampler(BatchSampler(2), 0), "n is 0, expected a whole number of at least 1"),
        (lambda: in_ring(MetaSampler(a=BatchSampler(2), b=BatchSampler(9))), "batch_size is 9, but only 8"),
        (lambda: in_ring(MultiBatchSampler(NStepBatchSampler(2, 9, 0.9), 2)), "n is 9, but only 8"),
    ],
)
def test_wrong_parts_are_refused(make, message):
    with pytest.raises(ConfigError, match=message):
        make()


def in_ring(sampler):
    return Trajectory(CircularTraces(8), sampler, InsertSampleRatioController())


def test_shown_as_the_call_that_makes_it():
    sampler = MultiBatchSampler(MetaSampler(a=BatchSampler(2), b=EpisodesSampler()), 3)
    assert repr(sampler) == "MultiBatchSampler(MetaSampler(a=BatchSampler(2), b=EpisodesSampler()), 3)"
