"""Label maps: number 0 is background, and every number has the colour of DAVIS and Pascal VOC."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from collections.abc import Iterable

MOST = 254  # objects in a label map
VOID = 255  # nobody's pixel


def colour(number: int) -> tuple[int, int, int]:
    """Red, green and blue of a label number 0..255, as Pascal VOC spreads its bits.

    Example:
        >>> colour(1), colour(2), colour(11)
        ((128, 0, 0), (0, 128, 0), (192, 128, 0))
    """
    # Bits 0, 3 and 6 of the number are the three highest bits of red, from the highest down;
    # bits 1, 4, 7 of green; bits 2, 5 of blue.
    red, green, blue = (
        sum((number >> (3 * step + channel) & 1) << (7 - step) for step in range(3))
        for channel in range(3)
    )
    return red, green, blue


PALETTE = bytes(value for number in range(256) for value in colour(number))


def number_masks(masks: Iterable[np.ndarray], size: tuple[int, int]) -> np.ndarray:
    """Number masks that do not overlap 1, 2, ... in one label map.

    Args:
        masks: ``(height, width)`` bool each.
        size: ``(height, width)``, as there may be no mask.

    Returns:
        ``(height, width)`` uint8.
    """
    labels = np.zeros(size, dtype=np.uint8)
    for number, mask in enumerate(masks, start=1):
        labels[mask] = number
    return labels
