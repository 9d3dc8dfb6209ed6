"""Label Studio's brush: run lengths of RGBA values, packed bit by bit.

A packed array is its length (32 bits), the size of a value less 1 (5 bits), four sizes of run
lengths less 1 (4 bits each), and then runs: a bit that says whether one value is repeated, two
bits that choose the size of the length, the length less 1, and the value or values. Source: the
format's description in ``label_studio_sdk.converter.brush``.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from persam.errors import InputError
from persam.io.labels.cvat_writer import row_runs

if TYPE_CHECKING:
    from collections.abc import Sequence

_SIZES = (3, 4, 8, 16)  # bits of a run's length
_VALUE = 8


def encode_brush(mask: np.ndarray) -> list[int]:
    """Pack a mask ``(H, W)`` bool, white and opaque on transparent."""
    bits = [f"{4 * mask.size:032b}", f"{_VALUE - 1:05b}", *(f"{size - 1:04b}" for size in _SIZES)]
    for number, pixels in enumerate(row_runs(mask)):
        value = f"{255 * (number % 2):08b}"
        left = 4 * pixels
        while left > 0:
            size = next((s for s in _SIZES if left <= 1 << s), _SIZES[-1])
            length = min(left, 1 << size)
            bits.append(f"1{_SIZES.index(size):02b}{length - 1:0{size}b}{value}")
            left -= length
    text = "".join(bits)
    text += "0" * (-len(text) % 8)
    return np.packbits(np.frombuffer(text.encode(), dtype=np.uint8) - 48).tolist()


def decode_brush(packed: Sequence[object], size: tuple[int, int]) -> np.ndarray:
    """Unpack a mask ``(H, W)`` bool: the pixels that are not transparent.

    Raises:
        InputError: damaged, or of another size.
    """
    if not all(type(one) is int and 0 <= one <= 255 for one in packed):
        raise InputError("its rle is not a list of bytes")
    bits = _Bits(bytes(packed))  # type: ignore[arg-type]
    length = bits.take(32)
    if length != 4 * size[0] * size[1]:
        raise InputError(
            f"its rle has {length // 4} pixels, but the picture has {size[1]}x{size[0]}"
        )
    value = bits.take(5) + 1
    sizes = [bits.take(4) + 1 for _ in range(4)]
    values = np.zeros(length, dtype=np.uint32)
    here = 0
    while here < length:
        repeated = bits.take(1)
        run = bits.take(sizes[bits.take(2)]) + 1
        if here + run > length:
            raise InputError("its rle is damaged: a run reaches beyond the picture")
        values[here : here + run] = bits.take(value) if repeated else bits.several(run, value)
        here += run
    return values.reshape(*size, 4)[..., 3] > 0


class _Bits:
    """Takes numbers out of bytes, the highest bit first."""

    def __init__(self, data: bytes) -> None:
        self.data, self.place = data, 0

    def take(self, size: int) -> int:
        end = self.place + size
        if end > 8 * len(self.data):
            raise InputError("its rle is damaged: it ends too early")
        first, last = self.place // 8, -(-end // 8)
        window = int.from_bytes(self.data[first:last], "big")
        self.place = end
        return window >> (8 * last - end) & ((1 << size) - 1)

    def several(self, count: int, size: int) -> np.ndarray:
        """``(count,)`` uint32."""
        return np.array([self.take(size) for _ in range(count)], dtype=np.uint32)
