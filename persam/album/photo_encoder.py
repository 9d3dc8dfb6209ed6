"""Embeddings of photos that were read: out of the cache, or of the encoder, several at once."""

from __future__ import annotations

import math
from dataclasses import dataclass
from time import perf_counter
from typing import TYPE_CHECKING, NamedTuple

from persam.album.cache_entry import CacheEntry
from persam.album.reader import STOPS_A_PHOTO, one_line

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from persam.album.batch_size import BatchSize
    from persam.album.embedding_cache import Cache
    from persam.album.reader import ReadPhoto
    from persam.models.base import Backbone
    from persam.structures import Embedding


class Encoded(NamedTuple):
    """An embedding or the reason why there is none, what of it the cache is to get, its seconds."""

    embedding: Embedding | None = None
    error: str | None = None
    entry: CacheEntry | None = None
    seconds: float = 0.0


@dataclass(frozen=True, eq=False)
class PhotoEncoder:
    """Encodes photos.

    Attributes:
        backbone: the model.
        cache: of embeddings, if there is one.
        size: learns how long batches take.
    """

    backbone: Backbone
    cache: Cache | None
    size: BatchSize

    def embed(self, photos: Sequence[ReadPhoto]) -> Iterator[Encoded]:
        """Embeddings out of the cache, or of the encoder, which is asked for all others at once."""
        encoded = iter(self._encode([photo for photo in photos if photo.entry is None]))
        for photo in photos:
            if photo.entry is None:
                yield next(encoded)
            else:
                yield Encoded(photo.entry.embedding())

    def _encode(self, photos: Sequence[ReadPhoto]) -> list[Encoded]:
        preprocessed = [photo.preprocessed for photo in photos if photo.preprocessed is not None]
        if not preprocessed:
            return []
        began = perf_counter()
        try:
            found = self.backbone.encode_preprocessed(preprocessed)
        except STOPS_A_PHOTO as error:
            self.size.took(len(preprocessed), math.inf)
            if len(preprocessed) == 1:
                return [Encoded(error=one_line(error))]
            # Too much for the device, or one of them is at fault: each by itself.
            return [one for photo in photos for one in self._encode([photo])]
        seconds = perf_counter() - began
        self.size.took(len(preprocessed), seconds)
        each = seconds / len(preprocessed)
        return [
            self._rounded(one, photo.size, each) for one, photo in zip(found, photos, strict=True)
        ]

    def _rounded(
        self, embedding: Embedding, size: tuple[int, int] | None, seconds: float
    ) -> Encoded:
        """An embedding as the cache is going to give it, where there is one."""
        if self.cache is None:
            return Encoded(embedding, seconds=seconds)
        entry = CacheEntry.of(embedding, size)
        return Encoded(entry.embedding(), entry=entry, seconds=seconds)
