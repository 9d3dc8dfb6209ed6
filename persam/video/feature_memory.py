"""A bounded memory of what object and background looked like, for models without one of their own.

An entry is one frame's cells and how much of each the object covered. A new frame's cells are
compared with all of them, foreground and background alike, and each takes over what the cells most
like it were (dense label propagation, as XMem and Cutie read their memories). What was background
stays background, however like the object it is, as long as it is more like itself.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
import torch
import torch.nn.functional as F

from persam import geometry

if TYPE_CHECKING:
    from persam.structures import Embedding

NEAREST = 8  # cells of the memory that a cell takes its label from
TEMPERATURE = 0.07  # of the softmax over their cosines, as in label propagation by DINO
RECENT = 3
SPREAD = 4
_STRIDE = 8  # sure frames from one spread entry to the next; doubled whenever there are too many


@dataclass(frozen=True, eq=False)
class MemoryEntry:
    """What one frame teaches.

    Attributes:
        features: ``(n, d)`` unit vectors of its cells.
        coverage: ``(n,)`` share of each cell that the object covers, 0..1.
        grid: ``(h, w)`` cells; ``n = h * w``.
    """

    features: torch.Tensor
    coverage: torch.Tensor
    grid: tuple[int, int]

    @property
    def map(self) -> torch.Tensor:
        """``(d, h, w)`` the features as they lie in the picture."""
        return self.features.T.reshape(-1, *self.grid)

    @property
    def foreground(self) -> torch.Tensor:
        """``(k, d)`` the cells that the object covers half of, or those that it covers most of."""
        least = min(0.5, float(self.coverage.max()))
        return self.features[self.coverage >= least]

    @classmethod
    def of(cls, embedding: Embedding, mask: np.ndarray) -> MemoryEntry:
        """The entry of an encoded picture and its ``(height, width)`` bool mask."""
        features = unit_features(embedding)
        grid = features.shape[1], features.shape[2]
        coverage = torch.from_numpy(geometry.coverage(mask, embedding.frame, grid))
        flat = features.flatten(1).T.contiguous()
        return cls(flat, coverage.flatten().to(flat.device), grid)


def unit_features(embedding: Embedding) -> torch.Tensor:
    """``(d, h, w)`` matching features, every cell of length 1."""
    return F.normalize(embedding.matching[0], dim=0)


def read(entries: Sequence[MemoryEntry], features: torch.Tensor) -> torch.Tensor:
    """How much of each cell is object, by the most similar cells of a memory.

    Args:
        entries: at least one.
        features: ``(d, h, w)`` unit vectors of the picture that is read for.

    Returns:
        ``(h, w)``, 0..1.
    """
    keys = torch.cat([entry.features for entry in entries])
    values = torch.cat([entry.coverage for entry in entries])
    similar = features.flatten(1).T @ keys.T
    nearest = similar.topk(min(NEAREST, len(keys)), dim=1)
    weights = torch.softmax(nearest.values / TEMPERATURE, dim=1)
    return (weights * values[nearest.indices]).sum(dim=1).reshape(features.shape[1:])


def agreement(mask: torch.Tensor, readout: torch.Tensor) -> float:
    """Soft IoU of two maps of one shape, values in 0..1; 1 where both are empty.

    Example:
        >>> agreement(torch.tensor([1.0, 1.0, 0.0]), torch.tensor([1.0, 0.5, 0.5]))
        0.6
    """
    inside = float((mask * readout).sum())
    union = float(mask.sum() + readout.sum()) - inside
    return 1.0 if union <= 0 else round(inside / union, 6)


def backward_agreement(now: MemoryEntry, before: MemoryEntry) -> float:
    """How well the mask before follows from the mask now, read backwards in time, 0..1.

    A mask that has drifted onto something else does not lead back to where the object was.
    """
    return agreement(before.coverage, read([now], before.map).flatten())


def remembered(sure: Sequence[int]) -> list[int]:
    """Which of the sure frames so far a memory keeps: the latest, and others spread over time.

    A rule on numbers alone, so that a memory can be built again from what a run has written down.

    Args:
        sure: numbers of the frames that may be remembered, in the order in which they came; the
            frames that a person has marked are kept besides.

    Returns:
        At most ``RECENT + SPREAD`` of them, in their order.

    Example:
        >>> remembered(list(range(100)))
        [32, 64, 97, 98, 99]
    """
    older = sure[: max(0, len(sure) - RECENT)]
    stride = _STRIDE
    while len(older) // stride > SPREAD:
        stride *= 2
    spread = [older[place] for place in range(stride, len(older), stride)]
    return [*spread, *sure[len(older) :]]
