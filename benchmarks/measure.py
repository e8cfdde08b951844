"""What the benchmarks share: candidates measured in turns, and the table that compares them."""

import contextlib
import importlib.metadata
import json
import os
import platform
import statistics
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

HERE = Path(__file__).parent


def interleave(candidates: dict[str, Callable[[], float]], repeats: int) -> dict[str, list[float]]:
    """Runs A B C A B C ..., so that a busy moment of the machine meets all of them alike."""
    runs: dict[str, list[float]] = {name: [] for name in candidates}
    for _ in range(repeats):
        for name, measure in candidates.items():
            runs[name].append(measure())
    return runs


def report(title: str, runs: dict[str, list[float]], unit: str, baseline: str | None = None) -> None:
    """Prints median, least and most of each candidate, and the median of its ratios to the baseline, round by round."""
    print(f"\n{title} [{unit}]")
    for name, figures in runs.items():
        line = f"  {name:<44} {shown(statistics.median(figures)):>11}   {shown(min(figures))} to {shown(max(figures))}"
        ratio = None
        if baseline in runs and name != baseline and len(runs[baseline]) == len(figures):
            ratio = statistics.median(a / b for a, b in zip(figures, runs[baseline], strict=True))
            line += f"   {ratio:.2f} x {baseline}"
        print(line, flush=True)
        if path := os.environ.get("BENCHMARK_JSON"):
            record = {"title": title, "name": name, "unit": unit, "runs": figures, "ratio": ratio, "baseline": baseline}
            with open(path, "a", encoding="utf-8") as file:
                file.write(json.dumps(record) + "\n")


def shown(figure: float) -> str:
    """Whole numbers with separators, small ones with two decimals."""
    return f"{figure:,.0f}" if figure >= 100 else f"{figure:.2f}"


def print_machine(*distributions: str) -> None:
    """The versions and the machine behind the figures."""
    load = os.getloadavg()[0]
    print(
        f"Python {platform.python_version()}, {versions(*distributions)}; {os.cpu_count()} CPU cores, load {load:.2f}"
    )


def versions(*distributions: str) -> str:
    """`name version` of those that are installed."""
    found = {}
    for name in distributions:
        with contextlib.suppress(importlib.metadata.PackageNotFoundError):
            found[name] = importlib.metadata.version(name)
    return ", ".join(f"{name} {version}" for name, version in found.items())


def peer_python(variable: str) -> str | None:
    """The interpreter that the environment variable names; without one, says that its peers are left out."""
    python = os.environ.get(variable)
    if python is None:
        print(f"{variable} is not set: its libraries are left out (see benchmarks/README.md)")
    return python


def child(python: str, script: str, *arguments: str, timeout: float = 3600) -> dict:
    """Runs a script of this folder in its own process; returns the JSON object of its last line."""
    environment = os.environ | {"TF_CPP_MIN_LOG_LEVEL": "3", "PYTHONWARNINGS": "ignore"}
    done = subprocess.run(
        [python, str(HERE / script), *arguments],
        capture_output=True,
        text=True,
        env=environment,
        timeout=timeout,
        check=False,
    )
    lines = done.stdout.splitlines()
    if done.returncode or not lines or not lines[-1].startswith("{"):
        sys.exit(f"{script} {' '.join(arguments)} failed under {python}:\n{done.stderr[-2000:]}")
    return json.loads(lines[-1])
