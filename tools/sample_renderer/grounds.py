"""What things stand on and in front of: colours of ground and wall points."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from tools.sample_renderer.props import plain
from tools.sample_renderer.tracer import noise, rgb

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    Colour = Sequence[float]
    Paint = Callable[[np.ndarray], np.ndarray]


def _mix(first: Colour, second: Colour, share: np.ndarray) -> np.ndarray:
    share = share[:, None]
    return rgb(first) * (1 - share) + rgb(second) * share


def planks(dark: Colour, light: Colour, breadth: float = 0.55) -> Paint:
    """Wooden boards along x, each of its own shade, with grain and seams."""

    def paint(points: np.ndarray) -> np.ndarray:
        board = np.floor(points[:, 2] / breadth)
        along = np.stack([points[:, 0] * 0.12 + board * 3.7, points[:, 2], board], axis=1)
        grain = 0.6 * noise(along, 7) + 0.4 * noise(along, 24)
        shade = np.modf(np.abs(np.sin(board * 12.9898)) * 43758.5)[0]
        seam = np.abs(points[:, 2] / breadth - np.round(points[:, 2] / breadth)) < 0.012
        colours = _mix(dark, light, np.clip(0.75 * grain + 0.35 * shade, 0, 1))
        return colours * np.where(seam, 0.35, 1.0)[:, None]

    return paint


def grass(points: np.ndarray) -> np.ndarray:
    """A meadow: blades, tufts and a few daisies."""
    blades = np.stack([points[:, 0] * 3, points[:, 2], points[:, 1]], axis=1)
    share = np.clip(1.5 * noise(blades, 14) * noise(points, 2.2) + 0.15 * noise(points, 40), 0, 1)
    colours = _mix((0.025, 0.075, 0.012), (0.21, 0.36, 0.055), share)
    daisy = noise(points, 9) + 0.3 * noise(points, 31) > 1.14
    return np.where(daisy[:, None], rgb([0.8, 0.78, 0.6]), colours)


def checks(first: Colour, second: Colour, side: float) -> Paint:
    """A checked cloth: two crossing stripes, and a weave."""

    def paint(points: np.ndarray) -> np.ndarray:
        across = np.floor(points[:, 0] / side) % 2
        along = np.floor(points[:, 2] / side) % 2
        weave = 0.85 + 0.3 * noise(points, 55)
        return _mix(first, second, (across + along) / 2) * weave[:, None]

    return paint


def rug(points: np.ndarray) -> np.ndarray:
    """A round woven rug on dark boards."""
    away = np.hypot(points[:, 0], points[:, 2] - 0.3)
    ring = np.floor(away * 3.2) % 3
    wools = rgb([[0.34, 0.07, 0.05], [0.50, 0.42, 0.30], [0.06, 0.10, 0.17]])
    wool = wools[ring.astype(int)] * (0.55 + 0.8 * noise(points, 38))[:, None]
    boards = planks((0.06, 0.028, 0.012), (0.17, 0.085, 0.035))(points)
    return np.where((away < 2.6)[:, None], wool, boards)


def plaster(colour: Colour, rail: Colour = (0.7, 0.68, 0.62)) -> Paint:
    """A painted wall with a skirting board."""
    paint_wall, paint_rail = plain(colour, 0.12, 2.5), plain(rail)

    def paint(points: np.ndarray) -> np.ndarray:
        low = points[:, 1] < 0.55
        return np.where(low[:, None], paint_rail(points), paint_wall(points))

    return paint


def shelves(points: np.ndarray) -> np.ndarray:
    """A bookcase: rows of upright books in many colours."""
    row, inside = np.floor(points[:, 1] / 1.15), np.mod(points[:, 1], 1.15)
    spine = np.floor((points[:, 0] + 0.31 * row) / 0.24)
    draw = [np.modf(np.abs(np.sin(spine * a + row * b)) * 9973.1)[0] for a, b in _DRAWS]
    colours = 0.04 + np.stack(draw[:3], axis=1) ** 2 * rgb([0.42, 0.26, 0.30])
    colours = colours * np.where(inside > 0.62 + 0.36 * draw[3], 0.12, 1.0)[:, None]
    return np.where((inside < 0.08)[:, None], rgb([0.24, 0.12, 0.05]), colours)


_DRAWS = ((12.98, 4.1), (78.23, 9.7), (37.71, 2.3), (94.67, 7.9))


def trees(points: np.ndarray) -> np.ndarray:
    """Foliage with sky between it."""
    leaves = 0.6 * noise(points, 0.9) + 0.4 * noise(points, 3.0)
    colours = _mix((0.015, 0.045, 0.012), (0.16, 0.27, 0.05), np.clip(leaves * 1.6 - 0.4, 0, 1))
    sky = noise(points, 0.55) + 0.09 * points[:, 1] > 0.98
    return np.where(sky[:, None], rgb([0.75, 0.88, 1.0]), colours)


def window(points: np.ndarray) -> np.ndarray:
    """A dusky wall with a bright window in it."""
    x, y = points[:, 0] + 1.6, points[:, 1] - 2.1
    pane = (np.abs(x) < 1.15) & (np.abs(y) < 1.0) & (np.abs(x) > 0.06) & (np.abs(y - 0.1) > 0.05)
    frame = (np.abs(x) < 1.3) & (np.abs(y) < 1.15)
    wall = plain((0.20, 0.22, 0.27), 0.15, 2)(points)
    wall = np.where(frame[:, None], rgb([0.5, 0.5, 0.5]), wall)
    return np.where(pane[:, None], rgb([0.9, 1.1, 1.5]), wall)
