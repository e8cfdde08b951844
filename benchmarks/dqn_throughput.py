"""How many environment steps per second DQN takes on CartPole-v1, beside CleanRL, Stable-Baselines3 and SBX.

Everyone in CleanRL's setting, over 30,000 steps after warm-up, where epsilon stands at its end value of 0.05: nearly
every step asks the network, every tenth learns.
"""

import argparse
import sys

from measure import child, interleave, peer_python, print_machine, report

WARM_UP = 12_000  # everything is compiled, learning goes on


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--repeats", type=int, default=3)
    parser.add_argument("--steps", type=int, default=30_000)
    parser.add_argument("--only", nargs="*", help="names of libraries; default: all that are there")
    arguments = parser.parse_args()
    print_machine("rlcore", "jax", "flax", "gymnasium")

    peers, cleanrl = peer_python("PEERS_PY"), peer_python("CLEANRL_PY")
    names = ("rlcore", "rlcore_own_network", "rlcore_compiled_network", "rlcore_compiled_network_inline")
    own = dict.fromkeys(names, sys.executable)
    pythons = own | {"cleanrl_jax": cleanrl, "sb3": peers, "sbx": peers}
    seeds = dict.fromkeys(pythons, 0)

    def measure(library: str, python: str) -> float:
        seeds[library] += 1
        window = ("--window", str(WARM_UP), str(WARM_UP + arguments.steps))
        more = ("--epsilon-steps", "10000", "--seed", str(seeds[library]))
        run = child(python, "dqn_run.py", "--library", library, *window, *more)
        print(f"  {library}: {run['steps_per_second']:,.0f} steps/s ({run['versions']})", flush=True)
        return run["steps_per_second"]

    candidates = {
        library: lambda library=library, python=python: measure(library, python)
        for library, python in pythons.items()
        if python and (not arguments.only or library in arguments.only)
    }
    runs = interleave(candidates, arguments.repeats)
    report("DQN on CartPole-v1, CleanRL's setting", runs, "steps/s", "cleanrl_jax")


if __name__ == "__main__":
    main()
