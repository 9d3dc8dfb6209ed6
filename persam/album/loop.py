"""The one loop over many photos: read ahead, encoded in batches or out of a cache, answered at.

Whatever can be done beside the model is done in threads: files, decoding, resizing, the cache. With
the built-in model several photos go from their encoding to their answer at a time, each on its
share of the cores. Larger models fill a processor by themselves, and are asked by the caller's own
thread alone. On a GPU the next photos are encoded while these are answered, all of them side by
side, so that neither the device nor the processor waits for the other. Answers come in the order of
the photos and are the same at any loader, but for the rounding of a network's sums in batches of
another size or with other threads.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from functools import partial
from itertools import islice
from time import perf_counter
from typing import TYPE_CHECKING, Generic, NamedTuple, Protocol, TypeVar

from persam.album.batch_size import BatchSize
from persam.album.pace import Pace, pace_name, remember, remembered
from persam.album.photo_encoder import PhotoEncoder
from persam.album.prefetch import Threads, ahead
from persam.album.reader import STOPS_A_PHOTO, Reader, ReadPhoto, one_line
from persam.io.picture_checks import MAX_PIXELS
from persam.models.runtime.streams import one_stream
from persam.pipeline.decoder_batch import side_by_side

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Sequence

    import numpy as np

    from persam.album.cache_entry import CacheEntry
    from persam.album.embedding_cache import Cache
    from persam.album.photo_encoder import Encoded
    from persam.io.picture_bytes import PictureSource
    from persam.models.base import Backbone
    from persam.structures import Embedding

# Photos that may be looked at by the cache alone before they are asked for, for each thread: what
# is rejected by it weighs nothing, and there are many such before the next that has to be decoded.
_GLANCES = 8
_FEW = 8  # photos that streams are not made ready for
_WAITING = 3  # answers for each stream that may wait for the one before them

T = TypeVar("T")
T_co = TypeVar("T_co", covariant=True)


class PhotoTask(Protocol[T_co]):
    """What is asked about every photo."""

    @property
    def backbone(self) -> Backbone:
        """The model that encodes the photos."""
        ...

    @property
    def can_reject(self) -> bool:
        """Whether matching features alone are ever enough for an answer."""
        ...

    @property
    def wants_pixels(self) -> bool:
        """Whether an answer needs the picture itself beside its embedding."""
        ...

    def reject(self, embedding: Embedding) -> T_co | None:
        """Answer by the matching features alone, in any thread; None where they are not enough."""
        ...

    def predict(self, embedding: Embedding) -> T_co:
        """Answer."""
        ...


@dataclass(frozen=True)
class LoaderOptions:
    """How photos are gone through.

    Attributes:
        batch: photos that the encoder takes at once; None finds out what is quickest; a
            :class:`BatchSize` goes on with what it has found out before. Models with streams
            take one at a time in each.
        jobs: threads that read and write beside the model, 0 for none, and nothing side by side;
            None finds out.
        cache: keeps embeddings between runs, if one is given. Its embeddings are rounded, so that
            answers may differ in single pixels from those without a cache.
        max_pixels: photos of more are refused; see :mod:`persam.io.picture_checks`.
        side_by_side: encode the next photos while these are answered, and ask the decoder for all
            of them at once, or answer one photo after the other; None does the former on a GPU, and
            has photos go all their way side by side with models that have streams.

    Example:
        >>> options = LoaderOptions(batch=4, jobs=0)
        >>> (options.cache, options.threads().jobs)
        (None, 0)
    """

    batch: int | BatchSize | None = None
    jobs: int | None = None
    cache: Cache | None = None
    max_pixels: int = MAX_PIXELS
    side_by_side: bool | None = None

    def __post_init__(self) -> None:
        self.size()
        self.threads()

    def size(self) -> BatchSize:
        """How many photos to encode next."""
        return self.batch if isinstance(self.batch, BatchSize) else BatchSize(self.batch)

    def threads(self) -> Threads:
        """Threads for this loader, to be used in a ``with`` block."""
        return Threads(self.jobs)


@dataclass(frozen=True, eq=False)
class PhotoResult(Generic[T]):
    """What became of a photo.

    Attributes:
        photo: its file, or the contents of one.
        answer: None where nothing could be answered.
        error: why not, in one line.
        image: ``(H, W, 3)`` uint8 RGB where it was asked for.
        size: ``(height, width)`` of the picture in the file, upright; the answer may be of one on a
            reduced scale.
        seconds: of work for this photo; what a batch took is shared equally, and photos that are
            answered side by side count the same seconds each.
    """

    photo: PictureSource
    answer: T | None = None
    error: str | None = None
    image: np.ndarray | None = None
    size: tuple[int, int] | None = None
    seconds: float = 0.0


class _Prepared(NamedTuple):
    """A photo with what was encoded."""

    photo: ReadPhoto
    found: Encoded


_Begun = ReadPhoto | PhotoResult[T]  # what is still to be answered, and what has been rejected


class _Answered(NamedTuple, Generic[T]):
    """An answer, and the entry that the cache is to get."""

    result: PhotoResult[T]
    key: str | None = None
    entry: CacheEntry | None = None


def process_photos(
    photos: Iterable[PictureSource],
    task: PhotoTask[T],
    loader: LoaderOptions,
    threads: Threads,
    *,
    pixels: bool = False,
) -> Iterator[PhotoResult[T]]:
    """Do a task with every photo; one that cannot be read stops nothing.

    Args:
        photos: picture files.
        task: what is asked about every photo.
        loader: see there.
        threads: the caller's, of the same loader.
        pixels: give the pictures back with the answers.

    Yields:
        One for each photo, in their order.
    """
    loop = _Loop(task, loader, pixels=pixels)
    name = pace_name(task.backbone, pictures=pixels, cached=loader.cache is not None)
    if loop.undecided and threads.undecided and (known := remembered().get(name)):
        loop.size.settle(known.batch)
        threads.settle(known.jobs)
    begun: Iterable[_Begun[T]] = map(ReadPhoto, photos)
    if loop.rejects:
        begun = threads.prefetch(loop.glance, photos, lambda: _GLANCES * threads.jobs)
    read = threads.prefetch(
        loop.read, begun, lambda: loop.size.now + threads.jobs, worth=loop.unread
    )
    answered = loop.answer_all(read)
    try:
        if loader.cache is None:
            yield from (one.result for one in answered)
        else:
            yield from threads.write_behind(
                loop.keep, answered, lambda: 2 * threads.jobs, worth=loop.unkept
            )
    finally:  # callers that know how many photos there are may ask no further
        if loop.batch_found is not None and threads.found is not None:
            remember(name, Pace(loop.batch_found, threads.found))


class _Loop(Generic[T]):
    """Groups of photos on their way, as many as the encoder takes at once."""

    def __init__(self, task: PhotoTask[T], loader: LoaderOptions, *, pixels: bool) -> None:
        self.task, self.cache = task, loader.cache
        asked = loader.side_by_side
        self.side_by_side = task.backbone.device != "cpu" if asked is None else asked
        one_by_one = loader.jobs == 0 or asked is not None
        self.streams = 1 if one_by_one else task.backbone.streams
        self.size = loader.size() if self.streams == 1 else BatchSize(1)
        self.encoder = PhotoEncoder(task.backbone, loader.cache, self.size)
        self.rejects = loader.cache is not None and task.can_reject
        self.reader = Reader(
            task.backbone,
            loader.cache,
            identity="" if loader.cache is None else task.backbone.identity,
            pixels=pixels,
            keep=task.wants_pixels,
            max_pixels=loader.max_pixels,
        )

    @property
    def undecided(self) -> bool:
        """Whether the batch is to be what an earlier album found quickest."""
        return self.streams > 1 or self.size.undecided

    @property
    def batch_found(self) -> int | None:
        """What the next album may begin with; None where nothing was found out."""
        return 1 if self.streams > 1 else self.size.found

    def glance(self, photo: PictureSource) -> _Begun[T]:
        """Reject a photo where the cache has its matching features and they are enough."""
        found = self.reader.glance(photo)
        if found.matching_entry is None:
            return found
        result = self._answer(found, self.task.reject, found.matching_entry.embedding())
        return found if result.answer is None and result.error is None else result

    def unread(self, one: _Begun[T]) -> bool:
        """Whether there is something to read: of what has been rejected the pixels at most."""
        return isinstance(one, ReadPhoto) or (self.reader.pixels and one.error is None)

    def read(self, one: _Begun[T]) -> _Begun[T]:
        """Read what is to be answered, and of what has been rejected the pixels, if asked for."""
        if not self.unread(one):
            return one
        if isinstance(one, PhotoResult):
            return self._with_pixels(one)
        read = self.reader.read(one)
        if read.error is None:
            return read
        return PhotoResult(read.photo, error=read.error, seconds=read.seconds)

    def _with_pixels(self, rejected: PhotoResult[T]) -> PhotoResult[T]:
        found = self.reader.read_pixels(ReadPhoto(rejected.photo, size=rejected.size))
        seconds = rejected.seconds + found.seconds
        if found.error is not None:
            return PhotoResult(found.photo, error=found.error, seconds=seconds)
        return replace(rejected, image=found.image, seconds=seconds)

    def answer_all(self, photos: Iterable[_Begun[T]]) -> Iterator[_Answered[T]]:
        if self.streams > 1:
            yield from self._answer_in_streams(iter(photos))
            return
        beside, answer = (ahead, side_by_side) if self.side_by_side else (map, map)
        for group in beside(self._encoded_group, self._groups(photos)):
            yield from answer(self._answered, group)

    def _answer_in_streams(self, photos: Iterator[_Begun[T]]) -> Iterator[_Answered[T]]:
        """Several photos at a time, each from its encoding to its answer in a thread."""
        # To make the networks ready takes as long as a few photos.
        yield from map(self._encoded_and_answered, islice(photos, _FEW))
        most = _WAITING * self.streams
        yield from ahead(self._in_stream, photos, threads=self.streams, most=most)

    def _in_stream(self, one: _Begun[T]) -> _Answered[T]:
        with one_stream():
            return self._encoded_and_answered(one)

    def _encoded_and_answered(self, one: _Begun[T]) -> _Answered[T]:
        (encoded,) = self._encoded_group([one])
        return self._answered(encoded)

    def _groups(self, photos: Iterable[_Begun[T]]) -> Iterator[list[_Begun[T]]]:
        group: list[_Begun[T]] = []
        for photo in photos:
            group.append(photo)
            if len(group) >= self.size.now:
                yield group
                group = []
        yield group

    def unkept(self, answered: _Answered[T]) -> bool:
        """Whether the cache is to get something."""
        return answered.key is not None and answered.entry is not None

    def keep(self, answered: _Answered[T]) -> PhotoResult[T]:
        """Give the cache its entry, in a thread."""
        if self.cache is not None and answered.key is not None and answered.entry is not None:
            self.cache.put(answered.key, answered.entry)
        return answered.result

    def _encoded_group(self, group: Sequence[_Begun[T]]) -> list[_Prepared | PhotoResult[T]]:
        """Encode what was not rejected."""
        embedded = iter(self.encoder.embed([one for one in group if isinstance(one, ReadPhoto)]))
        return [
            _Prepared(one, next(embedded)) if isinstance(one, ReadPhoto) else one for one in group
        ]

    def _answered(self, one: _Prepared | PhotoResult[T]) -> _Answered[T]:
        if isinstance(one, PhotoResult):
            return _Answered(one)
        return _Answered(self._predict(one.photo, one.found), one.photo.key, one.found.entry)

    def _predict(self, photo: ReadPhoto, found: Encoded) -> PhotoResult[T]:
        spent = photo.seconds + found.seconds
        if found.embedding is None:
            return PhotoResult(photo.photo, error=found.error, seconds=spent)
        return self._answer(photo, partial(self._ask, photo), found.embedding, found.seconds)

    def _ask(self, photo: ReadPhoto, embedding: Embedding) -> T:
        if self.task.wants_pixels:
            read = photo.image
            pixels = self.reader.picture(photo.photo).pixels if read is None else read
            embedding = replace(embedding, image=pixels)
        return self.task.predict(embedding)

    def _answer(
        self,
        photo: ReadPhoto,
        answer: Callable[[Embedding], T | None],
        embedding: Embedding,
        spent: float = 0.0,
    ) -> PhotoResult[T]:
        began = perf_counter()
        found, error = None, None
        try:
            found = answer(embedding)
        except STOPS_A_PHOTO as stopped:
            error = one_line(stopped)
        spent += photo.seconds + perf_counter() - began
        return PhotoResult(photo.photo, found, error, photo.image, photo.size, spent)
