"""Another object pasted into a picture, beside the one that is there: arrays in, arrays out."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from PIL import Image

from persam.errors import InputError
from persam.metrics import depth
from persam.pipeline.prompts import mask_box

SIDES = (1.0, 0.9, 0.8, 0.7, 0.6, 0.5)  # tried in turn until the look-alike covers nothing
PLACES = 9  # along each side of the picture
COVERED = 0.02  # share of the target that the smallest look-alike may cover
EDGE = 2.0  # pixels over which a pasted object fades in, inwards from its outline


@dataclass(frozen=True, eq=False)
class Cutting:
    """An object cut out of its picture along its tight box.

    Attributes:
        pixels: ``(h, w, 3)`` uint8 RGB.
        mask: ``(h, w)`` bool, the object; not empty.
    """

    pixels: np.ndarray
    mask: np.ndarray


@dataclass(frozen=True, eq=False)
class Montage:
    """A picture with a look-alike pasted in.

    Attributes:
        image: ``(H, W, 3)`` uint8 RGB.
        truth: ``(H, W)`` bool, what is still to be seen of the right object.
        lookalike: ``(H, W)`` bool, the pasted one; the two do not overlap.
    """

    image: np.ndarray
    truth: np.ndarray
    lookalike: np.ndarray


def cut_out(image: np.ndarray, mask: np.ndarray) -> Cutting:
    """Cut an object out along its tight box.

    Args:
        image: ``(H, W, 3)`` uint8 RGB.
        mask: ``(H, W)`` bool.

    Raises:
        InputError: an empty mask, or one of another size than the picture.
    """
    box = mask_box(mask)
    if box is None or mask.shape != image.shape[:2]:
        raise InputError(
            f"An object is cut out by a mask of the picture's size with the object in it; got "
            f"{np.count_nonzero(mask)} object pixels, mask {mask.shape}, picture {image.shape}."
        )
    x0, y0, x1, y1 = box
    part = slice(y0, y1), slice(x0, x1)
    return Cutting(image[part], mask[part])


def scaled(cutting: Cutting, area: float, limit: tuple[int, int]) -> Cutting:
    """Resize a cutting, its aspect kept.

    Args:
        cutting: the object.
        area: about how many pixels the object is to have.
        limit: ``(height, width)`` that the cutting must not exceed; what would is made smaller.
    """
    height, width = cutting.mask.shape
    factor = float(np.sqrt(area / np.count_nonzero(cutting.mask)))
    factor = min(factor, limit[0] / height, limit[1] / width)
    size = (max(1, round(width * factor)), max(1, round(height * factor)))
    pixels = Image.fromarray(cutting.pixels).resize(size, Image.Resampling.BILINEAR)
    grey = np.asarray(
        Image.fromarray(cutting.mask.astype(np.uint8) * 255).resize(size, Image.Resampling.BILINEAR)
    )
    # Where an object is thinner than half a pixel, its strongest pixels stay, so that it is there.
    return Cutting(np.asarray(pixels), grey >= min(128, int(grey.max())))


def best_corner(mask: np.ndarray, target: np.ndarray) -> tuple[int, int]:
    """Where a cutting covers least of the target.

    The candidates are a grid of ``PLACES`` x ``PLACES`` even steps from the top left of the picture
    to its bottom right; of equal ones the first by rows.

    Args:
        mask: ``(h, w)`` bool of the cutting, no larger than the picture.
        target: ``(H, W)`` bool.

    Returns:
        ``(x, y)`` of the cutting's top left corner.
    """
    free = target.shape[0] - mask.shape[0], target.shape[1] - mask.shape[1]
    rows, columns = (np.linspace(0, room, PLACES).round().astype(int).tolist() for room in free)
    corners = [(x, y) for y in rows for x in columns]
    return min(corners, key=lambda corner: np.count_nonzero(_under(target, mask, corner) & mask))


def paste(image: np.ndarray, cutting: Cutting, corner: tuple[int, int]) -> np.ndarray:
    """Lay a cutting on a picture; it fades in over two pixels inside its outline.

    Args:
        image: ``(H, W, 3)`` uint8 RGB.
        cutting: the object.
        corner: ``(x, y)`` of its top left corner; the cutting lies within the picture.

    Returns:
        ``(H, W, 3)`` uint8, a new picture, unchanged wherever the cutting's mask is not.
    """
    weight = np.minimum(depth(cutting.mask) / EDGE, 1.0)[..., None]
    under = _under(image, cutting.mask, corner)
    laid = image.copy()
    _under(laid, cutting.mask, corner)[:] = np.rint(
        weight * cutting.pixels + (1 - weight) * under
    ).astype(np.uint8)
    return laid


def add_lookalike(image: np.ndarray, truth: np.ndarray, cutting: Cutting) -> Montage | None:
    """Paste another object into a picture, about as large as the target and beside it.

    It is made smaller, down to half the side, until it finds a place where it covers nothing of the
    target.

    Args:
        image: ``(H, W, 3)`` uint8 RGB.
        truth: ``(H, W)`` bool, the target; not empty.
        cutting: the other object.

    Returns:
        The montage, or None where even the smallest covers more than 2 % of the target.
    """
    height, width = truth.shape
    area = np.count_nonzero(truth)
    for side in SIDES:
        smaller = scaled(cutting, side**2 * area, (height, width))
        corner = best_corner(smaller.mask, truth)
        pasted = np.zeros_like(truth)
        _under(pasted, smaller.mask, corner)[:] = smaller.mask
        covered = np.count_nonzero(pasted & truth)
        if covered == 0 or (side == SIDES[-1] and covered <= COVERED * area):
            return Montage(paste(image, smaller, corner), truth & ~pasted, pasted)
    return None


def _under(array: np.ndarray, mask: np.ndarray, corner: tuple[int, int]) -> np.ndarray:
    """The part of ``(H, W, ...)`` that a cutting's ``(h, w)`` mask lies on, as a view."""
    (x, y), (height, width) = corner, mask.shape
    return array[y : y + height, x : x + width]
