"""Spaces on paper: what is written down comes back, and data that is none of theirs is named."""

import json
import re

import numpy as np
import pytest
from gymnasium import spaces

from rlcore.errors import ConfigError
from rlcore.offline.space_records import misfit, space_from, space_record

BOX = spaces.Box(np.float32([-1, -np.inf]), np.float32([1, np.inf]))
SPACES = [
    spaces.Discrete(3),
    spaces.MultiDiscrete([2, 5]),
    spaces.MultiDiscrete([[2, 5]], dtype=np.int32),
    spaces.MultiBinary(4),
    spaces.MultiBinary([2, 2]),
    BOX,
    spaces.Box(0, 255, (2, 3), np.uint8),
    spaces.Box(-(2**40), 2**40, (), np.int64),
    spaces.Box(-np.inf, np.inf, (2,), np.float64),
    spaces.Dict({"b": BOX, "a": spaces.Tuple([spaces.Discrete(2), spaces.Dict({"c": spaces.MultiBinary(1)})])}),
]


@pytest.mark.parametrize("space", SPACES, ids=str)
def test_a_record_is_the_space(space):
    again = space_from(json.loads(json.dumps(space_record(space), allow_nan=False)))
    assert space_record(again) == space_record(space)
    assert type(again) is type(space)
    assert space.contains(np.asarray(again.sample()) if isinstance(space, spaces.Box) else again.sample())
    if isinstance(space, spaces.Box):
        assert np.array_equal(again.low, space.low)
        assert np.array_equal(again.high, space.high)


@pytest.mark.parametrize(
    "record",
    [
        None,
        3,
        {},
        {"sphere": 3},
        {"discrete": "three"},
        {"discrete": 0},
        {"dict": [1]},
        {"tuple": 4},
        {"multi_discrete": [2]},
        {"multi_binary": "x"},
        {"box": [2], "dtype": "float32", "low": 0},
        {"box": [2], "dtype": "wide", "low": 0, "high": 1},
        {"box": [2], "dtype": "float32", "low": [0, 0, 0], "high": 1},
        {"box": [2], "dtype": "uint8", "low": 0, "high": 300},
    ],
    ids=str,
)
def test_what_is_no_record_is_refused(record):
    with pytest.raises(ConfigError, match="no record of a space"):
        space_from(record)


@pytest.mark.parametrize(
    ("space", "data", "expected"),
    [
        (spaces.Discrete(3), np.array([0, 2]), ""),
        (spaces.Discrete(3), np.array([0, 3]), r"from 0 to 3, which are not all in Discrete\(3\)"),
        (spaces.Discrete(3), np.array([-1, 0]), "from -1 to 0"),
        (spaces.Discrete(3), np.array([0.0, 1.0]), "expected whole numbers of shape"),
        (spaces.Discrete(3), np.array([0, 1, 2]), r"int64\[3\], expected whole numbers of shape \[2\]"),
        (spaces.Discrete(3), [0, 1], "list, expected an array"),
        (spaces.MultiDiscrete([2, 5]), np.array([[1, 4], [0, 0]]), ""),
        (spaces.MultiDiscrete([2, 5]), np.array([[1, 4], [2, 0]]), "not all in"),
        (spaces.MultiBinary(2), np.array([[1, 0], [2, 0]], np.int8), "not all in"),
        (BOX, np.zeros((2, 2), np.float32), ""),
        (BOX, np.zeros((2, 3), np.float32), r"float32\[2, 3\], expected float32 of shape \[2, 2\]"),
        (BOX, np.zeros((2, 2), np.int32), "int32"),
        (BOX, np.float32([[0, 0], [0, np.nan]]), "numbers that are not finite"),
        (spaces.Box(0, 255, (1,), np.uint8), np.zeros((2, 1), np.float32), "expected uint8"),
        (spaces.Box(0, 9, (1,), np.int64), np.zeros((2, 1), np.int32), ""),
        (spaces.Dict({"a": BOX}), {"a": np.zeros((2, 3), np.float32)}, "at 'a': float32"),
        (
            spaces.Dict({"a": BOX}),
            {"b": np.zeros((2, 2), np.float32)},
            r"a dict with the keys \['b'\], expected a dict",
        ),
        (spaces.Tuple([BOX, spaces.Discrete(2)]), (np.zeros((2, 2), np.float32), np.array([0, 2])), "at 1: whole"),
        (spaces.Tuple([BOX]), (), "a tuple of 0, expected a tuple of 1"),
        (spaces.Tuple([BOX]), np.zeros(2), r"float64\[2\], expected a tuple"),
    ],
)
def test_data_fits_or_says_why_not(space, data, expected):
    why = misfit(space, data, 2)
    assert re.search(expected, why) if expected else why == ""
