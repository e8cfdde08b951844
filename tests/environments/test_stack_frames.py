"""The stack of frames: order, dtype, in a trace."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from rlcore.environments.stack_frames import StackFrames
from rlcore.errors import ConfigError


def test_the_oldest_stands_first_and_zeros_before_the_first():
    stack = StackFrames((3, 2), np.float32)
    np.testing.assert_array_equal(stack.push(np.array([1, 2], np.float32)), [[0, 0], [0, 0], [1, 2]])
    np.testing.assert_array_equal(stack.push(np.array([3, 4], np.float32)), [[0, 0], [1, 2], [3, 4]])
    stack.reset()
    np.testing.assert_array_equal(stack.frames, np.zeros((3, 2)))


@given(n_frames=st.integers(1, 5), numbers=st.lists(st.integers(1, 255), max_size=12))
def test_holds_the_latest(n_frames, numbers):
    stack = StackFrames((n_frames,), np.uint8)
    for number in numbers:
        stack.push(np.uint8(number))
    assert stack.frames.tolist() == ([0] * n_frames + numbers)[-n_frames:]
    assert stack.frames.dtype == np.uint8


def test_what_was_handed_out_is_never_overwritten():
    stack, frame = StackFrames((2, 1), np.float32), np.array([1.0], np.float32)
    first = stack.push(frame)
    frame[0] = 9
    stack.push(frame)
    stack.reset()
    np.testing.assert_array_equal(first, [[0], [1]])


def test_in_a_trace_it_is_the_same_component():
    @jax.jit
    def pushed_twice(stack, frame):
        stack.push(frame)
        stack.push(2 * frame)
        return stack

    stack = StackFrames((3, 2), np.float32)
    frame = np.array([1, 2], np.float32)
    result = pushed_twice(stack, frame)
    assert isinstance(result.frames, jax.Array)
    np.testing.assert_array_equal(result.frames, [[0, 0], [1, 2], [2, 4]])
    np.testing.assert_array_equal(stack.frames, 0)  # seen from outside, a trace changes nothing
    many = jax.vmap(lambda frame: pushed_twice(stack, frame))(np.ones((4, 2), np.float32))
    assert many.frames.shape == (4, 3, 2)


def test_default_dtype_is_float32():
    assert StackFrames((4, 84, 84)).frames.dtype == np.float32
    assert StackFrames((2, 1)).push(jnp.ones(1)).dtype == jnp.float32


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda: StackFrames(4), r"shape is 4, expected \(n_frames, \.\.\.\)"),
        (lambda: StackFrames(()), r"shape is \(\)"),
        (lambda: StackFrames((0, 3)), r"shape\[0\] is 0"),
        (lambda: StackFrames((4, 2.0)), r"shape\[1\] is 2\.0"),
        (lambda: StackFrames((4,), "number"), "dtype is 'number'"),
        (lambda: StackFrames((4, 3)).push(np.ones((3, 3))), r"frame has shape \(3, 3\), expected \(3,\), one of the 4"),
        (lambda: StackFrames((4, 3), np.uint8).push(np.ones(3)), "frame has dtype float64, expected .* uint8"),
    ],
)
def test_wrong_arguments_are_named(call, message):
    with pytest.raises(ConfigError, match=message):
        call()
