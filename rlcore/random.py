"""Streams of random numbers that are the same in NumPy and in compiled code.

A stream is a key and a count. Number i is a word of the Threefry-2x32 hash of the key and i, so it does not matter how
many are drawn at a time, or whether in Python or inside a trace. There is no global generator.

Rules that keep both engines aligned: a component draws the same count of numbers every step, whatever happens; a
stream has one user; streams are named once, by the path of their component under the experiment's root seed.
"""

import hashlib
import math
import operator
import secrets
from typing import Any, ClassVar

import jax
import jax.numpy as jnp
import numpy as np
from jax.tree_util import GetAttrKey

from rlcore.errors import ConfigError
from rlcore.struct import is_traced, walk
from rlcore.tape import Ledger, Tape
from rlcore.threefry import TRANSFORMS, advanced, high_product, keys_at, threefry, words_at

BLOCK = 16384  # numbers hashed at a time on the host
FEW = 32  # up to so many numbers at a time a Python list is quicker than NumPy

Shape = int | tuple[int, ...] | None


class Random:
    """A stream of numbers u(0), u(1), ...; u(i) depends on the key and i only.

    Every method takes a `shape` (an int, a tuple, or `None` for one number) and counts one per number. On the host it
    answers Python numbers and read-only NumPy arrays, inside a trace JAX arrays, with the same values.

    Source: Salmon et al. 2011, "Parallel random numbers: as easy as 1, 2, 3"; replaces Julia's `rng` arguments.
    """

    __slots__ = ("_arrays", "_at", "_base", "_floats", "_high", "_is_given", "_key", "_whole", "_words", "tape")
    __struct_fields__: ClassVar = {"leaf": ("_key", "_count"), "static": (), "cached": ()}

    tape: "Tape | Ledger | None"  # where compiled code reads a step's numbers, or notes which ones it takes

    _key: Any  # [2] uint32, None before it is named
    _is_given: bool  # whether whoever made the stream gave the key
    _base: Any  # the count when the block at hand began: an int on the host, else [2] uint32
    _at: int  # how many were drawn since
    _arrays: dict[str, np.ndarray] | None  # the block at hand, by the kind of its numbers
    _floats: list[float] | None
    _words: list[int] | None
    _high: int  # below which the last row of whole numbers was drawn
    _whole: np.ndarray | None  # the block at hand as such numbers, once that limit came again

    def __init__(self, key: Any = None, count: int = 0) -> None:
        """A stream that stands at number `count`.

        Args:
            key: `[2]` uint32. `None`: not named yet; an experiment names it, or the first draw does from the
                operating system's entropy.
            count: How many numbers were drawn before.
        """
        self._key, self._is_given = None if key is None else np.asarray(key, np.uint32), key is not None
        self._count = count
        self.tape = None

    @property
    def count(self) -> int:
        """How many numbers were drawn so far (on the host)."""
        if not isinstance(self._base, int):
            high, low = np.asarray(self._base).tolist()
            self._base = high << 32 | low
        return self._base + self._at

    @property
    def _count(self) -> Any:
        """The count as JAX sees it: `[2]` uint32, the high and the low word."""
        if not isinstance(self._base, int) and self._at == 0:
            return self._base  # as it came, perhaps one count for each of many streams
        if self._is_traced():
            return advanced(self._base, self._at)
        return np.array(divmod(self.count, 1 << 32), np.uint32)

    @_count.setter
    def _count(self, count: Any) -> None:
        self._base, self._at = count, 0
        self._arrays = self._whole = None
        self._floats = self._words = None
        self._high = 0

    def is_named(self) -> bool:
        """Whether the stream has a key yet."""
        return self._key is not None

    def uniform(self, shape: Shape = None) -> Any:
        """Float32 numbers in [0, 1), multiples of 2^-24; without `shape` one, on the host a Python float."""
        if shape is None and self._floats is not None:
            at = self._at
            if at < BLOCK:
                self._at = at + 1
                return self._floats[at]
        return self._draw("_floats", shape)

    def integers(self, high: Any, shape: Shape = None) -> Any:
        """Whole numbers in [0, high): the high word of 2^32 u(i) times `high`, at most 2^-32 off uniform."""
        at = self._at
        if shape is None:
            if self._words is not None and at < BLOCK:
                self._at = at + 1
                return self._words[at] * high >> 32
        elif shape.__class__ is int and high.__class__ is int and high == self._high and at + shape <= BLOCK:
            if self._whole is None:
                self._whole = _below(high, self._array("_words"))
                self._whole.flags.writeable = False
            self._at = at + shape
            return self._whole[at : at + shape]
        words = self._draw("_words", shape)
        if isinstance(words, int):
            return words * int(high) >> 32
        if isinstance(words, np.ndarray):
            self._high, self._whole = high if high.__class__ is int else 0, None
            return _below(high, words)
        return high_product(words, jnp.asarray(high).astype(jnp.uint32)).astype(jnp.int32)

    def normal(self, shape: Shape = None) -> Any:
        """Float32 numbers of the standard normal distribution, the inverse of its CDF at u(i)."""
        return self._draw("_normals", shape)

    def gumbel(self, shape: Shape = None) -> Any:
        """Float32 numbers of the standard Gumbel distribution, -log(-log(u(i)))."""
        return self._draw("_gumbels", shape)

    def key(self) -> jax.Array:
        """A JAX key for functions that want one; counts one number and shares no bits with the others."""
        if self.tape is not None:
            return jax.random.wrap_key_data(self.tape.take("_keys", 1)[0])
        if self._is_traced():
            self._at += 1
            return jax.random.wrap_key_data(keys_at(self._key, self._base, self._at - 1))
        high, low = divmod(self.count, 1 << 32)
        self._draw("_words", 1)
        words = np.concatenate(threefry(self._key, np.array([high | 1 << 31], np.uint32), np.array([low], np.uint32)))
        return jax.random.wrap_key_data(jnp.asarray(words))

    def _is_traced(self) -> bool:
        return is_traced(self._base) or is_traced(self._key)

    def _draw(self, kind: str, shape: Shape) -> Any:
        size = 1 if shape is None else shape if isinstance(shape, int) else math.prod(shape)
        if self.tape is not None:
            numbers = self.tape.take(kind, size)
            return numbers[0] if shape is None else numbers.reshape(shape)
        if self._is_traced():
            offsets = self._at + np.arange(size, dtype=np.uint32)
            numbers = TRANSFORMS[kind](words_at(self._key, self._base, offsets))
            self._at += size
            return numbers[0] if shape is None else numbers.reshape(shape)
        pieces: list[np.ndarray] = []
        while size > 0 or not pieces:
            if self._arrays is None or self._at >= BLOCK:
                self._load()
            start = self._at
            self._at = min(start + size, BLOCK)
            pieces.append(self._array(kind)[start : self._at])
            size -= self._at - start
        if kind in ("_floats", "_words") and _is_few(shape) and getattr(self, kind) is None:  # a list serves the next
            setattr(self, kind, self._array(kind).tolist())
        if shape is None:
            return pieces[0].item()
        numbers = pieces[0] if len(pieces) == 1 else np.concatenate(pieces)
        return numbers if isinstance(shape, int) else numbers.reshape(shape)

    def _load(self) -> None:
        if self._key is None:
            self._key = stream_key(secrets.randbits(63), "")
        elif not isinstance(self._key, np.ndarray):
            self._key = np.asarray(self._key)
        count = self.count
        self._at = count % BLOCK
        self._base = count - self._at
        pair = np.arange(self._base // 2, self._base // 2 + BLOCK // 2, dtype=np.uint64)
        words = np.stack(threefry(self._key, *_halves(pair)), axis=1).ravel()
        words.flags.writeable = False
        self._arrays, self._whole = {"_words": words}, None
        self._floats = self._words = None

    def _array(self, kind: str) -> np.ndarray:
        assert self._arrays is not None
        if kind not in self._arrays:
            numbers = np.asarray(TRANSFORMS[kind](self._arrays["_words"]))
            numbers.flags.writeable = False
            self._arrays[kind] = numbers
        return self._arrays[kind]

    def __repr__(self) -> str:
        return f"Random(key={self._key}, count={self._count if self._is_traced() else self.count})"


jax.tree_util.register_pytree_with_keys(
    Random,
    lambda self: (
        ((GetAttrKey("key"), self._key), (GetAttrKey("count"), self._count), (GetAttrKey("tape"), self.tape)),
        (),
    ),
    lambda _, leaves: _restore(*leaves),
    lambda self: ((self._key, self._count, self.tape), ()),
)


def _restore(key: Any, count: Any, tape: Any) -> Random:
    random = object.__new__(Random)
    random._key, random._count, random.tape = key, count, tape
    return random


def stream(seed: int, name: str) -> Random:
    """The stream called `name` under the root `seed`; two names, or two seeds, are independent.

    Raises:
        ConfigError: `seed` is not a whole number of at least 0.
    """
    return Random(stream_key(seed, name))


def row_keys(key: Any, n: int) -> np.ndarray:
    """The keys `[n, 2]` of `n` streams that share no numbers with each other or with the stream of `key`."""
    return np.stack(threefry(np.asarray(key), np.full(n, 1 << 30, np.uint32), np.arange(n, dtype=np.uint32)), axis=1)


def stream_key(seed: int, name: str) -> np.ndarray:
    """The `[2]` uint32 key of the stream `name` under `seed`: eight bytes of their BLAKE2b hash."""
    digest = hashlib.blake2b(f"{check_seed(seed)}/{name}".encode(), digest_size=8).digest()
    return np.frombuffer(digest, "<u4").astype(np.uint32)


def seed_number(seed: int, name: str) -> int:
    """A number below 2^31 for code that takes a plain seed: half of the key of the stream `name` under `seed`."""
    return int(stream_key(seed, name)[0]) >> 1


def check_seed(seed: Any) -> int:
    """`seed` as a Python int.

    Raises:
        ConfigError: It is not a whole number of at least 0.
    """
    try:
        number = operator.index(seed)
    except TypeError:
        number = -1
    if number < 0 or isinstance(seed, bool):
        raise ConfigError(f"seed is {seed!r}, expected a whole number of at least 0, or None for a fresh one")
    return number


def random_or_seeded(seed: int | None, name: str) -> Random:
    """What a component keeps for its `seed` argument: a stream of its own, or one that the experiment names."""
    return Random() if seed is None else stream(seed, name)


def name_streams(component: Any, seed: int, path: str, *, anew: bool = False) -> None:
    """Names every stream in `component` that has no key yet, by its path under `seed`; others go on as they are.

    With `anew` only those go on that were made with a key.
    """
    for place, part in walk(component, path):
        if not isinstance(part, Random):
            continue
        if not part.is_named() or (anew and not getattr(part, "_is_given", True)):  # a copy does not know
            part._key, part._count = stream_key(seed, place), 0


def begin_streams(component: Any, seed: int, path: str) -> int | None:
    """Lets the streams in `component` that were made without a key begin anew, each by its path under `seed`.

    Returns:
        A plain seed for a component without streams, `None` for one that has some.
    """
    if not any(isinstance(part, Random) for _, part in walk(component)):
        return seed_number(seed, path)
    name_streams(component, seed, path, anew=True)
    return None


def _halves(counts: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """The high and the low words of 64-bit counts."""
    return (counts >> np.uint64(32)).astype(np.uint32), counts.astype(np.uint32)


def _below(high: Any, words: np.ndarray) -> np.ndarray:
    return (words.astype(np.uint64) * np.uint64(high) >> np.uint64(32)).astype(np.int64)


def _is_few(shape: Shape) -> bool:
    return shape is None or (isinstance(shape, int) and shape <= FEW)
