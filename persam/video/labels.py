"""Several objects in one frame: named masks <-> a label map, and label maps out of files."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from persam.errors import InputError
from persam.io.images import check_mask, pixel_type, read_labels, read_mask
from persam.io.palette import MOST, VOID

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from pathlib import Path


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

    Args:
        path: an indexed or 8-bit grey picture of label numbers, where 255 is void; or a plain
            mask of one object, which is every grey picture with a 255 and without a palette, and
            every picture of colour or more bits: the object is above half of its largest value.
        size: ``(H, W)`` of the frame.

    Returns:
        Label number -> ``(H, W)`` bool, in the order of the numbers; a plain mask has number 1.

    Raises:
        InputError: unreadable, of another size, or without any object.
    """
    kind = pixel_type(path)
    if kind not in ("P", "L", "1"):
        return {1: _plain(read_mask(path, size), path)}
    labels = read_labels(path, size)
    numbers = [int(number) for number in np.unique(labels) if number not in (0, VOID)]
    # The edge of a soft grey mask takes every value; a label map in grey stops below 255.
    soft = kind == "L" and bool((labels == VOID).any())
    if soft or not numbers:
        return {1: _plain(labels, path)}
    return {number: labels == number for number in numbers}


def _plain(grey: np.ndarray, path: str | Path) -> np.ndarray:
    check_mask(grey, f"The mask {path}", full=False)
    return grey > int(grey.max()) / 2
