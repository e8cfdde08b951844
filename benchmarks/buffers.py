"""What it takes to add transitions and to sample batches, and how many bytes one takes, beside other replay buffers.

Every buffer is filled first. States are four floats, or stacks of four grey frames of 84 x 84; batches have 256
transitions, and the random numbers that choose them are part of the work. The bare ring is the shortest one in NumPy.
"""

import argparse
from collections.abc import Callable

import jax
import numpy as np
from buffers_work import BATCH, CAPACITY, Measured, figures, states_of
from compiled_process import Library
from measure import interleave, peer_python, print_machine, report

from rlcore.random import stream
from rlcore.trajectories import BatchSampler, CircularTraces, PrioritizedTraces

PEERS = ("Stable-Baselines3", "cpprb", "cpprb, prioritised", "flashbax")


def bare_ring(kind: str) -> Measured:
    """Five arrays of states, next states, actions, rewards and ends."""
    states, n = states_of(kind, "last"), CAPACITY[kind]
    shape, dtype = states.form()
    columns = [np.zeros((n, *shape), dtype), np.zeros((n, *shape), dtype)]
    columns += [np.zeros(n, np.int32), np.zeros(n, np.float32), np.zeros(n, bool)]
    state, next_state, action, reward, end = columns
    generator = np.random.default_rng(0)

    def add(at: int) -> None:
        place = at % n
        state[place], next_state[place], end[place] = states.at(at)
        action[place], reward[place] = 1, 1.0

    def sample() -> list[np.ndarray]:
        places = generator.integers(0, n, BATCH)
        return [column.take(places, axis=0) for column in columns]

    return Measured(add, sample, sum(column.nbytes for column in columns))


def rlcore(axis: str, n_frames: int = 1) -> Callable[[str], Measured]:
    def make(kind: str) -> Measured:
        states, sampler = states_of(kind, axis), BatchSampler(BATCH, seed=0)
        traces = CircularTraces(CAPACITY[kind], n_frames)

        def add(at: int) -> None:
            state, next_state, end = states.at(at)
            traces.push(state, 1, 1.0, next_state, end, False)

        n_bytes = lambda: sum(np.asarray(leaf).nbytes for leaf in jax.tree.leaves(traces))  # noqa: E731
        return Measured(add, lambda: sampler.sample(traces), n_bytes)

    return make


def rlcore_prioritised(kind: str) -> Measured:
    states, traces, random = states_of(kind), PrioritizedTraces(CAPACITY[kind]), stream(0, "benchmark")
    priorities = np.random.default_rng(0).random(BATCH).astype(np.float32)

    def add(at: int) -> None:
        state, next_state, end = states.at(at)
        traces.push(state, 1, 1.0, next_state, end, False)

    def sample_and_update() -> None:
        indices, key, _ = traces.draw(random, BATCH)
        traces.take(indices)
        traces.update_priorities(key, priorities)

    return Measured(add, sample_and_update)


OWN: dict[str, dict[str, Callable[[str], Measured]]] = {
    "vector": {"a bare ring": bare_ring, "rlcore": rlcore("first"), "rlcore, prioritised": rlcore_prioritised},
    "frames": {
        "a bare ring": bare_ring,
        "rlcore": rlcore("first"),
        "rlcore, n_frames=4, first axis": rlcore("first", 4),
        "rlcore, n_frames=4, last axis": rlcore("last", 4),
    },
}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("states", nargs="*", help="vector, frames; default: both")
    parser.add_argument("--repeats", type=int, default=5)
    arguments = parser.parse_args()
    print_machine("rlcore", "numpy", "jax")
    python = peer_python("PEERS_PY")
    for kind in arguments.states or OWN:
        candidates: dict[str, Callable[[], dict]] = {}
        for name, make in OWN[kind].items():
            clock = figures(make, kind)
            candidates[name] = lambda clock=clock: clock(0)
        libraries = {name: Library(python, "buffers_peers.py") for name in PEERS} if python else {}
        for name, library in libraries.items():
            if kind == "vector" or "prioritised" not in name:
                candidates[name] = lambda name=name, library=library, kind=kind: library.ask(name, kind=kind)
        runs = interleave(candidates, arguments.repeats)
        for library in libraries.values():
            library.__exit__()
        show(kind, runs)


def show(kind: str, runs: dict[str, list[dict]]) -> None:
    """The tables of one kind of states."""

    def of(what: str, is_prioritised: bool = False) -> dict[str, list[float]]:
        chosen = {name: each for name, each in runs.items() if ("prioritised" in name) == is_prioritised}
        return {name: [run[what] for run in each] for name, each in chosen.items()}

    fastest = "cpprb" if kind == "vector" else "a bare ring"
    report(f"{kind}: add", of("add"), "transitions/s", "Stable-Baselines3")
    report(f"{kind}: sample {BATCH}", of("sample"), "batches/s", fastest)
    if kind == "vector":
        report(f"{kind}: sample {BATCH} and update", of("sample", True), "batches/s", "cpprb, prioritised")
    sizes = {name: figures[:1] for name, figures in of("bytes").items() if figures[0]}
    report(f"{kind}: a stored transition", sizes, "bytes")
    if kind == "frames":
        print(f"  one frame of 84 x 84 has {84 * 84:,} bytes")


if __name__ == "__main__":
    main()
