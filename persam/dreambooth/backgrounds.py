"""Another background behind a subject: plain, or a given picture."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
from PIL import Image, ImageColor, ImageOps
from scipy.ndimage import uniform_filter

from persam.errors import InputError
from persam.io.folders import list_images
from persam.io.images import read_image

if TYPE_CHECKING:
    from collections.abc import Sequence

Background = tuple[int, int, int] | Path  # a colour, or a picture


def read_backgrounds(names: Sequence[str]) -> tuple[Background, ...]:
    """Tell colours from pictures.

    Args:
        names: each a colour (``white``, ``#8a8a8a``), a picture, or a folder of pictures, which
            stands for all of them.

    Raises:
        InputError: neither a colour nor on this machine, or a folder without pictures.

    Example:
        >>> read_backgrounds(["white", "#102030"])
        ((255, 255, 255), (16, 32, 48))
    """
    found: list[Background] = []
    for name in names:
        if Path(name).exists():
            found += list_images([name]).photos
            continue
        try:
            red, green, blue, *_ = ImageColor.getrgb(name)
        except ValueError:
            raise InputError(
                f"A background is a colour, a picture or a folder of pictures; {name!r} is none "
                f"of them. Take white, grey, #8a8a8a or an existing path."
            ) from None
        found.append((red, green, blue))
    return tuple(found)


def replace_background(image: np.ndarray, mask: np.ndarray, background: Background) -> np.ndarray:
    """Put the subject before another background.

    Over the outermost pixel the two are mixed, as a sharp cut would be learnt with the subject.

    Args:
        image: ``(H, W, 3)`` uint8 RGB.
        mask: ``(H, W)`` bool, the subject.
        background: a picture is scaled to cover the photo, and its middle taken.

    Returns:
        ``(H, W, 3)`` uint8.

    Raises:
        InputError: the background cannot be read.
    """
    behind = _canvas(background, image.shape[:2])
    # Half inside, half outside: the mean of 3 x 3 pixels is 1/3 to 2/3 along a straight edge.
    share = uniform_filter(mask.astype(np.float32), size=3, mode="nearest")[..., None]
    mixed = image * share + behind * (1 - share)
    return np.round(mixed).astype(np.uint8)


def _canvas(background: Background, size: tuple[int, int]) -> np.ndarray:
    height, width = size
    if isinstance(background, Path):
        picture = Image.fromarray(read_image(background))
        return np.array(ImageOps.fit(picture, (width, height), Image.Resampling.LANCZOS))
    return np.full((height, width, 3), background, dtype=np.uint8)
