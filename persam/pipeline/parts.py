"""Parts of an object: clusters of its cells, and a point prompt for each that a picture shows.

One point on a dog's ear may be read as the ear alone. Points on several parts say how far the
object goes, which P2SAM (part-aware personalised segment anything) found small encoders to need.
"""

from __future__ import annotations

import torch
import torch.nn.functional as F

_ROUNDS = 10
_SAME = 1 - 1e-5  # cosine from which two cells count as one


def cluster(cells: torch.Tensor, count: int) -> torch.Tensor:
    """Group an object's cells by what they look like.

    Spherical k-means. It starts from the cell nearest the mean and then, each time, the cell least
    like all before (farthest points), so that the same cells always give the same parts.

    Args:
        cells: ``(n, d)`` unit vectors; none give no parts.
        count: of parts; fewer come back where there are fewer different cells.

    Returns:
        ``(p, d)`` unit vectors.

    Example:
        >>> cluster(torch.tensor([[1.0, 0.0], [1.0, 0.0], [0.0, 1.0]]), 3).tolist()
        [[1.0, 0.0], [0.0, 1.0]]
    """
    if count == 0 or len(cells) == 0:
        return cells[:0]
    centres = _farthest(cells, count)
    for _ in range(_ROUNDS):
        nearest = (cells @ centres.T).argmax(dim=1)
        sums = torch.zeros_like(centres).index_add_(0, nearest, cells)
        # A centre that no cell is nearest to stays where it is.
        alive = sums.norm(dim=1, keepdim=True) > 0
        centres = torch.where(alive, F.normalize(sums, dim=1), centres)
    return centres


def part_cells(
    features: torch.Tensor, parts: torch.Tensor, likely: torch.Tensor
) -> list[tuple[int, int]]:
    """Where a picture shows the parts.

    Args:
        features: ``(d, h, w)`` of the picture that is searched.
        parts: ``(p, d)`` unit vectors.
        likely: ``(h, w)`` bool, the cells that may be the object's; the rest is not looked at.

    Returns:
        ``(row, column)`` of the likely cell that is most like each part, in the order of the
        parts, each cell once; none where no cell is likely.
    """
    if len(parts) == 0 or not bool(likely.any()):
        return []
    found = torch.einsum("pd,dhw->phw", parts, F.normalize(features, dim=0))
    best = found.where(likely, -torch.inf).flatten(1).argmax(dim=1).tolist()
    width = likely.shape[1]
    return [divmod(index, width) for index in dict.fromkeys(best)]


def _farthest(cells: torch.Tensor, count: int) -> torch.Tensor:
    chosen: list[torch.Tensor] = []
    like = cells @ F.normalize(cells.mean(dim=0), dim=0)
    index = int(like.argmax())
    like = torch.full_like(like, -torch.inf)
    while len(chosen) < count and float(like[index]) < _SAME:
        chosen.append(cells[index])
        like = torch.maximum(like, cells @ cells[index])
        index = int(like.argmin())
    return torch.stack(chosen)
