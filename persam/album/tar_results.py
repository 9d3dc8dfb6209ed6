"""Results as tars in WebDataset's layout: a mask and a record a photo, written as they come."""

from __future__ import annotations

import re
import tarfile
from contextlib import nullcontext
from dataclasses import dataclass, field
from io import BytesIO
from itertools import chain, islice
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

from persam.album.rows import find_in, is_there, row_of, to_json
from persam.errors import InputError
from persam.io.metadata import NOTHING, read_metadata
from persam.io.picture_checks import DAMAGE
from persam.io.records import parse
from persam.io.sources import fetch, find_sources
from persam.io.stores import created, exists, is_url, open_file
from persam.runs import locked

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Sequence

    from persam.album.loop import LoaderOptions
    from persam.album.rows import Row
    from persam.album.targets import AlbumTarget

PART = 1000  # photos of a tar where there are several
_NUMBER = re.compile(r"%0([1-9])d")


class FoundPhoto(NamedTuple):
    """A photo's row, and its mask's file where it has one."""

    row: Row
    png: bytes | None


@dataclass(frozen=True)
class StreamSummary:
    """What a run did, in photos: of this run, of earlier ones, with an error, with something."""

    written: int
    skipped: int
    failed: int
    present: int
    errors: tuple[tuple[str, str], ...] = ()


@dataclass
class TarResults:
    """Where the results go: one tar, or numbered ones of :data:`PART` photos each.

    Attributes:
        place: path or URL; with ``%06d`` in its name there are numbered ones, and a stopped run
            goes on from those that are whole.
        settings: names what is looked for, and with what.
        strip: leave the photos' ICC, EXIF and XMP out of the masks.
        keys: names inside that are taken.

    Raises:
        InputError: a name with ``%`` that is no place of a number.
    """

    place: str
    settings: str
    strip: bool = False
    keys: set[str] = field(default_factory=set)

    def __post_init__(self) -> None:
        if "%" in _NUMBER.sub("", self.place, count=1):
            raise InputError(
                f"The place of a tar's number is said once, as in results-%06d.tar; got "
                f"{self.place}."
            )

    @property
    def several(self) -> bool:
        """Whether there are numbered tars."""
        return bool(_NUMBER.search(self.place))

    def numbered(self, number: int) -> str:
        """Place of a tar."""
        return _NUMBER.sub(lambda found: f"{number:0{found[1]}d}", self.place)

    def done(self) -> tuple[int, frozenset[str]]:
        """The number of the next tar, and the photos of those that are there.

        Raises:
            InputError: one of them is damaged or another run's, or the only one is there already.
        """
        if not self.several:
            if exists(self.place):
                raise InputError(
                    f"{self.place} is there already. Move it away, or number the tars "
                    f"(results-%06d.tar), from which a stopped run goes on."
                )
            return 0, frozenset()
        number, names = 0, set()
        while exists(self.numbered(number)):
            for key, record in _records(self.numbered(number)):
                if record.get("settings") != self.settings:
                    raise InputError(
                        f"{self.numbered(number)} is of a run that looked for something else. "
                        f"Choose another name."
                    )
                self.keys.add(key)
                names.add(str(record.get("photo")))
            number += 1
        return number, frozenset(names)

    def write(self, number: int, photos: Iterable[FoundPhoto]) -> None:
        """Write a tar while photos come; it has its name once it is whole.

        Raises:
            InputError: it cannot be written.
        """
        with (
            created(self.numbered(number)) as file,
            tarfile.open(fileobj=file, mode="w|", format=tarfile.PAX_FORMAT) as tar,
        ):
            for one in photos:
                key = self._key(str(one.row["photo"]))
                kept = {name: value for name, value in one.row.items() if name != "mask"}
                record = to_json({**kept, "settings": self.settings})
                if one.png is not None:
                    _add(tar, f"{key}.png", one.png)
                _add(tar, f"{key}.json", record.encode())

    def _key(self, photo: str) -> str:
        # The first dot of a sample's name ends its key.
        stem = Path(photo.replace("\\", "/")).stem.replace(".", "_")
        key, number = stem, 1
        while key in self.keys:
            number += 1
            key = f"{stem}__{number}"
        self.keys.add(key)
        return key


def segment_stream(
    target: AlbumTarget,
    places: Sequence[str],
    results: TarResults,
    loader: LoaderOptions,
    on_progress: Callable[[], None] | None = None,
) -> StreamSummary:
    """Search pictures of files, tars, tables and stores one after the other, into tars.

    Nothing is copied: a few pictures are in memory, and the disk holds the results alone.

    Args:
        target: what is looked for.
        places: as for :func:`persam.io.sources.find_sources`.
        results: where they go.
        loader: how the pictures are gone through.
        on_progress: called after each photo.

    Raises:
        InputError: nothing to read, results of another run, or results that cannot be written.
    """
    folder = Path(results.place).parent
    with nullcontext() if is_url(results.place) else locked(folder), loader.threads() as threads:
        number, done = results.done()
        fetched = chain.from_iterable(fetch(one, done) for one in find_sources(places))
        counts = _Counts(on_progress)
        photos = counts.each(
            _found(one, result, strip=results.strip)
            for one, result in find_in(fetched, target, loader, threads)
        )
        if not results.several:
            results.write(0, photos)
            return counts.summary(0)
        # A tar is begun when there is a photo for it.
        for first in photos:
            results.write(number, chain((first,), islice(photos, PART - 1)))
            number += 1
        return counts.summary(len(done))


def _found(fetched: Any, result: Any, *, strip: bool) -> FoundPhoto:
    row = row_of(fetched.name, result, fetched.error)
    if result is None or result.answer is None:
        return FoundPhoto(row, None)
    answer = result.answer if result.size is None else result.answer.at(result.size)
    return FoundPhoto(row, answer.png(NOTHING if strip else read_metadata(fetched.picture)))


class _Counts:
    """Counts photos as they go by."""

    def __init__(self, on_progress: Callable[[], None] | None) -> None:
        self.on_progress, self.written, self.present = on_progress, 0, 0
        self.errors: list[tuple[str, str]] = []

    def each(self, photos: Iterable[FoundPhoto]) -> Iterator[FoundPhoto]:
        for one in photos:
            self.written += 1
            self.present += is_there(one.row)
            if one.row["error"] is not None:
                self.errors.append((one.row["photo"], one.row["error"]))
            yield one
            if self.on_progress is not None:
                self.on_progress()

    def summary(self, skipped: int) -> StreamSummary:
        failed = len(self.errors)
        return StreamSummary(self.written, skipped, failed, self.present, tuple(self.errors))


def _records(place: str) -> Iterator[tuple[str, dict[str, Any]]]:
    """Keys and records of a tar."""
    try:
        with open_file(place) as file, tarfile.open(fileobj=file, mode="r|") as tar:
            for member in tar:
                inside = tar.extractfile(member)
                if member.name.endswith(".json") and inside is not None:
                    yield member.name.removesuffix(".json"), parse(inside.read(), dict[str, Any])
    except (tarfile.TarError, *DAMAGE) as error:
        raise InputError(f"{place} is no tar of results, or damaged ({error}).") from error


def _add(tar: tarfile.TarFile, name: str, data: bytes) -> None:
    facts = tarfile.TarInfo(name)  # of no time and nobody, so that equal runs give equal tars
    facts.size = len(data)
    tar.addfile(facts, BytesIO(data))
