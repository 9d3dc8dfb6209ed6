"""A mask beside its picture: drawn on the upright picture, or on the pixels as they are stored.

Some programs ignore the EXIF orientation of a photo. A mask that was drawn in one of them on a
square photo, or on one that stands on its head, has the right size and shows the wrong place.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Literal

import numpy as np
from PIL import Image
from scipy.ndimage import binary_erosion, gaussian_gradient_magnitude

from persam.errors import InputError
from persam.io.masks import read_mask
from persam.io.orientation import TURNS, orientation
from persam.io.picture_file import read_picture

if TYPE_CHECKING:
    from pathlib import Path

MaskOrientation = Literal["ask", "upright", "stored"]
# The outline of the other reading has to lie on edges that are so much stronger.
_CLEARLY = 1.3
_BLUR = 1.5  # pixels


def read_mask_of(
    photo: Path,
    picture: np.ndarray,
    mask: Path,
    *,
    label: int | str | None = None,
    drawn_on: MaskOrientation = "ask",
) -> np.ndarray:
    """Read the mask of a photo, turned as the photo is.

    Args:
        photo: the picture's file.
        picture: ``(H, W, 3)`` uint8 RGB, upright.
        mask: the mask's file.
        label: as for :func:`persam.io.masks.read_mask`.
        drawn_on: the ``"upright"`` picture or the pixels as they are ``"stored"``; ``"ask"`` takes
            the upright one unless the picture's edges speak for the other.

    Returns:
        ``(H, W)`` uint8 grey values.

    Raises:
        InputError: unreadable, not usable, or it is unclear on what the mask was drawn.
        MissingExtra: a HEIC picture without ``pillow-heif``.
    """
    height, width = picture.shape[:2]
    turn = TURNS.get(read_picture(photo, lambda image: orientation(image, str(photo))))
    if turn is None or drawn_on == "upright":
        return read_mask(mask, (height, width), label=label)
    own = read_picture(mask, lambda image: orientation(image, str(mask)))
    stored_size = (width, height) if turn in _SWAPS else (height, width)
    if drawn_on == "stored":
        return _turned(read_mask(mask, stored_size, label=label, upright=False), turn)
    size = read_picture(mask, lambda image: image.size)
    if own == 1 and size == (stored_size[1], stored_size[0]) != (width, height):
        raise InputError(
            f"The mask {mask} is {size[0]}x{size[1]}: it fits the pixels of {photo} as they are "
            f"stored, but the photo is turned by its EXIF orientation to {width}x{height}. Say "
            f"--mask-orientation stored if it was drawn on the unturned photo."
        )
    grey = read_mask(mask, (height, width), label=label)
    if own == 1 and stored_size == (height, width):
        _ask(picture, grey, _turned(grey, turn), mask)
    return grey


_SWAPS = {
    Image.Transpose.TRANSPOSE,
    Image.Transpose.ROTATE_270,
    Image.Transpose.TRANSVERSE,
    Image.Transpose.ROTATE_90,
}


def _turned(grey: np.ndarray, turn: Image.Transpose) -> np.ndarray:
    return np.array(Image.fromarray(grey).transpose(turn))


def _ask(picture: np.ndarray, upright: np.ndarray, stored: np.ndarray, mask: Path) -> None:
    """Refuse to guess where the picture's edges speak for the other reading."""
    edges = gaussian_gradient_magnitude(picture.mean(axis=2), _BLUR)
    as_drawn, turned = (edges[_outline(one)].mean() for one in (upright, stored))
    if turned > _CLEARLY * as_drawn:
        raise InputError(
            f"The photo of the mask {mask} is turned by its EXIF orientation, and it seems to "
            f"be drawn on the unturned photo. Say --mask-orientation stored if it is, or "
            f"--mask-orientation upright if it is not."
        )


def _outline(grey: np.ndarray) -> np.ndarray:
    mask = grey > grey.max() / 2
    edge = mask & np.logical_not(binary_erosion(mask, border_value=True))
    return edge if edge.any() else mask
