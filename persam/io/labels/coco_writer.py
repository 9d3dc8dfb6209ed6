"""Writes COCO; all that is written of it anywhere goes through here."""

from __future__ import annotations

import json
from itertools import count
from typing import TYPE_CHECKING, Any

import numpy as np

from persam.io.labels import outlines, rle
from persam.io.labels.origins import NOTE, note_of
from persam.io.labels.structures import Label
from persam.io.labels.writing import Written
from persam.io.writers import written_whole

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping
    from contextlib import AbstractContextManager
    from pathlib import Path

    from persam.io.labels.label_set import LabelSet
    from persam.io.labels.structures import LabelClass
    from persam.io.labels.writing import Target

FILE = "annotations/instances_default.json"


def mask_fields(mask: np.ndarray) -> dict[str, Any]:
    """The fields of an annotation that follow from a mask.

    Args:
        mask: ``(H, W)`` bool.

    Returns:
        ``segmentation`` as compressed run lengths, ``area`` and ``bbox``, which is
        ``[x, y, width, height]``, all zeros where the mask is empty.

    Raises:
        MissingExtra: pycocotools is not installed.
    """
    counts = rle.encode(mask)
    height, width = mask.shape
    x0, y0, x1, y1 = (int(value) for value in rle.bounds(counts, (height, width)))
    return {
        "segmentation": {"size": [height, width], "counts": counts.decode("ascii")},
        "area": int(np.count_nonzero(mask)),
        "bbox": [x0, y0, x1 - x0, y1 - y0],
    }


def write_coco_file(
    path: str | Path,
    categories: Iterable[Mapping[str, Any]],
    images: Iterable[Mapping[str, Any]],
    annotations: Iterable[Mapping[str, Any]],
    *,
    written: Callable[[str | Path], AbstractContextManager[Path]] = written_whole,
) -> None:
    """Write a COCO file piece by piece, whole or not at all.

    Args:
        path: the JSON file.
        categories: entries of the list of that name.
        images: likewise.
        annotations: likewise; they get their ids here, from 1 on.
        written: gives a file to fill that takes the place of ``path``.

    Raises:
        InputError: the file cannot be written.
    """
    numbered = ({"id": number, **one} for number, one in enumerate(annotations, start=1))
    lists = {"categories": categories, "images": images, "annotations": numbered}
    with written(path) as part, part.open("w", encoding="utf-8", errors="replace") as file:
        for opening, (name, entries) in zip("{,,", lists.items(), strict=True):
            file.write(f'{opening}\n"{name}": [')
            for number, entry in enumerate(entries):
                file.write(("," if number else "") + "\n" + json.dumps(entry, allow_nan=False))
            file.write("\n]")
        file.write("\n}\n")


def write_coco(labels: LabelSet, target: Target) -> Written:
    """Write ``annotations/instances_default.json``, and the pictures to ``images/``.

    Masks of people keep their polygons; others become polygons within the target's error, and run
    lengths where they have holes.

    Raises:
        InputError: the file cannot be written.
    """
    numbers = _image_numbers(labels)
    images, annotations, losses = [], [], []
    for number, picture in zip(numbers, labels.pictures, strict=True):
        height, width = picture.size
        target.place(picture, f"images/{target.picture_of(picture)}")
        images.append({"id": number, "file_name": picture.name, "height": height, "width": width})
        for label in picture.labels:
            if label.kind == "points":
                losses.append(f"{picture.name}: COCO has no points of {label.name!r}")
                continue
            ids = {"image_id": number, "category_id": labels.class_of(label.name).number}
            annotations.append(ids | _fields(label, target))
    path = target.folder / FILE
    write_coco_file(path, map(_category, labels.classes), images, annotations)
    return Written((path,), tuple(losses))


def _image_numbers(labels: LabelSet) -> list[int]:
    """Ids as they came in, and free ones from 1 on for pictures that have none."""
    numbers: list[int | None] = []
    for picture in labels.pictures:
        numbers.append(None if picture.number in numbers else picture.number)
    following = count(max((one for one in numbers if one is not None and one > 0), default=0) + 1)
    return [next(following) if one is None else one for one in numbers]


def _category(one: LabelClass) -> dict[str, Any]:
    fields: dict[str, Any] = {"id": one.number, "name": one.name, "supercategory": ""}
    return fields | ({"color": one.colour} if one.colour else {})


def _fields(label: Label, target: Target) -> dict[str, Any]:
    """The fields of an annotation but for its ids."""
    shape, area = _segmentation(label, target.error)
    x0, y0, x1, y1 = label.bounds
    attributes: dict[str, Any] = dict(label.attributes)
    written = label
    if isinstance(shape, list) and shape and not label.polygons:
        rings = [np.array(ring).reshape(-1, 2) for ring in shape]
        written = Label.of_polygons(label.name, rings, label.size)
    note = note_of(label.origin, written.digest)
    if note is not None:
        attributes[NOTE] = note
    fields = {"segmentation": shape, "area": area, "bbox": [x0, y0, x1 - x0, y1 - y0]}
    fields["iscrowd"] = int(label.crowd)
    if attributes:
        fields["attributes"] = attributes
    if label.origin.score is not None:
        fields["score"] = label.origin.score
    return fields


def _segmentation(label: Label, error: float) -> tuple[Any, float]:
    """The shape as COCO has it, and its area."""
    x0, y0, x1, y1 = label.bounds
    if label.runs is None:
        return [], (x1 - x0) * (y1 - y0)
    mask = label.mask
    area = int(mask.sum())
    if label.polygons:
        return [ring.ravel().tolist() for ring in label.polygons], area
    if label.crowd or outlines.has_holes(mask):
        return {"size": list(label.size), "counts": label.runs.decode("ascii")}, area
    return [ring.ravel().tolist() for ring in outlines.rings_of(mask, error)], area
