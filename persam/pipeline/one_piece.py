"""The final mask is one object: pieces without support of their own go, small holes are closed.

A mask decoder that is asked by a location prior follows its speckle: a bit of a look-alike here, a
hole there. An object is mostly one piece; where something in front of it cuts it in two, both
pieces are likely places of it.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
from scipy import ndimage

from persam.pipeline.similarity import standardise

if TYPE_CHECKING:
    import torch

# A piece stays if it comes this near, in standard deviations of the prior, to the best piece's
# likeliest pixel, and has this share of the best piece's area.
SUPPORT, SMALLEST = 0.95, 0.05
LARGEST_HOLE = 0.05  # share of the mask; larger ones are the object's own
_TOUCHING = np.ones((3, 3))


def one_piece(mask: np.ndarray, prior: torch.Tensor) -> np.ndarray:
    """Leave the piece of a mask where its object seems to be, and those as likely as that.

    Args:
        mask: ``(height, width)`` bool.
        prior: ``(height, width)`` location prior.

    Returns:
        ``(height, width)`` bool; the mask itself where it is empty.
    """
    pieces, count = ndimage.label(mask, _TOUCHING)
    if count == 0:
        return mask
    numbers = np.arange(1, count + 1)
    highest = np.atleast_1d(ndimage.maximum(standardise(prior).cpu().numpy(), pieces, numbers))
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
    holes, count = ndimage.label(ndimage.binary_fill_holes(mask) & ~mask)
    if count == 0:
        return mask
    small = np.bincount(holes.ravel()) <= largest * np.count_nonzero(mask)
    small[0] = False
    return mask | small[holes]
