import jax
import jax.numpy as jnp
import numpy as np
import pytest

from rlcore.errors import ConfigError, EnvContractError
from rlcore.explorers import find_all_max
from rlcore.explorers.choice import by_weight, nth_of

NAN, INF = np.nan, np.inf


@pytest.mark.parametrize(
    ("values", "mask", "maximum", "indices"),
    [
        ([1.0, 3.0, 2.0, 3.0], None, 3.0, [1, 3]),
        ([1.0, 3.0, 2.0, 3.0], [True, False, True, True], 3.0, [3]),
        ([1, 3, 3], None, 3, [1, 2]),
        ([NAN, 1.0, NAN, 1.0], None, 1.0, [1, 3]),
        ([5.0, -INF, NAN, -INF], [False, True, True, True], -INF, [1, 3]),  # not the NaN, not the illegal 5
        ([INF, 1.0, INF], None, INF, [0, 2]),
        ([NAN, NAN], None, NAN, []),
        ([7.0], None, 7.0, [0]),
    ],
)
def test_find_all_max(values, mask, maximum, indices):
    found, where = find_all_max(values, mask)
    np.testing.assert_equal(found, maximum)
    assert where.tolist() == indices
    values = np.asarray(values, np.float32)
    mask = None if mask is None else np.asarray(mask)
    found, among = jax.jit(find_all_max)(values, mask)
    np.testing.assert_equal(np.asarray(found), np.float32(maximum))
    assert np.flatnonzero(among).tolist() == indices
    found, among = find_all_max(values[None], None if mask is None else mask[None])
    assert among.shape == (1, len(values)) and np.flatnonzero(among[0]).tolist() == indices


def test_find_all_max_of_jax_values_is_a_jax_array():
    assert all(isinstance(part, jax.Array) for part in find_all_max(jnp.array([1.0, 2.0])))


def test_find_all_max_refuses_what_it_cannot_answer():
    with pytest.raises(EnvContractError, match="in rows 0, 2, expected"):
        find_all_max(np.ones((3, 2)), [[False, False], [True, False], [False, False]])
    with pytest.raises(ConfigError, match="dtype complex128, expected real numbers"):
        find_all_max([1j])
    with pytest.raises(ConfigError, match="dtype <U1"):
        find_all_max(["a"])


def test_rows_of_an_error_are_cut_short_and_named_by_every_leading_axis():
    with pytest.raises(EnvContractError, match=r"in rows \(0, 0\), \(0, 1\), .*\(1, 3\), \.\.\., expected"):
        find_all_max(np.ones((3, 4, 2)), np.zeros((3, 4, 2), bool))


def test_nth_of():
    among = np.array([[False, True, True, False, True], [False] * 5])
    assert [nth_of(among, np.full(2, n)).tolist() for n in range(4)] == [[1, -1], [2, -1], [4, -1], [-1, -1]]


@pytest.mark.parametrize(
    ("uniform", "weights", "expected"),
    [
        (0.0, [0.0, 1.0, 1.0], 1),  # 0 passes a sum of 0 only with a weight
        (0.49, [0.0, 1.0, 1.0], 1),
        (0.5, [0.0, 1.0, 1.0], 2),
        (1 - 2**-24, [1.0, 1.0, 0.0], 1),
        (0.5, [0.0, 0.0, 0.0], -1),
    ],
)
def test_by_weight(uniform, weights, expected):
    assert by_weight(uniform, np.array(weights, np.float32)) == expected
    assert int(jax.jit(by_weight)(np.float32(uniform), np.array(weights, np.float32))) == expected
