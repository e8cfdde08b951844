"""Transitions of random episodes, pushed into a container and kept beside it in plain lists."""

from typing import NamedTuple

import numpy as np
from hypothesis import strategies as st

from rlcore.trajectories import CircularTraces


class Transition(NamedTuple):
    """A transition whose state says which one it is: lane, then a number that counts up."""

    state: float
    action: int
    reward: float
    next_state: float
    terminated: bool
    truncated: bool


class Pushed(NamedTuple):
    """What was pushed, by lane, oldest first, and as rows `(transitions, valid)` in the order of the pushes."""

    lanes: list[list[Transition]]
    rows: list[tuple[list[Transition], list[bool]]]

    def stored(self, size):
        """The transitions that a ring of `size` per lane still holds, lane after lane, oldest first."""
        return [lane[-size:] for lane in self.lanes]

    def window(self, size, state, n):
        """The transitions from the one with `state` on, at most `n`, to the end of its episode."""
        for lane in self.stored(size):
            for at, one in enumerate(lane):
                if one.state == state:
                    window = []
                    for each in lane[at : at + n]:
                        window.append(each)
                        if each.terminated or each.truncated:
                            break
                    return window
        raise AssertionError(f"state {state} was sampled, but is not stored")


@st.composite
def pushes(draw, lanes):
    """Random episodes side by side; some rows are no transitions."""
    n_rows = draw(st.integers(1, 40))
    kept = [[] for _ in range(lanes or 1)]
    rows, seed = [], draw(st.integers(0, 2**16))
    generator = np.random.default_rng(seed)
    p_end, p_valid = draw(st.sampled_from([0.0, 0.1, 0.4, 1.0])), draw(st.sampled_from([1.0, 0.6]))
    for _ in range(n_rows):
        row, valid = [], []
        for lane in range(lanes or 1):
            number = 1000.0 * (lane + 1) + len(kept[lane])
            ends = generator.random() < p_end
            terminated, truncated = (bool(generator.random() < 0.5), True) if ends else (False, False)
            one = Transition(
                number, int(number) % 3, float(generator.integers(-9, 9)), number + 0.5, terminated, truncated
            )
            row.append(one)
            valid.append(bool(generator.random() < p_valid) if lanes else True)
            if valid[-1]:
                kept[lane].append(one)
        rows.append((row, valid))
    return Pushed(kept, rows)


def arguments(row, valid, lanes):
    """The arguments of one push."""
    if lanes is None:
        return dict(zip(Transition._fields, row[0], strict=True))
    columns = {name: np.array([getattr(one, name) for one in row]) for name in Transition._fields}
    return columns | {"valid": np.array(valid)}


def fill(pushed, lanes, container=None, capacity=8):
    """A container that everything was pushed into."""
    container = CircularTraces(capacity) if container is None else container
    for row, valid in pushed.rows:
        container.push(**arguments(row, valid, lanes))
    return container
