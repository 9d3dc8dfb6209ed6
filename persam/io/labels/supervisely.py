"""Supervisely: ``meta.json`` of classes, and a JSON file a picture in ``<data set>/ann``."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import numpy as np

from persam.errors import InputError
from persam.io.labels import bitmaps, outlines
from persam.io.labels.fields import (
    Problems,
    as_list,
    as_mapping,
    as_points,
    as_size,
    as_text,
    read_json,
    required,
)
from persam.io.labels.label_set import LabelledPicture, LabelSet, classes_of
from persam.io.labels.orientation import upright
from persam.io.labels.origins import NOTE, note_of, with_origin
from persam.io.labels.structures import Label, LabelClass
from persam.io.labels.writing import Target, Written
from persam.io.palette import colour
from persam.io.writers import write_text

if TYPE_CHECKING:
    from pathlib import Path

    from persam.io.labels.pictures import PictureFolder

FILE = "meta.json"


def read_supervisely(path: Path, pictures: PictureFolder) -> LabelSet:
    """Read bitmaps, polygons, rectangles and points.

    Args:
        path: the project's folder, or its ``meta.json``.
        pictures: where the pictures are, besides ``<data set>/img``.

    Raises:
        InputError: it is no such project; single bad files and objects are problems of the answer.
    """
    folder = path.parent if path.is_file() else path
    meta = as_mapping(read_json(folder / FILE), str(folder / FILE))
    known = _classes(as_list(meta.get("classes", []), f"{folder / FILE}: classes"))
    problems = Problems()
    found: list[LabelledPicture] = []
    for file in sorted(folder.glob("**/ann/*.json")):
        with problems.noted(str(file)):
            data = as_mapping(read_json(file), "it")
            sides = as_mapping(required(data, "size", "it"), "its size")
            size = as_size(sides.get("height"), sides.get("width"), "it")
            labels = []
            for number, one in enumerate(as_list(data.get("objects", []), "its objects")):
                with problems.noted(f"{file}: object {number}"):
                    labels.append(_label(as_mapping(one, "it"), size))
            beside = file.parent.parent / "img" / file.stem
            picture = beside if beside.is_file() else pictures.find(file.stem)
            one = LabelledPicture(file.stem, size, tuple(map(with_origin, labels)))
            found.append(upright(one, picture))
    names = [label.name for picture in found for label in picture.labels]
    return LabelSet(classes_of(names, known), tuple(found), tuple(problems.lines))


def _classes(entries: list[Any]) -> list[LabelClass]:
    found: dict[str, LabelClass] = {}
    for place, one in enumerate(entries, start=1):
        fields = as_mapping(one, "a class")
        name = as_text(fields.get("title"), "the title of a class")
        number = fields.get("id")
        taken = {known.number for known in found.values()}
        shown = fields.get("color")
        colour_text = shown if isinstance(shown, str) else None
        if type(number) is not int or number in taken:
            number = max([place - 1, *taken]) + 1
        found.setdefault(name, LabelClass(number, name, colour_text))
    return list(found.values())


def _label(fields: dict[str, Any], size: tuple[int, int]) -> Label:
    name = as_text(required(fields, "classTitle", "it"), "its classTitle")
    kind = fields.get("geometryType")
    note = fields.get(NOTE)
    facts: dict[str, Any] = {"attributes": {NOTE: note} if isinstance(note, str) else {}}
    if kind == "bitmap":
        shape = as_mapping(required(fields, "bitmap", "it"), "its bitmap")
        part = bitmaps.mask_from(as_text(shape.get("data"), "its data"), packed=True)
        left, top = as_points(shape.get("origin"), "its origin")[0].astype(int).tolist()
        return Label.of_mask(name, bitmaps.placed(part, left, top, size), **facts)
    points = as_mapping(required(fields, "points", "it"), "its points")
    outer = as_points(points.get("exterior"), "its exterior")
    if kind == "rectangle" and len(outer) >= 2:
        return Label.of_box(name, (*outer.min(axis=0), *outer.max(axis=0)), size, **facts)
    if kind == "point":
        return Label(name, size, points=((outer[0, 0], outer[0, 1]),), **facts)
    if kind != "polygon" or len(outer) < 3:
        raise InputError(f"a {kind} of {len(outer)} points marks no object")
    holes = [as_points(hole, "a hole of it", 3) for hole in points.get("interior") or []]
    whole = Label.of_polygons(name, [outer], size, **facts)
    if not holes:
        return whole
    inside = outlines.fill([outlines.clip(hole, size) for hole in holes], size)
    return Label.of_mask(name, whole.mask & ~inside, **facts)


def write_supervisely(labels: LabelSet, target: Target) -> Written:
    """Write ``meta.json``, ``dataset/ann/`` and ``dataset/img/``: masks as bitmaps.

    Raises:
        InputError: a file cannot be written.
    """
    numbers = {one.name: one.number for one in labels.classes}
    files = []
    for picture in labels.pictures:
        image = target.picture_of(picture)
        flat = "__".join(image.parts)  # a data set has no folders
        height, width = picture.size
        data = {
            "description": "",
            "tags": [],
            "size": {"height": height, "width": width},
            "objects": [o for one in picture.labels for o in _objects(one, numbers[one.name])],
        }
        file = target.folder / "dataset" / "ann" / f"{flat}.json"
        write_text(file, json.dumps(data, allow_nan=False))
        files.append(file)
        target.place(picture, f"dataset/img/{flat}")
    classes = [_class_fields(one) for one in labels.classes]
    meta = target.folder / FILE
    write_text(meta, json.dumps({"classes": classes, "tags": []}, indent=1))
    return Written((*files, meta))


def _class_fields(one: LabelClass) -> dict[str, Any]:
    red, green, blue = colour(one.number % 255 or 1)
    shown = one.colour or f"#{red:02x}{green:02x}{blue:02x}"
    return {"id": one.number, "title": one.name, "shape": "any", "color": shown}


def _objects(label: Label, number: int) -> list[dict[str, Any]]:
    fields = {"classId": number, "classTitle": label.name, "description": "", "tags": []}
    note = note_of(label.origin, label.digest)
    fields |= {} if note is None else {NOTE: note}
    if len(label.polygons) == 1:
        shape = {"exterior": label.polygons[0].tolist(), "interior": []}
        return [fields | {"geometryType": "polygon", "points": shape}]
    if label.kind == "mask":
        part, left, top = bitmaps.cropped(label.mask)
        shape = {"data": bitmaps.png_text(part, packed=True), "origin": [left, top]}
        return [fields | {"geometryType": "bitmap", "bitmap": shape}]
    if label.box is not None:
        corners = np.array(label.box).reshape(2, 2).tolist()
        shape = {"exterior": corners, "interior": []}
        return [fields | {"geometryType": "rectangle", "points": shape}]
    return [
        fields | {"geometryType": "point", "points": {"exterior": [list(point)], "interior": []}}
        for point in label.points
    ]
