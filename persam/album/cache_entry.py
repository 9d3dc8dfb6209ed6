"""An embedding in two small files: what objects are compared by, and what masks are made of.

Matching features are kept as whole numbers of 8 bits with a factor for each cell, everything else
in half precision. That is what a cached album is searched with from its first run on, so that a
run that fills the cache and one that reads it answer alike.
"""

from __future__ import annotations

import zlib
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
from safetensors import SafetensorError
from safetensors.numpy import load, save

from persam.structures import Embedding, Frame, Maps

if TYPE_CHECKING:
    from collections.abc import Mapping

    Arrays = Mapping[str, np.ndarray]

_LARGEST = 127  # of the 8-bit numbers
_CHECK = "crc32"


@dataclass(frozen=True, eq=False)
class MatchingEntry:
    """The matching features of a picture, as they are kept.

    Attributes:
        matching: ``(d, h', w')`` int8.
        factors: ``(h', w')`` float32, what 1 is worth in each cell.
        frame: how the picture lies in the model's square.
    """

    matching: np.ndarray
    factors: np.ndarray
    frame: Frame

    @classmethod
    def of(cls, embedding: Embedding) -> MatchingEntry:
        """Round the matching features of an embedding."""
        matching = np.ascontiguousarray(embedding.matching[0])
        factors = np.abs(matching).max(axis=0) / np.float32(_LARGEST)
        whole = np.rint(matching / np.where(factors == 0, np.float32(1), factors))
        return cls(whole.astype(np.int8), factors, embedding.frame)

    def features(self) -> np.ndarray:
        """``(1, d, h', w')`` float32."""
        return (self.matching * self.factors)[None]

    def embedding(self) -> Embedding:
        """An embedding that tells whether objects are there, and cannot be decoded."""
        matching = self.features()
        return Embedding(Maps(matching, matching), self.frame)

    def to_bytes(self, key: str) -> bytes:
        """A file's contents, which :meth:`from_bytes` reads under the same key."""
        frame = self.frame
        numbers = [frame.height, frame.width, *frame.resized, frame.square]
        arrays = {"matching": self.matching, "factors": self.factors}
        return _pack({**arrays, "frame": np.array(numbers, dtype=np.int64)}, key)

    @classmethod
    def from_bytes(cls, data: bytes, key: str) -> MatchingEntry | None:
        """Read what :meth:`to_bytes` gave; None where it is damaged, or another photo's."""
        found = _unpack(data, key)
        if found is None or set(found) != {"matching", "factors", "frame"}:
            return None
        height, width, *resized, square = found["frame"].tolist()
        frame = Frame(height, width, (resized[0], resized[1]), square)
        return cls(found["matching"], found["factors"], frame)


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
    def of(cls, embedding: Embedding) -> CacheEntry:
        """Round an embedding."""
        maps = (embedding.features, *embedding.extras)
        return cls(MatchingEntry.of(embedding), tuple(_half(one[0]) for one in maps))

    def embedding(self) -> Embedding:
        """The embedding, rounded."""
        maps = [one.astype(np.float32)[None] for one in self.maps]
        matching = self.matching_entry.features()
        return Embedding(Maps(maps[0], matching, tuple(maps[1:])), self.matching_entry.frame)

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
