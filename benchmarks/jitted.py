"""How long a jitted function takes, for the benchmarks of single functions."""

import time
from collections.abc import Callable
from typing import Any

import jax
import numpy as np
from measure import interleave, report


def microseconds(function: Callable, arguments: tuple, seconds: float = 0.02) -> Callable[[], float]:
    """A candidate: the time of a call, over as many calls as take about `seconds`."""
    jitted = jax.jit(function)
    jax.block_until_ready(jitted(*arguments))
    start = time.perf_counter()
    for _ in range(10):
        jax.block_until_ready(jitted(*arguments))
    n_calls = max(10, int(seconds / (time.perf_counter() - start) * 10))

    def measure() -> float:
        start = time.perf_counter()
        for _ in range(n_calls):
            result = jitted(*arguments)
        jax.block_until_ready(result)
        return (time.perf_counter() - start) / n_calls * 1e6

    return measure


def gradient_of(function: Callable, n: int | None = None) -> Callable:
    """The gradient of the sum of squares, with respect to the first `n` arguments, by default all."""

    def total(chosen: tuple, others: tuple) -> Any:
        return sum((leaf**2).sum() for leaf in jax.tree.leaves(function(*chosen, *others)))

    return lambda *arguments: jax.grad(total)(arguments[:n], arguments[len(arguments) if n is None else n :])


def compare(title: str, functions: dict[str, Callable], arguments: tuple, repeats: int, n: int | None = None) -> None:
    """Checks that all give the same, then reports values and gradients; the first function is the baseline."""
    baseline, *others = functions
    expected = jax.jit(functions[baseline])(*arguments)
    for name in others:
        result = jax.jit(functions[name])(*arguments)
        jax.tree.map(lambda a, b: np.testing.assert_allclose(a, b, rtol=1e-2, atol=1e-3), result, expected)
    for what, change in (("", lambda function: function), (", gradient", lambda function: gradient_of(function, n))):
        candidates = {name: microseconds(change(function), arguments) for name, function in functions.items()}
        report(f"{title}{what}", interleave(candidates, repeats), "µs", baseline)
