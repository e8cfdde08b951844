import io
import math
import sys

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from rlcore.hooks.plot import line_plot, show_plot

_ = "\u2800"  # an empty character of dots
NAN = math.nan


@pytest.mark.parametrize(
    ("values", "title", "size", "expected"),
    [
        (
            [0, 1, 2, 3],  # a diagonal through 8 x 8 dots, two of them in every character it meets
            "Rising",
            {"width": 8, "height": 2},
            ["  Rising", "  ┌────┐", f"3 │{_}{_}⡠⠊│", f"0 │⡠⠊{_}{_}│", "  └────┘", "   1  4"],
        ),
        (
            [5, 5, 5],  # a constant lies in the middle of a range of 2
            "Flat",
            {"width": 8, "height": 3},
            ["   Flat", "  ┌────┐", f"6 │{_}{_}{_}{_}│", "  │⠤⠤⠤⠤│", f"4 │{_}{_}{_}{_}│", "  └────┘", "   1  3"],
        ),
        (
            [7],
            "One",
            {"width": 8, "height": 1, "first": 12},
            ["   One", "  ┌────┐", f"8 │⠄{_}{_}{_}│", "  └────┘", "   12"],
        ),
        (
            [4, 3, 2, 1, 0],
            "Falling",
            {"width": 16, "height": 5, "ascii_only": True},
            [
                "     Falling",
                "  +------------+",
                "4 |**          |",
                "  |  ***       |",
                "  |     ***    |",
                "  |        **  |",
                "0 |          **|",
                "  +------------+",
                "   1 Episode  5",
            ],
        ),
        (
            [1, NAN, 1, 2, math.inf],  # the line is broken where a value is missing
            "",
            {"width": 9, "height": 2, "ascii_only": True},
            ["  +-----+", "2 |   * |", "1 |* *  |", "  +-----+", "   1   5", "   not fi"],
        ),
        (
            [0, 2] * 5,  # ten values in five places: means of two
            "",
            {"width": 9, "height": 3, "ascii_only": True},
            ["  +-----+", "2 |     |", "  |*****|", "0 |     |", "  +-----+", "   1  10"],
        ),
        ([], "Nothing", {}, ["Nothing: no values"]),
        ([NAN, math.inf], "", {}, ["plot: none of 2 values is finite"]),
    ],
    ids=["rising", "flat", "one", "ascii", "gaps", "means", "none", "none finite"],
)
def test_small_plots(values, title, size, expected):
    assert line_plot(values, title, **size).splitlines() == expected


def test_values_that_are_not_finite_are_counted():
    assert line_plot([1.0, NAN, 2.0, -math.inf]).splitlines()[-1].strip() == "not finite: 2 of 4"


numbers = st.floats(allow_nan=True, allow_infinity=True) | st.integers(-3, 3).map(float)


@settings(deadline=None)
@given(st.lists(numbers, max_size=200), st.integers(1, 80), st.integers(1, 20), st.booleans())
def test_any_numbers_fit_into_any_size(values, width, height, ascii_only):
    text = line_plot(values, "T", width, height, ascii_only=ascii_only)
    lines = text.splitlines()
    if any(abs(value) < 1e300 for value in values):
        assert max(map(len, lines)) <= width
        assert height + 2 <= len(lines) <= height + 5
    else:
        assert len(lines) == 1
    assert text.isascii() or not ascii_only


@settings(deadline=None)
@given(st.lists(st.integers(-1000, 1000), min_size=2, max_size=37))
def test_every_value_is_drawn_where_it_belongs(values):
    """With a column or more for each value, its column shows it at its height, counted from the top."""
    lines = line_plot(values, width=len(values) + 15, height=20, ascii_only=True).splitlines()
    canvas = [line.split("|")[1] for line in lines if "|" in line]
    low, high = min(values), max(values)
    if low == high:
        low, high = low - 1, high + 1
    columns = np.linspace(0, len(canvas[0]) - 1, len(values))
    for column, value in zip(columns, values, strict=True):
        row = round((high - value) / (high - low) * 19)
        assert canvas[row][round(column)] == "*"


def test_a_million_values_keep_their_shape():
    values = np.concatenate([np.zeros(500_000), np.full(500_000, 10.0)])
    lines = line_plot(values, width=15, height=2, ascii_only=True).splitlines()
    assert lines[1:3] == ["10 |     *****|", " 0 |*****     |"]


@pytest.mark.parametrize(("columns", "widest"), [(200, 72), (80, 72), (40, 40), (10, 10)])
def test_the_terminal_decides_the_width(monkeypatch, capsys, columns, widest):
    monkeypatch.setenv("COLUMNS", str(columns))
    show_plot([1.0, 2.0, 3.0], "Total")
    assert max(map(len, capsys.readouterr().out.splitlines())) == widest


@pytest.mark.parametrize(
    ("encoding", "is_plain"), [("utf-8", False), ("latin-1", True), ("ascii", True), ("odd", True)]
)
def test_an_output_without_braille_gets_plain_characters(monkeypatch, encoding, is_plain):
    class Output(io.StringIO):
        pass

    Output.encoding = encoding
    monkeypatch.setattr(sys, "stdout", Output())
    show_plot([1.0, 2.0], "Total")
    printed = sys.stdout.getvalue()
    assert "Total" in printed
    assert printed.isascii() == is_plain
