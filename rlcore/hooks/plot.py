"""Line plots made of characters, for a terminal."""

import contextlib
import shutil
import sys
from collections.abc import Iterator, Sequence

import numpy as np

_BRAILLE = np.array([[0x01, 0x08], [0x02, 0x10], [0x04, 0x20], [0x40, 0x80]])  # the 4 x 2 dots of one character
_PLAIN = np.array([[0x01]])
_FRAMES = {True: "+-+|+-+", False: "┌─┐│└─┘"}
_LARGEST = 1e300  # beyond it sums and differences overflow


def line_plot(
    values: Sequence[float],
    title: str = "",
    width: int = 60,
    height: int = 15,
    *,
    first: int = 1,
    x_label: str = "Episode",
    ascii_only: bool = False,
) -> str:
    """Draws `values` in order, joined by lines; more of them than fit are drawn as means of neighbours.

    Args:
        values: `[n]`, any numbers; those that are not finite leave a gap and are counted below the plot.
        title: The line above it.
        width: Characters of the widest line, labels and frame included.
        height: Lines of the canvas, 4 dots each.
        first: The number of the first value, for the axis.
        x_label: What the axis counts.
        ascii_only: Draw with `*` instead of braille dots.

    Source: the look of Julia's UnicodePlots `lineplot`.
    """
    series = np.asarray(values, float)
    n_gaps = int(np.count_nonzero(~(np.abs(series) < _LARGEST)))
    if n_gaps == len(series):
        return (
            f"{title or 'plot'}: none of {len(series)} values is finite" if n_gaps else f"{title or 'plot'}: no values"
        )
    cell = _PLAIN if ascii_only else _BRAILLE
    low, high = _limits(series)
    labels = [f"{high:.6g}", *[""] * (height - 2), f"{low:.6g}"][:height]
    margin = max(map(len, labels))
    n_columns = max(4, width - margin - 3)
    rows = _characters(_dots(series, (low, high), (height * cell.shape[0], n_columns * cell.shape[1])), cell)
    frame = _FRAMES[ascii_only]
    indent = " " * (margin + 1)
    lines = [
        indent + title.center(n_columns + 2),
        indent + frame[0] + frame[1] * n_columns + frame[2],
        *(f"{label:>{margin}} {frame[3]}{row}{frame[3]}" for label, row in zip(labels, rows, strict=True)),
        indent + frame[4] + frame[5] * n_columns + frame[6],
        indent + " " + _axis(first, first + len(series) - 1, x_label, n_columns),
        f"{indent} not finite: {n_gaps} of {len(series)}" if n_gaps else "",
    ]
    return "\n".join(line[:width].rstrip() for line in lines if line.strip())


def show_plot(values: Sequence[float], title: str, first: int = 1) -> None:
    """Prints a plot as wide as the terminal allows, without braille where the output can't take it; never raises."""
    columns = shutil.get_terminal_size().columns
    encoding = getattr(sys.stdout, "encoding", None) or "utf-8"
    text = line_plot(values, title, width=min(72, columns), first=first, ascii_only=not _can_encode(encoding))
    with contextlib.suppress(OSError, ValueError):  # a pipe or window closed meanwhile must not end a run
        print(text, flush=True)


def _can_encode(encoding: str) -> bool:
    try:
        "┌─┐│└┘⣿".encode(encoding)
    except (UnicodeEncodeError, LookupError):
        return False
    return True


def _limits(series: np.ndarray) -> tuple[float, float]:
    finite = series[np.abs(series) < _LARGEST]
    low, high = float(finite.min()), float(finite.max())
    if low < high:
        return low, high
    margin = max(1.0, abs(low) / 1000)
    return low - margin, high + margin


def _dots(series: np.ndarray, limits: tuple[float, float], shape: tuple[int, int]) -> np.ndarray:
    """Bool `[rows, columns]` of dots, true where the line passes."""
    n_rows, n_columns = shape
    means = _bucket_means(series, n_columns)
    low, high = limits
    x = np.rint(np.arange(len(means)) * (n_columns - 1) / max(1, len(means) - 1))
    y = np.rint((high - means) / (high - low) * (n_rows - 1))
    dots = np.zeros(shape, bool)
    for across, down in _strokes(x, y):
        dots[np.rint(down).astype(int), np.rint(across).astype(int)] = True
    return dots


def _strokes(x: np.ndarray, y: np.ndarray) -> Iterator[tuple[np.ndarray, np.ndarray]]:
    """Every point that is there, and the points between it and the next one if that is there too."""
    for i in np.flatnonzero(np.isfinite(y)):
        j = i + 1 if i + 1 < len(y) and np.isfinite(y[i + 1]) else i
        n_points = int(max(abs(x[j] - x[i]), abs(y[j] - y[i]))) + 1
        yield np.linspace(x[i], x[j], n_points), np.linspace(y[i], y[j], n_points)


def _bucket_means(series: np.ndarray, n_buckets: int) -> np.ndarray:
    """`[min(n, n_buckets)]` means of neighbours; NaN where no value is finite."""
    n_buckets = min(n_buckets, len(series))
    is_there = np.abs(series) < _LARGEST
    starts = np.arange(n_buckets) * len(series) // n_buckets
    counts = np.add.reduceat(is_there.astype(int), starts)
    sums = np.add.reduceat(np.where(is_there, series, 0.0), starts)
    return np.where(counts > 0, sums / np.maximum(counts, 1), np.nan)


def _characters(dots: np.ndarray, cell: np.ndarray) -> list[str]:
    """One string per line of the canvas; a character shows as many dots as `cell` has numbers."""
    tall, wide = cell.shape
    blocks = dots.reshape(dots.shape[0] // tall, tall, dots.shape[1] // wide, wide)
    codes = np.einsum("rtcw,tw->rc", blocks, cell)
    if cell is _PLAIN:
        return ["".join(" *"[code] for code in line) for line in codes]
    return ["".join(chr(0x2800 + code) for code in line) for line in codes]


def _axis(first: int, last: int, x_label: str, width: int) -> str:
    left, right = str(first), str(last) if last > first else ""
    between = width - len(left) - len(right)
    return left + (x_label if len(x_label) + 2 <= between else "").center(between) + right
