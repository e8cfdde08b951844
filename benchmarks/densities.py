"""What the stable densities and returns cost beside the formulas as they stand in a textbook, all jitted."""

import argparse
import math
import time
from collections.abc import Callable
from functools import partial

import jax
import jax.numpy as jnp
import numpy as np
from measure import interleave, print_machine, report

from rlcore import networks, returns

LOG_2PI = math.log(2 * math.pi)
GAMMA, LAMBDA, N = 0.99, 0.95, 5


def norm_log_pdf(mean, std, x):
    return -((x - mean) ** 2) / (2 * std**2) - jnp.log(std) - LOG_2PI / 2


def diag_norm_log_pdf(mean, std, x):
    return norm_log_pdf(mean, std, x).sum(-1)


def covariance(cholesky):
    return cholesky @ cholesky.mT


def mv_norm_log_pdf(mean, cholesky, x):
    deviation, matrix = x - mean, covariance(cholesky)
    squares = jnp.einsum("...i,...ij,...j", deviation, jnp.linalg.inv(matrix), deviation)
    return -0.5 * (squares + jnp.linalg.slogdet(matrix)[1] + mean.shape[-1] * LOG_2PI)


def log_det_cholesky(cholesky):
    return 2 * jnp.log(jnp.diagonal(cholesky, axis1=-2, axis2=-1)).sum(-1)


def norm_kl_divergence(mean1, std1, mean2, std2):
    return jnp.log(std2) - jnp.log(std1) + (std1**2 + (mean1 - mean2) ** 2) / (2 * std2**2) - 0.5


def diag_norm_kl_divergence(mean1, std1, mean2, std2):
    return norm_kl_divergence(mean1, std1, mean2, std2).sum(-1)


def mv_norm_kl_divergence(mean1, cholesky1, mean2, cholesky2):
    inverse, distance = jnp.linalg.inv(covariance(cholesky2)), mean2 - mean1
    log_dets = log_det_cholesky(cholesky2) - log_det_cholesky(cholesky1)
    trace = jnp.trace(inverse @ covariance(cholesky1), axis1=-2, axis2=-1)
    squares = jnp.einsum("...i,...ij,...j", distance, inverse, distance)
    return 0.5 * (log_dets - mean1.shape[-1] + trace + squares)


def tanh_log_det(pre_tanh):
    return jnp.log(1 - jnp.tanh(pre_tanh) ** 2 + 1e-6).sum(-1)


def scanned(x, factor, unroll=1):
    """The recursion with factors `[time, ...]`, an end being a factor of 0."""

    def step(later, now):
        later = now[0] + now[1] * later
        return later, later

    return jax.lax.scan(step, jnp.zeros_like(x[0]), (x, factor), reverse=True, unroll=unroll)[1]


def discount_rewards(reward, value, next_value, terminated, truncated):
    return scanned(reward, GAMMA * (1 - terminated))


def generalized_advantage_estimation(reward, value, next_value, terminated, truncated, unroll=1):
    surprise = reward + GAMMA * (1 - terminated) * next_value - value
    return scanned(surprise, GAMMA * LAMBDA * (1 - terminated) * (1 - truncated), unroll)


def gradient_of(function: Callable) -> Callable:
    """The gradient of the sum, with respect to everything."""

    def total(arguments):
        return function(*arguments).sum()

    return lambda *arguments: jax.grad(total)(arguments)


def microseconds(function: Callable, arguments: tuple, seconds: float) -> Callable[[], float]:
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


def densities(batch: int, size: int, random: np.random.Generator) -> dict[str, tuple[Callable, Callable, tuple]]:
    """For each function: rlcore's, the textbook's, arguments."""

    def normal(*shape):
        return jnp.asarray(random.normal(size=shape), jnp.float32)

    mean, other, x = normal(batch, size), normal(batch, size), normal(batch, size)
    std, other_std = jnp.exp(normal(batch, size)), jnp.exp(normal(batch, size))
    factor, other_factor = (
        jnp.tril(normal(batch, size, size) / size, -1) + jnp.exp(normal(batch, size, 1) / 2) * jnp.eye(size)
        for _ in range(2)
    )
    arguments = {
        norm_log_pdf: (mean, std, x),
        diag_norm_log_pdf: (mean, std, x),
        mv_norm_log_pdf: (mean, factor, x),
        log_det_cholesky: (factor,),
        norm_kl_divergence: (mean, std, other, other_std),
        diag_norm_kl_divergence: (mean, std, other, other_std),
        mv_norm_kl_divergence: (mean, factor, other, other_factor),
        tanh_log_det: (x,),
    }
    return {plain.__name__: (getattr(networks, plain.__name__), plain, given) for plain, given in arguments.items()}


def episodes(n_steps: int, n_environments: int, random: np.random.Generator) -> tuple:
    shape = (n_steps, n_environments)
    numbers = [jnp.asarray(random.normal(size=shape), jnp.float32) for _ in range(3)]
    return (*numbers, *(jnp.asarray(random.random(shape) < 0.02) for _ in range(2)))


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--batch", type=int, default=256)
    parser.add_argument("--size", type=int, default=6)
    parser.add_argument("--steps", type=int, default=128)
    parser.add_argument("--environments", type=int, default=64)
    parser.add_argument("--repeats", type=int, default=15)
    parser.add_argument("--seconds", type=float, default=0.02, help="of one measurement")
    arguments = parser.parse_args()
    print_machine("rlcore", "jax", "jaxlib", "numpy")
    random = np.random.default_rng(0)

    for name, (own, plain, given) in densities(arguments.batch, arguments.size, random).items():
        np.testing.assert_allclose(own(*given), plain(*given), rtol=1e-2, atol=1e-3)
        for what, change in (("", lambda function: function), (", gradient", gradient_of)):
            pair = {"textbook": change(plain), "rlcore": change(own)}
            candidates = {each: microseconds(function, given, arguments.seconds) for each, function in pair.items()}
            title = f"{name}{what}, {arguments.batch} x {arguments.size}"
            report(title, interleave(candidates, arguments.repeats), "µs", "textbook")

    given = episodes(arguments.steps, arguments.environments, random)
    shape = f"{arguments.steps} steps x {arguments.environments} environments"

    def advantages(reward, value, next_value, terminated, truncated):
        return returns.generalized_advantage_estimation(
            reward, value, GAMMA, LAMBDA, terminated, truncated, next_value, axis=0
        )

    def discounted(reward, value, next_value, terminated, truncated):
        return returns.discount_rewards(reward, GAMMA, terminated, axis=0)

    def n_steps(reward, value, next_value, terminated, truncated):
        return returns.n_step_returns(reward, next_value, GAMMA, N, terminated, truncated, axis=0)

    unrolled = partial(generalized_advantage_estimation, unroll=16)
    tables = {
        "discount_rewards": {"textbook": discount_rewards, "rlcore": discounted},
        "generalized_advantage_estimation": {
            "unrolled 16 times": unrolled,
            "textbook": generalized_advantage_estimation,
            "rlcore": advantages,
        },
        f"n_step_returns, n = {N}": {"rlcore": n_steps},
    }
    for name, functions in tables.items():
        candidates = {each: microseconds(function, given, arguments.seconds) for each, function in functions.items()}
        report(f"{name}, {shape}", interleave(candidates, arguments.repeats), "µs", next(iter(functions)))

    hosted = tuple(map(np.asarray, given))

    def in_numpy() -> float:
        start = time.perf_counter()
        advantages(*hosted)
        return (time.perf_counter() - start) * 1e6

    report(f"generalized_advantage_estimation of NumPy arrays, {shape}", interleave({"rlcore": in_numpy}, 50), "µs")


if __name__ == "__main__":
    main()
