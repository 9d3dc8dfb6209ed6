"""A small ray tracer: quadric shapes and boxes, one soft light, as numpy arrays.

x points right, y up, z towards the camera. Rays and points are ``(n, 3)`` float32.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

import numpy as np
from scipy import ndimage

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

Shape = Literal["ball", "box", "can"]
FAR = np.float32(1e6)
NOISE = np.random.default_rng(7).random((32, 32, 32), dtype=np.float32)


def rgb(values: object) -> np.ndarray:
    """Colours or directions as float32, like everything that is traced."""
    return np.asarray(values, dtype=np.float32)


def noise(points: np.ndarray, scale: float) -> np.ndarray:
    """Smooth random values in 0..1 that stay with the points: ``(n, 3)`` -> ``(n,)``."""
    return ndimage.map_coordinates(NOISE, (points * scale).T, order=1, mode="grid-wrap")


@dataclass(frozen=True, eq=False)
class Part:
    """One shape of a thing.

    Attributes:
        shape: unit ball, cube of half side 1, or can (radius 1, y in -1..1).
        place: ``(4, 4)`` from the shape's own space to the thing's.
        paint: colour at points of the thing's space.
        gloss: strength of the highlight, 0..1.
        fuzz: how ragged the outline and rough the surface is, 0..0.1.
        taper: a can's growth of radius from middle to top.
    """

    shape: Shape
    place: np.ndarray
    paint: Callable[[np.ndarray], np.ndarray]
    gloss: float = 0.0
    fuzz: float = 0.0
    taper: float = 0.0


@dataclass(frozen=True, eq=False)
class Thing:
    """Parts that move together; ``pose`` is ``(4, 4)`` from the thing's space to the world."""

    name: str
    parts: tuple[Part, ...]
    pose: np.ndarray

    def bounds(self) -> tuple[np.ndarray, float]:
        """Centre and radius of a ball around all parts, in the world."""
        centres, radii = zip(*(part_bounds(self, part) for part in self.parts), strict=True)
        middle = np.mean(centres, axis=0)
        reach = [np.linalg.norm(c - middle) + r for c, r in zip(centres, radii, strict=True)]
        return middle, float(max(reach))


@dataclass(frozen=True, eq=False)
class Hits:
    """What rays meet first: ``(n,)`` distance and index of the part, ``(n, 3)`` normals."""

    distance: np.ndarray
    part: np.ndarray
    normal: np.ndarray


def matrix(
    move: Sequence[float] = (0, 0, 0),
    size: Sequence[float] = (1, 1, 1),
    turn: Sequence[float] = (0, 0, 0),
) -> np.ndarray:
    """A ``(4, 4)`` placement: scale, then turn about x, z and y in degrees, then move."""
    x, y, z = np.radians(turn)
    about_x = np.array([[1, 0, 0], [0, np.cos(x), -np.sin(x)], [0, np.sin(x), np.cos(x)]])
    about_y = np.array([[np.cos(y), 0, np.sin(y)], [0, 1, 0], [-np.sin(y), 0, np.cos(y)]])
    about_z = np.array([[np.cos(z), -np.sin(z), 0], [np.sin(z), np.cos(z), 0], [0, 0, 1]])
    placed = np.eye(4)
    placed[:3, :3] = about_y @ about_z @ about_x @ np.diag(size)
    placed[:3, 3] = move
    return placed


def part_bounds(thing: Thing, part: Part) -> tuple[np.ndarray, float]:
    """Centre and radius of a ball around one part, in the world."""
    placed = thing.pose @ part.place
    corner = {"ball": 1.0, "box": 3**0.5, "can": (1 + (1 + abs(part.taper)) ** 2) ** 0.5}
    largest = float(np.linalg.norm(placed[:3, :3], ord=2))
    return placed[:3, 3], largest * corner[part.shape] * (1 + part.fuzz)


def trace(things: Sequence[Thing], origin: np.ndarray, rays: np.ndarray, seed: int = 0) -> Hits:
    """Find the first part along each ray; rays that meet none have distance FAR and part -1.

    Args:
        things: numbered through, part by part, in this order.
        origin: ``(3,)`` or ``(n, 3)``.
        rays: ``(n, 3)`` of unit length.
        seed: of the ragged outlines.
    """
    count = len(rays)
    distance, part_of = np.full(count, FAR), np.full(count, -1, dtype=np.int16)
    normal = np.zeros((count, 3), dtype=np.float32)
    ragged = np.random.default_rng(seed).random(count, dtype=np.float32) - 0.5
    origin = np.broadcast_to(np.asarray(origin, dtype=np.float32), rays.shape)
    index = 0
    for thing in things:
        near = _passing(*thing.bounds(), origin, rays, np.arange(count))
        for part in thing.parts:
            rows = _passing(*part_bounds(thing, part), origin, rays, near)
            there, out = _meet(thing, part, (origin[rows], rays[rows]), ragged[rows])
            closer = there < distance[rows]
            hit = rows[closer]
            distance[hit], part_of[hit], normal[hit] = there[closer], index, out[closer]
            index += 1
    return Hits(distance, part_of, normal)


def blocked(things: Sequence[Thing], points: np.ndarray, towards: np.ndarray) -> np.ndarray:
    """Whether something lies between each point and its light: ``(n, 3)`` twice -> ``(n,)``."""
    dark = np.zeros(len(points), dtype=bool)
    for thing in things:
        near = _passing(*thing.bounds(), points, towards, np.arange(len(points)))
        for part in thing.parts:
            rows = _passing(*part_bounds(thing, part), points, towards, near[~dark[near]])
            there, _ = _meet(thing, part, (points[rows], towards[rows]), np.zeros(len(rows)))
            dark[rows] |= there < FAR
    return dark


def _passing(
    centre: np.ndarray, radius: float, origin: np.ndarray, rays: np.ndarray, rows: np.ndarray
) -> np.ndarray:
    """Rows of the rays that pass within a ball."""
    rays = rays if len(rows) == len(rays) else rays[rows]
    if origin.strides[0] == 0:  # one eye for all rays: no need to repeat it
        to = (centre - origin[0]).astype(np.float32)
        along, square = rays @ to, float(to @ to)
    else:
        apart = centre.astype(np.float32) - origin[rows]
        along = np.einsum("ij,ij->i", apart, rays)
        square = np.einsum("ij,ij->i", apart, apart)
    return rows[(square - along**2 < radius**2) & (along > -radius)]


def _meet(
    thing: Thing, part: Part, ray: tuple[np.ndarray, np.ndarray], ragged: np.ndarray
) -> tuple[np.ndarray, np.ndarray]:
    """Distance to one part (FAR where missed) and unit normals in the world."""
    inverse = np.linalg.inv(thing.pose @ part.place).astype(np.float32)
    start = ray[0] @ inverse[:3, :3].T + inverse[:3, 3]
    step = ray[1] @ inverse[:3, :3].T
    with np.errstate(divide="ignore", invalid="ignore"):
        if part.shape == "ball":
            there, local = _ball(start, step, 1 + part.fuzz * ragged)
        elif part.shape == "can":
            there, local = _can(start, step, part.taper)
        else:
            there, local = _box(start, step)
    out = local @ inverse[:3, :3]
    out /= np.linalg.norm(out, axis=1, keepdims=True) + 1e-9
    return np.where(there > 1e-3, there, FAR).astype(np.float32), out


def _ball(o: np.ndarray, d: np.ndarray, radius: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    a, b = np.einsum("ij,ij->i", d, d), np.einsum("ij,ij->i", o, d)
    inside = b**2 - a * (np.einsum("ij,ij->i", o, o) - radius**2)
    there = np.where(inside > 0, (-b - np.sqrt(np.maximum(inside, 0))) / a, FAR)
    return there, o + there[:, None] * d


def _can(o: np.ndarray, d: np.ndarray, k: float) -> tuple[np.ndarray, np.ndarray]:
    wide = 1 + k * o[:, 1]
    a = d[:, 0] ** 2 + d[:, 2] ** 2 - (k * d[:, 1]) ** 2
    b = o[:, 0] * d[:, 0] + o[:, 2] * d[:, 2] - k * wide * d[:, 1]
    inside = b**2 - a * (o[:, 0] ** 2 + o[:, 2] ** 2 - wide**2)
    side = (-b - np.sqrt(np.maximum(inside, 0))) / a
    side = np.where((inside > 0) & (np.abs(o[:, 1] + side * d[:, 1]) < 1), side, FAR)
    end = np.where(d[:, 1] > 0, -1.0, 1.0)  # the cap that faces the ray
    cap = (end - o[:, 1]) / d[:, 1]
    on_cap = (o[:, 0] + cap * d[:, 0]) ** 2 + (o[:, 2] + cap * d[:, 2]) ** 2 < (1 + k * end) ** 2
    cap = np.where(on_cap, cap, FAR)
    there = np.minimum(np.where(side > 1e-3, side, FAR), np.where(cap > 1e-3, cap, FAR))
    p = o + there[:, None] * d
    lean = np.where(there == cap, end * FAR, -k * (1 + k * p[:, 1]))
    return there, np.stack([p[:, 0], lean, p[:, 2]], axis=1)


def _box(o: np.ndarray, d: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    low, high = (-1 - o) / d, (1 - o) / d
    enter, leave = np.minimum(low, high), np.maximum(low, high)
    there, axis = enter.max(axis=1), enter.argmax(axis=1)
    there = np.where(there < leave.min(axis=1), there, FAR)
    return there, -np.sign(d) * (np.arange(3) == axis[:, None])
