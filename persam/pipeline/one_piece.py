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
from persam.pipeline.similarity import standardise

if TYPE_CHECKING:
    from collections.abc import Sequence

    from persam.pipeline.decoder import Step
    from persam.variants import Variant

# A piece stays if it comes this near, in standard deviations of the prior, to the best piece's
# likeliest pixel, and has this share of the best piece's area.
SUPPORT, SMALLEST = 0.95, 0.05
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

    pieces, count = cast("tuple[np.ndarray, int]", ndimage.label(mask, _TOUCHING))
    if count == 0:
        return mask
    numbers = np.arange(1, count + 1)
    highest = np.atleast_1d(ndimage.maximum(standardise(prior), pieces, numbers))
    areas = np.bincount(pieces.ravel())[1:]
    best = int(highest.argmax())
    supported = (highest >= SUPPORT * highest[best]) & (areas >= SMALLEST * areas[best])
    supported[best] = True
    return without_small_holes(np.isin(pieces, numbers[supported]))


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

    closed = np.asarray(ndimage.binary_fill_holes(mask))
    holes, count = cast("tuple[np.ndarray, int]", ndimage.label(closed & ~mask))
    if count == 0:
        return mask
    small = np.bincount(holes.ravel()) <= largest * np.count_nonzero(mask)
    small[0] = False
    return mask | small[holes]
