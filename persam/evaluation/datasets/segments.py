"""COCO's segments -> masks: polygons and run lengths, pixel for pixel as COCO's own tool has them.

Written out here rather than taken from pycocotools: it is two screens of arithmetic, the tests hold
it to masks that pycocotools drew, and so no compiled package stands between a user and a score.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from persam.errors import InputError

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

_FINE = 5  # COCO walks an outline on a grid five times as fine as the pixels
_MIDDLE = 2  # of the five fine columns of a pixel, the one through its centre


def draw(segments: Iterable[Any], size: tuple[int, int]) -> np.ndarray:
    """Draw segments into one mask.

    Args:
        segments: each a list of polygons ``[x0, y0, x1, y1, ...]`` in pixels, a run-length dict
            with ``size`` ``[h, w]`` and ``counts`` (a list, or COCO's compressed text), or a mask
            ``(H, W)``.
        size: ``(H, W)`` of the picture.

    Returns:
        ``(H, W)`` bool, True where any segment is.

    Raises:
        InputError: none of the three, another size, or damaged run lengths.
    """
    mask = np.zeros(size, dtype=bool)
    for segment in segments:
        given = own_size(segment)
        if given is not None and given != tuple(size):
            raise InputError(
                f"a segment was drawn on a picture of {given[0]}x{given[1]} (height x width), "
                f"this one is {size[0]}x{size[1]}. Use the pictures that the annotations belong to."
            )
        for part in _parts(segment, size):
            mask |= part
    return mask


def own_size(segment: Any) -> tuple[int, int] | None:
    """``(H, W)`` that a segment says it belongs to; None for polygons, which do not say."""
    if isinstance(segment, np.ndarray) and segment.ndim == 2:
        return segment.shape[0], segment.shape[1]
    if isinstance(segment, dict) and "size" in segment:
        height, width = segment["size"]
        return int(height), int(width)
    return None


def _parts(segment: Any, size: tuple[int, int]) -> list[np.ndarray]:
    if isinstance(segment, np.ndarray) and segment.ndim == 2:
        return [segment > 0]
    if isinstance(segment, dict) and {"size", "counts"} <= set(segment):
        return [run_lengths(segment)]
    if isinstance(segment, list | tuple):
        return [polygon(np.asarray(outline, dtype=np.float64), size) for outline in segment]
    raise InputError(
        f"a segment is a list of polygons, run lengths with size and counts, or a mask; got "
        f"{type(segment).__name__}."
    )


def polygon(outline: np.ndarray, size: tuple[int, int]) -> np.ndarray:
    """Fill one polygon.

    Args:
        outline: ``(2n,)``, x and y in turn, in pixels; at least three corners. The last one joins
            the first.
        size: ``(H, W)``.

    Returns:
        ``(H, W)`` bool.

    Raises:
        InputError: fewer corners, or half a corner.

    Example:
        >>> polygon(np.array([1.0, 0, 3, 0, 3, 2, 1, 2]), (3, 4)).astype(int)
        array([[0, 1, 1, 0],
               [0, 1, 1, 0],
               [0, 0, 0, 0]])
    """
    if outline.ndim != 1 or outline.size % 2 or outline.size < 6:
        raise InputError(
            f"a polygon is x and y of at least three corners in turn; got {outline.size} numbers."
        )
    if not np.isfinite(outline).all():
        raise InputError("a polygon's corners are numbers; got NaN or infinity.")
    height, width = size
    outline = _near(outline.reshape(-1, 2), size)
    corners = (_FINE * outline.reshape(-1, 2) + 0.5).astype(np.int64)
    if len(corners) == 0:
        return np.zeros(size, dtype=bool)
    ends = np.roll(corners, -1, axis=0)
    path = np.concatenate([_walk(a, b) for a, b in zip(corners, ends, strict=True)])
    before, after = path[:-1], path[1:]
    low = np.minimum(before[:, 0], after[:, 0])
    crossing = (before[:, 0] != after[:, 0]) & (low % _FINE == _MIDDLE)
    column = (low - _MIDDLE) // _FINE
    crossing &= (column >= 0) & (column < width)
    fine_row = np.minimum(before[:, 1], after[:, 1])
    row = np.clip(-((_MIDDLE - fine_row) // _FINE), 0, height)
    # Down each column, every crossing turns outside into inside and back.
    turns = np.bincount((column * height + row)[crossing], minlength=height * width + 1)
    inside = turns[: height * width].cumsum() % 2
    return inside.astype(bool).reshape(width, height).T


_FAR = 10_000  # pixels


def _near(corners: np.ndarray, size: tuple[int, int]) -> np.ndarray:
    """The corners ``(n, 2)`` of a polygon that leads far away, cut off outside the picture.

    Its outline is walked in steps, of which there would be billions. Polygons as people draw them
    are left as they are.
    """
    for axis, side in ((0, size[1]), (1, size[0])):
        for sign, limit in ((-1, float(side)), (1, 2.0 * side)):
            if len(corners) and (sign * corners[:, axis]).max() > 8 * limit + _FAR:
                corners = _cut(corners, axis, sign, limit)
    return corners


def _cut(corners: np.ndarray, axis: int, sign: int, limit: float) -> np.ndarray:
    """What lies on this side of a line (Sutherland and Hodgman's way)."""
    inside = sign * corners[:, axis] <= limit
    kept: list[np.ndarray] = []
    for number, corner in enumerate(corners):
        before = corners[number - 1]
        if inside[number] != inside[number - 1]:
            share = (sign * limit - before[axis]) / (corner[axis] - before[axis])
            kept.append(before + share * (corner - before))
        if inside[number]:
            kept.append(corner)
    return np.array(kept).reshape(-1, 2)


def _walk(start: np.ndarray, end: np.ndarray) -> np.ndarray:
    """Fine-grid points from one corner to the next, both included, ``(n, 2)``."""
    reach = np.abs(end - start)
    major = 0 if reach[0] >= reach[1] else 1
    if reach[major] == 0:
        return start[None]
    # The rounding goes by the lower end, whichever way the outline runs.
    backwards = start[major] > end[major]
    first, last = (end, start) if backwards else (start, end)
    steps = np.arange(reach[major] + 1)
    slope = (last[1 - major] - first[1 - major]) / reach[major]
    points = np.empty((len(steps), 2), dtype=np.int64)
    points[:, major] = first[major] + steps
    points[:, 1 - major] = (first[1 - major] + slope * steps + 0.5).astype(np.int64)
    return points[::-1] if backwards else points


def run_lengths(segment: Mapping[str, Any]) -> np.ndarray:
    """Unfold run lengths: background first, in turn, down the columns.

    Args:
        segment: ``size`` ``[h, w]``; ``counts``, a list or COCO's compressed text.

    Returns:
        ``(H, W)`` bool.

    Raises:
        InputError: the runs do not add up to the size.

    Example:
        >>> run_lengths({"size": [2, 3], "counts": [1, 3, 2]}).astype(int)
        array([[0, 1, 0],
               [1, 1, 0]])
    """
    height, width = (int(side) for side in segment["size"])
    counts = segment["counts"]
    runs = _unpack(counts) if isinstance(counts, str | bytes) else list(counts)
    if min(runs, default=0) < 0 or sum(runs) != height * width:
        raise InputError(
            f"damaged run lengths: they add up to {sum(runs)} pixels, the picture has "
            f"{height}x{width} = {height * width}."
        )
    inside = np.arange(len(runs)) % 2 == 1
    return np.repeat(inside, runs).reshape(width, height).T


def _unpack(text: str | bytes) -> list[int]:
    """COCO's text form: five bits a character, low ones first.

    From the fourth run on it holds the difference to the run before last.
    """
    codes = text.encode("latin-1", "replace") if isinstance(text, str) else text
    runs: list[int] = []
    value = shift = 0
    for code in codes:
        bits = code - 48
        value |= (bits & 31) << shift
        shift += 5
        if bits & 32:
            continue
        if bits & 16:
            value -= 1 << shift
        runs.append(value + (runs[-2] if len(runs) > 2 else 0))
        value = shift = 0
    return runs
