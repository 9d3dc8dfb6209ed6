"""What was found in a photo as one row of a table: masks as COCO's run lengths, errors a column."""

from __future__ import annotations

import json
from collections import deque
from dataclasses import asdict
from typing import TYPE_CHECKING, Any

import numpy as np

from persam.album.loop import process_photos
from persam.io.labels.rle import decode, encode

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping

    from persam.album.loop import LoaderOptions, PhotoResult
    from persam.album.prefetch import Threads
    from persam.album.targets import AlbumTarget, PhotoAnswer
    from persam.io.sources import Fetched

Row = dict[str, Any]
_FACTS = ("score", "presence", "box", "points", "doubtful")


def find_in(
    fetched: Iterable[Fetched], target: AlbumTarget, loader: LoaderOptions, threads: Threads
) -> Iterator[tuple[Fetched, PhotoResult[PhotoAnswer] | None]]:
    """Search pictures that come one by one, a few in memory at a time.

    Args:
        fetched: pictures, and what could not be fetched.
        target: what is looked for.
        loader: how they are gone through.
        threads: the caller's, of the same loader.

    Yields:
        One for each, its answer None where it could not be fetched; the others in their order.
    """
    waiting: deque[Fetched] = deque()
    failed: list[Fetched] = []

    def pictures() -> Iterator[Any]:
        for one in fetched:
            if one.error is not None:
                failed.append(one)
                continue
            waiting.append(one)
            yield one.picture

    for result in process_photos(pictures(), target, loader, threads):
        while failed:
            yield failed.pop(0), None
        yield waiting.popleft(), result
    for one in failed:
        yield one, None


def row_of(name: str, result: PhotoResult[PhotoAnswer] | None, error: str | None = None) -> Row:
    """A photo's row, see :func:`schema`.

    Args:
        name: of the photo.
        result: what was found; None where it was not looked at.
        error: why not.
    """
    if result is None or result.answer is None:
        return _row(name, error=error if result is None else result.error)
    answer = result.answer if result.size is None else result.answer.at(result.size)
    height, width = answer.labels.shape
    numbers = [1] if answer.found is None else [one.label for one in answer.found]
    masks = {n: encode(answer.labels == n).decode("ascii") for n in numbers}
    first = asdict(answer.first)
    found = [
        {**_facts(asdict(one)), "label": one.label, "object": one.object, "mask": masks[one.label]}
        for one in answer.found or ()
    ]
    row = _row(name, height=height, width=width, **_facts(first))
    empty = encode(np.zeros((height, width), dtype=bool)).decode("ascii")
    return row | {"mask": masks.get(1, empty), "found": found if answer.found is not None else None}


def labels_in(row: Mapping[str, Any]) -> np.ndarray:
    """``(height, width)`` uint8 labels of a row that has a mask, as an album's mask file has them.

    Of one object 0 and 1; of several, or of instances, their numbers.
    """
    size = row["height"], row["width"]
    labels = np.zeros(size, dtype=np.uint8)
    several = row["found"]
    masks = {1: row["mask"]} if several is None else {one["label"]: one["mask"] for one in several}
    for number, counts in masks.items():
        labels[decode(counts.encode("ascii"), size)] = number
    return labels


def schema() -> Any:
    """Columns of a row, as pyarrow has them.

    ``mask`` is the text of COCO's compressed run lengths of the first object, at ``height`` times
    ``width``; ``found`` has every object or instance where several were looked for. The facts are
    those of the manifest (:class:`persam.album.manifest.Record`).

    Raises:
        MissingExtra: pyarrow is not installed.
    """
    from persam.io.extras import import_extra

    arrow = import_extra("pyarrow", "ray", "Tables of results")
    facts = [
        ("score", arrow.float64()),
        ("presence", arrow.float64()),
        ("box", arrow.list_(arrow.int32())),
        ("points", arrow.list_(arrow.list_(arrow.int32()))),
        ("doubtful", arrow.bool_()),
        ("mask", arrow.string()),
    ]
    one = arrow.struct([("label", arrow.int32()), ("object", arrow.string()), *facts])
    sides = [("height", arrow.int32()), ("width", arrow.int32())]
    names = [("photo", arrow.string()), ("error", arrow.string())]
    return arrow.schema([*names, *sides, *facts, ("found", arrow.list_(one))])


def is_there(row: Mapping[str, Any]) -> bool:
    """Whether something was found in a photo."""
    return any(one["box"] is not None for one in (row, *(row["found"] or ())))


def to_json(row: Row) -> str:
    """A row as one line of JSON."""
    return json.dumps(row, allow_nan=False)


def _row(name: str, **known: Any) -> Row:
    columns = ("photo", "error", "height", "width", *_FACTS, "mask", "found")
    return dict.fromkeys(columns) | {"photo": name} | known


def _facts(of: Mapping[str, Any]) -> Row:
    facts = {name: of[name] for name in _FACTS}
    facts["box"] = None if facts["box"] is None else list(facts["box"])
    return facts | {"points": [list(point) for point in facts["points"]]}
