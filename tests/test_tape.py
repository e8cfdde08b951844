"""Numbers drawn beforehand are those that the stream would have given."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from rlcore.errors import RLCoreError
from rlcore.random import Random, row_keys, stream
from rlcore.tape import Ledger, Tape, tape_of
from rlcore.threefry import advanced

DRAWS = (("_floats", 1), ("_normals", 2), ("_keys", 1), ("_words", 3), ("_gumbels", 2))


def step(random):
    return [
        random.uniform(),
        random.normal(2),
        jax.random.key_data(random.key()),
        random.integers(5, 3),
        random.gumbel(2),
    ]


def traced(count=0):
    random = stream(3, "a")
    random._count = np.array(divmod(count, 1 << 32), np.uint32)
    return jax.tree.map(jnp.asarray, random)


def test_a_ledger_notes_what_is_drawn():
    random = traced()
    random.tape = Ledger()
    step(random)
    assert random.tape.draws == DRAWS
    assert random.count == 0


@pytest.mark.parametrize("count", [0, 5, 4_095, (1 << 32) - 4, (1 << 40) + 1])
def test_a_tape_gives_what_the_host_draws(count):
    host = Random(stream(3, "a")._key, count)
    random = traced(count)
    pieces = tape_of(random._key, random._count, DRAWS, 6)
    assert [piece.shape for piece in pieces] == [(6, 1), (6, 2), (6, 1, 2), (6, 3), (6, 2)]
    for at in range(6):
        random.tape = Tape(tuple(piece[at] for piece in pieces))
        for drawn, expected in zip(step(random), step(host), strict=True):
            assert np.array_equal(drawn, expected)
        assert random.tape.pieces == ()
    high, low = np.asarray(advanced(random._count, 6 * 9)).tolist()
    assert high << 32 | low == host.count


def test_a_row_of_streams_draws_as_each_alone():
    keys = row_keys(stream(3, "a")._key, 4)
    counts = np.array([[0, 0], [0, 7], [1, 0], [0, 0xFFFFFFFF]], np.uint32)
    rows = tape_of(jnp.asarray(keys), jnp.asarray(counts), DRAWS, 5)
    for row in range(4):
        alone = tape_of(jnp.asarray(keys[row]), jnp.asarray(counts[row]), DRAWS, 5)
        for piece, expected in zip(rows, alone, strict=True):
            assert np.array_equal(piece[:, row], expected)
    assert len({key.tobytes() for key in keys}) == 4


@pytest.mark.parametrize("draw", [lambda random: random.uniform(2), lambda random: random.integers(3)])
def test_other_draws_than_those_of_the_tape_are_refused(draw):
    random = traced()
    random.tape = Tape((jnp.zeros(1, jnp.float32),))
    with pytest.raises(RLCoreError, match="the same draws in every step"):
        draw(random)
