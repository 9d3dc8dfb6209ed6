"""An album as a data set of Ray: files, globs, stores, tars, tables, read by small tasks."""

from __future__ import annotations

from collections import defaultdict
from itertools import chain, islice
from typing import TYPE_CHECKING, Any

from persam.io.extras import import_extra
from persam.io.sources import Source, fetch, find_sources

if TYPE_CHECKING:
    from collections.abc import Collection, Iterable, Iterator, Sequence

    from persam.io.sources import Fetched

_FILES = 64  # that one task reads
_PICTURES = 16  # that come out of a task at once
_CPUS = 0.05  # of a core that reading takes, while the photos' owners think


def read_album(places: Sequence[str], done: Collection[str] = ()) -> Any:
    """Read pictures as rows of ``photo`` (its name), ``data`` (its bytes) and ``error``.

    Nothing is decoded here. What cannot be read is a row with an error.

    Args:
        places: files, folders, patterns, tars and Parquet tables, on disks that every machine of
            the cluster sees or in stores (``s3://...``).
        done: names of pictures to pass over, unread.

    Returns:
        A ``ray.data.Dataset``, whose order is not the album's.

    Raises:
        InputError: there is nothing to read.
        MissingExtra: Ray is not installed.
    """
    sources = sources_left(find_sources(places), done)
    if not sources:
        return import_extra("ray.data", "ray", "Clusters").from_arrow(_table([]))
    return read_sources(sources, done)


def sources_left(sources: Iterable[Source], done: Collection[str]) -> list[Source]:
    """Those that may have more than the names that are done; a tar or table is not looked into."""
    return [one for one in sources if one.kind != "file" or one.place not in done]


def read_sources(sources: Sequence[Source], done: Collection[str] = ()) -> Any:
    """Read sources, at least one, as :func:`read_album` does."""
    data = import_extra("ray.data", "ray", "Clusters")
    inside = _by_source(done, {one.place for one in sources if one.kind != "file"})
    rows = [
        {"place": one.place, "kind": one.kind, "done": sorted(inside[one.place])} for one in sources
    ]
    # A tar or table is a task of its own; of files, a task takes many.
    blocks = sum(one.kind != "file" for one in sources) + -(-len(sources) // _FILES)
    items = data.from_items(rows, override_num_blocks=min(len(rows), blocks))
    return items.map_batches(_read, batch_size=None, batch_format="pyarrow", num_cpus=_CPUS)


def _by_source(done: Collection[str], places: Collection[str]) -> defaultdict[str, set[str]]:
    """Which of the names are of pictures inside each tar or table."""
    inside: defaultdict[str, set[str]] = defaultdict(set)
    for name in done:
        ends = (place for place, mark in enumerate(name) if mark == "/")
        for end in ends:
            if name[:end] in places:
                inside[name[:end]].add(name)
    return inside


def _read(batch: Any) -> Iterator[Any]:
    """Read the sources of a block, a few pictures in memory at a time."""
    sources = batch.to_pylist()
    each = (fetch(Source(one["place"], one["kind"]), set(one["done"])) for one in sources)
    for pictures in _batches(chain.from_iterable(each)):
        yield _table(pictures)


def _batches(pictures: Iterable[Fetched]) -> Iterator[Sequence[Fetched]]:
    pictures = iter(pictures)
    while some := tuple(islice(pictures, _PICTURES)):
        yield some


def _table(pictures: Sequence[Fetched]) -> Any:
    arrow = import_extra("pyarrow", "ray", "Clusters")
    kinds = [("photo", arrow.string()), ("data", arrow.large_binary()), ("error", arrow.string())]
    rows = [{"photo": one.name, "data": one.data, "error": one.error} for one in pictures]
    return arrow.Table.from_pylist(rows, schema=arrow.schema(kinds))
