"""The arrays that the states of a space are."""

import jax
import numpy as np
import pytest
from gymnasium import spaces

from rlcore.approximators.state_shapes import state_shapes
from rlcore.errors import ConfigError


@pytest.mark.parametrize(
    ("space", "shape", "dtype"),
    [
        (spaces.Box(-1, 1, (3,), np.float64), (3,), np.float32),
        (spaces.Box(0, 255, (4, 4, 1), np.uint8), (4, 4, 1), np.uint8),
        (spaces.Box(-5, 5, (), np.int64), (), np.int32),
        (spaces.Discrete(5), (), np.int32),
        (spaces.MultiDiscrete([2, 3]), (2,), np.int32),
        (spaces.MultiBinary((2, 2)), (2, 2), np.int8),
    ],
)
def test_arrays(space, shape, dtype):
    assert state_shapes(space) == jax.ShapeDtypeStruct(shape, dtype)
    assert state_shapes(space, (7,)) == jax.ShapeDtypeStruct((7, *shape), dtype)


def test_nested():
    space = spaces.Dict({"a": spaces.Tuple([spaces.Discrete(2), spaces.Box(0, 1, (2,))]), "b": spaces.MultiBinary(3)})
    shapes = state_shapes(space, (2,))
    assert jax.tree.map(lambda leaf: leaf.shape, shapes) == {"a": ((2,), (2, 2)), "b": (2, 3)}


@pytest.mark.parametrize("space", [spaces.Text(3), spaces.Dict({"a": spaces.Sequence(spaces.Discrete(2))})])
def test_refuses_what_is_no_array(space):
    with pytest.raises(ConfigError, match="are no arrays"):
        state_shapes(space)
