"""Picture files, opened: decoded completely and upright, or one error that says what is wrong.

Only formats of a stated list are opened, none of which starts another program, and only regular
files. Sides and pixels are bounded before anything is decoded.
"""

from __future__ import annotations

import importlib
from dataclasses import dataclass
from io import BytesIO
from threading import Lock
from typing import TYPE_CHECKING, TypeVar

from PIL import Image, UnidentifiedImageError

from persam.errors import InputError, MissingExtra
from persam.io.orientation import ORIENTATION, orientation, turn_upright
from persam.io.picture_bytes import bytes_in, check_kind, head_of, path_of, stream_of
from persam.io.picture_checks import DAMAGE, FORMATS, MAX_PIXELS, check_size

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from persam.io.picture_bytes import PictureSource

T = TypeVar("T")

# Whole pictures of more pixels are decoded one at a time, whatever threads there are.
_LARGE = 24_000_000
_HEIF_BRANDS = frozenset({b"heic", b"heix", b"heim", b"heis", b"hevc", b"hevx", b"mif1", b"msf1"})
_PILLOWS_LIMIT = Lock()
_ONE_LARGE = Lock()


@dataclass(frozen=True, eq=False)
class OpenedPicture:
    """A decoded picture.

    Attributes:
        image: upright where that was asked for, perhaps smaller than the file's.
        height, width: of the picture in the file, turned likewise.
    """

    image: Image.Image
    height: int
    width: int


def open_picture(
    path: PictureSource, *, upright: bool = True, max_pixels: int | None = None
) -> Image.Image:
    """Decode a file completely and, perhaps, turn it upright. Threads may do so side by side.

    Args:
        path: of one of :data:`FORMATS`, or its contents; HEIC with ``pillow-heif``.
        upright: turn it by its EXIF orientation.
        max_pixels: refuse larger pictures; None for :data:`MAX_PIXELS`.

    Raises:
        InputError: not a readable picture; the message names the file and the reason.
        MissingExtra: a HEIC picture without ``pillow-heif``.
    """
    return open_reduced(path, upright=upright, max_pixels=max_pixels).image


def open_reduced(
    path: PictureSource,
    *,
    upright: bool = True,
    max_pixels: int | None = None,
    most: int | None = None,
) -> OpenedPicture:
    """As :func:`open_picture`, at a reduced scale where the picture is larger than needed.

    Args:
        path: as there.
        upright: as there.
        max_pixels: as there; the file's own pixels count.
        most: pixels that are enough; None for all.

    Raises:
        InputError, MissingExtra: as there.
    """
    limit = MAX_PIXELS if max_pixels is None else max_pixels

    def decode() -> OpenedPicture:
        return _decoded(path, limit, upright=upright, most=most)

    return _named(path, decode)


def read_picture(path: PictureSource, use: Callable[[Image.Image], T]) -> T:
    """Hand an opened file, its pixels not yet decoded, to a function, and give its answer.

    Raises:
        InputError: not a readable picture; the message names the file and the reason.
        MissingExtra: a HEIC picture without ``pillow-heif``.
    """

    def opened() -> T:
        with begin_picture(stream_of(path)) as image:
            return use(image)

    return _named(path, opened)


def picture_size(path: PictureSource, *, upright: bool = True) -> tuple[int, int]:
    """``(height, width)`` of a picture file, of which nothing is decoded.

    Raises:
        InputError: as for :func:`open_picture`.
    """

    def size(image: Image.Image) -> tuple[int, int]:
        turned = upright and orientation(image, str(path)) > 4
        return image.size if turned else (image.height, image.width)

    return read_picture(path, size)


def _named(path: PictureSource, work: Callable[[], T]) -> T:
    """Do something with a picture file; whatever goes wrong is an error that names it."""
    try:
        return _clean(path, work)
    except UnidentifiedImageError as error:
        if not _is_heif(path):
            raise InputError(
                f"{path} is not a picture of a format that persam reads ({', '.join(FORMATS)}), or "
                f"too damaged to tell its format ({bytes_in(path)} bytes)."
            ) from error
        _register_heif(path)
    try:
        return _clean(path, work)
    except UnidentifiedImageError as error:
        raise InputError(f"{path} is not a HEIC picture, or damaged.") from error


def _clean(path: PictureSource, work: Callable[[], T]) -> T:
    try:
        check_kind(path)
        return work()
    except (UnidentifiedImageError, InputError):
        raise
    except OSError as error:
        reason = f"cannot be read: {error.strerror}" if error.strerror else f"is damaged: {error}"
        raise InputError(f"{path} {reason}.") from error
    except MemoryError as error:
        raise InputError(f"{path} takes more memory than there is.") from error
    except (Image.DecompressionBombError, *DAMAGE) as error:
        raise InputError(f"{path} is damaged: {error}.") from error


def _decoded(path: PictureSource, limit: int, *, upright: bool, most: int | None) -> OpenedPicture:
    with begin_picture(stream_of(path)) as image:
        check_size(image, str(path), limit)
        width, height = image.size
        if most is not None and width * height > most:
            scale = (most / (width * height)) ** 0.5
            goal = max(1, round(width * scale)), max(1, round(height * scale))
            image.draft(None, goal)  # JPEGs are decoded at a half, a quarter or an eighth
        else:
            goal = image.size
        loaded = _loaded(image, goal, str(path))
        turned = upright and orientation(loaded, str(path)) > 4
        result = turn_upright(loaded, str(path)) if upright else loaded.copy()
    return OpenedPicture(result, *((width, height) if turned else (height, width)))


def _loaded(image: Image.Image, goal: tuple[int, int], name: str) -> Image.Image:
    if image.width * image.height <= _LARGE:
        image.load()
        return image if image.size == goal else _shrunk(image, goal, name)
    with _ONE_LARGE:
        image.load()
        return image if image.size == goal else _shrunk(image, goal, name)


def _shrunk(image: Image.Image, goal: tuple[int, int], name: str) -> Image.Image:
    """A smaller copy that still knows its orientation and transparency."""
    plain = image.mode in ("L", "RGB", "RGBA", "I;16")
    mode = "RGBA" if image.has_transparency_data else "RGB"
    small = (image if plain else image.convert(mode)).resize(goal, reducing_gap=2.0)
    small.info = dict(image.info)
    small.getexif()[ORIENTATION] = orientation(image, name)
    return small


def begin_picture(source: Path | BytesIO) -> Image.Image:
    """Read a picture file's head, of a format that starts no other program.

    Raises:
        OSError, and what :data:`persam.io.picture_checks.DAMAGE` names: it is none, or damaged.
    """
    with _PILLOWS_LIMIT:
        # Pillow's own limit is one for the whole process; ours is judged by the size it tells.
        before, Image.MAX_IMAGE_PIXELS = Image.MAX_IMAGE_PIXELS, None
        try:
            Image.init()
            known = [kind for kind in FORMATS if kind in Image.OPEN]
            return Image.open(source, formats=known)
        finally:
            Image.MAX_IMAGE_PIXELS = before


def _is_heif(path: PictureSource) -> bool:
    head = head_of(path, 12)
    named = path_of(path).suffix.lower() in (".heic", ".heif")
    return named or (head[4:8] == b"ftyp" and head[8:12] in _HEIF_BRANDS)


def _register_heif(path: PictureSource) -> None:
    try:
        importlib.import_module("pillow_heif").register_heif_opener()
    except ImportError as error:
        raise MissingExtra(
            f"{path} is a HEIC picture, which needs an extra: pip install 'persam[heif]'"
        ) from error
