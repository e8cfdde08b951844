"""Containers full of transitions of every kind, out of episodes of random length."""

import jax
import numpy as np
from gymnasium import spaces

from rlcore.interfaces import Environment
from rlcore.trajectories import CircularTraces

KINDS = ("number", "vector", "image", "tree")


def space_of(kind):
    vector = spaces.Box(-np.inf, np.inf, (3,), np.float32)
    image = spaces.Box(0, 255, (2, 2, 1), np.uint8)
    parts = {"a/b": image, "pair": spaces.Tuple([vector, spaces.Discrete(1000)])}
    return {"number": spaces.Discrete(1000), "vector": vector, "image": image, "tree": spaces.Dict(parts)}[kind]


def state_of(kind, i):
    """State number i, which no other number has."""
    vector, image = np.float32([i, i / 3, -i]), np.full((2, 2, 1), i % 256, np.uint8)
    return {"number": i, "vector": vector, "image": image, "tree": {"a/b": image, "pair": (vector, np.int32(i))}}[kind]


def filled(kind, lanes, n, capacity, seed, has_masks=False, has_extras=False):
    """`n` pushes of one transition, or of a row of them, of which some are not valid."""
    random = np.random.default_rng(seed)
    traces, width = CircularTraces(capacity), lanes or 1
    at = 100 * np.arange(width)
    for _ in range(n):
        begins = at.copy()
        ends = random.random((2, width)) < 0.2
        rows = [transition(kind, i, end, random, has_masks, has_extras) for i, end in zip(begins, ends.T, strict=True)]
        at = np.where(random.random(width) < 0.1, at + 7, at + 1)  # now and then a run was stopped and begun anew
        at[ends.any(0)] += 3
        if lanes is None:
            traces.push(**rows[0])
        else:
            together = jax.tree.map(lambda *leaves: np.stack(leaves), *rows)
            traces.push(**together, valid=random.random(width) < 0.8)
    return traces


def transition(kind, i, ends, random, has_masks, has_extras):
    i = int(i)
    one = {
        "state": state_of(kind, i),
        "action": np.int32(i % 3),
        "reward": np.float32(random.normal()),
        "next_state": state_of(kind, i + 1),
        "terminated": bool(ends[0]),
        "truncated": bool(ends[1]),
    }
    if has_masks:
        one |= {"mask": mask_of(i), "next_mask": mask_of(i + 1)}
    if has_extras:
        one["extras"] = {"log_prob": np.float32(random.normal()), "carry": {"h": random.normal(size=2).astype("f4")}}
    return one


def mask_of(i):
    return np.array([True, i % 2 == 0, i % 3 == 0])


class Source(Environment):
    """An environment of the spaces that such transitions come from; nobody acts in it."""

    def __init__(self, kind="vector", n_actions=3):
        self.kind, self.n_actions = kind, n_actions

    def reset(self):
        pass

    def act(self, action):
        pass

    def state(self):
        return state_of(self.kind, 0)

    def reward(self):
        return 0.0

    def is_terminated(self):
        return False

    def action_space(self):
        return spaces.Discrete(self.n_actions)

    def state_space(self):
        return space_of(self.kind)


def assert_same(one, other):
    """Two batches hold the same bits, in the same types and structures."""
    assert jax.tree.structure(one) == jax.tree.structure(other)
    for a, b in zip(jax.tree.leaves(one), jax.tree.leaves(other), strict=True):
        assert a.dtype == b.dtype
        assert a.shape == b.shape
        assert a.tobytes() == b.tobytes()
