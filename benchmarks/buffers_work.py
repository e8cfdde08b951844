"""The transitions that every buffer is given, and how it is clocked."""

import time
from collections.abc import Callable
from typing import Any, NamedTuple

import numpy as np

BATCH = 256
CAPACITY = {"vector": 100_000, "frames": 10_000}
N_ADDED = {"vector": 20_000, "frames": 1_000}
N_SAMPLED = {"vector": 2_000, "frames": 30}
EPISODE = 500  # steps


class Measured(NamedTuple):
    """What is clocked."""

    add: Callable[[int], Any]  # one transition, the one with this number
    sample: Callable[[], Any]
    n_bytes: int | Callable[[], int] = 0  # of the buffer


class States(NamedTuple):
    """Transitions that follow each other, over and over again."""

    steps: list[tuple[Any, Any, Any]]  # state, next state, whether the episode ends

    def at(self, number: int) -> tuple[Any, Any, Any]:
        return self.steps[number % EPISODE]

    def form(self) -> tuple[tuple[int, ...], Any]:
        """The shape and type of a state."""
        return self.steps[0][0].shape, self.steps[0][0].dtype


def states_of(kind: str, axis: str = "first") -> States:
    """An episode of four floats (`vector`), or of four grey frames of 84 x 84 along the first or last axis."""
    generator = np.random.default_rng(0)
    if kind == "vector":
        states = list(generator.standard_normal((EPISODE + 1, 4)).astype(np.float32))
    else:
        frames = generator.integers(0, 256, (EPISODE + 4, 84, 84), dtype=np.uint8)
        place = 0 if axis == "first" else -1
        states = [np.ascontiguousarray(np.stack(frames[at : at + 4], axis=place)) for at in range(EPISODE + 1)]
    return States([(states[at], states[at + 1], at + 1 == EPISODE) for at in range(EPISODE)])


def figures(make: Callable[[str], Measured], kind: str) -> Callable[[int], dict]:
    """Fills a buffer; then every call answers how many transitions it takes and batches it gives per second."""
    buffer = make(kind)
    for at in range(CAPACITY[kind] + EPISODE):
        buffer.add(at)
    for _ in range(3):
        buffer.sample()
    n_bytes = buffer.n_bytes() if callable(buffer.n_bytes) else buffer.n_bytes
    size = n_bytes / CAPACITY[kind]

    def clock(_: int) -> dict:
        return {"add": rate(buffer.add, N_ADDED[kind]), "sample": rate(lambda _: buffer.sample(), N_SAMPLED[kind])} | {
            "bytes": size
        }

    return clock


def rate(work: Callable[[int], Any], n: int) -> float:
    """How often per second `work` is done."""
    start = time.perf_counter()
    for at in range(n):
        work(at)
    return n / (time.perf_counter() - start)
