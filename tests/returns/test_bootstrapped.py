"""Advantages and bootstrapped returns, against sums written out. Tolerances: 1e-10 in float64, 2e-5 in float32."""

from functools import partial

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from rlcore.errors import ConfigError
from rlcore.returns import discount_rewards, generalized_advantage_estimation, lambda_returns, n_step_returns

RANDOM = np.random.default_rng(0)
GAMMA, LAMBDA = 0.9, 0.8


def episodes(n_steps, n_rows):
    """Rewards, values, values of the true next states and ends of episodes of random lengths: `[rows, steps]`."""
    shape = (n_rows, n_steps)
    terminated = RANDOM.random(shape) < 0.15
    truncated = RANDOM.random(shape) < 0.15  # both may be true: terminated wins
    value, last = RANDOM.normal(size=shape), RANDOM.normal(size=shape)
    next_value = np.where(terminated | truncated, last, np.concatenate([value[:, 1:], last[:, :1]], 1))
    return RANDOM.normal(size=shape), value, next_value, terminated, truncated


def n_step(reward, next_value, n, terminated, truncated, start):
    """Equation 7.1 of Sutton & Barto, from one step on."""
    total, discount = 0.0, 1.0
    for time in range(start, min(start + n, len(reward))):
        total += discount * reward[time]
        discount *= GAMMA
        if terminated[time]:
            return total
        if truncated[time]:
            break
    return total + discount * next_value[time]


def n_step_row(reward, next_value, n, terminated, truncated):
    return [n_step(reward, next_value, n, terminated, truncated, start) for start in range(len(reward))]


def lambda_row(reward, next_value, terminated, truncated):
    """The weighted average of n-step returns, equation 12.3: the longest one has all the weight that is left."""
    rows = np.array([n_step_row(reward, next_value, n, terminated, truncated) for n in range(1, len(reward) + 1)])
    weights = (1 - LAMBDA) * LAMBDA ** np.arange(len(rows))
    weights[-1] = LAMBDA ** (len(rows) - 1)
    return weights @ rows


REWARD, VALUE, NEXT_VALUE, TERMINATED, TRUNCATED = episodes(25, 8)
ROWS = list(zip(REWARD, NEXT_VALUE, TERMINATED, TRUNCATED, strict=True))
LAMBDA_RETURNS = np.array([lambda_row(*row) for row in ROWS])
FUNCTIONS = {
    "gae": (
        lambda *given, axis=1: generalized_advantage_estimation(
            given[0], given[1], GAMMA, LAMBDA, *given[3:], next_value=given[2], axis=axis
        ),
        LAMBDA_RETURNS - VALUE,
    ),
    "lambda": (
        lambda *given, axis=1: lambda_returns(given[0], given[2], GAMMA, LAMBDA, *given[3:], axis),
        LAMBDA_RETURNS,
    ),
    **{
        f"{n}-step": (
            partial(lambda n, *given, axis=1: n_step_returns(given[0], given[2], GAMMA, n, *given[3:], axis), n),
            np.array([n_step_row(reward, value, n, *ends) for reward, value, *ends in ROWS]),
        )
        for n in (1, 2, 5, 25, 1000)
    },
}
each_function = pytest.mark.parametrize("name", FUNCTIONS)


@each_function
def test_is_the_sum_written_out(name):
    function, expected = FUNCTIONS[name]
    given = REWARD, VALUE, NEXT_VALUE, TERMINATED, TRUNCATED
    np.testing.assert_allclose(function(*given), expected, rtol=1e-10, atol=1e-10)
    np.testing.assert_allclose(jax.jit(function)(*given), expected, rtol=2e-5, atol=2e-5)
    transposed = function(*(each.T for each in given), axis=0)
    np.testing.assert_allclose(transposed.T, expected, rtol=1e-10, atol=1e-10)
    one_row = jax.jit(jax.vmap(partial(function, axis=None)))(*given)
    np.testing.assert_allclose(one_row, expected, rtol=2e-5, atol=2e-5)
    np.testing.assert_allclose(function(*(each[0] for each in given), axis=None), expected[0], rtol=1e-10, atol=1e-10)


@each_function
def test_the_kind_and_dtype_of_arrays_are_kept(name):
    function, expected = FUNCTIONS[name]
    single = [each.astype(np.float32) if each.dtype == float else each for each in (REWARD, VALUE, NEXT_VALUE)]
    result = function(*single, TERMINATED, TRUNCATED)
    assert type(result) is np.ndarray and result.dtype == np.float32
    result = function(*map(jnp.asarray, (*single, TERMINATED, TRUNCATED)))
    assert isinstance(result, jax.Array) and result.dtype == jnp.float32
    with jax.enable_x64(True):
        result = jax.jit(function)(REWARD, VALUE, NEXT_VALUE, TERMINATED, TRUNCATED)
        assert result.dtype == jnp.float64
        np.testing.assert_allclose(result, expected, rtol=1e-10, atol=1e-10)
        assert jax.jit(function)(*single, TERMINATED, TRUNCATED).dtype == jnp.float32


def test_gae_by_hand():
    reward, value = np.array([1.0, 0.0, 2.0]), np.array([0.5, 1.0, -1.0, 4.0])
    # δ = 1 + 1/2 - 1/2, 0 - 1/2 - 1, 2 + 2 + 1; gamma lambda = 1/4
    advantages = generalized_advantage_estimation(reward, value, 0.5, 0.5)
    np.testing.assert_allclose(advantages, [1 - 0.25 * 0.25, -1.5 + 0.25 * 5, 5])
    ended = np.array([False, True, False])
    terminated = generalized_advantage_estimation(reward, value, 0.5, 0.5, ended)
    np.testing.assert_allclose(terminated, [1 - 0.25, -1, 5])
    next_value = np.array([1.0, 3.0, 4.0])
    truncated = generalized_advantage_estimation(reward, value[:3], 0.5, 0.5, None, ended, next_value)
    np.testing.assert_allclose(truncated, [1 + 0.25 * 0.5, 0.5, 5])


def test_values_one_longer_are_next_values_shifted():
    values = RANDOM.normal(size=(8, 26))
    both = [
        generalized_advantage_estimation(REWARD, values, GAMMA, LAMBDA, TERMINATED, axis=1),
        generalized_advantage_estimation(
            REWARD, values[:, :-1], GAMMA, LAMBDA, TERMINATED, next_value=values[:, 1:], axis=1
        ),
        generalized_advantage_estimation(
            REWARD, values, GAMMA, LAMBDA, TERMINATED, np.zeros_like(TERMINATED), axis=1
        ),  # flags that are all false need no next_value
    ]
    np.testing.assert_array_equal(both[0], both[1])
    np.testing.assert_array_equal(both[0], both[2])


def test_the_ends_of_lambda_and_n():
    given = REWARD, NEXT_VALUE, GAMMA
    ends = {"terminated": TERMINATED, "truncated": TRUNCATED, "axis": 1}
    np.testing.assert_allclose(lambda_returns(*given, 0.0, **ends), n_step_returns(*given, 1, **ends))
    np.testing.assert_allclose(lambda_returns(*given, 1.0, **ends), n_step_returns(*given, 25, **ends))
    everything = discount_rewards(REWARD, GAMMA, TERMINATED, NEXT_VALUE[:, -1], axis=1)
    np.testing.assert_allclose(n_step_returns(*given, 25, terminated=TERMINATED, axis=1), everything)


@pytest.mark.filterwarnings("ignore:invalid value encountered in subtract")
@each_function
def test_nothing_passes_an_end_neither_numbers_nor_gradients(name):
    function, _ = FUNCTIONS[name]
    infinite = np.full(3, np.inf, np.float32)
    reward = np.concatenate([np.ones(4, np.float32), infinite])
    value = np.concatenate([np.zeros(4, np.float32), infinite])
    next_value = np.array([0, np.inf, 0, 2, *infinite], np.float32)  # that of a terminated state may be anything
    terminated = np.array([False, True, False, False, False, False, True])
    truncated = np.array([False, False, False, True, False, False, False])
    given = reward, value, next_value
    assert np.isfinite(function(*given, terminated, truncated, axis=None)[:4]).all()

    def first(*given):
        return function(*given, terminated, truncated, axis=None)[:4].sum()

    total, gradients = jax.jit(jax.value_and_grad(first, (0, 1, 2)))(*given)
    assert np.isfinite(total)
    assert np.isfinite(gradients).all()
    assert not np.any(np.array(gradients)[:, 4:])
    assert gradients[2][1] == 0
    assert gradients[2][3] > 0  # the truncated one bootstraps


def test_gradients_with_respect_to_the_discount_are_finite_beside_infinite_values():
    reward, next_value = jnp.ones(3), jnp.array([0.0, jnp.inf, 1.0])
    terminated = jnp.array([False, True, False])

    def total(gamma, lambda_):
        returns = lambda_returns(reward, next_value, gamma, lambda_, terminated)
        return returns.sum() + n_step_returns(reward, next_value, gamma, 2, terminated).sum()

    gradients = jax.jit(jax.grad(total, (0, 1)))(0.9, 0.8)
    assert np.isfinite(gradients).all()
    behind, ahead = total(0.9 - 1e-2, 0.8), total(0.9 + 1e-2, 0.8)
    np.testing.assert_allclose(gradients[0], (ahead - behind) / 2e-2, rtol=1e-3)


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (
            lambda: generalized_advantage_estimation(np.ones(3), np.ones(3), 0.9, 0.9),
            r"value has shape \(3,\), expected \(4,\), 1 more",
        ),
        (
            lambda: generalized_advantage_estimation(np.ones((2, 3)), np.ones((3, 3)), 0.9, 0.9, axis=1),
            r"value has shape \(3, 3\), expected \(2, 4\), 1 more than rewards along axis 1",
        ),
        (
            lambda: generalized_advantage_estimation(np.ones(3), np.ones(4), 0.9, 0.9, next_value=np.ones(3)),
            r"value has shape \(4,\), expected \(3,\) like reward",
        ),
        (
            lambda: generalized_advantage_estimation(np.ones(3), np.ones(4), 0.9, 0.9, None, np.ones(3, bool)),
            "truncated is given and next_value is not, expected both",
        ),
        (lambda: generalized_advantage_estimation(np.ones(3), np.ones(4), 0.9, 1.1), r"lambda_ is 1\.1"),
        (lambda: generalized_advantage_estimation(np.ones((2, 3)), np.ones((2, 4)), 0.9, 0.9), "axis is None"),
        (lambda: lambda_returns(np.ones(3), np.ones(4), 0.9, 0.9), r"next_value has shape \(4,\), expected \(3,\)"),
        (lambda: lambda_returns(np.ones(3), np.ones(3), 2, 0.9), "gamma is 2"),
        (lambda: n_step_returns(np.ones(3), np.ones(3), 0.9, 0), "n is 0"),
        (lambda: n_step_returns(np.ones(3), np.ones(3), 0.9, 2, np.ones(2, bool)), r"terminated has shape \(2,\)"),
        (
            lambda: n_step_returns(np.ones(3), np.ones(3), 0.9, 2, None, np.ones((3, 1), bool)),
            r"truncated has shape \(3, 1\)",
        ),
    ],
)
def test_wrong_arguments_are_named(call, message):
    with pytest.raises(ConfigError, match=message):
        call()


def test_in_a_trace_truncated_needs_next_value_whatever_it_holds():
    traced = jax.jit(
        lambda truncated: generalized_advantage_estimation(jnp.ones(3), jnp.ones(4), 0.9, 0.9, None, truncated)
    )
    with pytest.raises(ConfigError, match="expected both"):
        traced(np.zeros(3, bool))


def test_one_compilation_serves_all_discounts():
    traced = []

    @jax.jit
    def advantages(gamma):
        traced.append(gamma)
        return generalized_advantage_estimation(REWARD, VALUE, gamma, LAMBDA, TERMINATED, None, NEXT_VALUE, axis=1)

    for gamma in (0.3, 0.9, 1.0):
        expected = generalized_advantage_estimation(REWARD, VALUE, gamma, LAMBDA, TERMINATED, None, NEXT_VALUE, axis=1)
        np.testing.assert_allclose(advantages(gamma), expected, rtol=2e-5, atol=2e-5)
    assert len(traced) == 1
