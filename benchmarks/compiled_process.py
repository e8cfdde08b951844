"""Libraries that live in processes of their own, because each wants its own virtual environment.

A process compiles a task when it is first asked for it and measures it again whenever it is asked, so that several
libraries can take turns without paying for their compilation each time. Questions and answers are lines of JSON.
"""

import json
import os
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any, Self

HERE = Path(__file__).parent
COMPILED = "/jax/core/compile/backend_compile_duration"  # the event by which JAX tells that it compiled a program


class Library:
    """The asking end: a script of this folder that calls `answer`, under an interpreter of its own."""

    def __init__(self, python: str, script: str) -> None:
        environment = os.environ | {"TF_CPP_MIN_LOG_LEVEL": "3", "PYTHONWARNINGS": "ignore"}
        self._name = f"{script} under {python}"
        self._process = subprocess.Popen(
            [python, str(HERE / script)],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
            env=environment,
        )

    def ask(self, task: str, **settings: Any) -> dict:
        """What one run of the task took: `seconds`, `n_steps`, `n_compiled` programs, and what else it tells."""
        self._process.stdin.write(json.dumps({"task": task} | settings) + "\n")
        self._process.stdin.flush()
        for line in self._process.stdout:
            if line.startswith("{"):  # libraries print lines of their own
                return json.loads(line)
        sys.exit(f"{self._name} failed at {task} {settings}; its error stands above")

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._process.stdin.close()  # the end of its questions is the end of the process
        self._process.wait()
        self._process.stdout.close()


def answer(tasks: dict[str, Callable[..., Callable[[int], dict]]]) -> None:
    """The answering end: `tasks[name](**settings)` prepares a function of a seed, which runs, blocks and tells."""
    prepared: dict[str, Callable[[int], dict]] = {}
    for seed, question in enumerate(sys.stdin):
        if question not in prepared:
            settings = json.loads(question)
            prepared[question] = tasks[settings.pop("task")](**settings)
        print("\n" + json.dumps(prepared[question](seed)), flush=True)


def clock(work: Callable[[], Any]) -> tuple[Any, dict]:
    """What the work returned, and a dict of its `seconds` and of the programs that were compiled, `n_compiled`."""
    import jax

    durations: list[float] = []

    def listen(event: str, duration: float, **_: Any) -> None:
        if event == COMPILED:
            durations.append(duration)

    jax.monitoring.register_event_duration_secs_listener(listen)
    start = time.perf_counter()
    result = jax.block_until_ready(work())
    seconds = time.perf_counter() - start
    jax.monitoring.unregister_event_duration_listener(listen)
    return result, {"seconds": seconds, "n_compiled": len(durations)}
