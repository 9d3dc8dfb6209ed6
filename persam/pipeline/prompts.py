"""Location prior -> point prompts; mask -> box prompt."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from collections.abc import Sequence

    import torch

    from persam.structures import Box, Frame


def point_prompts(
    prior: torch.Tensor, *, positive: int = 1, negative: bool = True
) -> tuple[np.ndarray, np.ndarray]:
    """The most similar pixels as points on the object, the least similar one as a point off it.

    PerSAM's positive-negative location prior (section 3.1); ties as ``torch.topk`` breaks them.

    Args:
        prior: ``(height, width)`` in original pixels.
        positive: how many points on the object; a picture of fewer pixels gives all it has.
        negative: whether to add the point off the object.

    Returns:
        ``(n, 2)`` int64 points ``(x, y)``, best first, and their ``(n,)`` int64 labels, 1 or 0.

    Example:
        >>> import torch
        >>> points, labels = point_prompts(torch.tensor([[0.1, 0.2, 0.9], [0.0, 0.3, 0.4]]))
        >>> points.tolist(), labels.tolist()
        ([[2, 0], [0, 1]], [1, 0])
    """
    flat = prior.flatten()
    indices = flat.topk(min(positive, flat.numel())).indices.tolist()
    labels = [1] * len(indices)
    if negative:
        indices += flat.topk(1, largest=False).indices.tolist()
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
