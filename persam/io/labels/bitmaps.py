"""Small masks as PNG bytes, as LabelMe and Supervisely keep them in their JSON."""

from __future__ import annotations

import base64
import binascii
import zlib
from io import BytesIO

import numpy as np
from PIL import Image, UnidentifiedImageError

from persam.errors import InputError
from persam.io.labels.fields import LARGEST

_FILE = 64_000_000  # bytes of a packed PNG, beyond which it is no mask of a label tool


def png_text(mask: np.ndarray, *, packed: bool = False) -> str:
    """A mask ``(h, w)`` bool as base64 of a PNG, perhaps packed by zlib once more."""
    buffer = BytesIO()
    Image.fromarray(mask.astype(np.uint8) * 255).convert("1").save(buffer, "PNG")
    data = buffer.getvalue()
    return base64.b64encode(zlib.compress(data) if packed else data).decode("ascii")


def mask_from(text: str, *, packed: bool = False) -> np.ndarray:
    """A mask ``(h, w)`` bool from what :func:`png_text`, or a label tool, wrote.

    Raises:
        InputError: damaged, or larger than a picture may be.
    """
    try:
        data = base64.b64decode(text, validate=True)
        if packed:
            data = zlib.decompressobj().decompress(data, _FILE)
        with Image.open(BytesIO(data), formats=["PNG"]) as image:
            if image.width * image.height > LARGEST:
                raise InputError(f"its mask is said to have {image.width}x{image.height} pixels")
            pixels = np.array(image if image.mode in ("1", "L", "P") else image.convert("RGBA"))
    except (binascii.Error, zlib.error, UnidentifiedImageError, OSError, SyntaxError) as error:
        raise InputError(f"its mask is damaged: {error}") from error
    except ValueError as error:
        if isinstance(error, InputError):
            raise
        raise InputError(f"its mask is damaged: {error}") from error
    # Supervisely paints on transparent ground, LabelMe white on black.
    if pixels.ndim == 2:
        return pixels > 0
    opaque = pixels[..., 3] > 0
    return opaque if not opaque.all() else pixels[..., :3].max(axis=2) > 0


def placed(part: np.ndarray, left: int, top: int, size: tuple[int, int]) -> np.ndarray:
    """A mask of a picture ``size`` from its part ``(h, w)`` bool at a corner.

    Raises:
        InputError: the part reaches beyond the picture.
    """
    height, width = part.shape
    if left < 0 or top < 0 or top + height > size[0] or left + width > size[1]:
        raise InputError(
            f"its mask of {width}x{height} at {left},{top} reaches beyond the picture "
            f"{size[1]}x{size[0]}"
        )
    mask = np.zeros(size, dtype=bool)
    mask[top : top + height, left : left + width] = part
    return mask


def cropped(mask: np.ndarray) -> tuple[np.ndarray, int, int]:
    """The part of a mask that is not empty, and its left and top."""
    rows, columns = np.flatnonzero(mask.any(axis=1)), np.flatnonzero(mask.any(axis=0))
    top, left = int(rows[0]), int(columns[0])
    return mask[top : rows[-1] + 1, left : columns[-1] + 1], left, top
