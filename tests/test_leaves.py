"""Leaves go into a compiled program and come back as they were."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from rlcore.errors import ConfigError
from rlcore.leaves import entered, returned, select, settled, shapes_of
from rlcore.struct import static, struct


@struct
class Part:
    count: int
    share: float
    is_on: bool
    table: np.ndarray
    weights: jax.Array
    name: str = static("x")


def part():
    return Part(3, 0.5, True, np.arange(4, dtype=np.float64), jnp.ones(2))


def test_what_enters_is_a_copy_of_32_bits():
    mine = part()
    inside = entered(mine, "policy")
    assert [str(leaf.dtype) for leaf in jax.tree.leaves(inside)] == ["int32", "float32", "bool", "float32", "float32"]
    assert all(not leaf.weak_type for leaf in jax.tree.leaves(inside))
    assert inside.weights is not mine.weights
    assert inside.weights.unsafe_buffer_pointer() != mine.weights.unsafe_buffer_pointer()
    shapes = [(leaf.shape, leaf.dtype) for leaf in jax.tree.leaves(shapes_of(mine, "policy"))]
    assert shapes == [(leaf.shape, leaf.dtype) for leaf in jax.tree.leaves(inside)]


def test_what_comes_back_has_the_form_it_had():
    mine = part()
    table = mine.table
    inside = jax.tree.map(lambda leaf: leaf + 1 if leaf.dtype != bool else ~leaf, entered(mine, "policy"))
    returned(mine, inside)
    assert (type(mine.count), mine.count) == (int, 4)
    assert (type(mine.share), mine.share) == (float, 1.5)
    assert mine.is_on is False
    assert mine.table is table and table.dtype == np.float64 and table.tolist() == [1, 2, 3, 4]
    assert isinstance(mine.weights, jax.Array) and mine.weights.tolist() == [2, 2]
    assert mine.weights.unsafe_buffer_pointer() != inside.weights.unsafe_buffer_pointer()


@pytest.mark.parametrize("value", [1 << 31, -(1 << 40), "text", object()])
def test_what_is_no_number_of_32_bits_is_refused_by_name(value):
    mine = part()
    mine.count = value
    with pytest.raises(ConfigError, match=r"policy\.count is .*expected a number of at most 32 bits"):
        entered(mine, "policy")


def test_a_loop_keeps_types():
    before = entered(part(), "policy")
    mine = part()
    mine.table = jnp.zeros(4)
    after = settled(mine, before, "policy")
    assert [str(leaf.dtype) for leaf in jax.tree.leaves(after)] == ["int32", "float32", "bool", "float32", "float32"]
    assert not any(leaf.weak_type for leaf in jax.tree.leaves(after))
    assert settled(after, before) is after


@pytest.mark.parametrize(
    ("name", "value", "message"),
    [
        ("count", 1.5, r"policy\.count is int32\[\] before a step and float32\[\] after it"),
        ("weights", jnp.ones(3), r"policy\.weights is float32\[2\] before a step and float32\[3\] after it"),
        ("weights", None, r"policy\.weights is an array before a step and none after it"),
        ("name", "y", r"policy\.name is 'x' before a step and 'y' after it; a static\(\) field can't change"),
    ],
)
def test_a_loop_refuses_what_it_can_t_carry(name, value, message):
    before = entered(part(), "policy")
    after = entered(part(), "policy")
    setattr(after, name, value)
    with pytest.raises(ConfigError, match=message):
        settled(after, before, "policy")


def test_select_by_rows():
    chosen = {"a": jnp.ones((2, 3)), "b": jnp.ones(2)}
    other = {"a": jnp.zeros((2, 3)), "b": chosen["b"]}
    result = select(jnp.array([True, False]), chosen, other)
    assert result["a"].tolist() == [[1, 1, 1], [0, 0, 0]] and result["b"] is chosen["b"]


@struct
class Pair:
    first: np.ndarray
    second: np.ndarray


def test_an_array_that_stands_in_two_places_comes_back_as_two():
    array = np.zeros(2)
    mine = Pair(array, array)
    returned(mine, Pair(jnp.ones(2), jnp.full(2, 2.0)))
    assert mine.first is array
    assert (mine.first == 1).all()
    assert (mine.second == 2).all()
