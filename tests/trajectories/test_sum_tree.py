import jax
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.stats import chi2

from rlcore.trajectories.sum_tree import WIDTH, SumTree

SIZES = [1, 15, 16, 4096, 4097, 1_100_000]


def changed(tree, places, numbers):
    tree.set(places, numbers)
    return tree


@given(size=st.sampled_from(SIZES), seed=st.integers(0, 99))
@settings(max_examples=20, deadline=None)
def test_sums_stay_those_of_their_parts(size, seed):
    generator, tree, numbers = np.random.default_rng(seed), SumTree(size), np.zeros(size, np.float32)
    in_jax, change = SumTree(size, in_jax=True), jax.jit(changed)
    for _ in range(5):
        places = generator.choice(size, min(size, 30), replace=False)
        new = (10.0 ** generator.uniform(-6, 6, size=places.size)).astype(np.float32)
        new = np.where(generator.random(places.size) < 0.2, np.float32(0), new)
        numbers[places] = new
        tree.set(places, new)
        in_jax = change(in_jax, places, new)
        place, one = int(generator.integers(size)), float(generator.random())
        numbers[place] = one
        tree.set_one(place, one)
        in_jax = change(in_jax, place, np.float32(one))
    for each in (tree, in_jax):
        np.testing.assert_array_equal(each.levels[0][:size], numbers)
        np.testing.assert_array_equal(each.levels[0][size:], 0)
        for below, level in zip(each.levels, each.levels[1:], strict=False):
            sums = np.asarray(below, np.float64).reshape(-1, WIDTH).sum(1)
            np.testing.assert_allclose(np.asarray(level)[: len(sums)], sums, 1e-6)
            np.testing.assert_array_equal(level[len(sums) :], 0)


@pytest.mark.parametrize("in_jax", [False, True])
@pytest.mark.parametrize("size", [3, 40, 5000])
def test_places_are_drawn_in_proportion_to_their_numbers(size, in_jax):
    """Chi-square over the places, whose numbers span six decades; a right tree fails with probability 1e-6.

    One draw from each part of the whole scatters less than independent draws, so the bound holds for both.
    """
    generator = np.random.default_rng(size)
    numbers = np.where(generator.random(size) < 0.3, 0, 10.0 ** generator.uniform(-3, 3, size)).astype(np.float32)
    numbers[0] = 50.0
    tree = SumTree(size, in_jax)
    tree.set(np.arange(size), numbers)
    counts = np.zeros(size)
    find = jax.jit(lambda tree, uniform: tree.find(uniform)) if in_jax else lambda tree, uniform: tree.find(uniform)
    for _ in range(200):
        places, found = find(tree, generator.random((len(tree.levels), 500)).astype(np.float32))
        np.testing.assert_array_equal(numbers[places], found)
        counts += np.bincount(places, minlength=size)
    expected = counts.sum() * numbers.astype(np.float64) / numbers.sum(dtype=np.float64)
    assert counts[numbers == 0].sum() == 0
    common = expected >= 5
    rare = [counts[~common].sum(), expected[~common].sum()]
    observed, expected = np.append(counts[common], rare[0]), np.append(expected[common], rare[1])
    assert ((observed - expected) ** 2 / np.maximum(expected, 1e-9)).sum() < chi2.isf(1e-6, len(observed))


@pytest.mark.parametrize("in_jax", [False, True])
def test_independent_of_its_own_part_each_draw_is_in_proportion(in_jax):
    """Draws one at a time, so that there is one part only: independent, and the chi-square is exact."""
    generator, numbers = np.random.default_rng(5), np.array([1, 0, 2, 4, 8, 0, 1], np.float32)
    tree = SumTree(7, in_jax)
    tree.set(np.arange(7), numbers)
    find = jax.jit(jax.vmap(lambda tree, uniform: tree.find(uniform)[0], (None, 0)))
    uniform = generator.random((20_000, 1, 1)).astype(np.float32)
    places = find(tree, uniform) if in_jax else np.stack([tree.find(one)[0] for one in uniform])
    counts, drawn = np.bincount(np.ravel(places), minlength=7), numbers > 0
    expected = counts.sum() * numbers[drawn] / 16
    assert counts[~drawn].sum() == 0
    assert ((counts[drawn] - expected) ** 2 / expected).sum() < chi2.isf(1e-6, drawn.sum() - 1)


@pytest.mark.parametrize("in_jax", [False, True])
@pytest.mark.parametrize("extreme", [0.0, 1 - 2**-24])
def test_extreme_uniform_numbers_find_places_that_count(in_jax, extreme):
    for size, places in ((5000, [0, 4999]), (17, [16])):
        tree = SumTree(size, in_jax)
        tree.set(np.array(places), np.full(len(places), 0.1, np.float32))
        found, numbers = tree.find(np.full((len(tree.levels), 33), extreme, np.float32))
        assert set(np.asarray(found).tolist()) <= set(places)
        np.testing.assert_array_equal(numbers, np.float32(0.1))
