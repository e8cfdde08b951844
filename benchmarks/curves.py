"""Learning curves as a picture (SVG), by nothing but text."""

import numpy as np

from rlcore.statistics import bootstrap_interval, interquartile_mean

WIDTH, HEIGHT, LEFT, TOP, GAP = 250, 150, 50, 30, 50


def draw(curves: dict[str, tuple[int, np.ndarray, float]]) -> str:
    """One panel per entry, side by side.

    Args:
        curves: By title: how many steps, the curves `[seeds, points]`, and the goal.

    Returns:
        SVG: the interquartile mean over the seeds, its 95 % interval, every seed, and the goal.
    """
    panels = [_panel(*item, LEFT + at * (WIDTH + GAP)) for at, item in enumerate(curves.items())]
    width, height = LEFT + len(panels) * (WIDTH + GAP), TOP + HEIGHT + 40
    return "\n".join(
        [
            f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {width} {height}" font-family="sans-serif" '
            f'font-size="11" fill="#444">',
            f'<rect width="{width}" height="{height}" fill="white"/>',
            *panels,
            "</svg>\n",
        ]
    )


def _panel(title: str, shown: tuple[int, np.ndarray, float], left: int) -> str:
    n_steps, curves, goal = shown
    bottom, top = min(curves.min(), goal), max(curves.max(), goal)
    middle, (low, high) = interquartile_mean(curves), bootstrap_interval(curves)

    def points(values: np.ndarray) -> list[str]:
        x = left + np.arange(1, len(values) + 1) / len(values) * WIDTH
        y = TOP + HEIGHT - (values - bottom) / (top - bottom) * HEIGHT
        return [f"{a:.1f},{b:.1f}" for a, b in zip(x, y, strict=True)]

    def line(values: np.ndarray, style: str) -> str:
        return f'<polyline points="{" ".join(points(values))}" fill="none" {style}/>'

    def text(x: float, y: float, words: str, anchor: str = "middle") -> str:
        return f'<text x="{x}" y="{y}" text-anchor="{anchor}">{words}</text>'

    return "\n".join(
        [
            text(left + WIDTH / 2, TOP - 12, title),
            f'<rect x="{left}" y="{TOP}" width="{WIDTH}" height="{HEIGHT}" fill="none" stroke="#bbb"/>',
            f'<polygon points="{" ".join(points(high) + points(low)[::-1])}" fill="#4477aa" fill-opacity="0.25"/>',
            *[line(curve, 'stroke="#4477aa" stroke-opacity="0.25" stroke-width="0.7"') for curve in curves],
            line(middle, 'stroke="#225588" stroke-width="1.8"'),
            line(np.full(curves.shape[1], goal), 'stroke="#aa3333" stroke-dasharray="4 3"'),
            text(left - 4, TOP + 8, f"{top:.0f}", "end"),
            text(left - 4, TOP + HEIGHT, f"{bottom:.0f}", "end"),
            text(left + WIDTH, TOP + HEIGHT + 14, f"{n_steps:,} steps", "end"),
            text(left, TOP + HEIGHT + 14, "0"),
        ]
    )
