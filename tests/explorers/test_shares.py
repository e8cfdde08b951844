import jax
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from rlcore.explorers.shares import UNIT, WHOLE, index_of, share, split, split_traced

traced_share = jax.jit(share, static_argnums=3)


@pytest.mark.parametrize("limit", [2, 255, 256, 70_000, WHOLE])
def test_share_is_the_floor_of_the_exact_quotient(limit):
    rng = np.random.default_rng(limit)
    whole = np.concatenate([rng.integers(1, WHOLE + 1, 5000), [1, 2, WHOLE, WHOLE]])
    part = (rng.random(5004) * whole).astype(np.int64)
    part[-1] = WHOLE - 1
    n = rng.integers(1, limit + 1, 5004)
    n[-4:] = limit
    np.testing.assert_array_equal(traced_share(part, n, whole, limit), part * n // whole)
    np.testing.assert_array_equal(index_of(part * WHOLE // whole, n, limit), part * WHOLE // whole * n // WHOLE)


UNITS = st.one_of(st.integers(0, 20), st.integers(0, WHOLE), st.integers(WHOLE - 20, WHOLE))


@given(part=UNITS.filter(lambda part: part < WHOLE), units=UNITS, n=st.integers(1, 300))
@settings(max_examples=500, deadline=None)
def test_split_is_exact(part, units, n):
    explore, explored, left = split(np.array([part * UNIT], np.float32), units * UNIT, n)
    assert explore[0] == (part < units)
    if part < units:
        assert explored[0] == part * n // units < n
    else:
        assert left[0] == (part - units) * WHOLE // (WHOLE - units) < WHOLE


SEVERAL = (0, 1, 1677722, WHOLE - 1, WHOLE)


def test_split_is_the_same_in_a_trace():
    """Epsilon is a constant of the program, as where it stays the same; by constants XLA divides in its own way."""
    parts = np.unique(np.concatenate([np.random.default_rng(0).integers(0, WHOLE, 20_000), [0, 1, WHOLE - 1]]))
    uniform = (parts * UNIT).astype(np.float32)
    traced = jax.jit(lambda uniform: [split_traced(uniform, units, 7, 7) for units in SEVERAL])(uniform)
    for units, parts_in_trace in zip(SEVERAL, traced, strict=True):
        is_explored, explored_in_trace, left_in_trace = map(np.asarray, parts_in_trace)
        explore, explored, left = split(uniform, units * UNIT, 7)
        np.testing.assert_array_equal(is_explored, explore)
        np.testing.assert_array_equal(explored_in_trace[explore], explored[explore])
        np.testing.assert_array_equal(left_in_trace[~explore], left[~explore])
