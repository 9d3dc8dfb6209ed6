"""Original pixels <-> the model's square <-> the feature grid.

The only file that knows how pictures are scaled and padded. Sizes come from the
:class:`~persam.structures.Frame`, which the backbone makes; no side length is written here.
"""

from __future__ import annotations

from functools import lru_cache
from itertools import pairwise
from typing import TYPE_CHECKING

import numpy as np
from PIL import Image

from persam.structures import Frame

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

_ROWS = 64  # of a picture at a time


def fit(height: int, width: int, square: int, *, keep_aspect: bool) -> Frame:
    """Say how a picture lies in a square of side ``square``.

    Args:
        height: of the upright original, in pixels.
        width: the same.
        square: side of the model's input.
        keep_aspect: scale the long side to ``square`` and pad (SAM), or stretch both (SAM 2).

    Example:
        >>> fit(480, 640, 1024, keep_aspect=True).resized
        (768, 1024)
    """
    if not keep_aspect:
        return Frame(height, width, (square, square), square)
    scale = square / max(height, width)
    # SAM rounds half up, which Python's round() does not. A very thin picture keeps one pixel.
    resized = (max(1, int(height * scale + 0.5)), max(1, int(width * scale + 0.5)))
    return Frame(height, width, resized, square)


def letterbox(image: np.ndarray, frame: Frame, mean: np.ndarray, std: np.ndarray) -> np.ndarray:
    """Resize, normalise, and pad with zeros AFTER normalising (segment-anything's order).

    Args:
        image: ``(height, width, 3)`` uint8 RGB.
        frame: where the picture goes.
        mean: ``(3,)`` in 0..255.
        std: the same.

    Returns:
        ``(1, 3, square, square)`` float32.
    """
    height, width = frame.resized
    resized = Image.fromarray(image).resize((width, height), Image.Resampling.BILINEAR)
    square = np.zeros((1, 3, frame.square, frame.square), dtype=np.float32)
    # Channel by channel into its place: half the time of arithmetic on interleaved pixels.
    for channel, pixels in enumerate(resized.split()):
        place = square[0, channel, :height, :width]
        np.subtract(np.asarray(pixels), mean[channel], out=place, dtype=np.float32)
        np.divide(place, std[channel], out=place)
    return square


def to_square(xy: np.ndarray, frame: Frame) -> np.ndarray:
    """Scale ``(n, 2)`` points from original pixels to pixels of the model's square, float64."""
    height, width = frame.resized
    return np.asarray(xy, dtype=np.float64) * (width / frame.width, height / frame.height)


def to_original(
    logits: np.ndarray, frame: Frame, window: tuple[slice, slice] = (slice(None), slice(None))
) -> np.ndarray:
    """Bring maps that cover the square back to the original picture.

    segment-anything's post-processing: bilinear to the square, crop the padding away, bilinear
    to the original size.

    Args:
        logits: ``(k, m, n)``.
        frame: where the picture lies in the square.
        window: rows and columns of the picture that are wanted.

    Returns:
        ``(k, height, width)`` float32, of the window.
    """
    found = np.empty((len(logits), *_shape(frame, window)), dtype=np.float32)
    for rows, band in _bands(logits, frame, window):
        found[:, rows] = band
    return found


def mask_of(
    logits: np.ndarray, frame: Frame, window: tuple[slice, slice] = (slice(None), slice(None))
) -> np.ndarray:
    """Where the original picture is object: logits above 0, after :func:`to_original`.

    The logits of all its pixels are never in memory together.

    Args:
        logits: ``(1, m, n)``.
        frame: where the picture lies in the square.
        window: rows and columns of the picture that are wanted.

    Returns:
        ``(height, width)`` bool, of the window.
    """
    found = np.empty(_shape(frame, window), dtype=bool)
    for rows, band in _bands(logits, frame, window):
        np.greater(band[0], 0, out=found[rows])
    return found


def cell_of_pixels(frame: Frame, grid: Sequence[int]) -> tuple[np.ndarray, np.ndarray]:
    """Grid row ``(height,)`` and column ``(width,)`` of the cells that show the pixels."""
    down, right = np.arange(frame.height) + 0.5, np.arange(frame.width) + 0.5
    rows = down * frame.resized[0] / frame.height * grid[0] / frame.square
    columns = right * frame.resized[1] / frame.width * grid[1] / frame.square
    return rows.astype(np.int64), columns.astype(np.int64)


def coverage(mask: np.ndarray, frame: Frame, grid: Sequence[int]) -> np.ndarray:
    """Fraction of each cell of a grid over the square that a mask covers, exactly.

    Args:
        mask: ``(height, width)`` bool, in original pixels.
        frame: where the picture lies in the square; padding counts as uncovered.
        grid: ``(h, w)`` cells.

    Returns:
        ``(h, w)`` float32 in 0..1.
    """
    extent = (
        frame.square * frame.height / frame.resized[0],
        frame.square * frame.width / frame.resized[1],
    )
    return _cell_means(mask, grid, extent)


def shrink(mask: np.ndarray, size: Sequence[int]) -> np.ndarray:
    """Area average of a mask: ``(height, width)`` bool to ``size``, float32 in 0..1.

    Example:
        >>> shrink(np.array([[True, False], [True, True]]), (1, 2)).tolist()
        [[1.0, 0.5]]
    """
    return _cell_means(mask, size, (float(mask.shape[0]), float(mask.shape[1])))


def bilinear(maps: np.ndarray, size: Sequence[int]) -> np.ndarray:
    """Resize ``(k, h, w)`` maps to ``(k, *size)`` float32, as PyTorch's default does.

    Without antialiasing, pixel centres apart by whole pixels (``align_corners=False``).

    Example:
        >>> bilinear(np.array([[[0.0, 4.0]]]), (1, 4)).tolist()
        [[[0.0, 1.0, 3.0, 4.0]]]
    """
    maps = np.asarray(maps, dtype=np.float32)
    across = _between(maps, 2, *_neighbours(maps.shape[2], size[1]))  # (k, h, columns)
    found = np.empty((len(maps), *size), dtype=np.float32)
    every = _neighbours(maps.shape[1], size[0])
    for start in range(0, size[0], _ROWS):  # what a processor's cache holds
        rows = slice(start, start + _ROWS)
        above, below, share = (values[rows] for values in every)
        found[:, rows] = _between(across, 1, above, below, share[:, None])
    return found


def _between(
    maps: np.ndarray, axis: int, low: np.ndarray, high: np.ndarray, share: np.ndarray
) -> np.ndarray:
    """``low * (1 - share) + high * share`` along an axis."""
    found = maps.take(low, axis)
    found *= 1 - share
    other = maps.take(high, axis)
    other *= share
    found += other
    return found


def _neighbours(source: int, target: int) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """For each of ``target`` pixels the two of ``source`` that it lies between, and how far on."""
    scale = float(np.float32(source / target))  # as PyTorch rounds it
    places = ((np.arange(target) + 0.5) * scale - 0.5).clip(0).astype(np.float32)
    low = np.minimum(places.astype(np.int64), source - 1)
    return low, np.minimum(low + 1, source - 1), places - low.astype(np.float32)


@lru_cache(maxsize=16)
def _to_edge(cells: int, square: int, resized: int, edge: int) -> np.ndarray:
    """``(edge, cells)`` what each cell along one edge of the square weighs in each pixel."""
    weights = np.eye(cells, dtype=np.float32)
    for source, target in ((cells, square), (resized, edge)):
        low, high, share = _neighbours(source, target)
        weights = weights[low] * (1 - share[:, None]) + weights[high] * share[:, None]
    weights.setflags(write=False)
    return weights


def _shape(frame: Frame, window: tuple[slice, slice]) -> tuple[int, int]:
    """Height and width of a window of a picture."""
    return len(range(frame.height)[window[0]]), len(range(frame.width)[window[1]])


def _bands(
    logits: np.ndarray, frame: Frame, window: tuple[slice, slice]
) -> Iterator[tuple[slice, np.ndarray]]:
    """Of :func:`to_original` a few rows at a time: which they are, and ``(k, rows, width)``.

    Each takes the place of the one before in memory.
    """
    maps = np.asarray(logits, dtype=np.float32)
    down = _to_edge(maps.shape[1], frame.square, frame.resized[0], frame.height)[window[0]]
    right = _to_edge(maps.shape[2], frame.square, frame.resized[1], frame.width)[window[1]]
    across = maps @ right.T  # (k, m, width)
    room = np.empty((len(maps), _ROWS, len(right)), dtype=np.float32)
    for start in range(0, len(down), _ROWS):
        rows = down[start : start + _ROWS]
        read = np.flatnonzero(rows.any(axis=0))  # a band, as neighbours read neighbours
        band = slice(read[0], read[-1] + 1)
        found = np.matmul(rows[:, band], across[:, band], out=room[:, : len(rows)])
        yield slice(start, start + len(rows)), found


def _cell_means(mask: np.ndarray, grid: Sequence[int], extent: tuple[float, float]) -> np.ndarray:
    rows = _means_along(mask, grid[0], extent[0])
    cells = _means_along(rows.T, grid[1], extent[1]).T
    return np.clip(cells, 0.0, 1.0).astype(np.float32)


def _means_along(values: np.ndarray, cells: int, extent: float) -> np.ndarray:
    """Cut ``extent`` pixels along the first axis into equal cells; past the last pixel is 0."""
    pixels = len(values)
    edges = np.linspace(0.0, extent, cells + 1)
    whole = np.minimum(edges.astype(np.int64), pixels)
    part = np.where(whole < pixels, edges - whole, 0.0)[:, None]
    kind = np.int32 if values.dtype == bool else values.dtype
    sums = np.zeros((cells + 1, values.shape[1]), dtype=kind)
    for cell, (low, high) in enumerate(pairwise(whole.tolist())):
        np.add.reduce(values[low:high], axis=0, dtype=kind, out=sums[cell + 1])
    up_to = sums.cumsum(axis=0) + part * values[np.minimum(whole, pixels - 1)]
    return np.diff(up_to, axis=0) * (cells / extent)
