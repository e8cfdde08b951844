"""What the compiled engine costs beside loops written by hand in JAX, and what it does beside libraries that compile.

Every candidate's first run, which compiles, is not counted; how much longer it took than a later one is told below the
table, and measured in fresh processes by the part `compile`.

    rollout: a random policy on CartPole, for rlcore with three hooks
    tabular: Q-learning on CliffWalking and FrozenLake
    dqn: DQN on CartPole in PureJaxRL's setting, one environment and ten
    seeds: sixteen such trainings at once
    compile: how long the first DQN waits for its compilation, and what the second one compiles
"""

import argparse
import contextlib
import os
import statistics
import sys
from collections.abc import Callable, Iterator
from functools import partial

from compiled_process import Library
from measure import interleave, peer_python, print_machine, report
from tabular import bare

BARE, NUMPY = "loop by hand in JAX", "shortest loop in NumPy"
SCRIPTS = {"bare": "compiled_bare.py", "rlcore": "compiled_rlcore.py", "peers": "compiled_peers.py"}
HOOKED = "rlcore, three hooks"
TOLD = ("seconds", "n_steps", "n_compiled", "compile_seconds")  # an answer's other fields show that the work was done

Ask = Callable[[], dict]


@contextlib.contextmanager
def processes(*names: str) -> Iterator[dict[str, Library]]:
    """The libraries whose interpreters are there."""
    with contextlib.ExitStack() as stack:
        yield {
            name: stack.enter_context(Library(python, SCRIPTS[name]))
            for name in names
            if (python := peers_python() if name == "peers" else sys.executable)
        }


def peers_python() -> str | None:
    if "PUREJAXRL_DIR" not in os.environ:
        print("PUREJAXRL_DIR is not set: the other libraries are left out (see benchmarks/README.md)")
        return None
    return peer_python("PEERS_PY")


def compare(title: str, candidates: dict[str, Ask], repeats: int, baseline: str) -> dict[str, list[float]]:
    """Lets every candidate compile, then all run in turns; prints and returns their steps per second."""
    first = {name: ask() for name, ask in candidates.items()}
    answers: dict[str, list[dict]] = {name: [] for name in candidates}

    def measure(name: str, ask: Ask) -> float:
        answers[name].append(ask())
        return answers[name][-1]["n_steps"] / answers[name][-1]["seconds"]

    runs = interleave({name: partial(measure, name, ask) for name, ask in candidates.items()}, repeats)
    report(title, runs, "steps/s", baseline)
    for name, later in answers.items():
        longer = first[name]["seconds"] - statistics.median(answer["seconds"] for answer in later)
        proof = "".join(f"; {key} {value:.2f}" for key, value in later[-1].items() if key not in TOLD)
        n_compiled = sum(answer["n_compiled"] for answer in later)
        again = f"; COMPILED {n_compiled} programs in later runs" if n_compiled else ""
        print(f"  {name}: first run {longer:.2f} s longer{proof}{again}", flush=True)
    return runs


def rollout(repeats: int) -> None:
    lengths = {1: (20_000_000, 300_000), 64: (32_000_000, 4_000_000), 1024: (40_960_000, 8_192_000)}
    with processes("bare", "rlcore", "peers") as libraries:
        for n_envs, (n_steps, n_steps_of_gymnax) in lengths.items():
            candidates = {
                name: partial(libraries[library].ask, "rollout", n_envs=n_envs, n_steps=length)
                for name, library, length in (
                    (BARE, "bare", n_steps),
                    (HOOKED, "rlcore", n_steps),
                    ("gymnax", "peers", n_steps_of_gymnax),
                )
                if library in libraries
            }
            compare(f"Random rollout of CartPole, environments: {n_envs:,}", candidates, repeats, BARE)


def tabular(repeats: int) -> None:
    def numpy_loop(env_id: str, n_steps: int) -> dict:
        steps_per_second, _ = bare(env_id, n_steps)
        return {"seconds": n_steps / steps_per_second, "n_steps": n_steps, "n_compiled": 0}

    with processes("bare", "rlcore") as libraries:
        for env_id in ("CliffWalking-v1", "FrozenLake-v1"):
            candidates = {
                name: partial(libraries[library].ask, "q_learning", env_id=env_id, n_steps=10_000_000)
                for name, library in ((BARE, "bare"), ("rlcore", "rlcore"))
            }
            candidates[NUMPY] = partial(numpy_loop, env_id, 100_000)
            runs = compare(f"Q-learning on {env_id}", candidates, repeats, BARE)
            factor = statistics.median(a / b for a, b in zip(runs["rlcore"], runs[NUMPY], strict=True))
            print(f"  rlcore: {factor:.0f} x {NUMPY}")


def trainers(libraries: dict[str, Library], **settings: int) -> dict[str, Ask]:
    """DQN by each library; rejax learns once a step of all environments, so that one alone would learn every step."""
    return {
        name: partial(libraries[library].ask, task, **settings)
        for name, library, task in (
            ("PureJaxRL", "peers", "purejaxrl"),
            ("rejax", "peers", "rejax"),
            (HOOKED, "rlcore", "dqn"),
        )
        if library in libraries and (name != "rejax" or settings["n_envs"] == 10)
    }


def dqn(repeats: int) -> None:
    with processes("rlcore", "peers") as libraries:
        for n_envs in (1, 10):
            candidates = trainers(libraries, n_envs=n_envs, n_steps=200_000)
            compare(f"DQN on CartPole, environments: {n_envs}", candidates, repeats, "PureJaxRL")


def seeds(repeats: int) -> None:
    with processes("rlcore", "peers") as libraries:
        candidates = trainers(libraries, n_envs=10, n_steps=50_000, n_seeds=16)
        compare("DQN on CartPole, 10 environments, 16 seeds at once", candidates, repeats, "PureJaxRL")


def compiling(repeats: int) -> None:
    """Two short runs in a fresh process: the first one compiles, the second one must not."""
    n_compiled: dict[str, list[int]] = {}
    own: list[float] = []  # what rlcore says that its engine took, without the building of network and optimiser

    def measure(name: str) -> float:
        with processes("peers" if name in ("PureJaxRL", "rejax") else "rlcore") as libraries:
            ask = trainers(libraries, n_envs=10, n_steps=12_000)[name]
            first, second = ask(), ask()
        n_compiled[name] = [first["n_compiled"], second["n_compiled"]]
        if "compile_seconds" in first:
            own.append(first["compile_seconds"])
        return first["seconds"] - second["seconds"]

    names = ("PureJaxRL", "rejax", HOOKED) if peers_python() else (HOOKED,)
    runs = interleave({name: partial(measure, name) for name in names}, repeats)
    runs["rlcore, its compile_seconds alone"] = own
    report("DQN on CartPole, 10 environments: how much longer the first run took", runs, "s", "PureJaxRL")
    for name, (first, second) in n_compiled.items():
        print(f"  {name}: the first run compiled {first} programs, the second {second}")


PARTS = {"rollout": rollout, "tabular": tabular, "dqn": dqn, "seeds": seeds, "compile": compiling}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("part", choices=PARTS, nargs="?", help="default: all parts")
    parser.add_argument("--repeats", type=int, default=3)
    arguments = parser.parse_args()
    print_machine("rlcore", "jax", "flax", "gymnasium", "numpy")
    for name, part in PARTS.items():
        if arguments.part in (None, name):
            part(arguments.repeats)


if __name__ == "__main__":
    main()
