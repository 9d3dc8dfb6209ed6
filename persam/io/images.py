"""Pictures and masks in, from files, PIL images and arrays.

Every picture becomes ``(H, W, 3)`` uint8 RGB, upright; every mask ``(H, W)`` uint8 grey values.
"""

from __future__ import annotations

from pathlib import Path

import numpy as np
from PIL import Image

from persam.errors import InputError
from persam.io.picture_file import open_picture, turn_upright

Source = str | Path | Image.Image | np.ndarray


def read_image(source: Source, *, upright: bool = True) -> np.ndarray:
    """Read one picture.

    Transparency is laid on white; 16-bit grey is scaled to 8 bits; of an animation the first frame
    counts.

    Args:
        source: a path, a PIL image, or a uint8 array ``(H, W, 3)`` RGB or ``(H, W)`` grey.
        upright: turn files and PIL images by their EXIF orientation. Benchmarks whose annotations
            were drawn on the pixels as they are stored want False.

    Returns:
        ``(H, W, 3)`` uint8 RGB, never a view of a caller's array that may be written to.

    Raises:
        InputError: not a readable picture; the message names the file and the reason.
        MissingExtra: a HEIC picture without ``pillow-heif``.
    """
    if isinstance(source, np.ndarray):
        return _colour_array(source)
    if isinstance(source, Image.Image):
        turned = turn_upright(source, "The picture") if upright else source
        return _rgb(turned, "The picture")
    return _rgb(open_picture(Path(source), upright=upright), str(source))


def read_mask(source: Source, size: tuple[int, int], *, usable: bool = True) -> np.ndarray:
    """Read one mask as grey values, 0 for background.

    The grey value is the largest of a pixel's colour channels, so every palette colour but black
    counts; an alpha channel that is not opaque everywhere is itself the mask. Whether a grey value
    means object is the method's decision.

    Args:
        source: a path, a PIL image, or an array ``(H, W)`` bool, uint8 or uint16, or
            ``(H, W, 3)`` or ``(H, W, 4)`` uint8.
        size: ``(H, W)`` of the upright picture that the mask belongs to.
        usable: refuse a mask that shows nothing, from which nothing can be learnt.

    Returns:
        ``(H, W)`` uint8; True becomes 255.

    Raises:
        InputError: unreadable, of another type or size, or not usable.
        MissingExtra: a HEIC mask without ``pillow-heif``.
    """
    name = f"The mask {source}" if isinstance(source, str | Path) else "The mask"
    if isinstance(source, np.ndarray):
        grey = _grey_array(source)
    elif isinstance(source, Image.Image):
        grey = _grey_array(_convert(turn_upright(source, name), name))
    else:
        grey = _grey_array(_convert(open_picture(Path(source)), name))
    if grey.shape != tuple(size):
        raise InputError(
            f"{name} is {_size(grey.shape)}, but its picture is {_size(tuple(size))} "
            f"(width x height, upright). Give the mask that was drawn on this picture."
        )
    if usable:
        check_mask(grey, name)
    return grey


def pixel_type(path: str | Path) -> str:
    """What the pixels of a picture file are, by Pillow's mode: ``"P"`` palette, ``"L"`` grey, ...

    Raises:
        InputError: not a readable picture.
    """
    return open_picture(Path(path)).mode


def read_labels(path: str | Path, size: tuple[int, int], *, luminance: bool = False) -> np.ndarray:
    """Read a file whose pixels are label numbers, as segmentation data sets write them.

    Pixels are taken as they are stored, whatever orientation EXIF gives: of a palette picture the
    indices, not its colours.

    Args:
        path: an 8-bit grey or palette picture.
        size: ``(H, W)`` of the picture that it belongs to, as stored.
        luminance: take any picture, and of its colours how bright they are (ITU-R 601).

    Returns:
        ``(H, W)`` uint8.

    Raises:
        InputError: unreadable, of another size, or numbers of colour or of more bits.
    """
    image = open_picture(Path(path), upright=False)
    if luminance:
        image = image.convert("L")
    if image.mode not in ("L", "P", "1"):
        raise InputError(
            f"{path} has pixels of type {image.mode}; label numbers are 8-bit grey or palette."
        )
    labels = np.array(image).astype(np.uint8)
    if labels.shape != tuple(size):
        raise InputError(
            f"{path} is {_size(labels.shape)}, but its picture is {_size(tuple(size))} "
            f"(width x height)."
        )
    return labels


def check_mask(mask: np.ndarray, name: str = "The mask", *, full: bool = True) -> None:
    """Refuse a mask that shows nothing, and perhaps one that shows everything.

    Args:
        mask: ``(H, W)`` uint8 grey values; above half of the largest value is object.
        name: what to call it in the error.
        full: accept a mask of the whole picture. Benchmarks have such; a person's is nearly
            always a mistake.

    Raises:
        InputError: no pixel is object, or every pixel where that is refused.
    """
    top = int(mask.max(initial=0))
    if top == 0:
        raise InputError(f"{name} is empty: no pixel is above 0. Paint the object, leave the rest.")
    if not full and bool((mask > top / 2).all()):
        raise InputError(
            f"{name} covers the whole picture; is it inverted? Leave the background black, so that "
            f"there is something to tell the object from."
        )


def read_profile(path: str | Path) -> bytes | None:
    """Colour profile of a picture file that still holds for its RGB pixels, or None."""
    image = open_picture(Path(path))
    # A CMYK or grey profile describes channels that no longer exist after the conversion to RGB.
    return image.info.get("icc_profile") if image.mode in ("RGB", "RGBA", "P") else None


def _convert(image: Image.Image, name: str) -> np.ndarray:
    """Pixels as uint16 grey, or as uint8 RGB, or RGBA where something is transparent."""
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


def _rgb(image: Image.Image, name: str) -> np.ndarray:
    pixels = _convert(image, name)
    if pixels.dtype == np.uint16:
        # 65535 / 257 = 255; Pillow's own conversion would clip.
        return _three(((pixels.astype(np.uint32) + 128) // 257).astype(np.uint8))
    if pixels.shape[2] == 3:
        return pixels
    return on_white(pixels)


def on_white(rgba: np.ndarray) -> np.ndarray:
    """Lay ``(H, W, 4)`` uint8 on white: ``(H, W, 3)`` uint8.

    Example:
        >>> on_white(np.array([[[10, 20, 30, 255], [10, 20, 30, 0]]], dtype=np.uint8)).tolist()
        [[[10, 20, 30], [255, 255, 255]]]
    """
    colour, alpha = rgba[..., :3].astype(np.uint32), rgba[..., 3:].astype(np.uint32)
    return ((colour * alpha + 255 * (255 - alpha) + 127) // 255).astype(np.uint8)


def _three(grey: np.ndarray) -> np.ndarray:
    return np.repeat(grey[..., None], 3, axis=2)


def _colour_array(array: np.ndarray) -> np.ndarray:
    known = array.ndim == 2 or (array.ndim == 3 and array.shape[2] == 3)
    if array.dtype != np.uint8 or not known or array.size == 0:
        raise InputError(
            f"A picture array is uint8 (H, W, 3) RGB or (H, W) grey; got {array.dtype} "
            f"{array.shape}. Multiply values of 0..1 by 255 and convert to uint8."
        )
    return _three(array) if array.ndim == 2 else array.copy()


def _grey_array(array: np.ndarray) -> np.ndarray:
    flat = array.ndim == 2 and array.dtype in (np.bool_, np.uint8, np.uint16)
    colour = array.ndim == 3 and array.shape[2] in (3, 4) and array.dtype == np.uint8
    if not (flat or colour) or array.size == 0:
        raise InputError(
            f"A mask array is (H, W) bool, uint8 or uint16, or (H, W, 3 or 4) uint8; got "
            f"{array.dtype} {array.shape}. Compare with a threshold to make it bool."
        )
    if array.ndim == 3:
        translucent = array.shape[2] == 4 and bool((array[..., 3] < 255).any())
        return array[..., 3].copy() if translucent else array[..., :3].max(axis=2)
    if array.dtype == np.bool_:
        return array.astype(np.uint8) * 255
    if array.dtype == np.uint16:
        # Rounding up keeps small label numbers (1, 2, ...) above 0.
        return ((array.astype(np.uint32) + 256) // 257).astype(np.uint8)
    return array.copy()


def _size(shape: tuple[int, ...]) -> str:
    return f"{shape[1]}x{shape[0]}"
