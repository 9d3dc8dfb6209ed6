"""The things in the sample pictures: a plush dog, its look-alikes, and household clutter."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from tools.sample_renderer.tracer import Part, Thing, matrix, noise

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    Paint = Callable[[np.ndarray], np.ndarray]

BLACK = (0.012, 0.010, 0.010)


@dataclass(frozen=True)
class Coat:
    """A plush animal's linear RGB colours and the kind of its ears."""

    fur: tuple[float, float, float]
    ears: tuple[float, float, float]
    belly: tuple[float, float, float]
    collar: tuple[float, float, float]
    floppy: bool = True


CARAMEL = Coat((0.62, 0.30, 0.085), (0.13, 0.045, 0.014), (0.82, 0.68, 0.46), (0.02, 0.30, 0.36))
GREY = Coat((0.28, 0.30, 0.34), (0.20, 0.21, 0.25), (0.62, 0.62, 0.64), (0.50, 0.04, 0.05), False)
WHITE = Coat((0.75, 0.72, 0.66), (0.45, 0.30, 0.26), (0.85, 0.82, 0.78), (0.10, 0.05, 0.30), False)


def plain(colour: Sequence[float], grain: float = 0.0, scale: float = 60.0) -> Paint:
    """One colour, optionally with a fine grain."""
    base = np.asarray(colour, dtype=np.float32)

    def paint(points: np.ndarray) -> np.ndarray:
        return base * (1 + grain * (noise(points, scale)[:, None] - 0.5))

    return paint


def plush(colour: Sequence[float]) -> Paint:
    """Short fur: a colour in tufts of two sizes."""
    base = np.asarray(colour, dtype=np.float32)

    def paint(points: np.ndarray) -> np.ndarray:
        tufts = 0.55 * noise(points, 45) + 0.45 * noise(points, 16)
        return base * (0.62 + 0.72 * tufts[:, None])

    return paint


def patched(
    ground: Paint, spots: Sequence[tuple[float, float, float, float]], over: Paint
) -> Paint:
    """One paint with balls ``(x, y, z, radius)`` of another, their edges ragged."""

    def paint(points: np.ndarray) -> np.ndarray:
        colours = ground(points)
        for x, y, z, radius in spots:
            away = np.linalg.norm(points - np.array([x, y, z], dtype=np.float32), axis=1)
            inside = away + 0.05 * (noise(points, 30) - 0.5) < radius
            colours = np.where(inside[:, None], over(points), colours)
        return colours

    return paint


def striped(first: Sequence[float], second: Sequence[float], per_unit: float) -> Paint:
    """Level stripes."""
    a, b = plain(first), plain(second)

    def paint(points: np.ndarray) -> np.ndarray:
        odd = np.floor(points[:, 1] * per_unit) % 2 == 1
        return np.where(odd[:, None], a(points), b(points))

    return paint


def _fur(move: tuple, size: tuple, paint: Paint, turn: tuple = (0, 0, 0)) -> Part:
    return Part("ball", matrix(move, size, turn), paint, fuzz=0.07)


def _both(move: tuple, size: tuple, paint: Paint, turn: tuple = (0, 0, 0)) -> list[Part]:
    """A part and its mirror image."""
    x, y, z = move
    tx, ty, tz = turn
    return [_fur((s * x, y, z), size, paint, (tx, s * ty, s * tz)) for s in (1, -1)]


def plush_animal(name: str, coat: Coat, pose: np.ndarray) -> Thing:
    """A sitting plush animal, 1.7 high on the ground at the origin, looking towards z."""
    fur, belly, ears = plush(coat.fur), plush(coat.belly), plush(coat.ears)
    body = patched(fur, [(0, 0.52, 0.42, 0.34), (-0.36, 0.78, -0.22, 0.24)], belly)
    body = patched(body, [(0.34, 0.62, -0.26, 0.27)], ears) if coat.floppy else body
    face = patched(fur, [(-0.17, 1.47, 0.34, 0.19)], ears) if coat.floppy else fur
    parts = [
        _fur((0, 0.56, 0), (0.41, 0.54, 0.38), body),
        _fur((0, 1.32, 0.10), (0.43, 0.38, 0.38), face),
        _fur((0, 1.21, 0.42), (0.23, 0.17, 0.21), belly),
        _fur((0, 0.30, -0.47), (0.09, 0.30, 0.09), ears, (-38, 0, 14)),
        *_both((0.20, 0.38, 0.32), (0.135, 0.36, 0.15), fur, (-8, 0, 3)),
        *_both((0.22, 0.10, 0.44), (0.16, 0.105, 0.20), belly),
        *_both((0.40, 0.23, 0.08), (0.19, 0.25, 0.33), fur, (0, 14, 0)),
        *_both((0.45, 0.10, 0.37), (0.14, 0.105, 0.21), belly, (0, 18, 0)),
        Part(
            "can",
            matrix((0, 0.985, 0.05), (0.325, 0.055, 0.30), (7, 0, 0)),
            plain(coat.collar),
            0.25,
        ),
        Part(
            "ball", matrix((0, 0.885, 0.37), (0.075, 0.075, 0.022)), plain((0.80, 0.52, 0.10)), 0.9
        ),
        Part("ball", matrix((0, 1.285, 0.615), (0.085, 0.062, 0.05)), plain(BLACK), 0.7),
        *(
            Part("ball", matrix((s * 0.165, 1.43, 0.425), (0.056,) * 3), plain(BLACK), 1.0)
            for s in (1, -1)
        ),
    ]
    if coat.floppy:
        parts += _both((0.42, 1.27, 0.05), (0.10, 0.35, 0.21), ears, (6, 0, 13))
    else:
        parts += _both((0.29, 1.66, 0.06), (0.15, 0.16, 0.08), ears, (0, 0, -20))
    return Thing(name, tuple(parts), pose)


def mug(pose: np.ndarray, first: Sequence[float], second: Sequence[float]) -> Thing:
    """A striped mug, 1 high, with coffee in it and its handle towards x."""
    bands = striped(first, second, 6.0)
    glaze = 0.55
    parts = [
        Part("can", matrix((0, 0.5, 0), (0.40, 0.5, 0.40)), bands, glaze, taper=0.06),
        Part("can", matrix((0, 1.0, 0), (0.37, 0.004, 0.37)), plain((0.035, 0.014, 0.006)), 0.8),
    ]
    for angle in np.radians(np.linspace(-80, 80, 61)):
        at = (0.40 + 0.26 * np.cos(angle), 0.5 + 0.30 * np.sin(angle), 0)
        parts.append(Part("ball", matrix(at, (0.065, 0.065, 0.065)), plain(first), glaze))
    return Thing("mug", tuple(parts), pose)


def block(pose: np.ndarray, colour: Sequence[float]) -> Thing:
    """A painted wooden block, 2 x 2 x 2 around its middle, a lighter disc on its sides."""
    lighter = plain([0.4 * channel + 0.5 for channel in colour])
    discs = [(x, y, z, 0.55) for x, y, z in np.vstack([np.eye(3), -np.eye(3)])]
    paint = patched(plain(colour, 0.25, 6), discs, lighter)
    return Thing("block", (Part("box", matrix(), paint, 0.12),), pose)


def ball(pose: np.ndarray, first: Sequence[float], second: Sequence[float]) -> Thing:
    """A ball of radius 1 in six painted segments."""
    a, b = plain(first), plain(second)

    def paint(points: np.ndarray) -> np.ndarray:
        segment = np.floor(np.arctan2(points[:, 2], points[:, 0]) / (np.pi / 3)) % 2 == 1
        return np.where(segment[:, None], a(points), b(points))

    return Thing("ball", (Part("ball", matrix(), paint, 0.45),), pose)


def book(pose: np.ndarray, colour: Sequence[float]) -> Thing:
    """A lying book, 2 x 0.4 x 1.4: two covers, and pages between them."""
    cover, pages = plain(colour, 0.2, 12), striped((0.75, 0.70, 0.58), (0.66, 0.60, 0.48), 60)
    parts = (
        Part("box", matrix((0, 0.02, 0), (1.0, 0.02, 0.7)), cover, 0.15),
        Part("box", matrix((0, 0.38, 0), (1.0, 0.02, 0.7)), cover, 0.15),
        Part("box", matrix((-0.98, 0.2, 0), (0.02, 0.2, 0.7)), cover, 0.15),
        Part("box", matrix((0, 0.2, 0), (0.95, 0.16, 0.66)), pages),
    )
    return Thing("book", parts, pose)


def plant(pose: np.ndarray) -> Thing:
    """A leafy plant in a clay pot, about 2 high."""
    clay, earth = plain((0.45, 0.14, 0.06), 0.3, 14), plain((0.05, 0.03, 0.02), 0.8)
    parts = [
        Part("can", matrix((0, 0.4, 0), (0.42, 0.4, 0.42)), clay, 0.05, taper=0.22),
        Part("can", matrix((0, 0.8, 0), (0.47, 0.006, 0.47)), earth),
    ]
    draw = np.random.default_rng(3)
    for k in range(26):
        around, lean, reach = k * 137.5, draw.uniform(10, 62), draw.uniform(0.45, 0.95)
        green = (0.03 + draw.uniform(0, 0.06), 0.16 + draw.uniform(0, 0.14), 0.035)
        stem = matrix((0, 0.8, 0), (1, 1, 1), (0, around, 0)) @ matrix(turn=(lean, 0, 0))
        leaf = stem @ matrix((0, reach, 0), (0.13, 0.34, 0.025))
        parts.append(Part("ball", leaf, plain(green, 0.4, 20), 0.3))
    return Thing("plant", tuple(parts), pose)
