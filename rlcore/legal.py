"""Masks that come again and again, as those of games do: what each of them allows is found once."""

from collections.abc import Callable
from operator import itemgetter
from typing import Any, NamedTuple
from weakref import ref

import numpy as np


class Legal(NamedTuple):
    """What a mask allows.

    Attributes:
        indices: The legal actions in order, at least one.
        pick: Their entries of a list or tuple that has one for every action.
    """

    indices: tuple[int, ...]
    pick: Callable[[Any], tuple[Any, ...]]


def remember(mask: np.ndarray) -> np.ndarray:
    """`mask` itself, read-only from now on, so that `legal_of` may answer for it as long as it lives.

    Args:
        mask: Bool `[actions]`, true at least once; nobody else may hold it or a view of it.
    """
    mask.flags.writeable = False
    indices, name = tuple(mask.nonzero()[0].tolist()), id(mask)
    first = indices[0]
    pick: Any = itemgetter(*indices) if len(indices) > 1 else lambda row: (row[first],)
    _known[name] = Legal(indices, pick)
    _alive[name] = ref(mask, lambda _: _forget(name))  # before another object can get its identity
    return mask


def legal_of(mask: Any) -> Legal | None:
    """What `mask` allows if it is one of those to `remember`, else `None`."""
    return _known.get(id(mask))


def _forget(name: int) -> None:
    _known.pop(name, None)
    _alive.pop(name, None)


_known: dict[int, Legal] = {}
_alive: dict[int, Any] = {}
