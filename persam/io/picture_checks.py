"""What is checked before a picture is decoded: its format, that it is a file, and its size."""

from __future__ import annotations

import stat
import struct
import zlib
from typing import TYPE_CHECKING

from persam.errors import InputError
from persam.io.special_files import refuse_special

if TYPE_CHECKING:
    from pathlib import Path

    from PIL import Image

FORMATS = (
    *("JPEG", "MPO", "PNG", "WEBP", "TIFF", "GIF", "BMP", "DIB", "PPM", "JPEG2000"),
    *("AVIF", "HEIF"),
)
MAX_PIXELS = 128_000_000
MAX_SIDE = 65_500  # pixels; what a JPEG may have
# What Pillow's decoders raise on damaged files, besides OSError; found by `make fuzz`.
DAMAGE = (
    *(SyntaxError, ValueError, EOFError, LookupError, TypeError, AttributeError, ArithmeticError),
    *(RuntimeError, AssertionError, struct.error, zlib.error),
)


def regular_file(path: Path) -> None:
    """Refuse what would be read without end, or not at all.

    Raises:
        InputError: a folder, named pipe, socket or device.
        OSError: there is no such file.
    """
    mode = path.stat().st_mode
    if stat.S_ISDIR(mode):
        raise InputError(
            f"{path} is a folder, not a picture. Give a file, or a folder with pictures directly "
            f"inside."
        )
    refuse_special(path)


def check_size(image: Image.Image, name: str, limit: int) -> None:
    """Refuse a side or a number of pixels beyond the limits.

    Raises:
        InputError: the message begins with ``name``.
    """
    width, height = image.size
    if max(width, height) > MAX_SIDE:
        raise InputError(
            f"{name} is {width}x{height} pixels; a side has at most {MAX_SIDE:,}. Cut it up, or "
            f"scale it down."
        )
    if width * height > limit:
        raise InputError(
            f"{name} is {width}x{height}, more than {limit:,} pixels, which may be an attack on "
            f"memory. Scale it down, or raise the limit (--max-pixels) if you trust it."
        )
