"""Pictures wherever they lie: files, tars of them, tables with a column of their bytes.

Every source is read from its beginning to its end, a picture in memory at a time, so that an album
may be larger than any disk at hand.
"""

from __future__ import annotations

import tarfile
from dataclasses import dataclass
from pathlib import PurePosixPath
from typing import TYPE_CHECKING, Any, Literal, NamedTuple

from persam.errors import InputError
from persam.io.extras import import_extra
from persam.io.folders import is_picture
from persam.io.picture_bytes import PictureBytes
from persam.io.picture_checks import DAMAGE
from persam.io.stores import list_files, open_file

if TYPE_CHECKING:
    from collections.abc import Collection, Iterator, Sequence

Kind = Literal["file", "tar", "parquet"]
_TARS = (".tar", ".tar.gz", ".tgz")
_MOST_BYTES = 1_000_000_000  # of one picture file; more would not be decoded either
# Columns that hold a picture's bytes, by the names that data sets give them.
_BYTES = ("bytes", "image", "jpg", "jpeg", "png", "webp", "img", "image_bytes")
_NAMES = ("photo", "path", "file_name", "filename", "name", "__key__", "key", "id", "url")
_ROWS = 64  # of a table that are in memory at once


@dataclass(frozen=True)
class Source:
    """One file with a picture or many.

    Attributes:
        place: its path or URL.
        kind: what is in it.
    """

    place: str
    kind: Kind

    @classmethod
    def of(cls, place: str) -> Source | None:
        """The source of a file's name; None where that is none of a picture, tar or table."""
        name = PurePosixPath(place.replace("\\", "/")).name
        if name.lower().endswith(_TARS):
            return cls(place, "tar")
        if name.lower().endswith(".parquet"):
            return cls(place, "parquet")
        return cls(place, "file") if is_picture(PurePosixPath(name)) else None


class Fetched(NamedTuple):
    """A picture's bytes, or the reason why there are none."""

    name: str
    data: bytes | None = None
    error: str | None = None

    @property
    def picture(self) -> PictureBytes:
        """The contents under their name."""
        return PictureBytes(self.name, self.data or b"")


def find_sources(places: Sequence[str]) -> tuple[Source, ...]:
    """All sources in files, folders, patterns and stores, each once.

    Raises:
        InputError: nothing by a name, or no picture, tar or table at all.
    """
    found: dict[str, Source] = {}
    for place in places:
        for one in list_files(place):
            source = Source.of(one)
            if source is not None:
                found.setdefault(one, source)
    if not found:
        raise InputError(
            f"No pictures, tars or Parquet tables in {', '.join(places)}. Give files, folders, "
            f"patterns, or a store's URL."
        )
    return tuple(found.values())


def fetch(source: Source, done: Collection[str] = ()) -> Iterator[Fetched]:
    """Read a source; what cannot be read is an error among the others, and stops none of them.

    Args:
        source: what to read.
        done: names that are passed over, unread.

    Yields:
        Pictures by name: a file's own place; of tars and tables the name inside behind theirs.
    """
    readers = {"file": _file, "tar": _tar, "parquet": _parquet}
    try:
        yield from readers[source.kind](source.place, done)
    except InputError as error:
        yield Fetched(source.place, error=" ".join(str(error).split()))


def _file(place: str, done: Collection[str]) -> Iterator[Fetched]:
    if place in done:
        return
    with open_file(place) as file:
        data = file.read(_MOST_BYTES)
    yield Fetched(place, data)


def _tar(place: str, done: Collection[str]) -> Iterator[Fetched]:
    with open_file(place) as file:
        try:
            with tarfile.open(fileobj=file, mode="r|*") as tar:
                for member in tar:
                    name = f"{place}/{member.name}"
                    if (
                        member.isfile()
                        and is_picture(PurePosixPath(member.name))
                        and name not in done
                    ):
                        yield _member(tar, member, name)
        except (tarfile.TarError, *DAMAGE) as error:
            raise InputError(f"{place} is damaged from here on: {error}.") from error


def _member(tar: tarfile.TarFile, member: tarfile.TarInfo, name: str) -> Fetched:
    if member.size > _MOST_BYTES:
        return Fetched(name, error=f"{name} has {member.size:,} bytes, too many for a picture.")
    inside = tar.extractfile(member)
    return Fetched(name, b"" if inside is None else inside.read())


def _parquet(place: str, done: Collection[str]) -> Iterator[Fetched]:
    parquet: Any = import_extra("pyarrow.parquet", "ray", "Parquet tables")
    arrow: Any = import_extra("pyarrow", "ray", "Parquet tables")
    with open_file(place) as file:
        try:
            table = parquet.ParquetFile(file)
            data, names = _columns(place, table.schema_arrow)
            wanted, number = [one for one in (data, names) if one], 0
            for batch in table.iter_batches(_ROWS, columns=wanted):
                for row in batch.to_pylist():
                    said = names and row[names]
                    name = f"{place}/{number if said is None else said}"
                    number += 1
                    if name not in done:
                        yield Fetched(name, _bytes_of(row[data]))
        except arrow.ArrowException as error:
            raise InputError(f"{place} is damaged from here on: {error}.") from error


def _columns(place: str, schema: Any) -> tuple[str, str | None]:
    """Names of the columns of a picture's bytes and of its name."""
    arrow: Any = import_extra("pyarrow", "ray", "Parquet tables")
    holds = {one.name: arrow.types.is_binary(one.type) or _is_hugging(one.type) for one in schema}
    data = [name for name in _BYTES if holds.get(name)] or [n for n, it in holds.items() if it]
    if not data:
        raise InputError(
            f"{place} has no column of a picture's bytes, but {', '.join(schema.names)}. Give one "
            f"with a binary column called image or bytes."
        )
    names = [name for name in _NAMES if name in schema.names and name != data[0]]
    return data[0], names[0] if names else None


def _is_hugging(kind: Any) -> bool:
    """Whether a column is as data sets of Hugging Face keep pictures."""
    arrow: Any = import_extra("pyarrow", "ray", "Parquet tables")
    return arrow.types.is_struct(kind) and kind.get_field_index("bytes") >= 0


def _bytes_of(value: Any) -> bytes:
    if isinstance(value, dict):
        value = value.get("bytes")
    return b"" if value is None else bytes(value)
