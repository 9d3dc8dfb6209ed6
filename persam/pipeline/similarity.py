"""Embeddings -> target feature -> similarity -> location prior: where the object seems to be.

Pure functions on single pictures. ``cells`` are a picture's ``(h, w, d)`` unit vectors
(:attr:`persam.structures.Embedding.cells`), similarity maps are ``(h, w)`` on the matching grid,
and the location prior is ``(height, width)`` in original pixels. The steps and their order are
those of PerSAM's section 3.1 and of the official ``persam.py``.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from persam import geometry
from persam.errors import InputError

if TYPE_CHECKING:
    from collections.abc import Sequence

    from persam.pipeline.features import ObjectFeatures
    from persam.structures import Frame
    from persam.variants import Pooling, Variant

# float32 sums of exactly half a cell may fall short of 0.5 by a few units in the last place.
_HALF = 0.5 - 1e-4
# Standard deviations above its mean at which a location prior, cut, is itself a fair mask.
PRIOR_CUT = 1.0
_ROWS = 1024  # compared at a time, so that many objects' cells take no more memory than one's


def covered_cells(mask: np.ndarray, frame: Frame, grid: Sequence[int]) -> np.ndarray:
    """Grid cells of which an object covers at least half.

    An object so small that it covers half of no cell takes the cell, or cells, that it covers
    most of.

    Args:
        mask: ``(height, width)`` bool, with at least one pixel set.
        frame: where the picture lies in the model's square.
        grid: ``(h, w)`` cells over the square.

    Returns:
        ``(h, w)`` bool, with at least one cell set.
    """
    share = geometry.coverage(mask, frame, grid)
    cells = share >= _HALF
    return cells if cells.any() else share >= share.max()


def official_cells(
    grey: np.ndarray, frame: Frame, grid: Sequence[int], mean: np.ndarray, std: np.ndarray
) -> np.ndarray:
    """Grid cells of the object as the official scripts find them.

    The mask goes through the picture's own resizing and normalisation, so that its grey value
    decides how much of a cell must be covered, and is sampled at the grid (``persam.py``).

    Args:
        grey: ``(height, width)`` uint8 grey values of the mask.
        frame: where the picture lies in the model's square.
        grid: ``(h, w)`` cells over the square.
        mean: ``(3,)`` the backbone's, in 0..255; channel 0 decides.
        std: the same.

    Returns:
        ``(h, w)`` bool.

    Raises:
        InputError: no cell is left; the official scripts go on with NaN here.
    """
    picture = np.repeat(grey[..., None], 3, axis=2)
    normalised = geometry.letterbox(picture, frame, mean, std)[0, :1]
    cells = geometry.bilinear(normalised, grid)[0] > 0
    if not cells.any():
        raise InputError(
            f"No grid cell of the reference is left as object: the official variant normalises "
            f"the mask like a picture, which drops grey values below {float(mean[0]):.0f} "
            f"(this mask's largest is {int(grey.max())}) and objects smaller than a cell. "
            f'Give a mask of grey value 255, or use variant="default".'
        )
    return cells


def background_cells(foreground: np.ndarray, frame: Frame) -> np.ndarray:
    """``(h, w)`` bool: the picture's cells that are not the object's; padding is neither."""
    rows, columns = frame.picture_cells(foreground.shape)
    background = np.zeros_like(foreground)
    background[:rows, :columns] = ~foreground[:rows, :columns]
    return background


def pool(features: np.ndarray, cells: np.ndarray, pooling: Pooling) -> np.ndarray:
    """Sum up an object's cells in one vector, not normalised.

    Args:
        features: ``(d, h, w)``, as the encoder gave them.
        cells: ``(h, w)`` bool, at least one set.
        pooling: ``"mean"`` (``persam.py``) or ``"mean+max"``, half of each (``persam_f.py``).

    Returns:
        ``(d,)``.
    """
    vectors = features[:, cells]
    mean = vectors.mean(axis=1)
    return mean if pooling == "mean" else vectors.max(axis=1) / 2 + mean / 2


def similarity_map(cells: np.ndarray, features: ObjectFeatures, variant: Variant) -> np.ndarray:
    """How much each cell of a picture is like the object, as the variant wants it; ``(h, w)``.

    Args:
        cells: ``(h, w, d)`` unit vectors of the picture.
        features: of the object.
        variant: its contrast and smoothing are read.
    """
    found = cosine(cells, features.target_feature)
    if variant.contrast > 0:
        compared = contrast(cells, features.foreground, features.background)
        found = found + np.float32(variant.contrast) * compared
    return smooth(found, variant.smoothing) if variant.smoothing else found


def cosine(cells: np.ndarray, target: np.ndarray) -> np.ndarray:
    """Cosine of every cell to the target: ``(h, w, d)`` and unit ``(d,)`` to ``(h, w)``, -1..1."""
    return cells @ target


def contrast(cells: np.ndarray, foreground: np.ndarray, background: np.ndarray) -> np.ndarray:
    """How much nearer each cell is to the object's nearest cell than to the background's.

    Args:
        cells: ``(h, w, d)`` unit vectors of the picture that is searched.
        foreground: ``(n, d)`` unit vectors of the object's cells in the reference.
        background: ``(k, d)`` of the other cells. Where there are none (the object fills every
            cell) there is nothing to tell apart and the map is 0.

    Returns:
        ``(h, w)``, -2..2.
    """
    if len(foreground) == 0 or len(background) == 0:
        return np.zeros(cells.shape[:2], dtype=np.float32)
    return nearest(cells, foreground) - nearest(cells, background)


def nearest(cells: np.ndarray, vectors: np.ndarray) -> np.ndarray:
    """``(...)`` cosine of every cell ``(..., d)`` to the nearest of ``(n, d)`` unit vectors."""
    rows = cells.reshape(-1, cells.shape[-1])
    found = np.empty(len(rows), dtype=np.result_type(cells, vectors))
    for start in range(0, len(rows), _ROWS):
        block = slice(start, start + _ROWS)
        found[block] = (rows[block] @ vectors.T).max(axis=1)
    return found.reshape(cells.shape[:-1])


def smooth(similarity: np.ndarray, share: float) -> np.ndarray:
    """Mix a similarity map with its 3 x 3 mean, so that one stray cell does not win.

    Args:
        similarity: ``(h, w)``.
        share: of the mean, 0..1.
    """
    height, width = similarity.shape
    padded = np.pad(similarity, 1)
    sums = sum(padded[y : y + height, x : x + width] for y in range(3) for x in range(3))
    rows, columns = (_neighbours(edge) for edge in (height, width))
    mean = (sums / np.outer(rows, columns)).astype(np.float32)
    return similarity + np.float32(share) * (mean - similarity)


def location_prior(similarity: np.ndarray, frame: Frame) -> np.ndarray:
    """Bring a similarity map to the original picture.

    Bilinear by four, then SAM's post-processing of masks (``persam.py``, section 3.1).

    Args:
        similarity: ``(h, w)`` over the model's square.
        frame: where the picture lies in that square.

    Returns:
        ``(height, width)``.
    """
    height, width = similarity.shape
    finer = geometry.bilinear(similarity[None], (4 * height, 4 * width))
    # Resize by resize, not by one matrix as masks are: where the map is flat, at its borders,
    # rounding decides which pixel is the extreme one, and it should round as the official code.
    square = geometry.bilinear(finer, (frame.square, frame.square))
    rows, columns = frame.resized
    return geometry.bilinear(square[:, :rows, :columns], (frame.height, frame.width))[0]


def standardise(values: np.ndarray, over: np.ndarray | None = None) -> np.ndarray:
    """Mean 0, unbiased standard deviation 1; a constant map (one pixel, say) becomes 0.

    Args:
        values: of any shape.
        over: the values whose mean and deviation count; None for these themselves.
    """
    over = values if over is None else over
    spread = over.std(ddof=1) if over.size > 1 else np.float32(0)
    # Sums of equal numbers may be off in the last place, which is no spread.
    if spread == 0 or over.max() == over.min():
        return np.zeros_like(values)
    return (values - over.mean()) / spread


def sigmoid(values: np.ndarray) -> np.ndarray:
    """``1 / (1 + exp(-x))``, without overflow.

    Example:
        >>> sigmoid(np.array([-1000.0, 0.0, 1000.0])).tolist()
        [0.0, 0.5, 1.0]
    """
    small = np.exp(-np.abs(values))  # at most 1
    return np.maximum(small, values >= 0) / (1 + small)


def padded(values: np.ndarray, grid: Sequence[int]) -> np.ndarray:
    """A picture's ``(rows, columns)`` map on the whole ``(h, w)`` grid, filled by its minimum."""
    rows, columns = values.shape
    edges = ((0, grid[0] - rows), (0, grid[1] - columns))
    return np.pad(values, edges, constant_values=values.min())


def _neighbours(edge: int) -> np.ndarray:
    """How many of the three cells around each cell of an edge are there."""
    return np.convolve(np.ones(edge), np.ones(3), mode="same")
