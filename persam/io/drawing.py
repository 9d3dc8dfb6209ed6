"""Colours on pixels: arrays to arrays."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
from PIL import Image, ImageDraw
from scipy.ndimage import minimum_filter

from persam.io import palette

if TYPE_CHECKING:
    from collections.abc import Iterable

Colour = tuple[int, int, int]
MarkedPoint = tuple[int, int, int]

OBJECT: Colour = (255, 64, 129)
ON_OBJECT: Colour = (0, 200, 83)
OFF_OBJECT: Colour = (213, 0, 0)


def overlay(
    image: np.ndarray,
    mask: np.ndarray,
    points: Iterable[MarkedPoint] = (),
    colour: Colour = OBJECT,
) -> np.ndarray:
    """Tint the object, outline it, and mark the prompt points.

    Args:
        image: ``(H, W, 3)`` uint8 RGB.
        mask: ``(H, W)`` bool.
        points: ``(x, y, label)`` in pixels; label 1 (on the object) is green, 0 red.
        colour: of tint and outline.

    Returns:
        ``(H, W, 3)`` uint8.
    """
    width, points, drawn = line_width(image), tuple(points), image.copy()
    if mask.any():
        area = around(mask, width)
        _tint(drawn[area], mask[area], colour, width)
    return _with_points(drawn, points, radius=2 * width + 1) if points else drawn


def overlay_labels(image: np.ndarray, labels: np.ndarray) -> np.ndarray:
    """Tint and outline every object of a label map in the colour of its number.

    Args:
        image: ``(H, W, 3)`` uint8 RGB.
        labels: ``(H, W)`` uint8, 0 where no object is.

    Returns:
        ``(H, W, 3)`` uint8.
    """
    for number in np.unique(labels[labels > 0]).tolist():
        image = overlay(image, labels == number, colour=palette.colour(number))
    return image


def outline(mask: np.ndarray, width: int) -> np.ndarray:
    """Pixels of the mask within ``width`` pixels of its edge; the picture's border is no edge.

    Example:
        >>> outline(np.array([[0, 1, 1, 1, 0]], dtype=bool), 1).astype(int)
        array([[0, 1, 0, 1, 0]])
    """
    inside = minimum_filter(mask.astype(np.uint8), size=2 * width + 1, mode="nearest")
    return mask & (inside == 0)


def cutout(image: np.ndarray, mask: np.ndarray) -> np.ndarray:
    """Keep the object, make the rest transparent (and black, so that nothing hides there).

    Args:
        image: ``(H, W, 3)`` uint8 RGB, or ``(H, W, 4)`` RGBA, whose transparency stays.
        mask: ``(H, W)`` bool.

    Returns:
        ``(H, W, 4)`` uint8 RGBA.
    """
    inside = mask[..., None].astype(np.uint8)
    alpha = image[..., 3:] if image.shape[2] == 4 else np.uint8(255)
    return np.concatenate([image[..., :3] * inside, inside * alpha], axis=2)


def around(mask: np.ndarray, margin: int = 0) -> tuple[slice, slice]:
    """The box of a mask that is not empty, and so many pixels more on each side.

    Example:
        >>> around(np.array([[0, 1, 0], [0, 0, 0]], dtype=bool), 1)
        (slice(0, 2, None), slice(0, 3, None))
    """
    rows, columns = np.flatnonzero(mask.any(axis=1)), np.flatnonzero(mask.any(axis=0))
    height, width = mask.shape
    return (
        slice(max(0, int(rows[0]) - margin), min(height, int(rows[-1]) + 1 + margin)),
        slice(max(0, int(columns[0]) - margin), min(width, int(columns[-1]) + 1 + margin)),
    )


def thumbnail(pixels: np.ndarray, side: int) -> np.ndarray:
    """Shrink ``(H, W, 3 or 4)`` uint8 so that its long side is at most ``side`` pixels."""
    image = Image.fromarray(pixels)
    image.thumbnail((side, side), Image.Resampling.LANCZOS)
    return np.array(image)


def line_width(image: np.ndarray) -> int:
    """Width of a line that can be seen in a picture of this size, in pixels, at least 1."""
    return max(1, round(max(image.shape[:2]) / 400))


def _tint(drawn: np.ndarray, mask: np.ndarray, colour: Colour, width: int) -> None:
    """Tint and outline the object, in place."""
    tint = np.array(colour, dtype=np.float32)
    drawn[mask] = (drawn[mask] * 0.55 + tint * 0.45).astype(np.uint8)
    drawn[outline(mask, width)] = colour


def _with_points(image: np.ndarray, points: Iterable[MarkedPoint], radius: int) -> np.ndarray:
    canvas = Image.fromarray(image)
    pen = ImageDraw.Draw(canvas)
    for x, y, label in points:
        fill = ON_OBJECT if label == 1 else OFF_OBJECT
        pen.ellipse(
            (x - radius, y - radius, x + radius, y + radius),
            fill=fill,
            outline=(255, 255, 255),
            width=max(1, radius // 3),
        )
    return np.array(canvas)
