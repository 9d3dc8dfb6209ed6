"""The parts of an index: what they say of themselves, and reading and writing them."""

from __future__ import annotations

import json
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np

from persam.album.codebook import GROUP, Codebook
from persam.errors import InputError
from persam.io.extras import import_extra
from persam.io.records import parse
from persam.io.table_text import restored, storable
from persam.io.writers import written_whole

if TYPE_CHECKING:
    from collections.abc import Iterator

FORMAT = 2
_HEAD, _AXES, _CODES = b"persam_index", b"persam_axes", b"persam_codes"
_PARTS = "index-*.parquet"
_EXTRA = ("index", "Indexes of albums")


class Known(NamedTuple):
    """A photo's file, as far as its folder tells."""

    size: int
    mtime_ns: int

    @classmethod
    def of(cls, path: Path) -> Known | None:
        """Look a file up; None where there is none."""
        try:
            facts = path.stat()
        except OSError:  # reading it says why
            return None
        return cls(facts.st_size, facts.st_mtime_ns)


@dataclass(frozen=True, eq=False)
class IndexFacts:
    """What an index says of itself.

    Attributes:
        model: by what it is loaded, in words.
        identity: names weights, engine and precision.
        engine, precision: of the model that made it.
        version: of persam.
        codes: what the cells' codes mean; None before any are learnt.
        slope, offset: bring likeness by codes to likeness by all cells.
    """

    model: str
    identity: str
    engine: str
    precision: str
    version: str
    codes: Codebook | None = None
    slope: float = 1.0
    offset: float = 0.0

    def refuse_other(self, other: IndexFacts, place: Path) -> None:
        """Refuse an index whose cells do not compare with a model's.

        Args:
            other: of the model.
            place: of the index, for the message.

        Raises:
            InputError: it is another model's, or of other weights of that name.
        """
        alike = (self.engine, self.precision) == (other.engine, other.precision)
        if self.model != other.model or (alike and self.identity != other.identity):
            raise InputError(
                f"{place} was made with the model {self.model!r}"
                f"{' of other weights' if self.model == other.model else ''}, and {other.model!r} "
                f"is loaded; their features do not compare. Make an index with it: persam index."
            )


@dataclass(eq=False)
class IndexParts:
    """An index that is written to.

    Attributes:
        folder: of the parts.
        facts: of the index.
        known: every photo that it has, by absolute path.
        number: of the next part.
    """

    folder: Path
    facts: IndexFacts
    known: dict[str, Known] = field(default_factory=dict)
    number: int = 0

    @classmethod
    def opened(cls, folder: Path, facts: IndexFacts) -> IndexParts:
        """Open a folder, or begin one.

        Raises:
            InputError: it is another model's index.
        """
        parts = cls(folder, facts)
        for place in index_files(folder) if any(folder.glob(_PARTS)) else ():
            earlier = facts_in(place)
            earlier.refuse_other(facts, place)
            parts.facts = earlier
            for rows in read_index(place, ["photo", "size", "mtime_ns"]):
                for photo, size, mtime_ns in zip(*rows, strict=True):
                    if size is not None:
                        parts.known[photo] = Known(size, mtime_ns)
            parts.number = int(place.stem.rpartition("-")[2]) + 1
        return parts

    def has(self, path: Path) -> bool:
        """Whether a photo is there, and unchanged by size and date."""
        known = self.known.get(str(path.absolute()))
        return known is not None and known == Known.of(path)

    def begin(self, facts: IndexFacts) -> None:
        """Take the codes up that the parts to come are written in."""
        self.facts = facts

    def write(self, rows: list[dict[str, Any]]) -> Path:
        """Write the next part.

        Raises:
            InputError: the folder cannot be written.
        """
        arrow, parquet = _arrow(), import_extra("pyarrow.parquet", *_EXTRA)
        kinds = {"photo": arrow.string(), "error": arrow.string(), "size": arrow.int64()}
        kinds |= {"mtime_ns": arrow.int64(), "sha256": arrow.string(), "cells": arrow.binary()}
        schema = arrow.schema(list(kinds.items())).with_metadata(_metadata(self.facts))
        place = self.folder / f"index-{self.number:06d}.parquet"
        with written_whole(place) as part:
            # Codes are noise to a compressor; the paths are not.
            kept = {name: "zstd" if name == "photo" else "none" for name in kinds}
            table = arrow.Table.from_pylist([_storable(row) for row in rows], schema=schema)
            parquet.write_table(table, part, compression=kept, use_dictionary=False)
        self.number += 1
        return place


def index_files(place: str | Path) -> list[Path]:
    """The parts of an index: a folder of them, or one by itself.

    Raises:
        InputError: there are none.
    """
    place = Path(place)
    parts = sorted(place.glob(_PARTS)) if place.is_dir() else [place]
    if not parts or not parts[0].is_file():
        raise InputError(f"There is no index at {place}. Make one: persam index PHOTOS --out INDEX")
    return parts


def facts_in(place: Path) -> IndexFacts:
    """What a part says of itself.

    Raises:
        InputError: it is none, damaged, or of another format.
    """
    with _opened(place) as table:
        metadata = table.schema_arrow.metadata or {}
    try:
        head = parse(metadata[_HEAD], dict[str, Any])
        if head.pop("format") != FORMAT:
            raise ValueError("another format")
        axes, examples = (
            np.frombuffer(metadata[name], dtype=np.float16).astype(np.float32)
            for name in (_AXES, _CODES)
        )
        axes = axes.reshape(int(head.pop("channels")), -1)
        examples = examples.reshape(-(-axes.shape[1] // GROUP), -1, GROUP)
        return IndexFacts(**head, codes=Codebook(axes, examples))
    except (KeyError, ValueError, TypeError) as error:
        raise InputError(
            f"{place} is no part of an index of this version of persam ({error}). Make it anew: "
            f"persam index PHOTOS --out INDEX"
        ) from error


def read_index(place: Path, columns: list[str], rows: int = 512) -> Iterator[tuple[list[Any], ...]]:
    """Columns of a part, some rows at a time.

    Raises:
        InputError: it is damaged.
    """
    with _opened(place) as table:
        for batch in table.iter_batches(rows, columns=columns):
            found = {name: batch[name].to_pylist() for name in columns}
            if "photo" in found:
                found["photo"] = [restored(photo) for photo in found["photo"]]
            yield tuple(found.values())


def _storable(row: dict[str, Any]) -> dict[str, Any]:
    texts = {name: storable(row[name]) for name in ("photo", "error") if row[name] is not None}
    return {**row, **texts}


def _metadata(facts: IndexFacts) -> dict[bytes, bytes]:
    if facts.codes is None:
        return {}
    names = ("model", "identity", "engine", "precision", "version", "slope", "offset")
    head = {name: getattr(facts, name) for name in names}
    axes, examples = facts.codes.axes, facts.codes.examples
    head |= {"format": FORMAT, "channels": len(axes)}
    arrays = {_AXES: axes, _CODES: examples}
    numbers = {name: one.astype(np.float16).tobytes() for name, one in arrays.items()}
    return {_HEAD: json.dumps(head).encode(), **numbers}


@contextmanager
def _opened(place: Path) -> Iterator[Any]:
    parquet = import_extra("pyarrow.parquet", *_EXTRA)
    try:
        with place.open("rb") as file:
            yield parquet.ParquetFile(file)
    except (_arrow().ArrowException, OSError, KeyError) as error:
        raise InputError(f"{place} is no part of an index, or damaged ({error}).") from error


def _arrow() -> Any:
    return import_extra("pyarrow", *_EXTRA)
