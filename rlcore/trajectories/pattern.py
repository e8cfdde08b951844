"""What every push of a container must look like."""

from typing import Any, NamedTuple

import jax

from rlcore.trajectories.columns import NAMES, PLAIN, are_plain, conform


class Pattern(NamedTuple):
    """The columns of a container, and the shapes and types that were fixed with them."""

    reward: Any  # to see that the columns are still the ones that were looked at
    columns: list[Any]  # leaves, without those of states that are stored once
    structure: Any  # their tree
    shapes: list[Any]  # of the leaves of a push, each with an axis in front
    pushed: Any  # their tree
    names: list[str]  # to which argument each of them belongs
    plain: tuple[Any, ...]  # the columns in the order of a batch, if each is one NumPy array and there are no others

    def conform(self, values: dict[str, Any], lanes: int | None) -> list[Any]:
        """The leaves of a push, as they can be written without loss.

        Raises:
            EnvContractError: Other fields, keys, shapes or types than those of the first push.
        """
        return conform(values, self.shapes, self.pushed, lanes)

    def of(self, leaves: list[Any], *names: str) -> list[Any]:
        """Those of the leaves of a push that belong to one of `names`."""
        return [leaf for leaf, name in zip(leaves, self.names, strict=True) if name in names]


def pattern_of(columns: dict[str, Any], state_shapes: Any) -> Pattern:
    """That of `columns` by their names; where states are stored once, `state_shapes` are those of one."""
    leaves, structure = jax.tree.flatten(columns)
    plain = tuple(columns[name] for name in PLAIN) if are_plain(columns) else ()
    if state_shapes is not None:
        states = jax.tree.map(lambda one: jax.ShapeDtypeStruct((1, *one.shape), one.dtype), state_shapes)
        columns = columns | {"state": states, "next_state": states}
    shapes, pushed = jax.tree.flatten(columns)
    names = [name for name in sorted(NAMES) for _ in jax.tree.leaves(columns[name])]
    return Pattern(columns["reward"], leaves, structure, shapes, pushed, names, plain)
