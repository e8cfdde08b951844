"""Discounted sums, against loops written out in Python floats. Tolerances: 1e-12 in float64, 1e-5 in float32."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from rlcore.errors import ConfigError
from rlcore.returns import discount_rewards, discount_rewards_reduced, flatten_batch

RANDOM = np.random.default_rng(0)


def brute_force(reward, gamma, terminated, init):
    """Every return summed on its own."""
    returns = []
    for start in range(len(reward)):
        total, discount = 0.0, 1.0
        for time in range(start, len(reward)):
            total += discount * reward[time]
            discount *= gamma
            if terminated[time]:
                break
        else:
            total += discount * init
        returns.append(total)
    return returns


def test_by_hand():
    reward = np.array([1.0, 2.0, 4.0])
    assert discount_rewards(reward, 0.5).tolist() == [3.0, 4.0, 4.0]
    assert discount_rewards(reward, 0.5, init=8.0).tolist() == [4.0, 6.0, 8.0]
    assert discount_rewards(reward, 0.5, np.array([False, True, False]), init=8.0).tolist() == [2.0, 2.0, 8.0]
    assert discount_rewards(reward, 0.5, np.array([False, False, True]), init=8.0).tolist() == [3.0, 4.0, 4.0]
    assert discount_rewards(reward, 0.0).tolist() == [1.0, 2.0, 4.0]
    assert discount_rewards(reward, 1.0).tolist() == [7.0, 6.0, 4.0]
    assert discount_rewards_reduced(reward, 0.5, init=8.0) == 4.0
    assert discount_rewards([1, 2, 4], 0.5).tolist() == [3.0, 4.0, 4.0]


steps = st.lists(st.tuples(st.floats(-10, 10), st.booleans()), min_size=1, max_size=30)


@settings(max_examples=100, deadline=None)
@given(steps=steps, gamma=st.floats(0, 1), init=st.floats(-10, 10))
def test_is_the_sum_written_out(steps, gamma, init):
    reward, terminated = (np.array(each) for each in zip(*steps, strict=True))
    expected = brute_force(reward, gamma, terminated, init)
    np.testing.assert_allclose(discount_rewards(reward, gamma, terminated, init), expected, rtol=1e-12, atol=1e-12)
    many = discount_rewards(np.stack([reward, reward], 1), gamma, np.stack([terminated] * 2, 1), init, axis=0)
    np.testing.assert_allclose(many, np.stack([expected] * 2, 1), rtol=1e-12, atol=1e-12)
    reduced = discount_rewards_reduced(reward, gamma, terminated, init)
    np.testing.assert_allclose(reduced, expected[0], rtol=1e-12, atol=1e-12)


@pytest.mark.parametrize("gamma", [0.0, 0.3, 0.5, 0.99, 1.0])
def test_jitted_is_the_sum_written_out(gamma):
    reward, terminated = RANDOM.normal(size=(6, 20)), RANDOM.random((6, 20)) < 0.2
    init = RANDOM.normal(size=6)
    expected = [brute_force(*row[:1], gamma, *row[1:]) for row in zip(reward, terminated, init, strict=True)]
    jitted = jax.jit(lambda *given: discount_rewards(given[0], gamma, *given[1:], axis=1))
    np.testing.assert_allclose(jitted(reward, terminated, init), expected, rtol=1e-5, atol=1e-5)
    traced = jax.jit(lambda gamma, *given: discount_rewards(given[0], gamma, *given[1:], axis=1))
    np.testing.assert_allclose(traced(gamma, reward, terminated, init), expected, rtol=1e-5, atol=1e-5)
    mapped = jax.vmap(lambda *given: discount_rewards_reduced(given[0], gamma, *given[1:]))
    np.testing.assert_allclose(mapped(reward, terminated, init), np.array(expected)[:, 0], rtol=1e-5, atol=1e-5)


def test_any_axis_may_be_time():
    reward, terminated = RANDOM.normal(size=(3, 7, 4)), RANDOM.random((3, 7, 4)) < 0.3
    init = RANDOM.normal(size=(3, 4))
    expected = discount_rewards(reward, 0.9, terminated, init, axis=1)
    for axis, back in ((0, (1, 0, 2)), (2, (0, 2, 1))):
        moved = discount_rewards(np.moveaxis(reward, 1, axis), 0.9, np.moveaxis(terminated, 1, axis), init, axis=axis)
        np.testing.assert_array_equal(moved.transpose(back), expected)
    np.testing.assert_array_equal(discount_rewards(reward, 0.9, terminated, init, axis=-2), expected)
    reduced = discount_rewards_reduced(reward, 0.9, terminated, init, axis=-2)
    np.testing.assert_array_equal(reduced, expected[:, 0])


def test_the_kind_and_dtype_of_arrays_are_kept():
    for dtype in (np.float32, np.float64):
        reward = np.ones((2, 3), dtype)
        result = discount_rewards(reward, 0.5, init=0.5, axis=1)
        assert type(result) is np.ndarray and result.dtype == dtype
        np.testing.assert_array_equal(reward, 1)  # the argument is left alone
    assert discount_rewards(np.arange(3), 0.5).dtype == np.float64
    assert isinstance(discount_rewards(jnp.ones(3), 0.5), jax.Array)
    assert discount_rewards(jnp.arange(3), 0.5).dtype == jnp.float32
    with jax.enable_x64(True):
        assert discount_rewards(jnp.ones(3), 0.5).dtype == jnp.float64
        single = jnp.ones(3, jnp.float32)
        assert discount_rewards(single, 0.5, init=1.0).dtype == jnp.float32
        assert jax.jit(discount_rewards)(single, jnp.float64(0.5)).dtype == jnp.float32


@pytest.mark.parametrize("gamma", [0.5, 0.99, 0.999, 1.0])
@pytest.mark.parametrize("shape", [(300, 2), (5000,), (4321, 1)])
def test_long_ones_and_their_gradients_are_those_of_numpy(shape, gamma):
    """Short enough to be added up one by one, long, or so long that blocks are quicker: all are the same sums."""
    reward, weight = RANDOM.random(shape), RANDOM.normal(size=shape)
    terminated = RANDOM.random(shape) < 0.003
    assert terminated.any()
    result, pull = jax.vjp(
        lambda reward: discount_rewards(reward, gamma, terminated, axis=0), jnp.asarray(reward, jnp.float32)
    )
    np.testing.assert_allclose(result, discount_rewards(reward, gamma, terminated, axis=0), rtol=1e-5)
    begins = np.roll(terminated, 1, axis=0)[::-1]  # backwards, an episode ends where it began
    begins[-1] = False
    expected = discount_rewards(weight[::-1], gamma, begins, axis=0)[::-1]
    np.testing.assert_allclose(pull(jnp.asarray(weight, jnp.float32))[0], expected, rtol=1e-5, atol=1e-4)


@pytest.mark.parametrize("gamma", [0.5, 0.999])
@pytest.mark.parametrize("n_steps", [300, 5000])
def test_nothing_infinite_passes_a_termination_of_a_long_one(n_steps, gamma):
    reward = np.ones(n_steps, np.float32)
    reward[200:] = np.inf
    terminated = np.arange(n_steps) == 199
    value, gradient = jax.value_and_grad(lambda reward: discount_rewards(reward, gamma, terminated)[0])(
        jnp.asarray(reward)
    )
    expected = gamma ** np.arange(200)
    np.testing.assert_allclose(value, expected.sum(), rtol=1e-5)
    np.testing.assert_allclose(gradient[:200], expected, rtol=1e-5, atol=1e-30)
    assert not gradient[200:].any()


@pytest.mark.parametrize("kind", ["ones", "noise"])
def test_a_million_steps_in_float32_are_as_accurate_as_ten(kind):
    reward = (np.ones(10**6) if kind == "ones" else RANDOM.random(10**6)).astype(np.float32)
    exact = np.array(brute_force_backwards(reward.tolist(), 0.9999))
    jitted = jax.jit(lambda reward: discount_rewards(reward, 0.9999))(reward)
    np.testing.assert_allclose(jitted, exact, rtol=1e-6)
    np.testing.assert_allclose(discount_rewards(reward, 0.9999), exact, rtol=1e-6)


def brute_force_backwards(reward, gamma):
    later, returns = 0.0, []
    for each in reversed(reward):
        later = each + gamma * later
        returns.append(later)
    return returns[::-1]


@pytest.mark.parametrize("gamma", [0.3, 0.99])
def test_nothing_passes_a_termination_neither_numbers_nor_gradients(gamma):
    reward = np.array([1.0, 1.0, np.inf, np.nan], np.float32)
    terminated = np.array([False, True, False, True])
    expected = [1 + gamma, 1.0]
    np.testing.assert_allclose(discount_rewards(reward, gamma, terminated, np.inf)[:2], expected, rtol=1e-6)
    np.testing.assert_allclose(discount_rewards(reward[:2], gamma, terminated[:2], np.inf), expected, rtol=1e-6)
    lanes = discount_rewards(np.stack([reward, reward], 1), gamma, np.stack([terminated] * 2, 1), axis=0)
    np.testing.assert_allclose(lanes[:2, 0], expected, rtol=1e-6)

    def first(reward, gamma, init):
        return discount_rewards(reward, gamma, terminated[: len(reward)], init)[0]

    derivatives = jax.jit(jax.value_and_grad(first, (0, 1, 2)))
    value, gradients = derivatives(reward, gamma, jnp.inf)
    np.testing.assert_allclose(value, 1 + gamma, rtol=1e-6)
    np.testing.assert_allclose(gradients[0], [1, gamma, 0, 0], rtol=1e-6)
    _, gradients = derivatives(reward[:2], gamma, jnp.inf)
    assert [float(each) for each in gradients[1:]] == [1, 0]


def test_gradients_are_discounts():
    gradient = jax.grad(lambda reward: discount_rewards_reduced(reward, 0.9))(jnp.zeros(5))
    np.testing.assert_allclose(gradient, 0.9 ** np.arange(5), rtol=1e-6)


@pytest.mark.parametrize(
    ("arguments", "named", "message"),
    [
        ((np.ones((2, 3)), 0.9), {}, r"reward has shape \(2, 3\) and axis is None.*axis=1 for \[batch, time\]"),
        ((1.0, 0.9), {}, r"reward has shape \(\)"),
        ((np.ones((2, 3)), 0.9), {"axis": 2}, r"axis is 2, but reward has shape \(2, 3\)"),
        ((np.ones((2, 3)), 0.9), {"axis": -3}, "axis is -3"),
        ((np.ones((2, 3)), 0.9), {"axis": 1.0}, r"axis is 1\.0"),
        ((np.ones((2, 0)), 0.9), {"axis": 1}, "no step along axis 1"),
        ((np.ones(3), 1.5), {}, r"gamma is 1\.5, expected a finite number from 0 to 1"),
        ((np.ones(3), np.float32(-0.1)), {}, r"gamma is np\.float32\(-0\.1\)"),
        ((np.ones(3), jnp.float32(jnp.nan)), {}, "gamma is nan"),
        ((np.ones(3), np.ones(3)), {}, r"gamma has shape \(3,\), expected one number"),
        ((np.ones(3), 0.9, np.zeros(2, bool)), {}, r"terminated has shape \(2,\), expected \(3,\) like reward"),
        ((np.ones(3), 0.9, np.zeros(3)), {}, "terminated has dtype float64, expected bool"),
        ((np.ones((2, 3)), 0.9, None, np.ones(3)), {"axis": 1}, r"init has shape \(3,\), expected \(2,\)"),
    ],
)
def test_wrong_arguments_are_named(arguments, named, message):
    for function in (discount_rewards, discount_rewards_reduced):
        with pytest.raises(ConfigError, match=message):
            function(*arguments, **named)


def test_flatten_batch_merges_the_first_two_axes_row_by_row():
    x = np.arange(24).reshape(2, 3, 4)
    assert flatten_batch(x).shape == (6, 4)
    np.testing.assert_array_equal(flatten_batch(x)[4], x[1, 1])
    assert isinstance(flatten_batch(jnp.asarray(x)), jax.Array)
    assert jax.jit(flatten_batch)(x[..., 0]).shape == (6,)
    assert flatten_batch(np.zeros((0, 3, 2))).shape == (0, 2)
    with pytest.raises(ConfigError, match=r"x has shape \(3,\)"):
        flatten_batch(np.ones(3))
