"""Random numbers that are drawn beforehand, for many steps of compiled code at once."""

from typing import Any

import jax
import jax.numpy as jnp

from rlcore.errors import RLCoreError
from rlcore.threefry import DTYPES, TRANSFORMS, keys_at, words_at


class Ledger:
    """Notes what is drawn, so that a tape can be made of it; the numbers that it gives mean nothing.

    Attributes:
        draws: The kind and the size of every draw, in order.
    """

    __slots__ = ("draws",)

    def __init__(self, draws: tuple[tuple[str, int], ...] = ()) -> None:
        self.draws = draws

    def take(self, kind: str, size: int) -> jax.Array:
        """Notes a draw."""
        self.draws = (*self.draws, (kind, size))
        return jnp.zeros((size, 2) if kind == "_keys" else size, DTYPES[kind])


class Tape:
    """The numbers of one step, drawn beforehand with those of many others.

    Attributes:
        pieces: One array per draw that is still to come, `[size]` (`[size, 2]` words for keys).
    """

    __slots__ = ("pieces",)

    def __init__(self, pieces: tuple[Any, ...]) -> None:
        self.pieces = pieces

    def take(self, kind: str, size: int) -> Any:
        """The numbers of the next draw.

        Raises:
            RLCoreError: The step draws other numbers than those that the tape was made for.
        """
        piece = self.pieces[0] if self.pieces else None
        if piece is None or piece.shape[0] != size or piece.dtype != DTYPES[kind]:
            raise RLCoreError(
                f"a step draws {size} numbers ({kind[1:]}) where the step before drew others; expected the same draws "
                "in every step: draw all numbers whatever happens, and choose with jnp.where among results"
            )
        self.pieces = self.pieces[1:]
        return piece


jax.tree_util.register_pytree_node(Ledger, lambda self: ((), self.draws), lambda draws, _: Ledger(draws))
jax.tree_util.register_pytree_node(Tape, lambda self: (self.pieces, None), lambda _, pieces: Tape(tuple(pieces)))


def tape_of(key: jax.Array, count: jax.Array, draws: tuple[tuple[str, int], ...], n: int) -> tuple[jax.Array, ...]:
    """The numbers of `n` steps that draw `draws` each, from a stream at `count` on: one array per draw.

    Args:
        key: `[2]`; of a row of streams `[rows, 2]`.
        count: Likewise.
        draws: The kind and the size of each draw.
        n: How many steps.

    Returns:
        `[n, size]` each, of a row of streams `[n, rows, size]`; keys have a last axis of two words.
    """
    per_step, start, pieces = sum(size for _, size in draws), 0, []
    key, count = key[..., None, :], count[..., None, :]
    for kind, size in draws:
        steps = jnp.arange(n, dtype=jnp.uint32).reshape(n, *(1,) * (key.ndim - 1))
        offsets = steps * jnp.uint32(per_step) + jnp.uint32(start) + jnp.arange(size, dtype=jnp.uint32)
        pieces.append(
            keys_at(key, count, offsets) if kind == "_keys" else TRANSFORMS[kind](words_at(key, count, offsets))
        )
        start += size
    return tuple(pieces)
