"""A clip's masks as one COCO file."""

from __future__ import annotations

import json
from itertools import chain
from typing import TYPE_CHECKING, Any

import numpy as np

from persam.io.writers import written_whole

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping
    from pathlib import Path


def count_runs(mask: np.ndarray) -> list[int]:
    """Lengths of the runs of equal pixels, column after column, the first one outside the mask.

    Args:
        mask: ``(H, W)`` bool.

    Example:
        >>> count_runs(np.array([[0, 1, 1], [0, 0, 1]], dtype=bool))
        [2, 1, 1, 2]
        >>> count_runs(np.array([[1, 0]], dtype=bool))
        [0, 1, 1]
    """
    flat = mask.ravel(order="F")
    edges = np.flatnonzero(flat[1:] != flat[:-1]) + 1
    bounds = np.concatenate([[0], edges, [flat.size]])
    runs = np.diff(bounds).tolist()
    return [0, *runs] if flat.size and flat[0] else runs


def compress_runs(runs: Iterable[int]) -> str:
    """Write run lengths as COCO's text.

    From the fourth on, the difference to the run two before is written. A number is cut into
    groups of five bits, the lowest first; a sixth bit says that another group follows, and 48 is
    added to make a printable character. The last group's highest bit is the number's sign.
    Source: ``rleToString`` of COCO's ``maskApi.c``.

    Example:
        >>> compress_runs([2, 1, 1, 2]), compress_runs([40])
        ('2111', 'X1')
    """
    runs = list(runs)
    steps = [run - (runs[at - 2] if at > 2 else 0) for at, run in enumerate(runs)]
    return "".join(chain.from_iterable(map(_characters, steps)))


def _characters(number: int) -> Iterator[str]:
    more = True
    while more:
        group, number = number & 31, number >> 5
        more = number != (-1 if group & 16 else 0)
        yield chr(48 + (group | 32 if more else group))


def annotate(mask: np.ndarray) -> dict[str, Any]:
    """The fields of an annotation that follow from a mask that is not empty.

    Args:
        mask: ``(H, W)`` bool.

    Returns:
        ``segmentation``, ``area`` and ``bbox``, which is ``[x, y, width, height]``.
    """
    rows, columns = np.flatnonzero(mask.any(axis=1)), np.flatnonzero(mask.any(axis=0))
    x, y = int(columns[0]), int(rows[0])
    return {
        "segmentation": {"size": list(mask.shape), "counts": compress_runs(count_runs(mask))},
        "area": int(mask.sum()),
        "bbox": [x, y, int(columns[-1]) - x + 1, int(rows[-1]) - y + 1],
    }


def write_coco(
    path: str | Path,
    categories: Mapping[str, int],
    images: Iterable[Mapping[str, Any]],
    annotations: Iterable[Mapping[str, Any]],
) -> None:
    """Write a COCO file piece by piece, whole or not at all.

    Args:
        path: the JSON file.
        categories: name -> id.
        images: entries of the list of that name.
        annotations: likewise; they get their ids here, from 1 on.

    Raises:
        InputError: the file cannot be written.
    """
    named = ({"id": number, "name": name} for name, number in categories.items())
    numbered = ({"id": number, **one} for number, one in enumerate(annotations, start=1))
    lists = {"categories": named, "images": images, "annotations": numbered}
    with written_whole(path) as part, part.open("w", encoding="utf-8") as file:
        for opening, (name, entries) in zip("{,,", lists.items(), strict=True):
            file.write(f'{opening}\n"{name}": [')
            for number, entry in enumerate(entries):
                file.write(("," if number else "") + "\n" + json.dumps(entry, allow_nan=False))
            file.write("\n]")
        file.write("\n}\n")
