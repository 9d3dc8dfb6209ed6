"""How well a found mask covers the true one: two bool arrays in, numbers out.

Areas are Python integers, so that nothing wraps however many pictures are pooled.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
from scipy import ndimage

from persam.errors import InputError

if TYPE_CHECKING:
    from collections.abc import Iterable

BAND = 0.02  # thickness of a boundary band as a share of the diagonal (Boundary IoU, Cheng 2021)


@dataclass(frozen=True)
class Overlap:
    """Pixel counts of one pair of masks, or of many pairs added up.

    Attributes:
        intersection: pixels in both.
        union: pixels in either.
        truth: pixels in the true mask.
    """

    intersection: int
    union: int
    truth: int

    def __add__(self, other: Overlap) -> Overlap:
        return Overlap(
            self.intersection + other.intersection,
            self.union + other.union,
            self.truth + other.truth,
        )

    @property
    def iou(self) -> float:
        """Intersection over union, 0..1; two empty masks agree fully and give 1."""
        return self.intersection / self.union if self.union else 1.0

    @property
    def official_iou(self) -> float:
        """I / (U + 1e-10) as the official PerSeg scorer has it; two empty masks give 0."""
        return self.intersection / (self.union + 1e-10)

    @property
    def episode_iou(self) -> float:
        """I / max(U, 1), as few-shot scorers (HSNet, Matcher) have it; two empty masks give 0."""
        return self.intersection / max(self.union, 1)

    @property
    def recall(self) -> float:
        """Share of the true pixels that were found, 0..1 (PerSeg's "mAcc"); no truth gives 1."""
        return self.intersection / self.truth if self.truth else 1.0


def overlap(found: np.ndarray, truth: np.ndarray) -> Overlap:
    """Count the pixels that two masks share.

    Args:
        found: ``(h, w)`` bool.
        truth: ``(h, w)`` bool, of the same size.

    Raises:
        InputError: other types, or sizes that differ.

    Example:
        >>> truth = np.array([[1, 1], [0, 0]], dtype=bool)
        >>> overlap(np.array([[1, 0], [1, 0]], dtype=bool), truth)
        Overlap(intersection=1, union=3, truth=2)
    """
    for name, mask in (("found", found), ("true", truth)):
        if mask.ndim != 2 or mask.dtype != np.bool_:
            raise InputError(
                f"A {name} mask is (height, width) bool; got shape {mask.shape} of {mask.dtype}."
            )
    if found.shape != truth.shape:
        raise InputError(
            f"Masks of different sizes cannot be compared: found {found.shape}, true {truth.shape}."
        )
    return Overlap(
        int(np.count_nonzero(found & truth)),
        int(np.count_nonzero(found | truth)),
        int(np.count_nonzero(truth)),
    )


def pooled(overlaps: Iterable[Overlap]) -> Overlap:
    """Add pixel counts up, so that every pixel of every picture weighs the same."""
    return sum(overlaps, start=Overlap(0, 0, 0))


def fb_iou(area: Overlap, pixels: int) -> float:
    """Foreground-background IoU: the mean of the object's IoU and of the background's.

    As few-shot benchmarks have it, of counts that were added up before; either union counts as at
    least 1.

    Args:
        area: pixel counts of the object, of one picture or of many.
        pixels: of all these pictures together.

    Raises:
        InputError: fewer pixels than the masks cover.

    Example:
        >>> fb_iou(Overlap(intersection=1, union=3, truth=2), pixels=4)
        0.3333333333333333
    """
    if pixels < area.union:
        raise InputError(f"{pixels} pixels cannot hold masks that cover {area.union}.")
    background = (pixels - area.union) / max(pixels - area.intersection, 1)
    return (area.episode_iou + background) / 2


def iou(found: np.ndarray, truth: np.ndarray) -> float:
    """Intersection over union of two ``(h, w)`` bool masks, 0..1; both empty gives 1."""
    return overlap(found, truth).iou


def at_size(mask: np.ndarray, side: int | tuple[int, int] | None) -> np.ndarray:
    """Scale a mask to ``side`` x ``side`` as few-shot scorers do, by nearest neighbour.

    The pixel is the one that ``torch.nn.functional.interpolate(mode="nearest")`` takes.

    Args:
        mask: ``(H, W)`` bool.
        side: of a square, or height and width; None leaves the mask as it is.

    Example:
        >>> at_size(np.array([[True, False, False]]), 2).tolist()
        [[True, False], [True, False]]
    """
    if side is None:
        return mask
    sides = (side, side) if isinstance(side, int) else side
    if mask.shape == sides:
        return mask
    rows, columns = (
        np.arange(new) * old // new for new, old in zip(sides, mask.shape, strict=True)
    )
    return mask[rows[:, None], columns]


def band_width(height: int, width: int) -> int:
    """Thickness of the boundary band in pixels: 2 % of the diagonal, at least 1."""
    return max(1, round(BAND * float(np.hypot(height, width))))


def boundary(mask: np.ndarray) -> np.ndarray:
    """The pixels of a mask that lie within a band along its edge.

    Boundary IoU erodes the mask ``band_width`` times with a 3x3 kernel, with zeros around the
    picture, and keeps what eroded. That many erosions are one minimum over a square window, which
    costs the same at any thickness.

    Args:
        mask: ``(h, w)`` bool.

    Returns:
        ``(h, w)`` bool, a subset of the mask.
    """
    side = 2 * band_width(*mask.shape) + 1
    core = ndimage.minimum_filter(mask.view(np.uint8), size=side, mode="constant", cval=0)
    return mask & (core == 0)


def depth(mask: np.ndarray) -> np.ndarray:
    """How far every object pixel is from the nearest pixel that is not object.

    Beyond the picture's border nothing is object, as for the boundary band.

    Args:
        mask: ``(h, w)`` bool.

    Returns:
        ``(h, w)`` float64, in pixels; 0 off the object, at least 1 on it.

    Example:
        >>> depth(np.ones((3, 4), dtype=bool)).tolist()
        [[1.0, 1.0, 1.0, 1.0], [1.0, 2.0, 2.0, 1.0], [1.0, 1.0, 1.0, 1.0]]
    """
    return np.asarray(ndimage.distance_transform_edt(np.pad(mask, 1)))[1:-1, 1:-1]


def boundary_overlap(found: np.ndarray, truth: np.ndarray) -> Overlap:
    """Pixel counts of the two masks' boundary bands; ``.iou`` of it is the Boundary IoU."""
    overlap(found, truth)  # raises on unusable masks before any filtering
    return overlap(boundary(found), boundary(truth))
