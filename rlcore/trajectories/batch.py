"""The transitions that a learner is shown at once."""

from typing import Any

from rlcore.struct import struct


@struct
class Batch:
    """Transitions side by side, read by attribute; a field that was not stored is `None`.

    The shapes below are those of a sampled batch. A batch of one transition, as a tabular learner gets it, may hold
    the values without the leading axis: plain Python numbers.

    Attributes:
        state: `[batch, ...]` where the action was chosen; a dict or tuple of arrays where the states are such.
        action: `[batch, ...]`; a discrete action is an index from 0.
        reward: `[batch]` float32, in the environment's own unit.
        next_state: `[batch, ...]` where the action truly led, also at the end of an episode.
        terminated: `[batch]` bool: nothing comes after, `next_state` has no value.
        truncated: `[batch]` bool: the episode was cut, `next_state` keeps its value.
        mask: `[batch, actions]` bool, the actions that were legal at `state`.
        next_mask: `[batch, actions]` bool, the actions that are legal at `next_state`.
        extras: What the policy knew when it acted, such as `extras["log_prob"]`: a dict of `[batch, ...]`.
        discount: `[batch]` float32 of n-step batches: gamma^k after k steps, 0 where the window terminated.
        key: `[batch]` int, the places of prioritised transitions, to give to `update_priorities`.
        weight: `[batch]` float32, importance weights of prioritised transitions.

    Source: Julia ReinforcementLearningTrajectories gives batches as named tuples `SS′ART`.
    """

    state: Any = None
    action: Any = None
    reward: Any = None
    next_state: Any = None
    terminated: Any = None
    truncated: Any = None
    mask: Any = None
    next_mask: Any = None
    extras: Any = None
    discount: Any = None
    key: Any = None
    weight: Any = None
