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
        cells: ``(h, w, d)`` unit vectors.
        coverage: ``(h, w)`` share of each cell that the object covers, 0..1.
    """

    cells: np.ndarray
    coverage: np.ndarray

    @property
    def foreground(self) -> np.ndarray:
        """``(k, d)`` the cells that the object covers half of, or those that it covers most of."""
        return self.cells[self.coverage >= min(0.5, float(self.coverage.max()))]

    @classmethod
    def of(cls, embedding: Embedding, mask: np.ndarray) -> MemoryEntry:
        """The entry of an encoded picture and its ``(height, width)`` bool mask."""
        cells = embedding.cells
        return cls(cells, geometry.coverage(mask, embedding.frame, cells.shape[:2]))


def read(entries: Sequence[MemoryEntry], cells: np.ndarray) -> np.ndarray:
    """How much of each cell is object, by the most similar cells of a memory.

    Args:
        entries: at least one.
        cells: ``(h, w, d)`` unit vectors of the picture that is read for.

    Returns:
        ``(h, w)``, 0..1.
    """
    depth = cells.shape[2]
    keys = np.concatenate([entry.cells.reshape(-1, depth) for entry in entries])
    values = np.concatenate([entry.coverage.ravel() for entry in entries])
    similar = cells.reshape(-1, depth) @ keys.T
    count = min(NEAREST, len(keys))
    nearest = np.argpartition(-similar, count - 1, axis=1)[:, :count]
    near = np.take_along_axis(similar, nearest, axis=1)
    weights = np.exp((near - near.max(axis=1, keepdims=True)) / TEMPERATURE)
    found = (weights * values[nearest]).sum(axis=1) / weights.sum(axis=1)
    return found.reshape(cells.shape[:2])


def agreement(mask: np.ndarray, readout: np.ndarray) -> float:
    """Soft IoU of two maps of one shape, values in 0..1; 1 where both are empty.

    Example:
        >>> agreement(np.array([1.0, 1.0, 0.0]), np.array([1.0, 0.5, 0.5]))
        0.6
    """
    inside = float(np.sum(mask * readout, dtype=np.float64))
    union = float(np.sum(mask, dtype=np.float64) + np.sum(readout, dtype=np.float64)) - inside
    return 1.0 if union <= 0 else round(inside / union, 6)


def backward_agreement(now: MemoryEntry, before: MemoryEntry) -> float:
    """How well the mask before follows from the mask now, read backwards in time, 0..1.

    A mask that has drifted onto something else does not lead back to where the object was.
    """
    return agreement(before.coverage, read([now], before.cells))


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
