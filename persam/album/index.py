"""An album's index: a few kilobytes a photo, by which alone a million are ranked.

A folder of Parquet parts, each whole or not at all, so that a stopped run goes on and several
machines may fill one each. A part knows the model that made it and the examples that its codes
mean; see :mod:`persam.album.codebook`.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from itertools import chain, islice
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np

from persam import __version__
from persam.album.codebook import Codebook, typical_cells
from persam.album.index_parts import IndexFacts, IndexParts, Known
from persam.album.loop import LoaderOptions, process_photos
from persam.errors import InputError
from persam.io.own_files import file_sha256
from persam.io.picture_bytes import place_of
from persam.pipeline.presence import likeness, picture_vectors
from persam.runs import locked

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

    from persam.album.loop import PhotoResult
    from persam.models.base import Backbone
    from persam.structures import Embedding

PART = 1024  # photos; what a kill loses at most
_TEACHERS = 256  # photos that the codes are learnt from
_OBJECTS = 24  # of these, pieces of which are looked for, to see what codes do to likeness
_TOO_ALIKE = 1e-3  # in likeness; photos of one colour teach no correction

Row = dict[str, Any]


@dataclass(frozen=True)
class IndexSummary:
    """What a run did.

    Attributes:
        folder: of the index.
        written: photos of this run.
        skipped: photos that are in the index and unchanged.
        errors: name and reason of each photo that could not be read.
    """

    folder: Path
    written: int
    skipped: int
    errors: tuple[tuple[str, str], ...]


class _Described(NamedTuple):
    """A photo on its way into the index.

    Attributes:
        photo: absolute path.
        error: why there is nothing of it.
        stamp, sha256: of its file.
        cells: ``(n, d)`` the typical ones.
        vectors: ``(m, d)`` all of them, where they are still needed.
    """

    photo: str
    error: str | None
    stamp: Known | None = None
    sha256: str | None = None
    cells: Any = None
    vectors: Any = None


@dataclass(frozen=True, eq=False)
class _Cells:
    """The task of an index: a picture's matching cells, row by row, and nothing of a decoder."""

    backbone: Backbone
    can_reject = True  # where a cache has the matching features, they are all there is to read
    wants_pixels = False

    def reject(self, embedding: Embedding) -> np.ndarray:
        return self.predict(embedding)

    def predict(self, embedding: Embedding) -> np.ndarray:
        return picture_vectors(embedding)


def index_album(
    backbone: Backbone,
    photos: Sequence[str | Path],
    folder: str | Path,
    on_progress: Callable[[], None] | None = None,
    *,
    loader: LoaderOptions | None = None,
) -> IndexSummary:
    """Write what photos are searched by into an index, or add it to one.

    Args:
        backbone: the model that concepts are going to be learnt with.
        photos: picture files. Those that the index has, unchanged by size and date, are skipped.
        folder: of the index, made where it is missing.
        on_progress: called after each photo.
        loader: how they are gone through; None finds out what is quickest here.

    Raises:
        InputError: the index is another model's, or the folder cannot be written.
        MissingExtra: pyarrow is not installed.
    """
    loader, folder = loader or LoaderOptions(), Path(folder)
    with locked(folder), loader.threads() as threads:
        parts = IndexParts.opened(folder, facts_of(backbone))
        todo = [path for path in map(Path, photos) if not parts.has(path)]
        stamps = {place_of(path): Known.of(path) for path in todo}  # before they are read
        seen = process_photos(todo, _Cells(backbone), loader, threads)
        errors: list[tuple[str, str]] = []

        described = threads.write_behind(
            lambda one: _described(one, stamps[place_of(one.photo)]),
            seen,
            lambda: 2 * threads.jobs,
        )

        def rows() -> Iterator[Row]:
            facts, photos = _learnt(parts, described)
            parts.begin(facts)
            for one in photos:
                if one.error is not None:
                    errors.append((one.photo, one.error))
                yield _row(one, facts.codes)
                if on_progress is not None:
                    on_progress()

        coming = rows()
        while some := list(islice(coming, PART)):
            parts.write(some)
    return IndexSummary(folder, len(todo), len(photos) - len(todo), tuple(errors))


def facts_of(backbone: Backbone) -> IndexFacts:
    """What an index must agree with a concept's model in; nothing of its codes yet."""
    return IndexFacts(
        model=str(backbone.spec),
        identity=backbone.identity,
        engine=backbone.engine,
        precision=backbone.precision,
        version=__version__,
    )


def _learnt(
    parts: IndexParts, seen: Iterator[_Described]
) -> tuple[IndexFacts, Iterator[_Described]]:
    """The facts with codes, those of earlier parts or learnt from the first photos; all photos."""
    if parts.facts.codes is not None:
        return parts.facts, seen
    first: list[_Described] = []
    whole: list[_Described] = []
    for one in islice(seen, _TEACHERS):
        if one.cells is not None and len(whole) < _OBJECTS:
            whole.append(one)
        first.append(one._replace(vectors=None))
    shown = [one.cells for one in first if one.cells is not None]
    if not shown:
        if not first:
            return parts.facts, iter(())
        raise InputError(
            f"None of the first {len(first)} photos can be read, so that nothing can be learnt of "
            f"the album: {first[0].error}"
        )
    codebook = Codebook.learn(np.concatenate(shown))
    slope, offset = _correction(whole, codebook)
    facts = replace(parts.facts, codes=codebook, slope=slope, offset=offset)
    return facts, chain(first, seen)


def _correction(pictures: Sequence[_Described], codebook: Codebook) -> tuple[float, float]:
    """Slope and offset that bring likeness by codes to likeness by all cells.

    Learnt on pieces of photos that are looked for in the others.
    """
    coded = [codebook.decode(codebook.encode(one.cells)) for one in pictures]
    pairs = []
    for shown in pictures:
        piece = shown.vectors[len(shown.vectors) // 3 : len(shown.vectors) // 2]
        for few, other in zip(coded, pictures, strict=True):
            # Of its own photo a piece finds all, which no object does in another photo.
            if len(piece) > 0 and other is not shown:
                by_codes = likeness(few, [codebook.project(piece)])
                pairs.append((by_codes, likeness(other.vectors, [piece])))
    if not pairs or np.ptp(pairs, axis=0)[0] < _TOO_ALIKE:
        return 1.0, 0.0
    few, all_vectors = np.array(pairs).T
    slope, offset = np.polyfit(few, all_vectors, 1)
    return float(slope), float(offset)


def _described(seen: PhotoResult[np.ndarray], stamp: Known | None) -> _Described:
    """What is kept of a photo, but for its codes; in a thread."""
    photo = place_of(seen.photo)
    if seen.answer is None or stamp is None:
        return _Described(photo, seen.error or f"{photo} is gone")
    sha256 = file_sha256(Path(photo))
    return _Described(photo, None, stamp, sha256, typical_cells(seen.answer), seen.answer)


def _row(one: _Described, codes: Codebook | None) -> Row:
    row: Row = {"photo": one.photo, "error": one.error, "sha256": one.sha256}
    if one.cells is None or one.stamp is None or codes is None:
        return row | {"size": None, "mtime_ns": None, "cells": None}
    return row | one.stamp._asdict() | {"cells": codes.encode(one.cells).tobytes()}
