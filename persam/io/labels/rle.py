"""Masks as COCO's compressed run lengths, checked before pycocotools decodes them."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from persam.errors import InputError
from persam.io.extras import import_extra

if TYPE_CHECKING:
    from collections.abc import Sequence

_FIRST, _LAST = 48, 111  # characters of the compressed form: 6 bits each
_MORE = 32  # the bit of a character that says that its number goes on
_LONGEST = 7  # characters of one number, of 5 bits each


def coding() -> Any:
    """Pycocotools' run-length coding.

    Raises:
        MissingExtra: it is not installed.
    """
    return import_extra("pycocotools.mask", "labels", "Label files")


def encode(mask: np.ndarray) -> bytes:
    """Run lengths of a mask ``(H, W)`` bool.

    Example:
        >>> encode(np.array([[0, 1, 1], [0, 0, 1]], dtype=bool))
        b'2111'
    """
    return coding().encode(np.asfortranarray(mask, dtype=np.uint8))["counts"]


def decode(counts: bytes, size: tuple[int, int]) -> np.ndarray:
    """The mask ``(H, W)`` bool of run lengths that :func:`encode` or a check has let pass."""
    # pycocotools' own decoder hands numpy an array in a way that numpy 2 warns of.
    lengths = _numbers(counts)
    inside = np.arange(len(lengths)) % 2 == 1
    return np.ascontiguousarray(np.repeat(inside, lengths).reshape(size, order="F"))


def bounds(counts: bytes, size: tuple[int, int]) -> tuple[float, float, float, float]:
    """Tight box ``(x0, y0, x1, y1)`` of a mask, x1 and y1 not included; zeros if it is empty."""
    x, y, width, height = coding().toBbox({"size": list(size), "counts": counts}).tolist()
    return x, y, x + width, y + height


def check_compressed(counts: str, size: tuple[int, int]) -> bytes:
    """Take compressed run lengths out of a file.

    A broken text makes pycocotools read beyond its end, so that it is checked here.

    Raises:
        InputError: it is not such a text, or has not as many pixels as the picture.
    """
    try:
        data = counts.encode("ascii")
    except UnicodeEncodeError:
        data = b""
    if not data or min(data) < _FIRST or max(data) > _LAST or (data[-1] - _FIRST) & _MORE:
        raise InputError("its run lengths are not COCO's compressed text")
    return _checked(_numbers(data), data, size)


def check_counts(counts: Sequence[object], size: tuple[int, int]) -> bytes:
    """Take run lengths written as a list out of a file.

    Raises:
        InputError: something that is no length, or not as many pixels as the picture has.
    """
    if not all(type(one) is int and 0 <= one <= size[0] * size[1] for one in counts):
        raise InputError("its run lengths are not whole numbers within the picture")
    lengths = [int(one) for one in counts]  # type: ignore[call-overload]
    if sum(lengths) != size[0] * size[1]:
        _refuse(sum(lengths), size)
    return coding().frPyObjects({"size": list(size), "counts": lengths}, *size)["counts"]


def _numbers(data: bytes) -> list[int]:
    """The run lengths of a compressed text; each from the third on is a difference."""
    numbers: list[int] = []
    value = shift = 0
    for byte in data:
        group = byte - _FIRST
        value |= (group & 31) << shift
        shift += 5
        if shift > 5 * _LONGEST:
            raise InputError("its run lengths are not COCO's compressed text")
        if not group & _MORE:
            value -= (1 << shift) if group & 16 else 0
            numbers.append(value + (numbers[-2] if len(numbers) > 2 else 0))
            value = shift = 0
    return numbers


def _checked(numbers: list[int], data: bytes, size: tuple[int, int]) -> bytes:
    if min(numbers) < 0:
        raise InputError("its run lengths are not whole numbers within the picture")
    if sum(numbers) != size[0] * size[1]:
        _refuse(sum(numbers), size)
    return data


def _refuse(pixels: int, size: tuple[int, int]) -> None:
    raise InputError(
        f"its run lengths add up to {pixels} pixels, but the picture has {size[1]}x{size[0]}"
    )
