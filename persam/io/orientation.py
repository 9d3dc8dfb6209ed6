"""Turning pictures upright by the one EXIF tag that is read."""

from __future__ import annotations

from PIL import Image

from persam.errors import InputError
from persam.io.picture_checks import DAMAGE

ORIENTATION = 0x0112  # the EXIF tag
TURNS = {
    2: Image.Transpose.FLIP_LEFT_RIGHT,
    3: Image.Transpose.ROTATE_180,
    4: Image.Transpose.FLIP_TOP_BOTTOM,
    5: Image.Transpose.TRANSPOSE,
    6: Image.Transpose.ROTATE_270,
    7: Image.Transpose.TRANSVERSE,
    8: Image.Transpose.ROTATE_90,
}


def turn_upright(image: Image.Image, name: str) -> Image.Image:
    """Turn a picture by its EXIF orientation.

    Raises:
        InputError: a damaged EXIF block; the message begins with ``name``.
    """
    turn = TURNS.get(orientation(image, name))
    return image.copy() if turn is None else image.transpose(turn)


def orientation(image: Image.Image, name: str) -> int:
    """The EXIF orientation, 1..8; 1 where there is none that means something.

    Nothing else of the EXIF block is read, whose other tags are often of a wrong type.

    Raises:
        InputError: a damaged EXIF block; the message begins with ``name``.
    """
    try:
        value = image.getexif().get(ORIENTATION, 1)
    except (OSError, *DAMAGE) as error:
        raise InputError(f"{name} has a damaged EXIF block: {error}.") from error
    return value if isinstance(value, int) and 1 <= value <= 8 else 1
