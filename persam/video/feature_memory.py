"""A bounded memory of what object and background looked like, for models without one of their own.

An entry is one frame's cells and how much of each the object covered. A new frame's cells are
compared with all of them, foreground and background alike, and each takes over what the cells most
like it were (dense label propagation, as XMem and Cutie read their memories). What was background
stays background, however like the object it is, as long as it is more like itself. Between cells
that are equally like it, the one in the like place beside the object decides: a twin differs from
the object by its place alone.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
from scipy.ndimage import maximum_filter

from persam import geometry
from persam.pipeline.prompts import mask_box

if TYPE_CHECKING:
    from persam.structures import Box, Embedding, Frame

NEAREST = 8  # cells of the memory that a cell takes its label from
TEMPERATURE = 0.07  # of the softmax over their cosines, as in label propagation by DINO
_PLACE = 0.1  # of a cosine, that a place further by the object's size costs
_BESIDE = 2  # cells round a mask that was found, of which nothing is remembered
RECENT = 3
SPREAD = 4
_STRIDE = 8  # sure frames from one spread entry to the next; doubled whenever there are too many


@dataclass(frozen=True, eq=False)
class MemoryEntry:
    """What one frame teaches.

    Attributes:
        cells: ``(h, w, d)`` unit vectors.
        places: ``(h, w, 2)``, see :func:`cell_places`.
        coverage: ``(h, w)`` share of each cell that the object covers, 0..1.
        granted: whether the mask is taken for granted, as a person's own.
    """

    cells: np.ndarray
    places: np.ndarray
    coverage: np.ndarray
    granted: bool = True

    @property
    def known(self) -> np.ndarray:
        """``(h, w)`` bool: the cells that say something.

        Beside a mask that was found a part may be missing. As background it would be remembered,
        and never be found again.
        """
        if self.granted:
            return np.ones(self.coverage.shape, dtype=bool)
        near = maximum_filter(self.coverage, size=2 * _BESIDE + 1) > 0
        return ~near | (self.coverage > 0)

    @property
    def foreground(self) -> np.ndarray:
        """``(k, d)`` the cells that the object covers half of, or those that it covers most of."""
        return self.cells[self.coverage >= min(0.5, float(self.coverage.max()))]

    @classmethod
    def of(cls, embedding: Embedding, mask: np.ndarray, *, granted: bool = True) -> MemoryEntry:
        """The entry of an encoded picture and its ``(height, width)`` bool mask, not empty."""
        cells, frame = embedding.cells, embedding.frame
        box = mask_box(mask)
        if box is None:
            raise ValueError("A mask that is remembered shows at least a pixel.")
        places = cell_places(frame, cells.shape[:2], box)
        return cls(cells, places, geometry.coverage(mask, frame, cells.shape[:2]), granted)


def cell_places(frame: Frame, grid: Sequence[int], box: Box) -> np.ndarray:
    """``(h, w, 2)`` x and y of a grid's cells from a box's centre, in units of its longer side.

    Args:
        frame: of the picture whose cells they are.
        grid: ``(h, w)`` cells over the model's square.
        box: of the object, in pixels of the picture.
    """
    x0, y0, x1, y1 = box
    right = (np.arange(grid[1]) + 0.5) * frame.square / grid[1] * frame.width / frame.resized[1]
    down = (np.arange(grid[0]) + 0.5) * frame.square / grid[0] * frame.height / frame.resized[0]
    across, along = np.meshgrid(right - (x0 + x1) / 2, down - (y0 + y1) / 2)
    return np.stack([across, along], axis=2).astype(np.float32) / max(x1 - x0, y1 - y0)


def read(entries: Sequence[MemoryEntry], cells: np.ndarray, places: np.ndarray) -> np.ndarray:
    """How much of each cell is object, by the most similar cells of a memory.

    Args:
        entries: at least one.
        cells: ``(h, w, d)`` unit vectors of the picture that is read for.
        places: ``(h, w, 2)`` where they are, from about where the object is expected.

    Returns:
        ``(h, w)``, 0..1.
    """
    depth = cells.shape[2]
    keys = np.concatenate([entry.cells[entry.known] for entry in entries])
    values = np.concatenate([entry.coverage[entry.known] for entry in entries])
    beside = np.concatenate([entry.places[entry.known] for entry in entries])
    similar = cells.reshape(-1, depth) @ keys.T
    # A squared distance, but for what is the same for all keys of a cell.
    similar += _PLACE * (2 * places.reshape(-1, 2) @ beside.T - (beside**2).sum(axis=1))
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
    return agreement(before.coverage, read([now], before.cells, before.places))


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
        [32, 64, 96, 97, 98, 99]
    """
    older = sure[: max(0, len(sure) - RECENT)]
    stride = _STRIDE
    while len(older) // stride > SPREAD:
        stride *= 2
    spread = [older[place] for place in range(stride, len(older), stride)]
    return [*spread, *sure[len(older) :]]
