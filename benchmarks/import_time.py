"""How long `import rlcore` takes beside importing what it stands on, and what else it imports."""

import argparse
import json
import os
import subprocess
import sys

from measure import interleave, print_machine, report

BASE = "import jax, optax, gymnasium, tqdm; from flax import nnx"
CHILD = """
import json, sys, time
start = time.perf_counter()
{statement}
seconds = time.perf_counter() - start
packages = sorted({{name.split(".")[0] for name in sys.modules}} - set(sys.stdlib_module_names))
print(json.dumps([seconds, packages]))
"""


def imported(statement: str) -> tuple[float, set[str]]:
    """Seconds that the import takes in a fresh process, and the packages that are there afterwards."""
    program = CHILD.format(statement=statement)
    environment = {name: value for name, value in os.environ.items() if name != "PYTHONDONTWRITEBYTECODE"}
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True, env=environment)
    output = done.stdout
    seconds, packages = json.loads(output.splitlines()[-1])
    return seconds, {name for name in packages if not name.startswith("_")}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--repeats", type=int, default=7)
    arguments = parser.parse_args()
    print_machine("rlcore", "jax", "flax", "optax", "gymnasium", "tqdm")
    name = "JAX, Flax NNX, Optax, Gymnasium, tqdm"
    candidates = {name: lambda: imported(BASE)[0], "rlcore": lambda: imported("import rlcore")[0]}
    imported("import rlcore")  # files into the cache of the operating system, and translated
    report("Import", interleave(candidates, arguments.repeats), "s", name)
    more = imported("import rlcore")[1] - imported(BASE)[1] - {"rlcore"}
    print(f"  packages that rlcore imports beyond those: {', '.join(sorted(more)) or 'none'}")


if __name__ == "__main__":
    main()
