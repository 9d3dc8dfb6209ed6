"""An embedding in two small files: what objects are compared by, and what masks are made of.

Matching features are kept as whole numbers of 8 bits with a factor for each cell, cell by cell, so
that an object is compared with them as they lie; everything else in half precision. That is what a
cached album is searched with from its first run on, so that a run that fills the cache and one that
reads it answer alike.
"""

from __future__ import annotations

import zlib
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
from safetensors import SafetensorError
from safetensors.numpy import load, save

from persam.structures import Embedding, Frame, LaterMaps, lengths

if TYPE_CHECKING:
    from collections.abc import Mapping

    Arrays = Mapping[str, np.ndarray]

_LARGEST = 127  # of the 8-bit numbers
_CHECK = "crc32"


@dataclass(frozen=True, eq=False)
class MatchingEntry:
    """The matching features of a picture, as they are kept.

    Attributes:
        cells: ``(h', w', d)`` int8.
        factors: ``(h', w', 1)`` float32, what 1 is worth in each cell.
        lengths: ``(h', w', 1)`` float32, of the cells times their factors.
        frame: how the picture lies in the model's square.
        size: ``(height, width)`` of the picture in the file, upright; the frame may be of one on a
            reduced scale.
    """

    cells: np.ndarray
    factors: np.ndarray
    lengths: np.ndarray
    frame: Frame
    size: tuple[int, int]

    @classmethod
    def of(cls, embedding: Embedding, size: tuple[int, int] | None = None) -> MatchingEntry:
        """Round the matching features of an embedding.

        Args:
            embedding: of the picture.
            size: of the picture in the file; None where it is the frame's.
        """
        matching = np.ascontiguousarray(np.moveaxis(embedding.matching[0], 0, -1))
        factors = np.abs(matching).max(axis=2, keepdims=True) / np.float32(_LARGEST)
        whole = np.rint(matching / np.where(factors == 0, np.float32(1), factors))
        frame = embedding.frame
        size = (frame.height, frame.width) if size is None else size
        return cls(whole.astype(np.int8), factors, lengths(whole * factors), frame, size)

    def features(self) -> np.ndarray:
        """``(1, d, h', w')`` float32."""
        return np.moveaxis(self._floats(), -1, 0)[None]

    def unit_cells(self) -> np.ndarray:
        """``(h', w', d)`` float32, each of length 1."""
        found = self._floats()
        found /= self.lengths
        return found

    def _floats(self) -> np.ndarray:
        found = self.cells.astype(np.float32)  # two steps are quicker than one of mixed kinds
        found *= self.factors
        return found

    def embedding(self) -> Embedding:
        """An embedding that tells whether objects are there, and cannot be decoded."""
        maps = LaterMaps(self.features, lambda: (self.features(),), self.unit_cells)
        return Embedding(maps, self.frame)

    def to_bytes(self, key: str) -> bytes:
        """A file's contents, which :meth:`from_bytes` reads under the same key."""
        frame = self.frame
        numbers = [frame.height, frame.width, *frame.resized, frame.square, *self.size]
        arrays = {"cells": self.cells, "factors": self.factors, "lengths": self.lengths}
        return _pack({**arrays, "frame": np.array(numbers, dtype=np.int64)}, key)

    @classmethod
    def from_bytes(cls, data: bytes, key: str) -> MatchingEntry | None:
        """Read what :meth:`to_bytes` gave; None where it is damaged, or another photo's."""
        found = _unpack(data, key)
        if found is None or set(found) != {"cells", "factors", "lengths", "frame"}:
            return None
        height, width, *resized, square, picture_height, picture_width = found["frame"].tolist()
        frame = Frame(height, width, (resized[0], resized[1]), square)
        size = picture_height, picture_width
        return cls(found["cells"], found["factors"], found["lengths"], frame, size)


@dataclass(frozen=True, eq=False)
class CacheEntry:
    """A whole embedding, as it is kept.

    Attributes:
        matching_entry: its matching features.
        maps: ``(c, h, w)`` each, float16 where the numbers fit: the decoder's features, the extras.
    """

    matching_entry: MatchingEntry
    maps: tuple[np.ndarray, ...]

    @classmethod
    def of(cls, embedding: Embedding, size: tuple[int, int] | None = None) -> CacheEntry:
        """Round an embedding; see :meth:`MatchingEntry.of`."""
        maps = tuple(_half(one[0]) for one in embedding.decoder_maps)
        return cls(MatchingEntry.of(embedding, size), maps)

    def embedding(self) -> Embedding:
        """The embedding, rounded."""
        known = self.matching_entry
        return Embedding(LaterMaps(known.features, self._floats, known.unit_cells), known.frame)

    def _floats(self) -> tuple[np.ndarray, ...]:
        return tuple(one.astype(np.float32)[None] for one in self.maps)

    def to_bytes(self, key: str) -> bytes:
        """Contents of a file with all but the matching features."""
        return _pack({str(number): one for number, one in enumerate(self.maps)}, key)

    @classmethod
    def from_bytes(cls, data: bytes, matching_entry: MatchingEntry, key: str) -> CacheEntry | None:
        """Read what :meth:`to_bytes` gave; None where it is damaged, or another photo's."""
        found = _unpack(data, key)
        names = [str(number) for number in range(len(found or ()))]
        if not found or set(found) != set(names):
            return None
        return cls(matching_entry, tuple(found[name] for name in names))


def _half(numbers: np.ndarray) -> np.ndarray:
    # In one order whether read or just made, as sums of another order are rounded otherwise.
    numbers = np.ascontiguousarray(numbers)
    fits = np.abs(numbers).max(initial=0) <= np.finfo(np.float16).max
    return numbers.astype(np.float16) if fits else numbers


def _pack(arrays: Arrays, key: str) -> bytes:
    arrays = {name: np.ascontiguousarray(array) for name, array in arrays.items()}
    return save({**arrays, _CHECK: np.array([_crc(arrays, key)], dtype=np.int64)})


def _unpack(data: bytes, key: str) -> dict[str, np.ndarray] | None:
    """The arrays, or None where the bytes are not those that were written."""
    try:
        arrays = load(data)
    except (SafetensorError, KeyError, ValueError):
        return None
    check = arrays.pop(_CHECK, None)
    return arrays if check is not None and check.tolist() == [_crc(arrays, key)] else None


def _crc(arrays: Arrays, key: str) -> int:
    """Of the numbers and of the entry's key, so that no entry answers for another photo."""
    check = zlib.crc32(key.encode())
    for name in sorted(arrays):
        array = arrays[name]
        check = zlib.crc32(repr((name, array.shape, array.dtype.str)).encode(), check)
        check = zlib.crc32(array.data, check)
    return check
