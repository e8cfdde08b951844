"""Stacks of frames: states that are the last n frames along one axis, oldest first."""

from typing import Any

import jax

from rlcore.struct import namespace


def stack_axis(shape: tuple[int, ...], n_frames: int) -> int | None:
    """Along which axis a state of `shape` is a stack: the first (0), the last (-1), or none.

    The last axis may hold one or three channels per frame. Vectors are no stacks.
    """
    if n_frames == 1 or len(shape) < 2:
        return None
    if shape[0] == n_frames:
        return 0
    return -1 if shape[-1] in (n_frames, 3 * n_frames) else None


def frame_shape(shape: tuple[int, ...], n_frames: int) -> tuple[int, ...]:
    """The shape of one frame of a state of `shape`; of the state itself, if it is no stack."""
    axis = stack_axis(shape, n_frames)
    if axis is None:
        return shape
    return shape[1:] if axis == 0 else (*shape[:-1], shape[-1] // n_frames)


def state_shape(frame: tuple[int, ...], axis: int | None, n_frames: int) -> tuple[int, ...]:
    """The shape of a state of `n_frames` frames along `axis`."""
    if axis is None:
        return frame
    return (n_frames, *frame) if axis == 0 else (*frame[:-1], frame[-1] * n_frames)


def split(states: Any, axis: int | None, n_frames: int) -> Any:
    """The frames `[lanes, n_frames, ...]` of states `[lanes, ...]`; `[lanes, 1, ...]` of those that are no stacks."""
    if axis is None:
        return states[:, None]
    if axis == 0:
        return states
    shape = (*states.shape[:-1], n_frames, states.shape[-1] // n_frames)
    return namespace(states).moveaxis(states.reshape(shape), -2, 1)


def joined(frames: Any, axis: int | None, n_leading: int) -> Any:
    """States of frames that stand along the axis after `n_leading` ones; the inverse of `split`."""
    if axis is None:
        return frames.reshape(*frames.shape[:n_leading], *frames.shape[n_leading + 1 :])
    if axis == 0:
        return frames
    xp = namespace(frames)
    apart = xp.moveaxis(frames, n_leading, -2)
    return apart.reshape(*apart.shape[:-2], apart.shape[-2] * apart.shape[-1])


def are_alike(pairs: list[tuple[Any, Any]]) -> Any:
    """`[lanes]` bool: whether all pairs of arrays `[lanes, ...]` agree, bit for bit."""
    alike: Any = True
    for one, other in pairs:
        same = bits(one) == bits(other)
        alike = alike & same.all(axis=tuple(range(1, same.ndim)))
    return alike


def bits(array: Any) -> Any:
    """Floats as whole numbers, by which NaN equals NaN and 0 is not -0."""
    if array.dtype.kind in "biuc":
        return array
    if isinstance(array, jax.Array):
        return jax.lax.bitcast_convert_type(array, f"uint{8 * array.dtype.itemsize}")
    return array.view(f"u{array.dtype.itemsize}")
