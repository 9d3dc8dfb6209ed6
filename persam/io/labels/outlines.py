"""Between masks and polygons. Vertices are ``(x, y)`` corners of pixels: pixel 0 is from 0 to 1."""

from __future__ import annotations

from typing import TYPE_CHECKING, cast

import numpy as np
from scipy import ndimage

from persam.io.labels.rle import coding, decode

if TYPE_CHECKING:
    from collections.abc import Sequence


def fill(rings: Sequence[np.ndarray], size: tuple[int, int], *, parity: bool = False) -> np.ndarray:
    """Paint polygons.

    Args:
        rings: ``(n, 2)`` vertices each, at least 3, inside the picture.
        size: ``(height, width)``.
        parity: a pixel inside two rings is outside, as holes are; False takes the union.

    Returns:
        ``(height, width)`` bool.
    """
    mask = np.zeros(size, dtype=bool)
    for ring in rings:
        left, top = np.floor(ring.min(axis=0)).astype(int).tolist()
        right, bottom = np.ceil(ring.max(axis=0)).astype(int).tolist()
        if right > left and bottom > top:
            part = mask[top:bottom, left:right]
            painted = _painted(ring - (left, top), part.shape)
            part[...] = part ^ painted if parity else part | painted
    return mask


def _painted(ring: np.ndarray, size: tuple[int, ...]) -> np.ndarray:
    flat = np.ascontiguousarray(ring, dtype=np.float64).ravel().tolist()
    height, width = size
    (encoded,) = coding().frPyObjects([flat], height, width)
    return decode(encoded["counts"], (height, width))


def clip(ring: np.ndarray, size: tuple[int, int]) -> np.ndarray:
    """Cut a polygon ``(n, 2)`` off at the borders of a picture; nothing may be left.

    Source: Sutherland and Hodgman, Reentrant polygon clipping, 1974.
    """
    height, width = size
    inside = (ring >= 0).all() and (ring <= (width, height)).all()
    if inside:
        return ring
    for axis, sign, limit in ((0, 1, 0), (0, -1, width), (1, 1, 0), (1, -1, height)):
        ring = _cut(ring, sign * (ring[:, axis] - limit))
        if len(ring) == 0:
            break
    return np.clip(ring, 0, (width, height))


def _cut(ring: np.ndarray, depth: np.ndarray) -> np.ndarray:
    """The part of a polygon where depth ``(n,)``, linear along its edges, is not below 0."""
    kept = []
    for number in range(len(ring)):
        before, here = depth[number - 1], depth[number]
        if (before < 0) != (here < 0):
            share = before / (before - here)
            kept.append(ring[number - 1] + share * (ring[number] - ring[number - 1]))
        if here >= 0:
            kept.append(ring[number])
    return np.array(kept).reshape(-1, 2)


def has_holes(mask: np.ndarray) -> bool:
    """Whether background lies enclosed in a mask ``(H, W)`` bool."""
    padded = np.pad(~mask, 1, constant_values=True)
    labelled = ndimage.label(padded, structure=np.ones((3, 3)))
    return cast("tuple[np.ndarray, int]", labelled)[1] > 1


def rings_of(mask: np.ndarray, error: float) -> list[np.ndarray]:
    """Outlines of a mask, of holes as well.

    Args:
        mask: ``(H, W)`` bool.
        error: how far in pixels the polygons may leave the outline; 0 follows it exactly.

    Returns:
        ``(n, 2)`` whole numbers each. Painted by parity, no pixel changes sides that is farther
        from the outline than ``error``.
    """
    # What lies between an outline and a chord of it is nowhere farther from the outline than the
    # outline's farthest vertex from the chord, also where chords cross: parity paints both alike.
    return [simplify(ring, error) if error > 0 else ring for ring in trace(mask)]


def trace(mask: np.ndarray) -> list[np.ndarray]:
    """Follow the borders of a mask ``(H, W)`` bool from pixel corner to pixel corner.

    Returns:
        ``(n, 2)`` float64 each, the corners alone; where pixels touch by a corner, two rings.
    """
    steps = _border_steps(mask)
    rings = []
    while steps:
        ring = np.array(_follow(steps), dtype=np.float64)
        into, out = ring - np.roll(ring, 1, axis=0), np.roll(ring, -1, axis=0) - ring
        rings.append(ring[into[:, 0] * out[:, 1] != into[:, 1] * out[:, 0]])
    return rings


def _border_steps(mask: np.ndarray) -> dict[tuple[int, int], list[tuple[int, int]]]:
    """From each corner on the border to the next ones, the mask on the right hand."""
    padded = np.pad(mask, 1).astype(np.int8)
    steps: dict[tuple[int, int], list[tuple[int, int]]] = {}
    down = padded[1:, 1:-1] - padded[:-1, 1:-1]
    for y, x in np.argwhere(down).tolist():
        start, end = ((x, y), (x + 1, y)) if down[y, x] > 0 else ((x + 1, y), (x, y))
        steps.setdefault(start, []).append(end)
    right = padded[1:-1, 1:] - padded[1:-1, :-1]
    for y, x in np.argwhere(right).tolist():
        start, end = ((x, y + 1), (x, y)) if right[y, x] > 0 else ((x, y), (x, y + 1))
        steps.setdefault(start, []).append(end)
    return steps


def _follow(steps: dict[tuple[int, int], list[tuple[int, int]]]) -> list[tuple[int, int]]:
    """Take one closed way out of the steps."""
    start = here = next(iter(steps))
    ring = [start]
    while True:
        ways = steps[here]
        x, y = ring[-2] if len(ring) > 1 else here
        # Where two ways cross, turn right: pixels that touch by a corner stay two pieces.
        turn = here[0] - (here[1] - y), here[1] + (here[0] - x)
        following = ways.pop(ways.index(turn) if turn in ways else 0)
        if not ways:
            del steps[here]
        if following == start:
            return ring
        ring.append(following)
        here = following


def simplify(ring: np.ndarray, error: float) -> np.ndarray:
    """Leave out vertices, none of which is then farther than ``error`` from the polygon.

    Args:
        ring: ``(n, 2)``.
        error: in pixels.

    Returns:
        ``(m, 2)``, 3 <= m <= n. Source: Douglas and Peucker, 1973, from two far vertices on.
    """
    far = int(np.argmax(np.linalg.norm(ring - ring[0], axis=1)))
    closed = np.concatenate([ring, ring[:1]])
    kept = {0, far}
    waiting = [(0, far), (far, len(ring))]
    while waiting:
        first, last = waiting.pop()
        away = _distances(closed[first + 1 : last], closed[first], closed[last])
        if len(away) and away.max() > error:
            middle = first + 1 + int(away.argmax())
            kept.add(middle)
            waiting += [(first, middle), (middle, last)]
    return ring[sorted(kept)] if len(kept) >= 3 else ring


def _distances(points: np.ndarray, start: np.ndarray, end: np.ndarray) -> np.ndarray:
    """``(n,)`` of points to the straight piece between two others."""
    along = end - start
    length = float(along @ along)
    share = np.clip((points - start) @ along / length, 0, 1) if length else np.zeros(len(points))
    return np.linalg.norm(points - (start + share[:, None] * along), axis=1)


def joined(rings: Sequence[np.ndarray]) -> np.ndarray:
    """Make one polygon of pieces and holes, for formats that have one a line.

    The rings are tied by ways of no width, there and back, which painting by parity cancels.

    Args:
        rings: ``(n, 2)`` each, at least one.

    Returns:
        ``(m, 2)``.
    """
    whole, *left = sorted(rings, key=len, reverse=True)
    while left:
        ways = [_shortest(whole, ring) for ring in left]
        nearest = min(range(len(left)), key=lambda number: ways[number][0])
        _, here, there = ways[nearest]
        ring = np.roll(left.pop(nearest), -there, axis=0)
        detour = (ring, ring[:1], whole[here : here + 1])
        whole = np.concatenate([whole[: here + 1], *detour, whole[here + 1 :]])
    return whole


def _shortest(one: np.ndarray, other: np.ndarray) -> tuple[float, int, int]:
    """Length of the shortest way between vertices of two polygons, and their indices."""
    best = (np.inf, 0, 0)
    for start in range(0, len(one), 256):  # so that long outlines need little memory
        away = np.linalg.norm(one[start : start + 256, None] - other[None], axis=2)
        here, there = np.unravel_index(int(away.argmin()), away.shape)
        best = min(best, (float(away[here, there]), start + int(here), int(there)))
    return best
