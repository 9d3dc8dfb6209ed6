"""Where one of several instances ends and the next begins: basins of a similarity map.

A map of what is like the object is a landscape: an instance is a hill, and two that touch are
parted by the valley between them. Cells go to a hill in the order of their height; where two hills
meet high up, neither much higher than the pass, they are one.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from persam.pipeline.similarity import standardise

if TYPE_CHECKING:
    from persam.structures import Frame

# In standard deviations of the map: what lies lower belongs to no hill, and how deep a pass lies
# below the lower of two tops that it parts.
LEAST_HEIGHT, VALLEY = 0.5, 0.3
_SPECKLE = 1.0  # cells; deviation of the Gaussian that single cells are smoothed by


def highest_hill(similarity: np.ndarray, frame: Frame) -> np.ndarray:
    """The cells of a picture's likeliest place, up to its valleys, and those beside them.

    Args:
        similarity: ``(h, w)`` over the model's square.
        frame: where the picture lies in that square.

    Returns:
        ``(h, w)`` bool; a neighbour of the hill is in it where it is no other hill's. All of the
        picture where nothing stands out.
    """
    from scipy import ndimage  # slow to import, and only instances need it

    rows, columns = frame.picture_cells(similarity.shape)
    heights = standardise(similarity[:rows, :columns])
    hills = find_hills(ndimage.gaussian_filter(heights, _SPECKLE))
    place = np.zeros(similarity.shape, dtype=bool)
    if not hills.any():
        place[:rows, :columns] = True
        return place
    highest = hills.flat[np.where(hills > 0, heights, -np.inf).argmax()]
    beside = ndimage.binary_dilation(hills == highest, np.ones((3, 3)))
    place[:rows, :columns] = (hills == highest) | (beside & (hills == 0))
    return place


def find_hills(heights: np.ndarray) -> np.ndarray:
    """``(h, w)`` int64 numbers of hills, from 1; 0 for what is too low.

    Example:
        >>> find_hills(np.array([[2.0, 1.9, 1.0, 1.8, 0.0]])).tolist()
        [[1, 1, 1, 2, 0]]
    """
    high = np.flatnonzero(heights > LEAST_HEIGHT)
    order = high[np.argsort(-heights.flat[high], kind="stable")]
    numbers, tops = np.zeros(heights.shape, dtype=np.int64), [np.inf]
    for row, column in zip(*np.unravel_index(order, heights.shape), strict=True):
        height = float(heights[row, column])
        around = numbers[max(0, row - 1) : row + 2, max(0, column - 1) : column + 2]
        near = sorted(set(around.ravel().tolist()) - {0})  # the first to be numbered is highest
        if not near:
            near = [len(tops)]
            tops.append(height)
        for other in near[1:]:
            if tops[other] - height < VALLEY:
                numbers[numbers == other] = near[0]
        numbers[row, column] = near[0]
    return numbers
