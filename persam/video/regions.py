"""The part of a frame that is encoded for one object: the object and what is round it.

A model sees a square of fixed side. A small object in a large frame fills few of its cells, and
most of them show what is far away; a region round its last place gives it more of both.
"""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from persam.structures import Box

# Sides grow by this factor from one step to the next and places move by this share of the side, so
# that an object that moves little is seen through the same region for many frames.
_LADDER = 1.25
_STEPS = 12


def whole(size: tuple[int, int]) -> Box:
    """The region that is all of a frame of ``(height, width)``."""
    return 0, 0, size[1], size[0]


def region_round(box: Box, size: tuple[int, int], scale: float, least: float) -> Box:
    """The region in which an object is looked for.

    Args:
        box: where it was, in pixels of the frame.
        size: ``(height, width)`` of the frame.
        scale: side of the region as a multiple of the box's longer side.
        least: side of the smallest region, in pixels.

    Returns:
        A box within the frame, square where the frame is large enough; the whole frame where the
        region would be most of it.

    Example:
        >>> region_round((100, 100, 140, 150), (480, 640), 2.0, 64.0)
        (45, 50, 202, 207)
    """
    height, width = size
    x0, y0, x1, y1 = box
    side = max(least, scale * max(x1 - x0, y1 - y0))
    side = least * _LADDER ** math.ceil(math.log(side / least, _LADDER) - 1e-9)
    across, down = min(side, width), min(side, height)
    if across * down >= _MOST * width * height:
        return whole(size)
    step = side / _STEPS
    left = round(((x0 + x1 - across) / 2) / step) * step
    top = round(((y0 + y1 - down) / 2) / step) * step
    left, top = min(max(left, 0), width - across), min(max(top, 0), height - down)
    return int(left), int(top), int(left + across), int(top + down)


_MOST = 0.8  # share of the frame from which a region is the whole frame


def crop(image: np.ndarray, region: Box) -> np.ndarray:
    """The pixels of a ``(height, width, ...)`` array within a region, contiguous."""
    x0, y0, x1, y1 = region
    return np.ascontiguousarray(image[y0:y1, x0:x1])


def paste(logits: np.ndarray, region: Box, size: tuple[int, int], outside: float) -> np.ndarray:
    """Put a region's ``(h, w)`` map into a frame of ``(height, width)``; ``outside`` elsewhere."""
    x0, y0, x1, y1 = region
    if region == whole(size):
        return logits
    frame = np.full(size, outside, dtype=logits.dtype)
    frame[y0:y1, x0:x1] = logits
    return frame


def within(box: Box, region: Box) -> Box | None:
    """A box in the region's own pixels, cut to it; None where nothing of it is inside."""
    x0, y0, x1, y1 = region
    left, top = max(box[0], x0) - x0, max(box[1], y0) - y0
    right, bottom = min(box[2], x1) - x0, min(box[3], y1) - y0
    return (left, top, right, bottom) if left < right and top < bottom else None
