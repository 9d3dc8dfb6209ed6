"""Results out: the only file that writes pictures, and how any file is written whole or not at all.

Every writer fills a temporary file beside the target and then renames it, which the operating
system does in one step: whoever looks, or interrupts, finds the old file or the new one.
"""

from __future__ import annotations

import os
import re
import shutil
import socket
import zlib
from contextlib import contextmanager, suppress
from dataclasses import replace
from functools import lru_cache
from io import BytesIO
from pathlib import Path
from threading import get_ident
from typing import TYPE_CHECKING

import numpy as np
from PIL import Image

from persam.errors import InputError
from persam.io.metadata import NOTHING
from persam.io.palette import PALETTE

if TYPE_CHECKING:
    from collections.abc import Iterator

    from persam.io.metadata import PhotoMetadata

_PART = ".persam-{}.part"
# Of whom a temporary file is: a process that is gone from this machine needs it no more.
_HOST = f"{zlib.crc32(socket.gethostname().encode()):08x}"
_OWNER = re.compile(rf"\.persam-{_HOST}-(\d+)-.*\.part")
# Masks and labels are runs of one value: zlib's run-length strategy (Z_RLE) writes them in half the
# time of its default one, and smaller. Cut-outs are photos, at half the time and an eighth larger.
_RUNS = {"compress_type": zlib.Z_RLE}
_PHOTO = {"compress_level": 2}


def part_path(path: str | Path, tag: str = "") -> Path:
    """Name of the temporary file in which ``path`` is made; :func:`remove_leftovers` knows it.

    Args:
        path: the file to be.
        tag: tells temporary files apart that one thread keeps open at once in one folder.
    """
    # A name of its own length, as the target's may already be as long as file systems allow.
    return Path(path).parent / _PART.format(f"{_HOST}-{os.getpid()}-{get_ident()}{tag}")


@contextmanager
def written_whole(path: str | Path, *, durable: bool = True) -> Iterator[Path]:
    """Give a temporary file to fill, which takes the place of ``path`` if nothing goes wrong.

    The folder is made where it is missing.

    Args:
        path: the file to be.
        durable: have it on the disk before it takes that place, so that a power cut leaves the old
            file or the new one, too. What checks itself when it is read needs no such wait.

    Raises:
        InputError: the operating system refuses; the message names the file and the reason.
    """
    path = Path(path)
    part = part_path(path)
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        try:
            yield part
            if durable:
                _to_disk(part)
            part.replace(path)
        finally:
            with suppress(FileNotFoundError):
                part.unlink()
    except OSError as error:
        raise InputError(f"{path} cannot be written: {error.strerror or error}.") from error


def _to_disk(path: Path) -> None:
    with path.open("rb+") as file:
        os.fsync(file.fileno())


def write_bytes(path: str | Path, data: bytes, *, durable: bool = True) -> None:
    """Write a file atomically, making its folder where that is missing.

    Args:
        path: the file.
        data: all of it.
        durable: see :func:`written_whole`.

    Raises:
        InputError: the operating system refuses; the message names the file and the reason.
    """
    with written_whole(path, durable=durable) as part:
        part.write_bytes(data)


def write_text(path: str | Path, text: str) -> None:
    """Write UTF-8 text atomically; what UTF-8 cannot hold becomes a question mark."""
    write_bytes(path, text.encode("utf-8", errors="replace"))


def remove_leftovers(folder: str | Path) -> None:
    """Delete the temporary files that a killed run may have left in ``folder``."""
    for part in Path(folder).glob(_PART.format("*")):
        if not part.is_dir():  # as `persam export` has it
            part.unlink(missing_ok=True)


def write_single(path: str | Path, data: bytes | str) -> None:
    """Write a file that is a command's only one, atomically.

    What killed runs left in its folder goes: nothing else would ever clear that away, as the
    folder is no run's.

    Args:
        path: the file.
        data: all of it; text becomes UTF-8.

    Raises:
        InputError: the operating system refuses.
    """
    remove_abandoned(Path(path).parent)
    write_bytes(path, data.encode("utf-8", errors="replace") if isinstance(data, str) else data)


def remove_abandoned(folder: Path) -> None:
    """Delete the temporary files and folders of processes of this machine that are gone."""
    if os.name != "posix":  # elsewhere to ask for a process is to end it
        return
    for part in folder.glob(_PART.format("*")):
        owner = _OWNER.fullmatch(part.name)
        if owner and not _runs(int(owner[1])):
            with suppress(OSError):  # another user's
                shutil.rmtree(part) if part.is_dir() else part.unlink()


def _runs(process: int) -> bool:
    try:
        os.kill(process, 0)
    except (ProcessLookupError, OverflowError):
        return False
    except PermissionError:
        pass
    return True


def write_mask(path: str | Path, mask: np.ndarray) -> None:
    """Write a mask as a grey PNG, 255 on the object and 0 elsewhere.

    Args:
        path: the PNG file.
        mask: ``(H, W)`` bool.
    """
    write_bytes(path, mask_png(mask))


def mask_png(mask: np.ndarray, metadata: PhotoMetadata = NOTHING) -> bytes:
    """Encode ``(H, W)`` bool as :func:`write_mask` writes it, with its photo's metadata."""
    if mask.ndim != 2 or mask.dtype != np.bool_:
        raise InputError(f"A mask is written from (H, W) bool; got {mask.shape} {mask.dtype}.")
    if not mask.any():
        return _empty_png(mask.shape, "L", metadata)
    image = Image.fromarray(mask.astype(np.uint8) * 255)
    return _encode(image, "PNG", **_RUNS, **metadata.save_options("PNG", "L"))


def write_labels(path: str | Path, labels: np.ndarray, palette: bytes = PALETTE) -> None:
    """Write label numbers as an indexed PNG.

    Args:
        path: the PNG file.
        labels: ``(H, W)`` uint8.
        palette: red, green and blue of each number; left out: the colours of DAVIS.
    """
    write_bytes(path, labels_png(labels, palette=palette))


def labels_png(
    labels: np.ndarray, metadata: PhotoMetadata = NOTHING, *, palette: bytes = PALETTE
) -> bytes:
    """Encode ``(H, W)`` uint8 as :func:`write_labels` writes it, with its photo's metadata."""
    if labels.ndim != 2 or labels.dtype != np.uint8:
        raise InputError(
            f"Labels are written from (H, W) uint8; got {labels.shape} {labels.dtype}."
        )
    image = Image.fromarray(labels)
    image.putpalette(palette)
    # The colours are the numbers', not the photo's, so its profile says nothing about them.
    return _encode(image, "PNG", **_RUNS, **replace(metadata, icc=None).save_options("PNG", "P"))


def encode_cutout(pixels: np.ndarray, suffix: str, metadata: PhotoMetadata = NOTHING) -> bytes:
    """Encode a cut-out as PNG, or as WebP.

    Args:
        pixels: ``(H, W, 4)`` uint8 RGBA, or ``(H, W, 3)`` RGB on a background.
        suffix: ``.png`` or ``.webp``.
        metadata: of the photo.
    """
    image = Image.fromarray(pixels)
    if suffix.lower() == ".webp":
        # Quality 90 and as fast as can be: a fifth of a PNG, without visible loss.
        options = metadata.save_options("WEBP", image.mode)
        return _encode(image, "WEBP", quality=90, method=2, **options)
    if not pixels.any():
        return _empty_png(pixels.shape[:2], image.mode, metadata)
    return _encode(image, "PNG", **_PHOTO, **metadata.save_options("PNG", image.mode))


def write_png(path: str | Path, pixels: np.ndarray) -> None:
    """Write a picture without loss.

    Args:
        path: the PNG file.
        pixels: ``(H, W)`` grey or ``(H, W, 3)`` RGB, uint8.
    """
    write_bytes(path, png(pixels))


def png(pixels: np.ndarray) -> bytes:
    """Encode ``(H, W)`` grey or ``(H, W, 3)`` RGB, uint8, as PNG."""
    return _encode(Image.fromarray(pixels), "PNG")


def write_overlay(path: str | Path, rgb: np.ndarray, metadata: PhotoMetadata = NOTHING) -> None:
    """Write ``(H, W, 3)`` uint8 as a JPEG of high quality, with its photo's metadata."""
    write_bytes(path, overlay_jpeg(rgb, metadata))


def overlay_jpeg(rgb: np.ndarray, metadata: PhotoMetadata = NOTHING) -> bytes:
    """Encode ``(H, W, 3)`` uint8 as :func:`write_overlay` writes it."""
    options = metadata.save_options("JPEG", "RGB")
    return _encode(Image.fromarray(rgb), "JPEG", quality=90, **options)


def jpeg(rgb: np.ndarray, quality: int = 80, comment: bytes = b"") -> bytes:
    """Encode ``(H, W, 3)`` uint8 as JPEG."""
    return _encode(Image.fromarray(rgb), "JPEG", quality=quality, comment=comment)


def webp(rgba: np.ndarray, quality: int = 80) -> bytes:
    """Encode ``(H, W, 4)`` uint8 as WebP, which keeps transparency in few bytes."""
    # Method 2 of 0..6 takes two thirds of the default's time, for 3 % more bytes.
    return _encode(Image.fromarray(rgba), "WEBP", quality=quality, method=2)


def _empty_png(shape: tuple[int, ...], mode: str, metadata: PhotoMetadata) -> bytes:
    """A PNG of zeros, which most photos of an album have for their mask and their cut-out."""
    height, width = shape
    # Pillow writes what there is of metadata between the header and the pixels.
    pixel = _encode(Image.new(mode, (1, 1)), "PNG", **metadata.save_options("PNG", mode))
    between = pixel[33 : pixel.rindex(b"IDAT") - 4]
    header = b"IHDR" + width.to_bytes(4, "big") + height.to_bytes(4, "big") + pixel[24:29]
    check = zlib.crc32(header).to_bytes(4, "big")
    return b"".join((pixel[:12], header, check, between, _zeros(width, height, mode)))


@lru_cache(maxsize=256)
def _zeros(width: int, height: int, mode: str) -> bytes:
    """A PNG of zeros from its pixels on: weighing and packing them takes what a photo's take."""
    png = _encode(Image.new(mode, (width, height)), "PNG", **_RUNS)
    return png[png.index(b"IDAT") - 4 :]


def _encode(image: Image.Image, kind: str, **options: object) -> bytes:
    buffer = BytesIO()
    image.save(buffer, kind, **options)
    return buffer.getvalue()
