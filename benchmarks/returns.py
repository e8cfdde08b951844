"""What returns and advantages cost beside the plain recursion in JAX, and beside rlax; all jitted."""

import argparse
import time
from collections.abc import Callable

import jax
import jax.numpy as jnp
import numpy as np
from jitted import compare
from measure import interleave, print_machine, report

from rlcore import returns

LAMBDA, N = 0.95, 5


def scanned(x, factor):
    """The recursion with factors `[time, ...]`, an end being a factor of 0."""

    def step(later, now):
        later = now[0] + now[1] * later
        return later, later

    return jax.lax.scan(step, jnp.zeros_like(x[0]), (x, factor), reverse=True)[1]


def plain_functions(gamma: float) -> dict[str, Callable]:
    """Each takes rewards, values of the states and one more `[time + 1, ...]`, and ends of episodes."""

    def discount_rewards(reward, value, terminated):
        return scanned(reward, gamma * (1 - terminated))

    def generalized_advantage_estimation(reward, value, terminated):
        surprise = reward + gamma * (1 - terminated) * value[1:] - value[:-1]
        return scanned(surprise, gamma * LAMBDA * (1 - terminated))

    def lambda_returns(reward, value, terminated):
        discount = gamma * (1 - terminated)
        weight = jnp.ones_like(reward).at[:-1].set(1 - LAMBDA)
        return scanned(reward + discount * weight * value[1:], discount * LAMBDA)

    def n_step_returns(reward, value, terminated):
        n_steps, after = len(reward), value[1:]
        result = jnp.concatenate([after[N - 1 :], jnp.broadcast_to(after[-1], (N - 1, *after.shape[1:]))])
        reward, discount = (
            jnp.concatenate([each, jnp.full((N - 1, *each.shape[1:]), filled, each.dtype)])
            for each, filled in ((reward, 0.0), (gamma * (1 - terminated), 1.0))
        )
        for i in reversed(range(N)):
            result = reward[i : i + n_steps] + discount[i : i + n_steps] * result
        return result

    functions = discount_rewards, generalized_advantage_estimation, lambda_returns, n_step_returns
    return {function.__name__: function for function in functions}


def own_functions(gamma: float) -> dict[str, Callable]:
    def n_step_returns(reward, value, terminated):
        return returns.n_step_returns(reward, value[1:], gamma, N, terminated, axis=0)

    return {
        "discount_rewards": lambda reward, value, ends: returns.discount_rewards(reward, gamma, ends, axis=0),
        "generalized_advantage_estimation": lambda reward, value, ends: returns.generalized_advantage_estimation(
            reward, value, gamma, LAMBDA, ends, axis=0
        ),
        "lambda_returns": lambda reward, value, ends: returns.lambda_returns(
            reward, value[1:], gamma, LAMBDA, ends, axis=0
        ),
        "n_step_returns": n_step_returns,
    }


def of_rlax(gamma: float) -> dict[str, Callable]:
    """The same of rlax, mapped over environments; empty if it is not installed."""
    try:
        import rlax
    except ImportError:
        print("rlax can't be imported: it is left out (see benchmarks/README.md)")
        return {}

    def mapped(function):
        def call(reward, value, terminated):
            discount = gamma * (1 - terminated)
            return jax.vmap(function, 1, 1)(reward, discount, value)

        return call

    return {
        "discount_rewards": mapped(lambda r, discount, value: rlax.discounted_returns(r, discount, 0 * value[1:])),
        "generalized_advantage_estimation": mapped(
            lambda r, discount, value: rlax.truncated_generalized_advantage_estimation(r, discount, LAMBDA, value)
        ),
        "lambda_returns": mapped(lambda r, discount, value: rlax.lambda_returns(r, discount, value[1:], LAMBDA)),
        "n_step_returns": mapped(
            lambda r, discount, value: rlax.n_step_bootstrapped_returns(r, discount, value[1:], N)
        ),
    }


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--steps", type=int, default=128)
    parser.add_argument("--environments", type=int, default=64)
    parser.add_argument("--gamma", type=float, default=0.99)
    parser.add_argument("--repeats", type=int, default=15)
    arguments = parser.parse_args()
    print_machine("rlcore", "jax", "jaxlib", "rlax")
    random, gamma = np.random.default_rng(0), arguments.gamma
    shape = (arguments.steps, arguments.environments)
    reward = jnp.asarray(random.normal(size=shape), jnp.float32)
    value = jnp.asarray(random.normal(size=(shape[0] + 1, shape[1])), jnp.float32)
    given = (reward, value, jnp.asarray(random.random(shape) < 0.02))
    size = f"{shape[0]} steps x {shape[1]} environments, gamma {gamma}"

    own, peers = own_functions(gamma), of_rlax(gamma)
    for name, plain in plain_functions(gamma).items():
        functions = {"plain JAX": plain, "rlcore": own[name]}
        if name in peers:
            functions["rlax"] = peers[name]
        compare(f"{name}, {size}", functions, given, arguments.repeats, n=2)

    hosted = tuple(map(np.asarray, given))

    def in_numpy() -> float:
        start = time.perf_counter()
        own["generalized_advantage_estimation"](*hosted)
        return (time.perf_counter() - start) * 1e6

    report(f"generalized_advantage_estimation of NumPy arrays, {size}", interleave({"rlcore": in_numpy}, 50), "µs")


if __name__ == "__main__":
    main()
