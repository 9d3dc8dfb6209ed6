"""Pictures in, from files, bytes, PIL images, arrays and tensors.

Every picture becomes ``(H, W, 3)`` uint8 RGB, upright.
"""

from __future__ import annotations

from dataclasses import dataclass
from io import BytesIO
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image

from persam.errors import InputError
from persam.io.orientation import turn_upright
from persam.io.picture_bytes import PictureBytes, PictureSource
from persam.io.picture_file import (
    open_picture,
    open_reduced,
)

# A torch.Tensor, too, which is told by its methods, so that torch need not be there.
Source = str | Path | Image.Image | np.ndarray | bytes | BytesIO
_DEPTHS = (8, 10, 12, 14, 16)  # bits a grey value that cameras and scanners fill of 16


@dataclass(frozen=True, eq=False)
class ReducedImage:
    """A picture, smaller than its file's where that has more pixels than were asked for.

    Attributes:
        pixels: ``(h, w, 3)`` uint8 RGB.
        height, width: of the picture in the file, upright.
    """

    pixels: np.ndarray
    height: int
    width: int


def read_image(
    source: Source, *, upright: bool = True, max_pixels: int | None = None
) -> np.ndarray:
    """Read one picture.

    Transparency is laid on white; 16-bit values are scaled to 8 bits by the number of bits that
    the picture fills (10, 12, 14 or 16); of an animation the first frame counts.

    Args:
        source: a path; a file's contents as bytes or BytesIO; a PIL image; an array ``(H, W, 3)``
            RGB or ``(H, W)`` grey of uint8, uint16, or floating point from 0 to 1; a torch tensor
            of the same types, ``(3, H, W)`` or as the arrays.
        upright: turn files and PIL images by their EXIF orientation. Benchmarks whose annotations
            were drawn on the pixels as they are stored want False.
        max_pixels: refuse larger files; None for :data:`persam.io.picture_checks.MAX_PIXELS`.

    Returns:
        ``(H, W, 3)`` uint8 RGB, never a view of a caller's array that may be written to.

    Raises:
        InputError: not a readable picture; the message names the file and the reason.
        MissingExtra: a HEIC picture without ``pillow-heif``.
    """
    if isinstance(source, str | Path):
        image = open_picture(Path(source), upright=upright, max_pixels=max_pixels)
        return _rgb(image, str(source))
    if isinstance(source, bytes | bytearray | BytesIO):
        data = contents(source, "The picture")
        return _rgb(open_picture(data, upright=upright, max_pixels=max_pixels), str(data))
    if isinstance(source, Image.Image):
        turned = turn_upright(source, "The picture") if upright else source
        return _rgb(turned, "The picture")
    return _colour_array(array_of(source, "A picture"))


def read_reduced(
    path: str | PictureSource, most: int, *, max_pixels: int | None = None
) -> ReducedImage:
    """Read a picture file, shrunk where it has more pixels than are needed.

    Args:
        path: the file, or its contents.
        most: pixels that are enough.
        max_pixels: as for :func:`read_image`.

    Raises:
        InputError, MissingExtra: as for :func:`read_image`.
    """
    source = path if isinstance(path, PictureBytes) else Path(path)
    opened = open_reduced(source, max_pixels=max_pixels, most=most)
    return ReducedImage(_rgb(opened.image, str(path)), opened.height, opened.width)


def read_colours(path: str | Path, *, max_pixels: int | None = None) -> np.ndarray:
    """Read a picture file with its transparency: ``(H, W, 3)`` or ``(H, W, 4)`` uint8, upright.

    Raises:
        InputError, MissingExtra: as for :func:`read_image`.
    """
    pixels = pixels_of(open_picture(Path(path), max_pixels=max_pixels), str(path))
    return _three(to_8_bits(pixels)) if pixels.dtype == np.uint16 else pixels


def array_of(source: Any, what: str) -> np.ndarray:
    """An array, or a torch tensor as one with channels last.

    Raises:
        InputError: something else; the message begins with ``what``.
    """
    if isinstance(source, np.ndarray):
        return source
    if not (hasattr(source, "detach") and hasattr(source, "numpy")):
        raise InputError(
            f"{what} is a path, bytes, a PIL image, an array or a tensor; got a "
            f"{type(source).__name__}."
        )
    try:
        tensor = source.detach().cpu()
        # NumPy has no bfloat16, of which float32 holds every value.
        array = (tensor.float() if str(tensor.dtype) == "torch.bfloat16" else tensor).numpy()
    except (TypeError, RuntimeError) as error:  # sparse, quantised, or without numbers ("meta")
        raise InputError(f"{what} is a tensor that does not become an array: {error}") from error
    return np.moveaxis(array, 0, 2) if array.ndim == 3 and array.shape[0] == 3 else array


def contents(source: bytes | bytearray | BytesIO, name: str) -> PictureBytes:
    """All bytes of a picture's file, wherever a reader of it stands.

    Raises:
        InputError: it is closed.
    """
    if not isinstance(source, BytesIO):
        return PictureBytes(name, bytes(source))
    if source.closed:
        raise InputError(f"{name} is a closed BytesIO. Give it while it is open, or its bytes.")
    return PictureBytes(name, source.getvalue())


def pixels_of(image: Image.Image, name: str) -> np.ndarray:
    """Pixels as uint16 grey, or as uint8 RGB, or RGBA where something is transparent.

    Raises:
        InputError: of a type that does not convert; the message names ``name``.
    """
    if image.mode.startswith("I;16"):
        return np.array(image).astype(np.uint16)
    try:
        if image.mode in ("I", "F"):
            raise ValueError("32 bits a pixel have no agreed white")
        mode = "RGBA" if image.has_transparency_data else "RGB"
        return np.array(image if image.mode == mode else image.convert(mode))
    except ValueError as error:
        raise InputError(
            f"{name} has pixels of type {image.mode}, which do not convert to RGB ({error}). "
            f"Save it as 8-bit colour, or as 8- or 16-bit grey."
        ) from error


def to_8_bits(values: np.ndarray) -> np.ndarray:
    """Scale uint16 to uint8 by the number of bits that the brightest value fills.

    A 12-bit picture that is stored in 16 bits would be nearly black otherwise.

    Example:
        >>> to_8_bits(np.array([0, 2048, 4095], dtype=np.uint16)).tolist()
        [0, 128, 255]
        >>> to_8_bits(np.array([0, 32768, 65535], dtype=np.uint16)).tolist()
        [0, 128, 255]
    """
    bits = next(bits for bits in _DEPTHS if int(values.max(initial=0)) < 2**bits)
    white = 2**bits - 1
    return ((values.astype(np.uint32) * 255 + white // 2) // white).astype(np.uint8)


def on_white(rgba: np.ndarray) -> np.ndarray:
    """Lay ``(H, W, 4)`` uint8 on white: ``(H, W, 3)`` uint8.

    Example:
        >>> on_white(np.array([[[10, 20, 30, 255], [10, 20, 30, 0]]], dtype=np.uint8)).tolist()
        [[[10, 20, 30], [255, 255, 255]]]
    """
    colour, alpha = rgba[..., :3].astype(np.uint32), rgba[..., 3:].astype(np.uint32)
    return ((colour * alpha + 255 * (255 - alpha) + 127) // 255).astype(np.uint8)


def _rgb(image: Image.Image, name: str) -> np.ndarray:
    pixels = pixels_of(image, name)
    if pixels.dtype == np.uint16:
        return _three(to_8_bits(pixels))
    return pixels if pixels.shape[2] == 3 else on_white(pixels)


def _three(grey: np.ndarray) -> np.ndarray:
    return np.repeat(grey[..., None], 3, axis=2)


def _colour_array(array: np.ndarray) -> np.ndarray:
    fits = array.ndim == 2 or (array.ndim == 3 and array.shape[2] == 3)
    floating = np.issubdtype(array.dtype, np.floating)
    if (
        not fits
        or array.size == 0
        or not (floating or array.dtype.newbyteorder("=") in (np.uint8, np.uint16))
    ):
        raise InputError(
            f"A picture array is (H, W, 3) RGB or (H, W) grey, of uint8, uint16 or floating point "
            f"from 0 to 1; got {array.dtype} {array.shape}."
        )
    if floating:
        array = _from_floats(array)
    elif array.dtype.itemsize == 2:
        array = to_8_bits(array)
    return _three(array) if array.ndim == 2 else array.copy()


def _from_floats(array: np.ndarray) -> np.ndarray:
    lowest, highest = float(array.min()), float(array.max())
    if not (lowest >= 0 and highest <= 1):  # NaN is neither
        raise InputError(
            f"A picture array of floating point goes from 0 to 1; got {lowest:g} to {highest:g}. "
            f"Divide values of 0..255 by 255, undo a normalisation, replace NaN and infinity."
        )
    return np.rint(array * np.float32(255)).astype(np.uint8)
