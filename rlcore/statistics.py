"""What the results of several seeds say together."""

from collections.abc import Callable
from statistics import NormalDist
from typing import Any

import numpy as np

from rlcore.arguments import check_function, check_number, check_whole
from rlcore.errors import ConfigError, shorten
from rlcore.random import random_or_seeded


def interquartile_mean(values: Any) -> Any:
    """The mean of the middle half: without the lowest and the highest quarter (rounded down) of the seeds.

    Args:
        values: `[seeds, ...]`, such as the final return of every seed, or its learning curve.

    Returns:
        `[...]` float64, over the first axis; a float if there is no other.

    Raises:
        ConfigError: No numbers, no seeds, or numbers that are not finite.

    Source: Agarwal et al. 2021, "Deep reinforcement learning at the edge of the statistical precipice".
    """
    array = np.sort(_checked(values), axis=0)
    cut = len(array) // 4
    mean = array[cut : len(array) - cut].mean(axis=0)
    return mean if mean.ndim else float(mean)


def bootstrap_interval(
    values: Any,
    statistic: Callable[[np.ndarray], Any] = interquartile_mean,
    confidence: float = 0.95,
    n_resamples: int = 2_000,
    seed: int | None = 0,
) -> tuple[Any, Any]:
    """The percentile bootstrap interval of a statistic over seeds, which are drawn again with replacement.

    Args:
        values: `[seeds, ...]`.
        statistic: From values `[seeds, ...]` to a number or an array.
        confidence: How often the interval holds the true value, about; in (0, 1).
        n_resamples: How many times the seeds are drawn again.
        seed: Of these draws; `None`: a fresh one.

    Returns:
        The low and the high end: floats, or arrays of the statistic's shape.

    Raises:
        ConfigError: A wrong argument.

    Source: Efron 1979; Agarwal et al. 2021.
    """
    array = _checked(values)
    check_function("statistic", statistic, ("values",))
    check_number("confidence", confidence, 0.0, 1.0, above=True)
    check_whole("n_resamples", n_resamples)
    if confidence == 1.0:
        raise ConfigError("confidence is 1.0, expected a number below 1, such as 0.95")
    drawn = random_or_seeded(seed, "bootstrap_interval").integers(len(array), (n_resamples, len(array)))
    figures = np.asarray([statistic(array[rows]) for rows in drawn])
    low, high = np.quantile(figures, [(1 - confidence) / 2, (1 + confidence) / 2], axis=0)
    return (low, high) if low.ndim else (float(low), float(high))


def wilson_interval(mean: Any, n: Any, confidence: float = 0.95) -> tuple[Any, Any]:
    """The Wilson score interval of a mean of numbers between 0 and 1, such as a share of games won.

    It is meant for zeros and ones; with values between, such as draws that count a half, it is wider than it had to be.

    Args:
        mean: `[...]`, in [0, 1].
        n: `[...]` how many numbers each is the mean of; where it is 0 the interval is all of [0, 1].
        confidence: How often the interval holds the true value, about; in (0, 1).

    Returns:
        The low and the high end: floats, or `[...]` float64.

    Raises:
        ConfigError: A mean outside [0, 1], a negative `n`, or a wrong confidence.

    Source: Wilson 1927, "Probable inference, the law of succession, and statistical inference".
    """
    mean, n = np.broadcast_arrays(np.asarray(mean, np.float64), np.asarray(n, np.float64))
    if not ((mean >= 0) & (mean <= 1) & (n >= 0)).all():
        raise ConfigError(f"mean is {shorten(repr(mean))} of n = {shorten(repr(n))}, expected from 0 to 1 of 0 or more")
    if check_number("confidence", confidence, 0.0, 1.0, above=True) == 1.0:
        raise ConfigError("confidence is 1.0, expected a number below 1, such as 0.95")
    z = NormalDist().inv_cdf((1 + confidence) / 2)
    centre = (mean * n + z**2 / 2) / (n + z**2)
    half = z / (n + z**2) * np.sqrt(n * mean * (1 - mean) + z**2 / 4)
    low, high = np.where(mean > 0, np.clip(centre - half, 0, 1), 0.0), np.where(mean < 1, centre + half, 1.0).clip(0, 1)
    low, high = np.where(n > 0, low, 0.0), np.where(n > 0, high, 1.0)
    return (low, high) if low.ndim else (float(low), float(high))


def _checked(values: Any) -> np.ndarray:
    try:
        array = np.asarray(values, np.float64)
    except (TypeError, ValueError) as error:
        raise ConfigError(
            f"values is {shorten(repr(values), 80)}, expected numbers [seeds, ...] ({error}); cut curves to one length"
        ) from None
    if array.ndim == 0 or len(array) == 0 or not np.isfinite(array).all():
        raise ConfigError(f"values has shape {array.shape}, expected finite numbers [seeds, ...] of at least one seed")
    return array
