"""A bounded memory of what object and background looked like, for models without one of their own.

An entry is one frame's cells and how much of each the object covered. A new frame's cells are
compared with all of them, foreground and background alike, and each takes over what the cells most
like it were (dense label propagation, as XMem and Cutie read their memories). What was background
stays background, however like the object it is, as long as it is more like itself. Between cells
that are equally like it, the one in the like place beside the object decides: a twin differs from
the object by its place alone. Long vectors are compared along the axes in which the marked frame's
cells are longest: what that frame has nothing of tells no object of it from another.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING

import numpy as np
from scipy.linalg import eigh
from scipy.ndimage import maximum_filter

from persam import geometry
from persam.pipeline.prompts import mask_box

if TYPE_CHECKING:
    from persam.structures import Box, Embedding, Frame

AXES = 192  # that long vectors are compared along
_LONG = 4 * AXES  # numbers; measured with pocket's 848 alone, so shorter vectors stay as they are
NEAREST = 8  # cells of the memory that a cell takes its label from
TEMPERATURE = 0.07  # of the softmax over their cosines, as in label propagation by DINO
_PLACE = 0.1  # of a cosine, that a place further by the object's size costs
_BESIDE = 2  # cells round a mask that was found, of which nothing is remembered
RECENT = 3
SPREAD = 4
_FOLD = 8  # columns of a product of which only the largest is looked at first
_STRIDE = 8  # sure frames from one spread entry to the next; doubled whenever there are too many


@dataclass(frozen=True, eq=False)
class MemoryEntry:
    """What one frame teaches.

    Attributes:
        cells: ``(h, w, d)`` unit vectors.
        places: ``(h, w, 2)``, see :func:`cell_places`.
        coverage: ``(h, w)`` share of each cell that the object covers, 0..1.
        axes: ``(d, a)`` that cells are compared along; None as they are.
        granted: whether the mask is taken for granted, as a person's own.
    """

    cells: np.ndarray
    places: np.ndarray
    coverage: np.ndarray
    axes: np.ndarray | None = None
    granted: bool = True

    @cached_property
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

    @cached_property
    def rows(self) -> np.ndarray:
        """``(h * w, a)`` the cells along the axes, one behind the other."""
        rows = along(self.cells, self.axes)
        return rows.reshape(-1, rows.shape[2])

    @cached_property
    def beside(self) -> np.ndarray:
        """``(3, h * w)`` what a place ``(x, y, 1)`` is multiplied by to say how far off cells are.

        A squared distance, but for what is the same for all cells; without end for unknown ones.
        """
        places = self.places.reshape(-1, 2)
        far = np.where(self.known.ravel(), -_PLACE * (places**2).sum(axis=1), -np.inf)
        return np.stack([*(2 * _PLACE * places.T), far]).astype(self.cells.dtype)

    @classmethod
    def of(
        cls,
        embedding: Embedding,
        mask: np.ndarray,
        axes: np.ndarray | None = None,
        *,
        granted: bool = True,
    ) -> MemoryEntry:
        """The entry of an encoded picture and its ``(height, width)`` bool mask, not empty."""
        cells, frame = embedding.cells, embedding.frame
        box = mask_box(mask)
        if box is None:
            raise ValueError("A mask that is remembered shows at least a pixel.")
        places = cell_places(frame, cells.shape[:2], box)
        coverage = geometry.coverage(mask, frame, cells.shape[:2])
        return cls(cells, places, coverage, axes, granted)


def main_axes(cells: np.ndarray) -> np.ndarray | None:
    """``(d, a)`` the directions in which ``(h, w, d)`` cells are longest; None for short vectors.

    Args:
        cells: of the frame that is marked.
    """
    depth = cells.shape[2]
    if depth <= _LONG:
        return None
    rows = cells.reshape(-1, depth)
    _, axes = eigh(rows.T @ rows, subset_by_index=(depth - AXES, depth - 1))
    return np.ascontiguousarray(axes, dtype=cells.dtype)


def along(cells: np.ndarray, axes: np.ndarray | None) -> np.ndarray:
    """``(..., d)`` cells along ``(d, a)`` axes; as they are without."""
    return cells if axes is None else cells @ axes


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
    x, y = np.meshgrid(right - (x0 + x1) / 2, down - (y0 + y1) / 2)
    return np.stack([x, y], axis=2).astype(np.float32) / max(x1 - x0, y1 - y0)


@dataclass(frozen=True, eq=False)
class Recollection:
    """What a memory says of a picture; the cells of both are multiplied once.

    Attributes:
        readout: ``(h, w)``, 0..1, how much of each cell is object.
        latest: the newest entry.
        to_latest: ``(h * w, n)`` likeness of the picture's cells to the newest entry's.
    """

    readout: np.ndarray
    latest: MemoryEntry
    to_latest: np.ndarray

    def backward_agreement(self, now: MemoryEntry) -> float:
        """How well the mask before follows from the mask now, read backwards in time, 0..1.

        A mask that has drifted onto something else does not lead back to where the object was.
        """
        near = _nearest(self.to_latest.T, _with_ones(self.latest.places), now)
        before = self.latest.coverage
        return agreement(before, _mixed(*near).reshape(before.shape))


def recollect(
    entries: Sequence[MemoryEntry], cells: np.ndarray, places: np.ndarray
) -> Recollection:
    """Ask a memory how much of each cell is object, by the cells that are most similar.

    Args:
        entries: at least one, the newest at the end.
        cells: ``(h, w, a)`` of the picture that is asked for, along the same axes as the entries'.
        places: ``(h, w, 2)`` where they are, from about where the object is expected.
    """
    rows, here = cells.reshape(-1, cells.shape[2]), _with_ones(places)
    found, similar = [], np.empty(0)
    for entry in entries:  # one by one, as a processor's cache holds their products
        similar = rows @ entry.rows.T
        found.append(_nearest(similar, here, entry))
    near, shares = (np.concatenate(parts, axis=1) for parts in zip(*found, strict=True))
    readout = _mixed(near, shares).reshape(cells.shape[:2])
    return Recollection(readout, entries[-1], similar)


def _with_ones(places: np.ndarray) -> np.ndarray:
    """``(h, w, 2)`` places -> ``(h * w, 3)``."""
    return np.insert(places.reshape(-1, 2), 2, 1, axis=1)


def _nearest(
    similar: np.ndarray, here: np.ndarray, entry: MemoryEntry
) -> tuple[np.ndarray, np.ndarray]:
    """``(n, NEAREST)`` likeness of an entry's most similar cells, and how much of each is object.

    Args:
        similar: ``(n, m)`` cosines to the entry's cells.
        here: ``(n, 3)`` places, see :attr:`MemoryEntry.beside`.
        entry: whose cells they are.
    """
    scores = here @ entry.beside
    scores += similar
    columns = _largest(scores, NEAREST)
    return np.take_along_axis(scores, columns, axis=1), entry.coverage.ravel()[columns]


def _mixed(near: np.ndarray, shares: np.ndarray) -> np.ndarray:
    """``(n,)`` mean of shares ``(n, m)``, by a softmax over the likenesses of the nearest."""
    columns = _largest(near, NEAREST)
    near, shares = (np.take_along_axis(values, columns, axis=1) for values in (near, shares))
    weights = np.exp((near - near.max(axis=1, keepdims=True)) / TEMPERATURE)
    return (weights * shares).sum(axis=1) / weights.sum(axis=1)


def _largest(values: np.ndarray, count: int) -> np.ndarray:
    """Columns of the ``count`` largest values of each row of ``(n, m)``, or of all, unordered."""
    most = values.shape[1]
    if most <= count:
        return np.broadcast_to(np.arange(most), values.shape)
    if most % _FOLD or most <= _FOLD * count:
        return np.argpartition(values, -count, axis=1)[:, -count:]
    # The largest lie in the parts with the largest maxima, which are found among fewer.
    folded = values.reshape(len(values), _FOLD, -1)
    parts = np.argpartition(folded.max(axis=1), -count, axis=1)[:, None, -count:]
    starts = np.arange(0, most, most // _FOLD)[:, None]
    columns = (starts + parts).reshape(len(values), -1)
    kept = np.argpartition(np.take_along_axis(values, columns, axis=1), -count, axis=1)
    return np.take_along_axis(columns, kept[:, -count:], axis=1)


def agreement(mask: np.ndarray, readout: np.ndarray) -> float:
    """Soft IoU of two maps of one shape, values in 0..1; 1 where both are empty.

    Example:
        >>> agreement(np.array([1.0, 1.0, 0.0]), np.array([1.0, 0.5, 0.5]))
        0.6
    """
    inside = float(np.sum(mask * readout, dtype=np.float64))
    union = float(np.sum(mask, dtype=np.float64) + np.sum(readout, dtype=np.float64)) - inside
    return 1.0 if union <= 0 else round(inside / union, 6)


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
