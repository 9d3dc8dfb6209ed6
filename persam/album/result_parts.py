"""Rows of results as parts of Parquet in one folder; each part is there whole or not at all."""

from __future__ import annotations

import re
from contextlib import contextmanager, nullcontext
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from persam.album.rows import Row, schema
from persam.errors import InputError
from persam.io.extras import import_extra
from persam.io.stores import created, exists, is_url, join, list_files, open_file
from persam.runs import locked

if TYPE_CHECKING:
    from collections.abc import Iterator

_KEY = b"persam_settings"
_EXTRA = ("ray", "Tables of results")


@dataclass
class ResultParts:
    """Parts of one run.

    Attributes:
        folder: on disk or in a store.
        settings: names what was looked for, and with what.
        number: of the next part.
    """

    folder: str
    settings: str
    number: int = 0

    @classmethod
    @contextmanager
    def opened(cls, folder: str, settings: str) -> Iterator[ResultParts]:
        """Open a folder for one run, others kept out where it is on disk.

        Raises:
            InputError: it has parts of another run, or another run writes into it.
        """
        with nullcontext() if is_url(folder) else locked(folder):
            parts = cls(folder, settings)
            for place in part_files(folder):
                parts.number = max(parts.number, int(_numbered(place)) + 1)
                if _settings_of(place) != settings:
                    raise InputError(
                        f"{place} is a part of another run, which looked for something else. "
                        f"Choose another folder."
                    )
            yield parts

    def done(self) -> frozenset[str]:
        """Names of all photos that the parts have."""
        return frozenset(name for place in part_files(self.folder) for name in _names_in(place))

    def write(self, table: Any) -> str:
        """Write the next part.

        Args:
            table: rows as :func:`persam.album.rows.schema` says, of pyarrow.

        Returns:
            Its place.

        Raises:
            InputError: it cannot be written.
        """
        parquet = import_extra("pyarrow.parquet", *_EXTRA)
        place = join(self.folder, f"part-{self.number:06d}.parquet")
        known = schema().with_metadata({_KEY: self.settings.encode()})
        with created(place) as file:
            parquet.write_table(table.cast(known), file, compression="zstd")
        self.number += 1
        return place


def part_files(folder: str) -> list[str]:
    """The parts of a folder, in their order; none where there is no folder."""
    if not exists(folder):
        return []
    try:
        every = list_files(folder)
    except InputError:  # an empty one
        return []
    return [place for place in every if _numbered(place)]


def read_parts(folder: str) -> Iterator[Row]:
    """All rows of a folder, a few in memory at a time.

    Raises:
        InputError: there are none, or a part is damaged.
    """
    places = part_files(folder)
    if not places:
        raise InputError(f"{folder} has no parts of results (part-000000.parquet).")
    for place in places:
        with _opened(place) as table:
            for batch in table.iter_batches(256):
                yield from batch.to_pylist()


def _numbered(place: str) -> str:
    found = re.search(r"(?:^|[/\\])part-([0-9]+)\.parquet$", place)
    return found[1] if found else ""


def _names_in(place: str) -> list[str]:
    with _opened(place) as table:
        return table.read(columns=["photo"])["photo"].to_pylist()


def _settings_of(place: str) -> str:
    with _opened(place) as table:
        return (table.schema_arrow.metadata or {}).get(_KEY, b"").decode(errors="replace")


@contextmanager
def _opened(place: str) -> Iterator[Any]:
    parquet = import_extra("pyarrow.parquet", *_EXTRA)
    arrow = import_extra("pyarrow", *_EXTRA)
    with open_file(place) as file:
        try:
            yield parquet.ParquetFile(file)
        except (arrow.ArrowException, KeyError) as error:
            raise InputError(
                f"{place} is not a part of results, or damaged ({error}). Delete it; its photos "
                f"are then looked at again."
            ) from error
