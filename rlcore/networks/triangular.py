"""Lower triangular matrices L, the factors of covariances L Lᵀ: from vectors, their determinants, systems with them."""

import math
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from rlcore.arguments import check_whole
from rlcore.errors import ConfigError
from rlcore.interfaces import Array
from rlcore.networks.operands import as_floats
from rlcore.struct import is_traced, namespace


def cholesky_matrix_to_vector_index(i: int, j: int, size: int) -> int:
    """Where the entry at row `i`, column `j` of a lower triangular matrix stands in the vector of `vec_to_tril`.

    Args:
        i: Row, from 0.
        j: Column, from 0, at most `i`.
        size: Number of rows.

    Returns:
        From 0 to size (size + 1) / 2 - 1, column by column: (2, 1, 3) is at 4.

    Raises:
        ConfigError: There is no such entry.

    Source: Julia `cholesky_matrix_to_vector_index`, which counts from 1.
    """
    size = check_whole("size", size)
    i, j = check_whole("i", i, 0), check_whole("j", j, 0)
    if not j <= i < size:
        raise ConfigError(
            f"row {i}, column {j} is not in the lower triangle of {size} rows, expected j <= i < {size}; "
            "rows and columns count from 0"
        )
    return j * size - j * (j - 1) // 2 + i - j


def vec_to_tril(vector: Array, size: int) -> Array:
    """Lower triangular matrices from vectors that hold them column by column, zeros above the diagonal.

    Args:
        vector: `[..., size (size + 1) / 2]`.
        size: Number of rows.

    Returns:
        `[..., size, size]`.

    Raises:
        ConfigError: The last axis of `vector` is not as long as the triangle.

    Source: Julia `vec_to_tril`.
    """
    size = check_whole("size", size)
    (vector,) = as_floats(vector)
    length = size * (size + 1) // 2
    if vector.ndim == 0 or vector.shape[-1] != length:
        raise ConfigError(
            f"vector has shape {vector.shape}, expected [..., {length}] for the lower triangle of {size} rows"
        )
    columns, rows = np.triu_indices(size)  # the upper triangle row by row is the lower one column by column
    places = np.zeros((size, size), int)
    places[rows, columns] = np.arange(length)
    return namespace(vector).tril(vector[..., places])  # gathered: on accelerators faster than scattered


def log_det_cholesky(cholesky: Array) -> Array:
    """The logarithm of the determinant of A = L Lᵀ, from L: 2 Σ log Lᵢᵢ.

    Args:
        cholesky: `[..., size, size]`, L; or Lᵀ: only the diagonal is read. It is above 0.

    Returns:
        `[...]`.

    Raises:
        ConfigError: The matrices are not square, or the diagonal is not above 0 somewhere (in a trace: NaN there).

    Source: Julia `logdetLorU`.
    """
    diagonal = checked_diagonal(cholesky, "cholesky")
    return 2 * namespace(diagonal).log(diagonal).sum(-1)


def checked_diagonal(cholesky: Any, name: str) -> Any:
    """The diagonal `[..., size]` of `cholesky` `[..., size, size]`.

    Raises:
        ConfigError: The matrices are not square, or the diagonal is not above 0 (in a trace: NaN there).
    """
    (cholesky,) = as_floats(cholesky)
    if cholesky.ndim < 2 or cholesky.shape[-1] != cholesky.shape[-2]:
        raise ConfigError(
            f"{name} has shape {cholesky.shape}, expected [..., size, size]; `vec_to_tril` makes it from a vector"
        )
    diagonal = namespace(cholesky).diagonal(cholesky, axis1=-2, axis2=-1)
    if is_traced(diagonal):
        return diagonal + jnp.where(diagonal > 0, 0.0, jnp.nan)  # added, so that the gradient is NaN too
    lowest = np.asarray(diagonal).min(initial=math.inf)
    if not lowest > 0:
        raise ConfigError(f"{name} has {lowest} on its diagonal, expected numbers above 0; apply softplus or exp to it")
    return diagonal


def whitened(cholesky: Any, vectors: Any) -> Any:
    """L⁻¹v by forward substitution: L `[..., size, size]` and v `[..., size]` to `[..., size]`.

    Written out instead of calling LAPACK: on two cores, two solves of 8,192 matrices in one program of JAX 0.10.2
    waited for each other for ever. For many small matrices it is also faster.
    """
    batch, size = np.broadcast_shapes(cholesky.shape[:-2], vectors.shape[:-1]), vectors.shape[-1]
    if namespace(cholesky, vectors) is np:
        solved = np.zeros((*batch, size), vectors.dtype)
        for row in range(size):
            known = (cholesky[..., row, :row] * solved[..., :row]).sum(-1)
            solved[..., row] = (vectors[..., row] - known) / cholesky[..., row, row]
        return solved

    def eliminated(right: Any, now: tuple) -> tuple:
        place, column, diagonal = now
        number = right[..., place] / diagonal
        return right - column * number[..., None], number

    columns = jnp.moveaxis(jnp.tril(cholesky, -1), -1, 0)
    diagonals = jnp.moveaxis(jnp.diagonal(cholesky, axis1=-2, axis2=-1), -1, 0)
    right = jnp.broadcast_to(vectors, (*batch, size))
    numbers: Any = jax.lax.scan(eliminated, right, (jnp.arange(size), columns, diagonals))[1]
    return jnp.moveaxis(numbers, 0, -1)
