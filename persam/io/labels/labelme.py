"""LabelMe: a JSON file a picture, of shapes."""

from __future__ import annotations

import base64
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
    read_text,
    required,
)
from persam.io.labels.grouping import grouped
from persam.io.labels.label_set import LabelledPicture, LabelSet, classes_of
from persam.io.labels.notes import class_fields, class_from
from persam.io.labels.orientation import upright
from persam.io.labels.origins import NOTE, note_of, with_origin
from persam.io.labels.pictures import PictureFolder, upright_size
from persam.io.labels.structures import Label, LabelClass
from persam.io.labels.writing import Target, Written
from persam.io.picture_bytes import PictureBytes
from persam.io.picture_file import open_picture
from persam.io.writers import write_text

if TYPE_CHECKING:
    from pathlib import Path

_VERSION = "5.5.0"  # of LabelMe, the first whose files have all of these shapes
_AREAS = ("polygon", "oriented_rectangle")


def read_labelme(path: Path, pictures: PictureFolder) -> LabelSet:
    """Read polygons, rectangles, circles, masks and points.

    Args:
        path: one JSON file, or a folder of them.
        pictures: where the pictures are, besides beside the files.

    Raises:
        InputError: no such file; single bad files and shapes are problems of the answer.
    """
    files = [path] if path.is_file() else sorted(path.rglob("*.json"))
    folder = path.parent if path.is_file() else path
    problems = Problems()
    found: list[LabelledPicture] = []
    classes: dict[str, LabelClass] = {}
    for file in files:
        with problems.noted(str(file)):
            read = read_json(file)
            if path.is_dir() and not (isinstance(read, dict) and "shapes" in read):
                continue  # another program's
            data = as_mapping(read, "it")
            own = data.get(NOTE)
            noted = own.get("classes", []) if isinstance(own, dict) else []
            for one in as_list(noted, f"the classes of its {NOTE}"):
                known = class_from(one)
                classes.setdefault(known.name, known)
            found.append(_picture(data, file, pictures, problems))
    names = [label.name for picture in found for label in picture.labels]
    listed = _listed(folder) if not classes else ()
    every = classes_of(names, (*classes.values(), *listed))
    return LabelSet(every, tuple(found), tuple(problems.lines))


def _listed(folder: Path) -> list[LabelClass]:
    """Classes of ``labels.txt``, as LabelMe's own converters number them."""
    file = folder / "labels.txt"
    if not file.is_file():
        return []
    names = [line.strip() for line in read_text(file).splitlines() if line.strip()]
    ordinary = list(dict.fromkeys(name for name in names if not name.startswith("_")))
    return [LabelClass(number, name) for number, name in enumerate(ordinary, start=1)]


def _picture(
    data: dict[str, Any], file: Path, pictures: PictureFolder, problems: Problems
) -> LabelledPicture:
    name = as_text(required(data, "imagePath", "it"), "its imagePath").replace("\\", "/")
    beside = file.parent / name
    path = beside if beside.is_file() else pictures.find(name)
    held = _held(data) if path is None else None
    if data.get("imageHeight") is None and path is not None:
        size = upright_size(path)
    else:
        size = as_size(data.get("imageHeight"), data.get("imageWidth"), "its picture")
    labels = []
    for number, one in enumerate(as_list(data["shapes"], "its shapes")):
        with problems.noted(f"{file}: shape {number}"):
            labels.append(_label(as_mapping(one, "it"), size))
    united = tuple(with_origin(label) for label in grouped(labels))
    return upright(LabelledPicture(name, size, united, data=held), path)


def _held(data: dict[str, Any]) -> bytes | None:
    """The picture that a file of LabelMe may hold within itself, as it was saved."""
    text = data.get("imageData")
    if not isinstance(text, str) or not text:
        return None
    try:
        held = base64.b64decode(text, validate=True)
    except ValueError as error:
        raise InputError("its imageData is not base64") from error
    image = open_picture(PictureBytes("its imageData", held), upright=False)
    size = image.height, image.width
    said = data.get("imageHeight"), data.get("imageWidth")
    if said != size:
        raise InputError(
            f"its imageData has {size[1]}x{size[0]} pixels, but is said to have {said[1]}x{said[0]}"
        )
    return held


def _label(shape: dict[str, Any], size: tuple[int, int]) -> Label:
    name = as_text(required(shape, "label", "it"), "its label")
    kind = shape.get("shape_type") or "polygon"
    group = shape.get("group_id")
    facts: dict[str, Any] = {"group": group if type(group) is int else None}
    words = {key: shape.get(key) for key in ("description", NOTE)}
    facts["attributes"] = {key: word for key, word in words.items() if word and type(word) is str}
    points = as_points(required(shape, "points", "it"), "its points")
    if kind in _AREAS and len(points) >= 3:
        return Label.of_polygons(name, [points], size, **facts)
    if kind == "point":
        return Label(name, size, points=((points[0, 0], points[0, 1]),), **facts)
    if kind == "rectangle" and len(points) >= 2:
        box = (*points.min(axis=0), *points.max(axis=0))
        return Label.of_box(name, box, size, **facts)
    if kind == "circle" and len(points) == 2:
        return Label.of_polygons(name, [_circle(*points)], size, **facts)
    if kind == "mask":
        part = bitmaps.mask_from(as_text(shape.get("mask"), "its mask"))
        left, top = points[0].astype(int).tolist()
        return Label.of_mask(name, bitmaps.placed(part, left, top, size), **facts)
    raise InputError(f"a {kind} of {len(points)} points marks no object")


def _circle(middle: np.ndarray, edge: np.ndarray) -> np.ndarray:
    turns = np.linspace(0, 2 * np.pi, 64, endpoint=False)
    radius = np.linalg.norm(edge - middle)
    return middle + radius * np.stack([np.cos(turns), np.sin(turns)], axis=1)


def write_labelme(labels: LabelSet, target: Target) -> Written:
    """Write a JSON file a picture, the pictures beside them, and ``labels.txt``.

    Masks become polygons within the target's error, pieces of one object of one group; with holes
    they stay masks.

    Raises:
        InputError: a file cannot be written.
    """
    files = []
    for picture in labels.pictures:
        image = target.picture_of(picture)
        file = target.folder / f"{target.stem_of(picture)}.json"
        free = max((one.group or 0 for one in picture.labels), default=0) + 1
        numbered = enumerate(picture.labels, start=free)
        shapes = [shape for n, one in numbered for shape in _shapes(one, target.error, n)]
        data = {
            "version": _VERSION,
            "flags": {},
            "shapes": shapes,
            "imagePath": image.name,
            "imageData": None,
            "imageHeight": picture.size[0],
            "imageWidth": picture.size[1],
            NOTE: {"classes": [class_fields(one) for one in labels.classes]},
        }
        write_text(file, json.dumps(data, allow_nan=False, indent=1))
        files.append(file)
        target.place(picture, image)
    names = "".join(f"{one.name}\n" for one in labels.classes)
    write_text(target.folder / "labels.txt", f"__ignore__\n_background_\n{names}")
    return Written((*files, target.folder / "labels.txt"))


def _shapes(label: Label, error: float, group: int) -> list[dict[str, Any]]:
    """The shapes of one object."""
    written = _written(label, error)
    fields = {
        "label": label.name,
        "group_id": label.group,
        "description": label.attributes.get("description", ""),
        "flags": {},
    }
    if written.polygons:
        if len(written.polygons) > 1:
            fields["group_id"] = group if label.group is None else label.group
        shapes = [("polygon", ring.tolist(), {}) for ring in written.polygons]
    elif written.kind == "mask":
        part, left, top = bitmaps.cropped(written.mask)
        corners = [[left, top], [left + part.shape[1] - 1, top + part.shape[0] - 1]]
        shapes = [("mask", corners, {"mask": bitmaps.png_text(part)})]
    elif written.box is not None:
        x0, y0, x1, y1 = written.box
        shapes = [("rectangle", [[x0, y0], [x1, y1]], {})]
    else:
        shapes = [("point", [list(point)], {}) for point in written.points]
        if len(shapes) > 1:
            fields["group_id"] = group if label.group is None else label.group
    note = note_of(label.origin, written.digest)
    extras = {} if note is None else {NOTE: note}
    return [
        fields | extras | {"shape_type": kind, "points": points} | more
        for kind, points, more in shapes
    ]


def _written(label: Label, error: float) -> Label:
    """The label as its shapes will be read."""
    if label.kind != "mask" or label.polygons:
        return label
    mask = label.mask
    if outlines.has_holes(mask):
        return label
    rings = outlines.rings_of(mask, error)
    return Label.of_polygons(label.name, rings, label.size, origin=label.origin)
