"""The final mask is one object: pieces without support of their own go, small holes are closed.

A mask decoder that is asked by a location prior follows its speckle: a bit of a look-alike here, a
hole there. An object is mostly one piece; where something in front of it cuts it in two, both
pieces are likely places of it.
"""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, cast

import numpy as np

from persam.pipeline.decoder import final_step
from persam.pipeline.prompts import mask_box
from persam.pipeline.similarity import standardise

if TYPE_CHECKING:
    from collections.abc import Sequence

    from persam.pipeline.decoder import Step
    from persam.variants import Variant

# A piece stays if it has SMALLEST of the best piece's area and comes as near as SUPPORT, in
# standard deviations of the prior, to the best piece's likeliest pixel. One within GAP of the best
# piece's width is more likely a part of it, cut off by a collar or a strap.
SUPPORT, SMALLEST = 0.95, 0.05
GAP, SUPPORT_NEAR = 0.15, 0.7
CRUMB = 0.15  # share of the largest piece's area, below which a piece is no part and no instance
LARGEST_HOLE = 0.05  # share of the mask; larger ones are the object's own
_TOUCHING = np.ones((3, 3))


def final_object(steps: Sequence[Step], prior: np.ndarray, variant: Variant) -> Step:
    """The step whose mask counts, as one piece where the recipe says so.

    Args:
        steps: the decoder's, at least one.
        prior: ``(height, width)`` location prior.
        variant: the recipe.
    """
    step = final_step(steps, keep_best=variant.keep_best)
    return replace(step, mask=one_piece(step.mask, prior)) if variant.one_piece else step


def one_piece(mask: np.ndarray, prior: np.ndarray) -> np.ndarray:
    """Leave the piece of a mask where its object seems to be, and those as likely as that.

    Args:
        mask: ``(height, width)`` bool.
        prior: ``(height, width)`` location prior.

    Returns:
        ``(height, width)`` bool; the mask itself where it is empty.
    """
    from scipy import ndimage  # slow to import, and not every recipe needs it

    box = mask_box(mask)
    if box is None:
        return mask
    inside = slice(box[1], box[3]), slice(box[0], box[2])
    shown = mask[inside]
    pieces, count = cast("tuple[np.ndarray, int]", ndimage.label(shown, _TOUCHING))
    if count == 1:
        return without_small_holes(mask)
    numbers = pieces[shown] - 1  # of the pixels that are object, in reading order
    highest = np.full(count, -np.inf, dtype=np.float32)
    np.maximum.at(highest, numbers, prior[inside][shown])
    highest = standardise(highest, over=prior)
    areas = np.bincount(numbers)
    best = int(highest.argmax())
    step = max(1, max(mask.shape) // 200)  # exact to a step, at a fraction of the time
    coarse = pieces[-box[1] % step :: step, -box[0] % step :: step]
    near = step * _distances(coarse, count, best + 1) <= GAP * np.sqrt(areas[best])
    least = np.where(near, SUPPORT_NEAR, SUPPORT) * highest[best]
    supported = (highest >= least) & (areas >= SMALLEST * areas[best])
    supported[best] = True
    kept = np.zeros_like(mask)
    kept[inside] = np.append(False, supported)[pieces]
    return without_small_holes(kept)


def _distances(pieces: np.ndarray, count: int, best: int) -> np.ndarray:
    """``(count,)`` cells from each piece of a numbered map to the best one; inf if one is lost."""
    from scipy import ndimage

    nearest = np.full(count, np.inf)
    if (pieces == best).any():
        away = np.asarray(ndimage.distance_transform_edt(pieces != best), dtype=np.float64)
        shown = pieces > 0
        np.minimum.at(nearest, pieces[shown] - 1, away[shown])
    return nearest


def without_small_holes(mask: np.ndarray, largest: float = LARGEST_HOLE) -> np.ndarray:
    """Close the holes of a mask that are no larger than a share of it.

    Args:
        mask: ``(height, width)`` bool.
        largest: share of the mask's area.

    Example:
        >>> ring = np.ones((5, 5), dtype=bool)
        >>> ring[2, 2] = False
        >>> bool(without_small_holes(ring).all())
        True
    """
    from scipy import ndimage

    places = np.argwhere(mask.any(axis=1)), np.argwhere(mask.any(axis=0))
    if len(places[0]) == 0:
        return mask
    # A ring of background round the object is what lies outside; all else without mask is a hole.
    inside = tuple(slice(int(one[0, 0]), int(one[-1, 0]) + 1) for one in places)
    ground, count = cast(
        "tuple[np.ndarray, int]", ndimage.label(np.pad(~mask[inside], 1, constant_values=True))
    )
    if count == 1:
        return mask
    areas = np.bincount(ground.ravel())
    small = areas <= largest * np.count_nonzero(mask)
    small[[0, ground[0, 0]]] = False
    closed = mask.copy()
    closed[inside] |= small[ground[1:-1, 1:-1]]
    return closed


def pieces_of(mask: np.ndarray, least: float) -> list[np.ndarray]:
    """Pieces of a mask that do not touch, and that are not crumbs.

    Args:
        mask: ``(height, width)`` bool.
        least: share of the largest piece's area, below which a piece is a crumb.

    Returns:
        ``(height, width)`` bool each; none of an empty mask.

    Example:
        >>> len(pieces_of(np.array([[1, 1, 0, 1, 0, 1, 1]], dtype=bool), 0.6))
        2
    """
    from scipy import ndimage

    labels, count = cast("tuple[np.ndarray, int]", ndimage.label(mask, _TOUCHING))
    areas = np.bincount(labels.ravel(), minlength=count + 1)[1:]
    large = np.flatnonzero(areas >= least * areas.max(initial=0)) + 1
    return [labels == number for number in large.tolist()]


def count_pieces(mask: np.ndarray) -> int:
    """In how many pieces an object is shown, crumbs left out; see :func:`pieces_of`."""
    return len(pieces_of(mask, CRUMB))
