"""A count of steps that is exact beyond 2^32, on the host and in a trace."""

from collections.abc import Iterable
from typing import Any, ClassVar

import jax
import jax.numpy as jnp
import numpy as np
from jax.tree_util import GetAttrKey

from rlcore.struct import is_traced
from rlcore.threefry import advanced

LARGEST = 2**31 - 1  # of JAX's int32


class Counter:
    """A Python int to the host, two 32-bit words to JAX (which has no 64-bit numbers by default, and wraps).

    Attributes:
        value: The int, or the words `[2]` uint32, high and low, inside a trace and right after one.
    """

    __slots__ = ("value",)
    __struct_fields__: ClassVar[dict[str, tuple[str, ...]]] = {"leaf": ("words",), "static": (), "cached": ()}

    def __init__(self, value: Any) -> None:
        self.value = value

    @property
    def words(self) -> Any:
        """The count as JAX sees it."""
        return np.array(divmod(self.value, 1 << 32), np.uint32) if isinstance(self.value, int) else self.value

    @words.setter
    def words(self, words: Any) -> None:
        self.value = words

    def current(self) -> Any:
        """The count: a Python int, or the words in a trace."""
        if not isinstance(self.value, int) and not is_traced(self.value):
            high, low = np.asarray(self.value).tolist()
            self.value = high << 32 | low
        return self.value

    def advance(self, n: int) -> None:
        """Adds `n`, at least 0."""
        value = self.current()
        if isinstance(value, int):
            self.value = value + n
        else:
            self.value = advanced(value, n)

    def capped(self) -> Any:
        """The count, at most 2^31 - 1: a Python int, or an int32 in a trace."""
        value = self.current()
        if isinstance(value, int):
            return min(value, LARGEST)
        return jnp.where(value[0] > 0, LARGEST, jnp.minimum(value[1], LARGEST).astype(jnp.int32))

    def as_float(self) -> Any:
        """The count rounded to float32 (a Python float on the host, not rounded)."""
        value = self.current()
        if isinstance(value, int):
            return float(value)
        return value[0].astype(jnp.float32) * np.float32(2.0**32) + value[1].astype(jnp.float32)

    def __repr__(self) -> str:
        return f"Counter({self.value})"


def _restore(_: Any, leaves: Iterable[Any]) -> Counter:
    (words,) = leaves
    return Counter(words)


jax.tree_util.register_pytree_with_keys(
    Counter,
    lambda self: (((GetAttrKey("words"), self.words),), ()),
    _restore,
    lambda self: ((self.words,), ()),
)
