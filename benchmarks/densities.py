"""What the stable densities cost beside the formulas as they stand in a textbook, and beside distrax; all jitted."""

import argparse
import math
from collections.abc import Callable

import jax.numpy as jnp
import numpy as np
from jitted import compare
from measure import print_machine

from rlcore import networks

LOG_2PI = math.log(2 * math.pi)


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


def of_distrax() -> dict[str, Callable]:
    """The same functions of distrax, where it has them; empty if it is not installed."""
    try:
        import distrax
    except ImportError:
        print("distrax can't be imported: it is left out (see benchmarks/README.md)")
        return {}
    families = {
        "norm": distrax.Normal,
        "diag_norm": distrax.MultivariateNormalDiag,
        "mv_norm": distrax.MultivariateNormalTri,
    }
    functions = {"tanh_log_det": lambda u: distrax.Tanh().forward_log_det_jacobian(u).sum(-1)}
    for name, kind in families.items():
        functions[f"{name}_log_pdf"] = lambda mean, scale, x, kind=kind: kind(mean, scale).log_prob(x)
        functions[f"{name}_kl_divergence"] = lambda mean1, scale1, mean2, scale2, kind=kind: kind(
            mean1, scale1
        ).kl_divergence(kind(mean2, scale2))
    return functions


def cases(batch: int, size: int) -> dict[Callable, tuple]:
    """The textbook's functions and their arguments."""
    random = np.random.default_rng(0)

    def normal(*shape):
        return jnp.asarray(random.normal(size=shape), jnp.float32)

    mean, other, x = normal(batch, size), normal(batch, size), normal(batch, size)
    std, other_std = jnp.exp(normal(batch, size) / 2), jnp.exp(normal(batch, size) / 2)
    factor, other_factor = (
        jnp.tril(normal(batch, size, size) / size, -1) + jnp.exp(normal(batch, size, 1) / 2) * jnp.eye(size)
        for _ in range(2)
    )
    return {
        norm_log_pdf: (mean, std, x),
        diag_norm_log_pdf: (mean, std, x),
        mv_norm_log_pdf: (mean, factor, x),
        log_det_cholesky: (factor,),
        norm_kl_divergence: (mean, std, other, other_std),
        diag_norm_kl_divergence: (mean, std, other, other_std),
        mv_norm_kl_divergence: (mean, factor, other, other_factor),
        tanh_log_det: (x,),
    }


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--batch", type=int, default=256)
    parser.add_argument("--size", type=int, default=6)
    parser.add_argument("--repeats", type=int, default=15)
    arguments = parser.parse_args()
    print_machine("rlcore", "jax", "jaxlib", "distrax")
    peers = of_distrax()
    for plain, given in cases(arguments.batch, arguments.size).items():
        name = plain.__name__
        functions = {"textbook": plain, "rlcore": getattr(networks, name)}
        if name in peers:
            functions["distrax"] = peers[name]
        compare(f"{name}, {arguments.batch} x {arguments.size}", functions, given, arguments.repeats)


if __name__ == "__main__":
    main()
