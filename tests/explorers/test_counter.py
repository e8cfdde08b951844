import jax
import numpy as np
import pytest

from rlcore.explorers.counter import LARGEST, Counter
from rlcore.struct import graft


@jax.jit
def advanced(counter):
    counter.advance(3)
    return counter, counter.capped(), counter.as_float()


@pytest.mark.parametrize("start", [0, 2**24, 2**31 - 2, 2**32 - 2, 2**40, 2**63])
def test_counts_alike_on_the_host_and_in_a_trace(start):
    counter = Counter(start)
    traced, capped, number = advanced(counter)
    counter.advance(3)
    assert counter.current() == traced.current() == start + 3
    assert type(traced.current()) is int
    assert capped == counter.capped() == min(start + 3, LARGEST)
    assert number == np.float32(counter.as_float())
    assert jax.tree.map(np.asarray, counter).current() == start + 3


def test_graft_keeps_the_object():
    counter = Counter(1)
    assert graft(counter, advanced(counter)[0]) is counter
    assert counter.current() == 4 and repr(counter) == "Counter(4)"
