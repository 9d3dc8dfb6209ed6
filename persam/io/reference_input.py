"""Input that cannot be meant: a photo for a mask, an inverted mask, a box by width and height.

Each is refused once, here, with what to give instead. Real input may look like it (an object that
fills its photo, a box round a pencil): ``as_given`` lets it through, on the command line
``--as-given``.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from persam.errors import InputError

if TYPE_CHECKING:
    from collections.abc import Sequence

_AS_GIVEN = "If it is meant so, say as_given=True (--as-given)."
# Shares of the largest grey value between which a pixel is neither object nor background. Soft
# edges put some pixels there, and a photo most of its.
_BLACK, _LOW, _HIGH = 0.02, 0.1, 0.9
_MANY_VALUES = 32  # between them; label maps have fewer
_FLAT_COLOURS = 8  # of a picture that is itself a mask
_MOST_OF_IT, _MOST_OF_THE_BORDER = 0.6, 0.75
_SLIVER = 8.0  # times as long as wide


def check_reference_mask(picture: np.ndarray, grey: np.ndarray) -> None:
    """Refuse a mask that is a photo, that was swapped with its photo, or that is inverted.

    Args:
        picture: ``(H, W, 3)`` uint8 RGB.
        grey: ``(H, W)`` uint8 grey values of its mask.

    Raises:
        InputError: which of them it looks like, and what to give instead.
    """
    if _is_photo(grey):
        if _is_flat(picture):
            raise InputError(
                "The picture is of few flat colours and the mask is a photo: the two seem to be "
                f"swapped. Give the photo first, then its mask. {_AS_GIVEN}"
            )
        raise InputError(
            "The mask is a photo, not a mask: most of its pixels are grey values between object "
            "and background. Paint the object white on black, or show it by a box or a point. "
            f"{_AS_GIVEN}"
        )
    if _is_inverted(grey > int(grey.max(initial=0)) / 2):
        raise InputError(
            "The mask seems to be inverted: its object runs along all four borders and covers most "
            "of the picture. Paint the object white and the background black (ImageOps.invert of "
            f"Pillow turns it round). {_AS_GIVEN}"
        )


def check_reference_box(box: Sequence[float], size: tuple[int, int]) -> None:
    """Refuse a box that is no box, or a sliver, and a sensible one read as x, y, width, height.

    Args:
        box: ``(x0, y0, x1, y1)`` in pixels.
        size: ``(H, W)`` of the picture.

    Raises:
        InputError: with both readings, and what to type for each.
    """
    x, y, third, fourth = box
    as_corners, is_box = (third - x, fourth - y), third > x and fourth > y
    by_size = min(x, y) >= 0 and min(third, fourth) > 0
    by_size = by_size and x + third <= size[1] and y + fourth <= size[0]
    if not by_size or _is_sliver(third, fourth) or (is_box and not _is_sliver(*as_corners)):
        return
    found = f"{as_corners[0]:g}x{as_corners[1]:g} pixels, a sliver" if is_box else "no box at all"
    raise InputError(
        f"A box is x0,y0,x1,y1, its corners in pixels: from ({x:g}, {y:g}) to ({third:g}, "
        f"{fourth:g}) it is {found}. Read as x, y, width and height it would be {third:g}x"
        f"{fourth:g} pixels; for that, give {x:g},{y:g},{x + third:g},{y + fourth:g}."
        + (f" {_AS_GIVEN}" if is_box else "")
    )


def _is_sliver(width: float, height: float) -> bool:
    return max(width, height) >= _SLIVER * min(width, height)


def _is_photo(grey: np.ndarray) -> bool:
    top = int(grey.max(initial=0))
    counts = np.bincount(grey.ravel(), minlength=256)
    between = counts[int(_LOW * top) + 1 : int(np.ceil(_HIGH * top))]
    share, black = between.sum() / grey.size, counts[: int(_BLACK * top) + 1].sum() / grey.size
    many = np.count_nonzero(between) > _MANY_VALUES
    return bool(many and (share > 0.5 or (share > 0.25 and black < 0.1)))


def _is_flat(picture: np.ndarray) -> bool:
    """Whether a picture is of few colours, but for a few pixels between them (soft edges, JPEG)."""
    coarse = (picture >> 5).reshape(-1, 3).astype(np.uint16)
    counts = np.bincount(coarse[:, 0] << 6 | coarse[:, 1] << 3 | coarse[:, 2])
    return bool(np.sort(counts)[-_FLAT_COLOURS:].sum() > 0.98 * counts.sum()) and bool(
        np.sort(counts)[-2:].sum() > 0.9 * counts.sum()
    )


def _is_inverted(mask: np.ndarray) -> bool:
    sides = (mask[0], mask[-1], mask[:, 0], mask[:, -1])
    border = np.concatenate(sides).mean()
    touches = (
        all(side.any() for side in sides) and not mask.all()
    )  # a full one is none turned round
    return bool(touches and border >= _MOST_OF_THE_BORDER and mask.mean() >= _MOST_OF_IT)
