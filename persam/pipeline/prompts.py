"""Location prior -> prompts of the first decoder call; mask -> box prompt."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from persam import geometry
from persam.pipeline.parts import part_cells
from persam.pipeline.similarity import PRIOR_CUT, padded, standardise
from persam.structures import Prompts

if TYPE_CHECKING:
    from collections.abc import Sequence

    from persam.pipeline.features import ObjectFeatures
    from persam.structures import Box, Embedding, Frame
    from persam.variants import Variant


def make_prompts(
    similarity: np.ndarray,
    prior: np.ndarray,
    embedding: Embedding,
    features: ObjectFeatures,
    variant: Variant,
) -> Prompts:
    """What the decoder is asked first: the prior's peaks, parts, and perhaps the prior itself.

    Args:
        similarity: ``(h, w)`` on the matching grid.
        prior: ``(height, width)``, the same in original pixels.
        embedding: the picture.
        features: of the object.
        variant: the recipe.

    Returns:
        The peaks of the prior first, then the parts, at last the point off the object.
    """
    frame = embedding.frame
    points, labels = point_prompts(
        prior, positive=variant.positive_points, negative=variant.negative_point
    )
    rows, columns = embedding.picture_cells
    standard = standardise(similarity[:rows, :columns])
    if len(features.parts) > 0:
        cells = embedding.cells[:rows, :columns]
        shown = part_cells(cells, features.parts, standard > PRIOR_CUT)
        more, on = cell_points(shown, frame, similarity.shape), labels == 1
        points = np.concatenate([points[on], more, points[~on]])
        labels = np.concatenate([labels[on], np.ones(len(more), dtype=np.int64), labels[~on]])
    if variant.prior_mask == 0:
        return Prompts(points, labels)
    # SAM's mask input, and its masks, have four times the side of the image features.
    side = 4 * embedding.features.shape[-1]
    mask = prior_mask(standard, similarity.shape, side, variant.prior_mask)
    return Prompts(points, labels, mask=mask)


def point_prompts(
    prior: np.ndarray, *, positive: int = 1, negative: bool = True
) -> tuple[np.ndarray, np.ndarray]:
    """The most similar pixels as points on the object, the least similar one as a point off it.

    PerSAM's positive-negative location prior (section 3.1); of equals the first in reading order.

    Args:
        prior: ``(height, width)`` in original pixels.
        positive: how many points on the object; a picture of fewer pixels gives all it has.
        negative: whether to add the point off the object.

    Returns:
        ``(n, 2)`` int64 points ``(x, y)``, best first, and their ``(n,)`` int64 labels, 1 or 0.

    Example:
        >>> points, labels = point_prompts(np.array([[0.1, 0.2, 0.9], [0.0, 0.3, 0.4]]))
        >>> points.tolist(), labels.tolist()
        ([[2, 0], [0, 1]], [1, 0])
    """
    indices = _largest(prior.ravel(), positive)
    labels = [1] * len(indices)
    if negative:
        indices.append(int(prior.argmin()))
        labels.append(0)
    width = prior.shape[1]
    points = [(index % width, index // width) for index in indices]
    return np.array(points, dtype=np.int64), np.array(labels, dtype=np.int64)


def cell_points(cells: Sequence[tuple[int, int]], frame: Frame, grid: Sequence[int]) -> np.ndarray:
    """Middles of grid cells as points in the original picture.

    Args:
        cells: ``(row, column)`` each.
        frame: where the picture lies in the model's square.
        grid: ``(h, w)`` cells over the square.

    Returns:
        ``(n, 2)`` int64 points ``(x, y)``; a cell that is mostly padding gives the picture's edge.

    Example:
        >>> from persam.structures import Frame
        >>> cell_points([(0, 3)], Frame(40, 80, (32, 64), 64), (4, 4)).tolist()
        [[70, 10]]
    """
    rows, columns = np.array(cells, dtype=np.float64).reshape(-1, 2).T + 0.5
    down = rows * frame.square / grid[0] * frame.height / frame.resized[0]
    right = columns * frame.square / grid[1] * frame.width / frame.resized[1]
    points = np.stack([right, down], axis=1).astype(np.int64)
    return np.minimum(points, (frame.width - 1, frame.height - 1))


def prior_mask(standard: np.ndarray, grid: Sequence[int], side: int, factor: float) -> np.ndarray:
    """Location prior -> logits for the decoder's mask input, 0 where it is PRIOR_CUT.

    Args:
        standard: ``(rows, columns)``, standardised over the picture's cells; padding takes its
            minimum.
        grid: ``(h, w)`` cells over the model's square.
        side: side of the decoder's mask input.
        factor: what a standard deviation is worth in logits.

    Returns:
        ``(1, side, side)``.
    """
    placed = padded(standard, grid)
    return (geometry.bilinear(placed[None], (side, side)) - PRIOR_CUT) * np.float32(factor)


def mask_box(mask: np.ndarray) -> Box | None:
    """Tight box of a ``(height, width)`` mask: ``(x0, y0, x1, y1)`` in pixel edges.

    ``mask[y0:y1, x0:x1]`` holds all of the object.

    Returns:
        The box, or None for an empty mask.

    Example:
        >>> mask_box(np.array([[False, False, False], [False, True, True]]))
        (1, 1, 3, 2)
    """
    columns = np.flatnonzero(mask.any(axis=0))
    rows = np.flatnonzero(mask.any(axis=1))
    if len(rows) == 0:
        return None
    return int(columns[0]), int(rows[0]), int(columns[-1]) + 1, int(rows[-1]) + 1


def _largest(values: np.ndarray, count: int) -> list[int]:
    """Indices of the largest numbers, largest first, of equals the first."""
    if count == 1:
        return [int(values.argmax())]
    count = min(count, len(values))
    least = np.partition(values, len(values) - count)[len(values) - count]
    found = np.flatnonzero(values >= least)
    order = np.argsort(-values[found], kind="stable")[:count]
    return found[order].tolist()
