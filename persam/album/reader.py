"""A photo on its way to the model: all that can be done of it before the model is asked."""

from __future__ import annotations

from contextlib import suppress
from dataclasses import dataclass, replace
from time import perf_counter
from typing import TYPE_CHECKING

from persam.errors import PersamError
from persam.io.images import read_image

if TYPE_CHECKING:
    from pathlib import Path

    import numpy as np

    from persam.album.cache_entry import CacheEntry, MatchingEntry
    from persam.album.embedding_cache import Cache
    from persam.models.base import Backbone
    from persam.structures import Preprocessed

# What stops one photo and not the run. RuntimeError is torch's word for "out of memory" and for
# impossible sizes.
STOPS_A_PHOTO = (PersamError, MemoryError, RuntimeError)


@dataclass(frozen=True, eq=False)
class ReadPhoto:
    """A photo, and what is there of it already.

    Attributes:
        photo: its file.
        key: name of its entry in the cache, where there is a cache.
        matching_entry: its matching features out of the cache.
        entry: its whole embedding out of the cache.
        preprocessed: what the encoder takes, where that has to be asked.
        image: ``(H, W, 3)`` uint8 RGB where it was asked for.
        error: why the photo cannot be looked at, in one line.
        seconds: that this took.
    """

    photo: Path
    key: str | None = None
    matching_entry: MatchingEntry | None = None
    entry: CacheEntry | None = None
    preprocessed: Preprocessed | None = None
    image: np.ndarray | None = None
    error: str | None = None
    seconds: float = 0.0


@dataclass(frozen=True, eq=False)
class Reader:
    """Reads photos, or what a cache keeps of them. Its methods are safe in any thread.

    Attributes:
        backbone: the model that is going to encode them.
        cache: of embeddings, if there is one.
        identity: of the backbone, which is reckoned once; for the cache alone.
        can_reject: whether matching features may be enough, so that the rest can wait.
        pixels: read the pictures, even where the cache has them.
    """

    backbone: Backbone
    cache: Cache | None = None
    identity: str = ""
    can_reject: bool = False
    pixels: bool = False

    def read(self, photo: Path) -> ReadPhoto:
        """Do what can be done now; what goes wrong is in the answer."""
        began = perf_counter()
        try:
            found = self._read(photo)
        except STOPS_A_PHOTO as error:
            found = ReadPhoto(photo, error=one_line(error))
        return replace(found, seconds=perf_counter() - began)

    def complete(self, found: ReadPhoto) -> ReadPhoto:
        """Get what matching features are not enough for: the embedding, or the encoder's input.

        The matching features are dropped where the rest of the entry is gone.
        """
        if found.error or found.entry or found.preprocessed:
            return found
        try:
            entry = self._whole(found.key, found.matching_entry)
            if entry is not None:
                return replace(found, entry=entry)
            preprocessed = self.backbone.preprocess(read_image(found.photo))
        except STOPS_A_PHOTO as error:
            return replace(found, error=one_line(error))
        return replace(found, matching_entry=None, preprocessed=preprocessed)

    def _read(self, photo: Path) -> ReadPhoto:
        key = self._key(photo)
        matching_entry = (
            None if key is None or self.cache is None else self.cache.matching_entry(key)
        )
        entry = None if self.can_reject else self._whole(key, matching_entry)
        missing = matching_entry is None or (entry is None and not self.can_reject)
        if not (missing or self.pixels):
            return ReadPhoto(photo, key, matching_entry, entry)
        image = read_image(photo)
        preprocessed = None
        if missing:
            preprocessed, matching_entry = self.backbone.preprocess(image), None
            # Changed between its digest and its pixels: then these have no name.
            key = key if key == self._key(photo) else None
        return ReadPhoto(
            photo, key, matching_entry, entry, preprocessed, image if self.pixels else None
        )

    def _key(self, photo: Path) -> str | None:
        if self.cache is not None:
            with suppress(OSError):  # reading the picture says why
                return self.cache.key(photo, self.identity)
        return None

    def _whole(self, key: str | None, matching_entry: MatchingEntry | None) -> CacheEntry | None:
        if self.cache is None or key is None or matching_entry is None:
            return None
        return self.cache.whole(key, matching_entry)


def one_line(error: BaseException) -> str:
    """What went wrong with a photo, in one line."""
    text = " ".join(str(error).split())
    return text if isinstance(error, PersamError) else f"{type(error).__name__}: {text}"
