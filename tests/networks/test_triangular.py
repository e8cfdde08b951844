"""Lower triangular matrices from vectors."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from rlcore.errors import ConfigError
from rlcore.networks import cholesky_matrix_to_vector_index, vec_to_tril


def test_entries_are_counted_column_by_column():
    assert cholesky_matrix_to_vector_index(2, 1, 3) == 4
    places = [cholesky_matrix_to_vector_index(i, j, 4) for j in range(4) for i in range(j, 4)]
    assert places == list(range(10))


@pytest.mark.parametrize("size", [1, 2, 3, 7])
def test_vectors_are_put_where_the_index_says(size):
    vector = np.arange(1, size * (size + 1) // 2 + 1)
    matrix = vec_to_tril(vector, size)
    for i in range(size):
        for j in range(size):
            assert matrix[i, j] == (vector[cholesky_matrix_to_vector_index(i, j, size)] if j <= i else 0)


def test_leading_axes_jit_vmap_and_gradient():
    vectors = np.random.default_rng(0).normal(size=(2, 5, 6)).astype(np.float32)
    matrices = vec_to_tril(vectors, 3)
    assert isinstance(matrices, np.ndarray) and matrices.dtype == np.float32 and matrices.shape == (2, 5, 3, 3)
    np.testing.assert_array_equal(matrices[1, 4], vec_to_tril(vectors[1, 4], 3))
    np.testing.assert_array_equal(jax.jit(vec_to_tril, static_argnums=1)(vectors, 3), matrices)
    np.testing.assert_array_equal(jax.vmap(lambda rows: vec_to_tril(rows, 3))(vectors), matrices)
    weights = jnp.arange(9.0).reshape(3, 3)
    gradient = jax.grad(lambda vector: (vec_to_tril(vector, 3) * weights).sum())(jnp.zeros(6))
    np.testing.assert_array_equal(gradient, [0, 3, 6, 4, 7, 8])


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda: cholesky_matrix_to_vector_index(1, 2, 3), "row 1, column 2 is not in the lower triangle of 3 rows"),
        (lambda: cholesky_matrix_to_vector_index(3, 0, 3), "row 3, column 0"),
        (lambda: cholesky_matrix_to_vector_index(1, -1, 3), "j is -1"),
        (lambda: cholesky_matrix_to_vector_index(0, 0, 0), "size is 0"),
        (lambda: vec_to_tril(np.ones((2, 5)), 3), r"vector has shape \(2, 5\), expected \[\.\.\., 6\]"),
        (lambda: vec_to_tril(np.array(1.0), 1), r"vector has shape \(\)"),
        (lambda: vec_to_tril(np.ones(6), 3.0), "size is 3.0"),
    ],
)
def test_wrong_arguments_are_named(call, message):
    with pytest.raises(ConfigError, match=message):
        call()
