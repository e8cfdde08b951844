"""Drawing places in proportion to numbers that change all the time."""

from typing import Any

import jax.numpy as jnp
import numpy as np

from rlcore.struct import namespace, put, struct

WIDTH = 16  # children of a node: a whole row of them is read at once
_TOP = 4096  # so many nodes are summed up anew at every draw
_ONES = np.ones(WIDTH, np.float32)
_RUNNING = np.triu(np.ones((WIDTH, WIDTH), np.float32))  # row @ _RUNNING: running sums, five times as fast as cumsum
_ALMOST_ONE = np.float32(1 - 2**-24)


@struct
class SumTree:
    """Numbers of at least 0, one per place, and the sums of `WIDTH` of them, of `WIDTH` sums of these, and so on.

    Everything is done for many places at a time. After a change sums are added up anew from their parts, so that
    nothing drifts.

    Attributes:
        levels: Float32 arrays: the numbers, padded with zeros, then the sums, coarser from level to level.

    Source: Schaul et al. 2016 (arXiv 1511.05952), appendix B.2.1.
    """

    levels: tuple[Any, ...] = ()

    def __init__(self, n_places: int, in_jax: bool = False) -> None:
        """A tree of zeros, in JAX arrays or in NumPy arrays."""
        sizes = [-(-n_places // WIDTH) * WIDTH]
        while sizes[-1] > _TOP:
            n_sums = sizes[-1] // WIDTH
            sizes.append(n_sums if n_sums <= _TOP else -(-n_sums // WIDTH) * WIDTH)
        self.levels = tuple((jnp if in_jax else np).zeros(size, np.float32) for size in sizes)

    def set(self, places: Any, numbers: Any) -> None:
        """Puts `numbers` (`[n]` or one) at `places` `[n]`; in JAX places far past the end are dropped."""
        levels = [put(self.levels[0], places, numbers)]
        for level in self.levels[1:]:
            places = places // WIDTH
            rows = _rows(levels[-1], places)
            levels.append(put(level, places, rows @ _ONES if isinstance(rows, np.ndarray) else rows.sum(-1)))
        self.levels = tuple(levels)

    def set_one(self, place: int, number: float) -> None:
        """Puts `number` at one place, on the host: quicker than an array of one."""
        self.levels[0][place] = number
        for below, level in zip(self.levels, self.levels[1:], strict=False):
            place //= WIDTH
            level[place] = _ONES.dot(below[place * WIDTH : place * WIDTH + WIDTH])

    def find(self, uniform: Any) -> tuple[Any, Any]:
        """Draws places in proportion to their numbers, of which at least one is above 0.

        The whole is cut into n equal parts, and one place is drawn from each, so the answer is in ascending order.

        Args:
            uniform: `[levels, n]` float32 numbers in [0, 1): every level takes its own, so that no place is too small
                to be told from its neighbours.

        Returns:
            `[n]` places, and their numbers. A place whose number is 0 is never drawn.
        """
        n, top = uniform.shape[-1], self.levels[-1]
        sums: Any
        if isinstance(top, np.ndarray):
            sums = top.cumsum(dtype=np.float64)
            places = sums.searchsorted((np.arange(n) + uniform[0]) / n * sums[-1], side="right")
        else:
            sums, shares = jnp.cumsum(top), (np.arange(n, dtype=np.float32) + uniform[0]) / np.float32(n)
            places = jnp.searchsorted(sums, jnp.minimum(shares, _ALMOST_ONE) * sums[-1], side="right")
        for level, shares in zip(self.levels[-2::-1], uniform[1:], strict=True):
            rows = _rows(level, places)
            sums = rows @ _RUNNING if isinstance(rows, np.ndarray) else rows.cumsum(-1)
            places = places * WIDTH + (sums > (shares * sums[:, -1])[:, None]).argmax(-1)
        numbers = self.levels[0].take(places)
        if not isinstance(numbers, np.ndarray) or not numbers.all():
            # sums are added up in the order that is quickest, in which a zero may seem to weigh something
            xp, best = namespace(numbers), numbers.argmax()
            places = xp.where(numbers > 0, places, places[best])
            numbers = xp.where(numbers > 0, numbers, numbers[best])
        return places, numbers


def _rows(level: Any, places: Any) -> Any:
    """The children of the nodes at `places`, `[..., WIDTH]`."""
    rows = level.reshape(-1, WIDTH)
    return rows.take(places, axis=0) if isinstance(rows, np.ndarray) else rows[places]
