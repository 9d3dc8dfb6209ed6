"""A clip's masks as one COCO file."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import numpy as np

from persam.io.extras import import_extra
from persam.io.writers import written_whole

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping
    from contextlib import AbstractContextManager
    from pathlib import Path


def load_mask_api() -> Any:
    """Import pycocotools' run-length coding.

    Raises:
        MissingExtra: it is not installed.
    """
    return import_extra("pycocotools.mask", "coco", "COCO files")


def annotate(mask: np.ndarray) -> dict[str, Any]:
    """The fields of an annotation that follow from a mask that is not empty.

    Args:
        mask: ``(H, W)`` bool.

    Returns:
        ``segmentation``, ``area`` and ``bbox``, which is ``[x, y, width, height]``.

    Raises:
        MissingExtra: pycocotools is not installed.
    """
    api = load_mask_api()
    encoded = api.encode(np.asfortranarray(mask, dtype=np.uint8))
    return {
        "segmentation": {"size": list(mask.shape), "counts": encoded["counts"].decode("ascii")},
        "area": int(api.area(encoded)),
        "bbox": [int(value) for value in api.toBbox(encoded)],
    }


def write_coco(
    path: str | Path,
    categories: Mapping[str, int],
    images: Iterable[Mapping[str, Any]],
    annotations: Iterable[Mapping[str, Any]],
    *,
    written: Callable[[str | Path], AbstractContextManager[Path]] = written_whole,
) -> None:
    """Write a COCO file piece by piece, whole or not at all.

    Args:
        path: the JSON file.
        categories: name -> id.
        images: entries of the list of that name.
        annotations: likewise; they get their ids here, from 1 on.
        written: gives a file to fill that takes the place of ``path``.

    Raises:
        InputError: the file cannot be written.
    """
    named = ({"id": number, "name": name} for name, number in categories.items())
    numbered = ({"id": number, **one} for number, one in enumerate(annotations, start=1))
    lists = {"categories": named, "images": images, "annotations": numbered}
    with written(path) as part, part.open("w", encoding="utf-8") as file:
        for opening, (name, entries) in zip("{,,", lists.items(), strict=True):
            file.write(f'{opening}\n"{name}": [')
            for number, entry in enumerate(entries):
                file.write(("," if number else "") + "\n" + json.dumps(entry, allow_nan=False))
            file.write("\n]")
        file.write("\n}\n")
