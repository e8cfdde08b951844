"""How long DQN takes to solve CartPole-v1, from the start of the process to a mean training return of 475.

The mean is that of the last 100 training episodes. Three candidates, the same seeds in turns: the example of the README
as it stands, rlcore in CleanRL's setting, and CleanRL's own `dqn_jax.py`.
"""

import argparse
import sys
import time

from measure import child, interleave, peer_python, print_machine, report


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--seeds", type=int, default=5)
    parser.add_argument("--goal", type=float, default=475.0)
    parser.add_argument("--max-steps", type=int, default=500_000)
    parser.add_argument("--only", nargs="*", help="names of candidates; default: all that are there")
    arguments = parser.parse_args()
    print_machine("rlcore", "jax", "flax", "gymnasium")

    pythons = {"rlcore_example": sys.executable, "rlcore": sys.executable, "cleanrl_jax": peer_python("CLEANRL_PY")}
    seeds = dict.fromkeys(pythons, 0)

    def measure(library: str, python: str) -> float:
        seeds[library] += 1
        goal = ("--goal", str(arguments.goal), "--max-steps", str(arguments.max_steps))
        more = ("--seed", str(seeds[library]), "--started", str(time.time()))
        run = child(python, "dqn_run.py", "--library", library, *goal, *more)
        outcome = "reached" if run["is_reached"] else "NOT reached"
        print(
            f"  {library}, seed {seeds[library]}: {outcome} after {run['seconds']:.1f} s and {run['n_steps']:,} steps, "
            f"mean return {run['mean_return']:.1f} ({run['versions']})",
            flush=True,
        )
        return run["seconds"]

    candidates = {
        library: lambda library=library, python=python: measure(library, python)
        for library, python in pythons.items()
        if python and (not arguments.only or library in arguments.only)
    }
    runs = interleave(candidates, arguments.seeds)
    report(f"DQN on CartPole-v1 to a mean return of {arguments.goal:g}", runs, "s", "cleanrl_jax")


if __name__ == "__main__":
    main()
