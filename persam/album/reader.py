"""A photo on its way to the model: all that can be done of it before the model is asked."""

from __future__ import annotations

import math
from contextlib import suppress
from dataclasses import dataclass, replace
from time import perf_counter
from typing import TYPE_CHECKING

from persam.errors import InputError, PersamError
from persam.io.images import read_reduced
from persam.io.picture_checks import MAX_PIXELS

if TYPE_CHECKING:
    from collections.abc import Callable

    import numpy as np

    from persam.album.cache_entry import CacheEntry, MatchingEntry
    from persam.album.embedding_cache import Cache
    from persam.io.images import ReducedImage
    from persam.io.picture_bytes import PictureSource
    from persam.models.base import Backbone
    from persam.structures import Preprocessed

# What stops one photo and not the run. RuntimeError is torch's word for "out of memory" and for
# impossible sizes.
STOPS_A_PHOTO = (PersamError, MemoryError, RuntimeError)


# Photos of more pixels are looked at on a reduced scale: encoders see a square of 1024 at most.
ENOUGH_PIXELS = 24_000_000
# Pictures of more pixels do not wait in memory for their results; they are read again.
_KEPT_PIXELS = 12_000_000


@dataclass(frozen=True, eq=False)
class ReadPhoto:
    """A photo, and what is there of it already.

    Attributes:
        photo: its file, or the contents of one.
        key: name of its entry in the cache, where there is a cache.
        matching_entry: its matching features out of the cache.
        entry: its whole embedding out of the cache.
        preprocessed: what the encoder takes, where that has to be asked.
        image: ``(H, W, 3)`` uint8 RGB where it was asked for and is not too large to wait.
        size: ``(height, width)`` of the picture in the file, upright.
        error: why the photo cannot be read, in one line.
        seconds: that this took.
    """

    photo: PictureSource
    key: str | None = None
    matching_entry: MatchingEntry | None = None
    entry: CacheEntry | None = None
    preprocessed: Preprocessed | None = None
    image: np.ndarray | None = None
    size: tuple[int, int] | None = None
    error: str | None = None
    seconds: float = 0.0


@dataclass(frozen=True, eq=False)
class Reader:
    """Reads photos, or what a cache keeps of them. Its methods are safe in any thread.

    Attributes:
        backbone: the model that is going to encode them.
        cache: of embeddings, if there is one.
        identity: of the backbone, which is reckoned once; for the cache alone.
        pixels: read the pictures, even where the cache has them.
        keep: give the pixels of pictures that are to be answered.
        max_pixels: photos of more are refused.
    """

    backbone: Backbone
    cache: Cache | None = None
    identity: str = ""
    pixels: bool = False
    keep: bool = False
    max_pixels: int = MAX_PIXELS

    def glance(self, photo: PictureSource) -> ReadPhoto:
        """Get the matching features out of the cache, where it has them: a small file."""
        began = perf_counter()
        key = self._key(photo)
        matching = None if key is None or self.cache is None else self.cache.matching_entry(key)
        size = None if matching is None else matching.size
        return ReadPhoto(photo, key, matching, size=size, seconds=perf_counter() - began)

    def read(self, found: ReadPhoto) -> ReadPhoto:
        """Do all else that can be done now.

        The matching features are dropped where the rest of the entry is gone.
        """
        return self._answer(self._read, found)

    def read_pixels(self, found: ReadPhoto) -> ReadPhoto:
        """Get the picture alone, if it is not too large to wait."""
        return self._answer(self._image, found)

    def _answer(self, work: Callable[[ReadPhoto], ReadPhoto], found: ReadPhoto) -> ReadPhoto:
        """What goes wrong is in the answer."""
        began = perf_counter()
        try:
            read = work(found)
        except STOPS_A_PHOTO as error:
            read = replace(found, error=one_line(error))
        return replace(read, seconds=found.seconds + perf_counter() - began)

    def _read(self, found: ReadPhoto) -> ReadPhoto:
        if found.key is None and self.cache is not None:
            found = self.glance(found.photo)
        shown = self.pixels or self.keep
        entry = self._whole(found.key, found.matching_entry)
        if entry is not None:
            found = replace(found, entry=entry)
            return self._image(found) if shown else found
        picture = self.picture(found.photo)
        size = picture.height, picture.width
        image = picture.pixels if shown and _may_wait(size) else None
        preprocessed = self.backbone.preprocess(picture.pixels)
        # Changed between its digest and its pixels: then these have no name.
        key = found.key if found.key == self._key(found.photo) else None
        return ReadPhoto(found.photo, key, preprocessed=preprocessed, image=image, size=size)

    def _image(self, found: ReadPhoto) -> ReadPhoto:
        if found.size is not None and not _may_wait(found.size):
            return found
        return replace(found, image=self.picture(found.photo).pixels)

    def picture(self, photo: PictureSource) -> ReducedImage:
        """The photo's pixels, as the encoder is given them.

        Raises:
            InputError: it cannot be read.
        """
        return read_reduced(photo, ENOUGH_PIXELS, max_pixels=self.max_pixels)

    def _key(self, photo: PictureSource) -> str | None:
        if self.cache is not None:
            with suppress(OSError, InputError):  # reading the picture says why
                return self.cache.key(photo, self.identity)
        return None

    def _whole(self, key: str | None, matching: MatchingEntry | None) -> CacheEntry | None:
        if self.cache is None or key is None or matching is None:
            return None
        return self.cache.whole(key, matching)


def _may_wait(size: tuple[int, int]) -> bool:
    """Whether the pixels of a picture may wait in memory for its answer."""
    return math.prod(size) <= _KEPT_PIXELS


def one_line(error: BaseException) -> str:
    """What went wrong with a photo, in one line."""
    text = " ".join(str(error).split())
    return text if isinstance(error, PersamError) else f"{type(error).__name__}: {text}"
