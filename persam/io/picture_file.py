"""Picture files, opened: decoded completely and upright, or one error that says what is wrong."""

from __future__ import annotations

import importlib
import struct
import warnings
import zlib
from pathlib import Path
from threading import Lock
from typing import TYPE_CHECKING, TypeVar

from PIL import Image, ImageOps, UnidentifiedImageError

from persam.errors import InputError, MissingExtra

if TYPE_CHECKING:
    from collections.abc import Callable

T = TypeVar("T")

# What Pillow's decoders are known to raise on damaged files, besides OSError.
DAMAGE = (SyntaxError, ValueError, EOFError, KeyError, IndexError, struct.error, zlib.error)
_HEIF_BRANDS = frozenset({b"heic", b"heix", b"heim", b"heis", b"hevc", b"hevx", b"mif1", b"msf1"})
# Which warnings are errors is known to the whole process, not to one thread.
_WARNINGS = Lock()


def open_picture(path: Path, *, upright: bool = True) -> Image.Image:
    """Decode a file completely and, perhaps, turn it upright. Threads may do so side by side.

    Args:
        path: of any format that Pillow reads; HEIC with ``pillow-heif``.
        upright: turn it by its EXIF orientation.

    Raises:
        InputError: not a readable picture; the message names the file and the reason.
        MissingExtra: a HEIC picture without ``pillow-heif``.
    """

    def decoded(image: Image.Image) -> Image.Image:
        image.load()
        return turn_upright(image, str(path)) if upright else image.copy()

    return read_picture(path, decoded)


def read_picture(path: Path, use: Callable[[Image.Image], T]) -> T:
    """Hand an opened file, its pixels not yet decoded, to a function, and give its answer.

    Raises:
        InputError: not a readable picture; the message names the file and the reason.
        MissingExtra: a HEIC picture without ``pillow-heif``.
    """
    try:
        return _opened(path, use)
    except UnidentifiedImageError as error:
        if not _is_heif(path):
            raise InputError(
                f"{path} is not a picture, or too damaged to tell its format "
                f"({path.stat().st_size} bytes)."
            ) from error
        _register_heif(path)
    try:
        return _opened(path, use)
    except UnidentifiedImageError as error:
        raise InputError(f"{path} is not a HEIC picture, or damaged.") from error


def _opened(path: Path, use: Callable[[Image.Image], T]) -> T:
    try:
        with _begin(path) as image:
            return use(image)
    except UnidentifiedImageError:
        raise
    except (Image.DecompressionBombWarning, Image.DecompressionBombError) as error:
        raise InputError(
            f"{path} has more than {Image.MAX_IMAGE_PIXELS:,} pixels, which may be an attack on "
            f"memory. Scale it down, or raise PIL.Image.MAX_IMAGE_PIXELS if you trust it."
        ) from error
    except OSError as error:
        raise InputError(_why_unreadable(path, error)) from error
    except DAMAGE as error:
        if isinstance(error, InputError):
            raise
        raise InputError(f"{path} is damaged: {error}.") from error


def _begin(path: Path) -> Image.Image:
    """Read a file's head, of which Pillow only warns that the picture is too large."""
    with _WARNINGS, warnings.catch_warnings():
        warnings.simplefilter("error", Image.DecompressionBombWarning)
        return Image.open(path)


def _why_unreadable(path: Path, error: OSError) -> str:
    if path.is_dir():
        return (
            f"{path} is a folder, not a picture. Give a file, or a folder with pictures "
            f"directly inside."
        )
    if error.strerror:  # the operating system's word: missing, no permission, ...
        return f"{path} cannot be read: {error.strerror}."
    return f"{path} is damaged: {error}."


def _is_heif(path: Path) -> bool:
    with path.open("rb") as file:
        head = file.read(12)
    named = path.suffix.lower() in (".heic", ".heif")
    return named or (head[4:8] == b"ftyp" and head[8:12] in _HEIF_BRANDS)


def _register_heif(path: Path) -> None:
    try:
        importlib.import_module("pillow_heif").register_heif_opener()
    except ImportError as error:
        raise MissingExtra(
            f"{path} is a HEIC picture, which needs an extra: pip install 'persam[heif]'"
        ) from error


def turn_upright(image: Image.Image, name: str) -> Image.Image:
    """Turn a picture by its EXIF orientation.

    Raises:
        InputError: a damaged EXIF block; the message begins with ``name``.
    """
    try:
        return ImageOps.exif_transpose(image)
    except (OSError, *DAMAGE) as error:
        raise InputError(f"{name} has a damaged EXIF block: {error}.") from error
