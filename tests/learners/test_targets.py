"""What a value is moved towards."""

import jax
import jax.numpy as jnp
import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

from rlcore.learners.targets import bellman_target, best_value


@settings(deadline=None)
@given(st.integers(0, 2**32 - 1))
def test_best_value_equals_a_loop(seed):
    rng = np.random.default_rng(seed)
    values, chosen_by = rng.normal(size=(2, 6, 4)).astype(np.float32)
    mask = rng.random((6, 4)) < 0.5
    plain, chosen = best_value(values, mask), best_value(values, mask, chosen_by)
    for row in range(6):
        legal = [action for action in range(4) if mask[row, action]]
        by_value = max((values[row, action] for action in legal), default=0)
        by_other = values[row, max(legal, key=lambda action: chosen_by[row, action])] if legal else 0
        assert (plain[row], chosen[row]) == (by_value, by_other)
    np.testing.assert_array_equal(best_value(values), values.max(-1))


def test_what_comes_after_an_end_never_counts():
    value = jnp.array([jnp.inf, jnp.nan, -jnp.inf, 2.0])
    terminated = jnp.array([True, True, True, False])
    target, slope = jax.value_and_grad(lambda r: bellman_target(r, value, 0.5, terminated).sum())(jnp.ones(4))
    assert (float(target), slope.tolist()) == (5.0, [1, 1, 1, 1])
    assert bellman_target(1.0, jnp.inf, 0.0, True) == 1.0
