"""What a learner of whole distributions of the return asks of their form."""

from typing import Any

import jax

from rlcore.stages import not_written

Array = jax.Array


class Distribution:
    """How a few numbers, the atoms, stand for the distribution of a return; a part of `DQNLearner`.

    A class of your own is a frozen dataclass (it is compared by value), has `n_atoms` and writes the three methods.
    They take what the network gives, and are traced, `expected` also called with NumPy arrays.
    """

    __slots__ = ()

    n_atoms: int  # numbers for each action

    def expected(self, outputs: Any) -> Any:
        """The expected returns `[...]` for the network's outputs `[..., n_atoms]`."""
        raise not_written(self, "expected")

    def target(self, outputs: Any, reward: Any, gamma: Any, terminated: Any) -> Any:
        """What the prediction is moved towards, `[batch, n_atoms]`.

        Args:
            outputs: `[batch, n_atoms]` at the next states; they may be anything where nothing comes after.
            reward: `[batch]`.
            gamma: Discount, a number or `[batch]`.
            terminated: `[batch]` bool: nothing comes after.
        """
        raise not_written(self, "target")

    def loss(self, prediction: Any, target: Any) -> Any:
        """The loss `[batch]`, at least 0, of the outputs `[batch, n_atoms]`, given those of `target`."""
        raise not_written(self, "loss")
