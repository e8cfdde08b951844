"""Masks that come again and again, as those of games do: what each of them allows is found once."""

from collections.abc import Callable
from operator import itemgetter
from typing import Any, NamedTuple

from numpy import dtype, ndarray


class Legal(NamedTuple):
    """What a mask allows.

    Attributes:
        indices: The legal actions in order, at least one.
        pick: Their entries of a list or tuple that has one for every action.
    """

    indices: tuple[int, ...]
    pick: Callable[[Any], tuple[Any, ...]]


def legal_of(mask: Any) -> Legal | None:
    """What `mask` allows, for a NumPy array `[actions]` of bools that nobody can write to.

    Returns:
        `None` for any other mask, and where nothing is legal.
    """
    known = _known.get(id(mask))
    if known is not None and known[0] is mask:
        return known[1]
    if mask.__class__ is not ndarray or mask.flags.writeable or mask.base is not None:
        return None
    if mask.ndim != 1 or mask.dtype is not _BOOL or not mask.any():
        return None
    indices = tuple(mask.nonzero()[0].tolist())
    first = indices[0]
    pick: Any = itemgetter(*indices) if len(indices) > 1 else lambda row: (row[first],)
    if len(_known) >= _MANY:
        _known.clear()
    _known[id(mask)] = mask, Legal(indices, pick)  # the mask is held, so that no other one gets its identity
    return _known[id(mask)][1]


_known: dict[int, tuple[ndarray, Legal]] = {}
_MANY = 4096
_BOOL = dtype(bool)
