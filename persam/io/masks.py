"""Masks and label maps in: which pixels of a picture are the object.

Every mask becomes ``(H, W)`` uint8 grey values, 0 for background; every label map ``(H, W)`` uint8
numbers.
"""

from __future__ import annotations

from io import BytesIO
from pathlib import Path

import numpy as np
from PIL import Image
from scipy.ndimage import maximum_filter, minimum_filter

from persam.errors import InputError
from persam.io.images import Source, array_of, contents, pixels_of
from persam.io.orientation import turn_upright
from persam.io.picture_file import open_picture

_VOID = 255  # nobody's pixel in a palette of labels
_MOST_LABELS = 64  # more values than these are shades
_INTERIOR = 0.25  # share of a label's pixels that have none but their like about them; an edge's: 0


def read_mask(
    source: Source,
    size: tuple[int, int],
    *,
    usable: bool = True,
    label: int | str | None = None,
    upright: bool = True,
) -> np.ndarray:
    """Read one mask as grey values, 0 for background.

    The grey value is the largest of a pixel's colour channels, so every colour but black counts; an
    alpha channel that is not opaque everywhere is itself the mask. Whether a grey value means
    object is the method's decision. A map of several labels is asked about, by an error.

    Args:
        source: a path; a file's contents as bytes or BytesIO; a PIL image; an array or tensor
            ``(H, W)`` bool, uint8 or uint16, or ``(H, W, 3)`` or ``(H, W, 4)`` uint8.
        size: ``(H, W)`` of the upright picture that the mask belongs to.
        usable: refuse a mask that shows nothing or several labels, from which nothing can be
            learnt.
        label: take the pixels of one label of a label map: its number, or its colour as
            ``"#ff8800"``.
        upright: turn files and PIL images by their EXIF orientation.

    Returns:
        ``(H, W)`` uint8; True becomes 255.

    Raises:
        InputError: unreadable, of another type or size, or not usable.
        MissingExtra: a HEIC mask without ``pillow-heif``.
    """
    name = f"The mask {source}" if isinstance(source, str | Path) else "The mask"
    if isinstance(source, str | Path | Image.Image | bytes | bytearray | BytesIO):
        grey = _from_picture(_opened(source, name, upright=upright), name, label, usable=usable)
    else:
        grey = _from_array(array_of(source, "A mask"), label)
    if grey.shape != tuple(size):
        raise InputError(
            f"{name} is {_size(grey.shape)}, but its picture is {_size(tuple(size))} "
            f"(width x height, upright). Give the mask that was drawn on this picture."
        )
    if usable:
        check_mask(grey, name)
    return grey


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


def pixel_type(path: str | Path) -> str:
    """What the pixels of a picture file are, by Pillow's mode: ``"P"`` palette, ``"L"`` grey, ...

    Raises:
        InputError: not a readable picture.
    """
    return open_picture(Path(path)).mode


def _opened(
    source: str | Path | Image.Image | bytes | BytesIO, name: str, *, upright: bool
) -> Image.Image:
    if isinstance(source, str | Path):
        return open_picture(Path(source), upright=upright)
    if isinstance(source, Image.Image):
        return turn_upright(source, name) if upright else source
    return open_picture(contents(source, name), upright=upright)


def _from_picture(
    image: Image.Image, name: str, label: int | str | None, *, usable: bool
) -> np.ndarray:
    if label is None and not usable:
        return _grey(pixels_of(image, name))
    labels, names = _labels_of(image, name)
    if label is not None:
        return _only(labels, names, label, name)
    if len(names) > 1 and _are_areas(labels, names):
        raise InputError(
            f"{name} shows {len(names)} labels: {', '.join(names.values())}. Say which one is the "
            f"object by --label (label= in Python)."
        )
    if len(names) == 1 and image.mode == "P":
        return (labels == next(iter(names))).astype(np.uint8) * 255
    return _grey(pixels_of(image, name))


def _from_array(array: np.ndarray, label: int | str | None) -> np.ndarray:
    grey = _grey(array)
    if label is None:
        return grey
    if array.ndim != 2 or array.dtype == np.bool_:
        raise InputError(f"label={label} belongs to an array (H, W) of numbers.")
    return _only(array, {int(value): str(value) for value in np.unique(array)}, label, "The mask")


def _labels_of(image: Image.Image, name: str) -> tuple[np.ndarray, dict[int, str]]:
    """A number a pixel, and what the numbers but the background's are called.

    Empty names where there are so many values that they are shades.
    """
    if image.mode == "P" and not _is_grey(image):
        labels = np.array(image)
        numbers = [int(number) for number in np.unique(labels)]
        others = [number for number in numbers if number not in (0, _VOID)]
        return labels, {number: str(number) for number in others or numbers if number != 0}
    pixels = pixels_of(image, name)
    if pixels.ndim == 3 and pixels.shape[2] == 4:
        return pixels[..., 3], {}
    if pixels.ndim == 3 and (pixels == pixels[..., :1]).all():
        pixels = pixels[..., 0]
    if pixels.ndim == 2:
        numbers = np.unique(pixels)
        names = {int(number): str(number) for number in numbers if number != 0}
        return pixels, names if len(names) <= _MOST_LABELS else {}
    codes = pixels.astype(np.uint32) @ np.array([1 << 16, 1 << 8, 1], dtype=np.uint32)
    numbers = np.unique(codes)
    names = {int(number): f"#{number:06x}" for number in numbers if number != 0}
    return codes, names if len(names) <= _MOST_LABELS else {}


def _is_grey(image: Image.Image) -> bool:
    """Whether all colours that a palette picture uses are shades of grey."""
    palette = np.array(image.getpalette() or (), dtype=np.uint8)
    used = np.unique(np.array(image))
    if len(palette) < 3 * (int(used.max()) + 1):
        return False
    colours = palette[: len(palette) // 3 * 3].reshape(-1, 3)[used]
    return bool((colours == colours[:, :1]).all()) and len(used) > 2


def _are_areas(labels: np.ndarray, names: dict[int, str]) -> bool:
    """Whether at least two labels cover areas, as the shades of a soft edge do not."""
    same = maximum_filter(labels, size=3) == minimum_filter(labels, size=3)
    areas = 0
    for number in names:
        own = labels == number
        areas += bool((same & own).sum() > _INTERIOR * own.sum())
    return areas > 1


def _only(labels: np.ndarray, names: dict[int, str], label: int | str, name: str) -> np.ndarray:
    wanted = str(label).strip().lower()
    numbers = [number for number, word in names.items() if word == wanted]
    if not numbers:
        there = ", ".join(names.values()) or "no labels, but shades or nothing"
        raise InputError(f"{name} has no label {label}; it shows {there}.")
    return (labels == numbers[0]).astype(np.uint8) * 255


def _grey(array: np.ndarray) -> np.ndarray:
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
