"""States that follow each other, or do not, and what a container must hold of them."""

import jax
import numpy as np

N_FRAMES = 3


def frame(number, shape=(2, 3)):
    return np.full(shape, number % 251, np.uint8)


def stack(frames, axis):
    return np.stack(frames) if axis == 0 else np.concatenate([one[..., None] for one in frames], axis=-1)


def colours(frames):
    return np.concatenate([np.stack([one, one + 1, one + 2], axis=-1) for one in frames], axis=-1)


STATES = {  # of the last three frames
    "number": lambda frames: int(frames[-1][0, 0]),
    "vector": lambda frames: np.float32([frames[-1][0, 0], -0.0, np.nan]),
    "tree": lambda frames: {"image": frames[-1], "rest": (np.float32(frames[-1][0, 0]), int(frames[0][0, 0]))},
    "once": lambda frames: {"image": frames[-1], "speed": np.float32([frames[-1][0, 0], np.nan])},
    "large": lambda frames: np.repeat(frames[-1], 300),
    "stack": lambda frames: stack(frames, 0),
    "last": lambda frames: stack(frames, -1),
    "colours": colours,
    "stacks": lambda frames: {
        "image": stack(frames, 0),
        "speed": np.float32([frames[-1][0, 0], -0.0]),
        "last": stack(frames, -1),
    },
}
ARGUMENTS = {
    "tree": {"states_once": False},
    "once": {"states_once": True},
    "stack": {"n_frames": N_FRAMES},
    "last": {"n_frames": N_FRAMES},
    "colours": {"n_frames": N_FRAMES},
    "stacks": {"n_frames": N_FRAMES},
}
IS_ONCE = {"once", "large", "stack", "last", "colours", "stacks"}


class Lane:
    """One environment that does as it is told: what it pushes, and what is to be held of it."""

    def __init__(self, kind, number):
        self.kind, self.number = kind, number
        self.frames = None
        self.pushed = []  # transitions
        self.ends = []  # the newest row before and after each of them, if states are stored once

    def step(self, what, start):
        """A transition: `step`, `terminated`, `truncated`, `both`, `jump` (to another state before it), `tear`."""
        if self.frames is None or what == "jump":
            n = self.number
            numbers = {"zeros": (0, 0, n), "copies": (n, n, n), "others": (n + 101, n + 102, n + 103)}[start]
            self.frames = [frame(number) for number in numbers]
        state = STATES[self.kind](self.frames)
        self.number += 1
        later = [frame(self.number + 100 * at) for at in range(N_FRAMES)] if what == "tear" else None
        self.frames = later or [*self.frames[1:], frame(self.number)]
        next_state = STATES[self.kind](self.frames)
        ends = {name: what in (name, "both") for name in ("terminated", "truncated")}
        if any(ends.values()):
            self.frames = None
        extras = {"count": np.float32(self.number)}
        mask = {"mask": np.arange(3) != self.number % 3, "next_mask": np.arange(3) != (self.number + 1) % 3}
        return (
            {"state": state, "action": self.number % 5, "reward": self.number / 2, "next_state": next_state}
            | ends
            | {"extras": extras}
            | mask
        )

    def keep(self, transition, n_frames):
        """Notes that it was stored, and which rows it takes: one per new frame."""
        newest = self.ends[-1][1] if self.ends else -1
        goes_on = bool(self.pushed) and alike(self.pushed[-1]["next_state"], transition["state"])
        first = newest + (0 if goes_on else n_frames)
        last = first + (1 if moves(transition, self.kind) else n_frames)
        self.pushed.append(transition)
        self.ends.append((first, last))

    def held(self, size, n_rows, n_frames):
        """The newest transitions that fit into `size` slots and `n_rows` rows."""
        n = min(size, len(self.pushed))
        while n_rows is not None and n and self.ends[-1][1] - self.ends[-n][0] + n_frames > n_rows:
            n -= 1
        return self.pushed[len(self.pushed) - n :]


def alike(one, other):
    """Two states agree, bit for bit."""
    ones, others = (jax.tree.leaves(state) for state in (one, other))
    return all(np.asarray(a).tobytes() == np.asarray(b).tobytes() for a, b in zip(ones, others, strict=True))


def moves(transition, kind):
    """The next state is the state without its oldest frame and with a new one."""
    now, then = transition["state"], transition["next_state"]
    if kind == "stack":
        return alike(now[1:], then[:-1])
    if kind in ("last", "colours"):
        width = now.shape[-1] // N_FRAMES
        return alike(now[..., width:], then[..., :-width])
    return kind != "stacks" or alike(now["image"][1:], then["image"][:-1])


def stacked(rows):
    return jax.tree.map(lambda *leaves: np.stack(leaves), *rows)
