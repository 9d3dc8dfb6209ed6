"""Parts of an object: clusters of its cells, and a point prompt for each that a picture shows.

One point on a dog's ear may be read as the ear alone. Points on several parts say how far the
object goes, which P2SAM (part-aware personalised segment anything) found small encoders to need.
"""

from __future__ import annotations

import numpy as np

from persam.structures import unit_length

_ROUNDS = 10
_SAME = 1 - 1e-5  # cosine from which two cells count as one


def cluster(cells: np.ndarray, count: int) -> np.ndarray:
    """Group an object's cells by what they look like.

    Spherical k-means. It starts from the cell nearest the mean and then, each time, the cell least
    like all before (farthest points), so that the same cells always give the same parts.

    Args:
        cells: ``(n, d)`` unit vectors; none give no parts.
        count: of parts; fewer come back where there are fewer different cells.

    Returns:
        ``(p, d)`` unit vectors.

    Example:
        >>> cluster(np.array([[1.0, 0.0], [1.0, 0.0], [0.0, 1.0]], dtype=np.float32), 3).tolist()
        [[1.0, 0.0], [0.0, 1.0]]
    """
    if count == 0 or len(cells) == 0:
        return cells[:0]
    centres = _farthest(cells, count)
    for _ in range(_ROUNDS):
        nearest = (cells @ centres.T).argmax(axis=1)
        sums = np.zeros_like(centres)
        np.add.at(sums, nearest, cells)
        # A centre that no cell is nearest to stays where it is.
        alive = np.linalg.norm(sums, axis=1, keepdims=True) > 0
        centres = np.where(alive, unit_length(sums), centres)
    return centres


def part_cells(cells: np.ndarray, parts: np.ndarray, likely: np.ndarray) -> list[tuple[int, int]]:
    """Where a picture shows the parts.

    Args:
        cells: ``(h, w, d)`` unit vectors of the picture that is searched.
        parts: ``(p, d)`` unit vectors.
        likely: ``(h, w)`` bool, the cells that may be the object's; only these are read.

    Returns:
        ``(row, column)`` of the likely cell that is most like each part, in the order of the
        parts, each cell once; none where no cell is likely.
    """
    if len(parts) == 0 or not likely.any():
        return []
    places = np.argwhere(likely)  # in reading order, so that equals give the first
    best = (cells[likely] @ parts.T).argmax(axis=0).tolist()
    return [(int(row), int(column)) for row, column in places[list(dict.fromkeys(best))]]


def _farthest(cells: np.ndarray, count: int) -> np.ndarray:
    chosen: list[np.ndarray] = []
    index = int((cells @ unit_length(cells.mean(axis=0))).argmax())
    like = np.full(len(cells), -np.inf, dtype=np.float32)
    while len(chosen) < count and like[index] < _SAME:
        chosen.append(cells[index])
        like = np.maximum(like, cells @ cells[index])
        index = int(like.argmin())
    return np.stack(chosen)
