"""Several objects in one frame: named masks <-> a label map, and label maps out of files."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
from scipy.ndimage import maximum_filter, minimum_filter

from persam.errors import InputError
from persam.io.masks import check_mask, pixel_type, read_labels, read_mask
from persam.io.palette import MOST, VOID
from persam.io.picture_file import open_picture

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence


def number_objects(names: Sequence[str]) -> dict[str, int]:
    """Give every object its label number: its own where all names are numbers, else 1, 2, ...

    Raises:
        InputError: no object, or more than an indexed PNG holds.

    Example:
        >>> number_objects(["dog", "cat"]), number_objects(["2", "7"])
        ({'dog': 1, 'cat': 2}, {'2': 2, '7': 7})
    """
    if not 1 <= len(names) <= MOST:
        raise InputError(
            f"A label map holds 1 to {MOST} objects (0 is background, {VOID} is void); "
            f"got {len(names)}."
        )
    numbered = all(name.isdecimal() and 1 <= int(name) <= MOST for name in names)
    if numbered and len({int(name) for name in names}) == len(names):
        return {name: int(name) for name in names}
    return {name: number for number, name in enumerate(names, start=1)}


def label_map(masks: Mapping[str, np.ndarray], numbers: Mapping[str, int]) -> np.ndarray:
    """Combine masks into one label map.

    Args:
        masks: by object name, ``(H, W)`` bool each, no pixel in two of them.
        numbers: label of every name.

    Returns:
        ``(H, W)`` uint8, 0 where no object is.

    Raises:
        InputError: two masks share a pixel, which one label map cannot say.
    """
    shape = next(iter(masks.values())).shape
    labels = np.zeros(shape, dtype=np.uint8)
    for name, mask in masks.items():
        if labels[mask].any():
            raise InputError(f"The mask of {name!r} overlaps another object's in the same frame.")
        labels[mask] = numbers[name]
    return labels


def split_labels(labels: np.ndarray, numbers: Mapping[str, int]) -> dict[str, np.ndarray]:
    """Take a label map apart: what :func:`label_map` combined."""
    return {name: labels == number for name, number in numbers.items()}


def read_objects(path: str | Path, size: tuple[int, int]) -> dict[int, np.ndarray]:
    """Read the objects of one frame from a picture.

    A palette picture holds label numbers, of which 255 is void. A grey picture of 8 or 16 bits
    holds label numbers where most of its values fill areas, and is a mask of one object where most
    of them are only found along edges, as the steps of a soft edge or of a JPEG are. A mask's
    object is above half of its largest value; so is a picture of colour.

    Args:
        path: of the picture.
        size: ``(H, W)`` of the frame.

    Returns:
        Label number -> ``(H, W)`` bool, in the order of the numbers; a mask has number 1.

    Raises:
        InputError: unreadable, of another size, without any object, or grey values that may mean
            objects or void.
    """
    kind = pixel_type(path)
    if kind not in ("P", "L", "1", "I;16", "I;16B"):
        return {1: _above_half(read_mask(path, size), path)}
    labels = _deep_labels(path, size) if kind.startswith("I;16") else read_labels(path, size)
    numbers = _values(labels)
    if kind == "P":
        numbers = [number for number in numbers if number != VOID]
    elif len(numbers) < 2 or not _are_labels(labels, numbers):
        numbers = []
    elif numbers[-1] == VOID and kind != "I;16":
        raise InputError(
            f"{path} has areas of the grey values {_listed(numbers)}, where {VOID} may be an "
            f"object or void. Number the objects 1, 2, ... in it, or give each its own mask, as "
            f"--object dog=dog.png."
        )
    if not numbers:
        return {1: _above_half(labels, path)}
    return {number: labels == number for number in numbers}


def _values(labels: np.ndarray) -> list[int]:
    return [int(number) for number in np.unique(labels) if number != 0]


def _are_labels(labels: np.ndarray, numbers: Sequence[int]) -> bool:
    """Whether at least half of the values fill areas: a pixel whose neighbours all have its own."""
    low, high = minimum_filter(labels, size=3), maximum_filter(labels, size=3)
    return 2 * len(_values(labels[low == high])) >= len(numbers)


def _deep_labels(path: str | Path, size: tuple[int, int]) -> np.ndarray:
    labels = np.array(open_picture(Path(path), upright=False)).astype(np.uint16)
    if labels.shape != size:
        raise InputError(
            f"{path} is {labels.shape[1]}x{labels.shape[0]}, but its picture is "
            f"{size[1]}x{size[0]} (width x height)."
        )
    return labels


def _listed(numbers: Sequence[int]) -> str:
    return ", ".join(map(str, numbers))


def _above_half(grey: np.ndarray, path: str | Path) -> np.ndarray:
    check_mask(grey, f"The mask {path}", full=False)
    return grey > int(grey.max()) / 2
