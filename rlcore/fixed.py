"""Configuration that JAX compares at every call, made cheap to compare."""

from collections.abc import Hashable
from typing import Any

from rlcore.struct import by_value


class Fixed:
    """Holds a value for a `static()` field: equal to another one if both mean the same, with the hash kept.

    Two functions are the same if their code and what they enclose are, so that a second experiment that is built
    like the first one reuses its compilation. A value that can't be compared this way is equal to itself only.

    Attributes:
        value: What is held.
    """

    __slots__ = ("value", "_key", "_hash")

    def __init__(self, value: Any, key: Hashable = None) -> None:
        """Holds `value`; `key` stands for it in comparisons, by default `by_value(value)`."""
        self.value = value
        try:
            self._key = by_value(value) if key is None else key
            self._hash = hash(self._key)
        except TypeError:  # something inside has no hash
            self._key = object()
            self._hash = hash(self._key)

    def __hash__(self) -> int:
        return self._hash

    def __eq__(self, other: object) -> bool:
        if self is other:
            return True
        if not isinstance(other, Fixed) or self._hash != other._hash:
            return False
        if self._key is not other._key:
            if self._key != other._key:
                return False
            self._key = other._key  # the next comparison of these two is one of identity
        return True

    def __repr__(self) -> str:
        return f"Fixed({self.value!r})"
