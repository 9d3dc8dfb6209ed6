"""Maps and masks over a photo as small pictures: arrays to arrays."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
from PIL import Image, ImageDraw

from persam.io import drawing

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from persam.structures import Box

SIDE = 320  # pixels of a panel's long side
TITLE = 22  # height of a row's title, in pixels
# Dark blue over green to yellow, even in lightness, so that it also reads in grey.
_ANCHORS = np.array(
    [(68, 1, 84), (59, 82, 139), (33, 145, 140), (94, 201, 98), (253, 231, 37)], dtype=np.float32
)
_BOX = (255, 193, 7)


def heat(values: np.ndarray, low: float | None = None, high: float | None = None) -> np.ndarray:
    """Colour a map from its smallest value (dark blue) to its largest (yellow).

    Args:
        values: ``(h, w)``.
        low: value of the darkest colour; None takes the map's smallest.
        high: value of the brightest; None takes the largest.

    Returns:
        ``(h, w, 3)`` uint8; a constant map is all of the darkest colour.

    Example:
        >>> heat(np.array([[0.0, 1.0]])).tolist()
        [[[68, 1, 84], [253, 231, 37]]]
    """
    low = float(values.min()) if low is None else low
    high = float(values.max()) if high is None else high
    place = np.clip((values - low) / max(high - low, 1e-12), 0, 1) * (len(_ANCHORS) - 1)
    left = np.minimum(place.astype(int), len(_ANCHORS) - 2)
    share = (place - left)[..., None]
    return np.rint(_ANCHORS[left] * (1 - share) + _ANCHORS[left + 1] * share).astype(np.uint8)


def heat_over(image: np.ndarray, values: np.ndarray) -> np.ndarray:
    """A coloured ``(H, W)`` map over an ``(H, W, 3)`` uint8 picture that shows through in grey."""
    grey = np.asarray(Image.fromarray(image).convert("L"), dtype=np.float32)[..., None]
    mixed = 0.4 * grey + 0.6 * heat(values).astype(np.float32)
    return small(mixed.astype(np.uint8))


def mask_over(
    image: np.ndarray,
    mask: np.ndarray,
    points: Sequence[tuple[int, int, int]] = (),
    box: Box | None = None,
) -> np.ndarray:
    """A mask on a picture, with the prompts that were asked.

    Args:
        image: ``(H, W, 3)`` uint8 RGB.
        mask: ``(H, W)`` bool.
        points: ``(x, y, label)``.
        box: ``(x0, y0, x1, y1)`` in pixel edges.
    """
    # Drawn at the panel's size, so that marks can be seen in pictures of any size.
    shrunk = small(image)
    height, width = shrunk.shape[:2]
    scale = np.array([width / image.shape[1], height / image.shape[0]])
    little = np.asarray(Image.fromarray(mask).resize((width, height), Image.Resampling.NEAREST))
    marks = [(*((np.array([x, y]) + 0.5) * scale).astype(int).tolist(), on) for x, y, on in points]
    drawn = drawing.overlay(shrunk, little, marks)
    return drawn if box is None else _with_box(drawn, np.array(box) * np.tile(scale, 2))


def cells_over(image: np.ndarray, cells: np.ndarray) -> np.ndarray:
    """Grid cells ``(rows, columns)`` bool of a picture, each tinted and with its border."""
    canvas = Image.fromarray(small(image))
    pen = ImageDraw.Draw(canvas, "RGBA")
    height, width = canvas.height / cells.shape[0], canvas.width / cells.shape[1]
    for row, column in np.argwhere(cells).tolist():
        corners = (column * width, row * height, (column + 1) * width - 1, (row + 1) * height - 1)
        pen.rectangle(corners, fill=(*drawing.OBJECT, 110), outline=(255, 255, 255, 160))
    return np.asarray(canvas)


def small(pixels: np.ndarray) -> np.ndarray:
    """Shrink ``(H, W, 3)`` uint8 to a panel's size; smaller ones stay as they are."""
    return drawing.thumbnail(pixels, SIDE)


def tiles(rows: Mapping[str, Sequence[np.ndarray]], gap: int = 8) -> np.ndarray:
    """Lay pictures out in rows, top left, on white, each row under its title.

    Args:
        rows: ``(h, w, 3)`` uint8 pictures of any sizes by the row's title; at least one.
        gap: pixels between and around them.

    Returns:
        ``(H, W, 3)`` uint8.
    """
    heights = [TITLE + max(picture.shape[0] for picture in row) for row in rows.values()]
    widths = [sum(picture.shape[1] + gap for picture in row) for row in rows.values()]
    size = (max(widths) + gap, sum(heights) + gap * (len(rows) + 1))
    sheet = Image.new("RGB", size, "white")
    pen, top = ImageDraw.Draw(sheet), gap
    for (title, row), height in zip(rows.items(), heights, strict=True):
        pen.text((gap, top), title, fill="black", font_size=TITLE - 6)
        left = gap
        for picture in row:
            sheet.paste(Image.fromarray(picture), (left, top + TITLE))
            left += picture.shape[1] + gap
        top += height + gap
    return np.array(sheet)


def _with_box(image: np.ndarray, edges: np.ndarray) -> np.ndarray:
    canvas = Image.fromarray(image)
    x0, y0, x1, y1 = edges.round().astype(int).tolist()
    corners = (x0, y0, max(x0, x1 - 1), max(y0, y1 - 1))
    ImageDraw.Draw(canvas).rectangle(corners, outline=_BOX, width=2)
    return np.asarray(canvas)
