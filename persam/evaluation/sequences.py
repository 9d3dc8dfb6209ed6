"""DAVIS's measures: region similarity J and contour accuracy F, and what a sequence makes of them.

Two bool arrays in, numbers out; checked against the official DAVIS 2017 scorer.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
from scipy import ndimage

from persam.errors import InputError
from persam.metrics import overlap

if TYPE_CHECKING:
    from collections.abc import Sequence

TOLERANCE = 0.008  # how far contours may lie apart, as a share of the diagonal
RECALLED = 0.5  # a frame above it counts as recalled
_QUARTERS = 4


@dataclass(frozen=True)
class Statistics:
    """What the frames of one object add up to.

    Attributes:
        mean: over the frames, 0..1.
        recall: share of the frames above one half, 0..1.
        decay: mean of the first quarter less mean of the last one; below 0 where it got better.
    """

    mean: float
    recall: float
    decay: float


def region_similarity(found: np.ndarray, truth: np.ndarray) -> float:
    """J: intersection over union of one frame, 0..1; two empty masks give 1.

    Args:
        found: ``(h, w)`` bool.
        truth: ``(h, w)`` bool, of the same size.

    Raises:
        InputError: other types, or sizes that differ.
    """
    return overlap(found, truth).iou


def contour_accuracy(found: np.ndarray, truth: np.ndarray) -> float:
    """F: harmonic mean of precision and recall of the contour pixels of one frame, 0..1.

    A contour pixel is matched where the other contour is within 0.8 % of the diagonal, rounded up
    to whole pixels. Two empty contours give 1, one of them alone 0. Note that a mask which fills
    the frame has an empty contour.

    Args:
        found: ``(h, w)`` bool.
        truth: ``(h, w)`` bool, of the same size.

    Raises:
        InputError: other types, or sizes that differ.
    """
    overlap(found, truth)  # raises on unusable masks
    radius = math.ceil(TOLERANCE * float(np.hypot(*truth.shape)))
    ours, theirs = contour(found), contour(truth)
    precision = _matched(ours, theirs, radius)
    recall = _matched(theirs, ours, radius)
    total = precision + recall
    return 2 * precision * recall / total if total else 0.0


def contour(mask: np.ndarray) -> np.ndarray:
    """Pixels that differ from the one to the right, below, or below to the right, as DAVIS has it.

    Within the last row only the right neighbour counts, within the last column the one below.

    Args:
        mask: ``(h, w)`` bool.

    Returns:
        ``(h, w)`` bool, one pixel thin.

    Example:
        >>> contour(np.array([[0, 0, 0], [0, 1, 0], [0, 0, 0]], dtype=bool)).astype(int).tolist()
        [[1, 1, 0], [1, 1, 0], [0, 0, 0]]
    """
    edge = np.zeros_like(mask)
    edge[:, :-1] |= mask[:, :-1] ^ mask[:, 1:]
    edge[:-1] |= mask[:-1] ^ mask[1:]
    edge[:-1, :-1] |= mask[:-1, :-1] ^ mask[1:, 1:]
    return edge


def statistics(values: Sequence[float]) -> Statistics:
    """Mean, recall and decay over the frames that count (DAVIS: all but the first and the last).

    Args:
        values: J or F of each frame, in order; at least one.

    Raises:
        InputError: no values.

    Example:
        >>> statistics([1.0, 0.75, 0.5, 0.25])
        Statistics(mean=0.625, recall=0.5, decay=0.5)
    """
    if len(values) == 0:
        raise InputError("A sequence is judged by at least one frame; got none.")
    array = np.asarray(values, dtype=np.float64)
    # Neighbouring quarters share the frame at which they meet, as in the official scorer.
    ends = np.floor(np.linspace(0, len(array) - 1, _QUARTERS + 1) + 0.5 + 1e-10).astype(int)
    first, last = array[: ends[1] + 1], array[ends[-2] :]
    return Statistics(
        mean=float(array.mean()),
        recall=float((array > RECALLED).mean()),
        decay=float(first.mean() - last.mean()),
    )


def _matched(contour: np.ndarray, other: np.ndarray, radius: int) -> float:
    """Share of a contour's pixels within ``radius`` of the other; of none, all are matched."""
    pixels = np.count_nonzero(contour)
    if pixels == 0:
        return 1.0
    if not other.any():
        return 0.0
    near = np.asarray(ndimage.distance_transform_edt(~other)) <= radius
    return np.count_nonzero(contour & near) / pixels
