"""Writes CVAT for images 1.1, as CVAT imports it."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING
from xml.etree import ElementTree as ET

import numpy as np

from persam.io.labels import bitmaps
from persam.io.labels.cvat import CLASS_ID, FILE
from persam.io.labels.origins import NOTE, note_of
from persam.io.labels.writing import Written
from persam.io.palette import colour
from persam.io.writers import write_text

if TYPE_CHECKING:
    from persam.io.labels.label_set import LabelSet
    from persam.io.labels.structures import Label, LabelClass
    from persam.io.labels.writing import Target

_NOT_XML = re.compile("[^\t\n\r -\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]")


def write_cvat(labels: LabelSet, target: Target) -> Written:
    """Write ``annotations.xml``, and the pictures to ``images/``.

    Masks stay masks, boxes and points as they are; people's polygons keep their vertices.

    Raises:
        InputError: the file cannot be written.
    """
    root = ET.Element("annotations")
    ET.SubElement(root, "version").text = "1.1"
    task = ET.SubElement(ET.SubElement(root, "meta"), "task")
    ET.SubElement(task, "name").text = "persam"
    declared = ET.SubElement(task, "labels")
    names = sorted({key for one in _every(labels) for key in _attributes(one)})
    for one in labels.classes:
        _declare(declared, one, names)
    for number, picture in enumerate(labels.pictures):
        height, width = (str(side) for side in picture.size)
        own = {"id": str(number), "name": _clean(picture.name), "width": width, "height": height}
        image = ET.SubElement(root, "image", own)
        target.place(picture, f"images/{target.picture_of(picture)}")
        free = max((label.group or 0 for label in picture.labels), default=0) + 1
        for group, label in enumerate(picture.labels, start=free):
            _write_label(image, label, group)
    ET.indent(root)
    path = target.folder / FILE
    write_text(
        path, '<?xml version="1.0" encoding="utf-8"?>\n' + ET.tostring(root, "unicode") + "\n"
    )
    return Written((path,))


def _every(labels: LabelSet) -> list[Label]:
    return [label for picture in labels.pictures for label in picture.labels]


def _declare(labels: ET.Element, one: LabelClass, attributes: list[str]) -> None:
    """Declare a class, and the attributes that labels have; CVAT drops what is not declared."""
    label = ET.SubElement(labels, "label")
    ET.SubElement(label, "name").text = _clean(one.name)
    red, green, blue = colour(one.number % 255 or 1)
    ET.SubElement(label, "color").text = one.colour or f"#{red:02x}{green:02x}{blue:02x}"
    ET.SubElement(label, CLASS_ID).text = str(one.number)
    every = ET.SubElement(label, "attributes")
    for name in attributes:
        attribute = ET.SubElement(every, "attribute")
        words = {"name": _clean(name), "mutable": "False", "input_type": "text"}
        for key, text in (words | {"default_value": "", "values": ""}).items():
            ET.SubElement(attribute, key).text = text


def _attributes(label: Label) -> dict[str, str]:
    """What stands beside a shape, by name."""
    words = dict(label.attributes)
    if label.origin.doubt is not None:
        words["doubt"] = f"{label.origin.doubt:.3f}"
    note = note_of(label.origin, label.digest)
    return words if note is None else words | {NOTE: note}


def _write_label(image: ET.Element, label: Label, group: int) -> None:
    """Add the shapes of one object."""
    shapes = list(_shapes(label))
    fields = {
        "label": _clean(label.name),
        "source": "manual" if label.origin.by == "person" else "auto",
        "occluded": "0",
        "z_order": "0",
    }
    if label.group is not None or len(shapes) > 1:
        fields["group_id"] = str(group if label.group is None else label.group)
    for kind, own in shapes:
        shape = ET.SubElement(image, kind, fields | own)
        for name, text in _attributes(label).items():
            ET.SubElement(shape, "attribute", {"name": _clean(name)}).text = _clean(text)


def _shapes(label: Label) -> list[tuple[str, dict[str, str]]]:
    if label.polygons:
        return [("polygon", {"points": _pairs(ring)}) for ring in label.polygons]
    if label.box is not None:
        named = zip(("xtl", "ytl", "xbr", "ybr"), label.box, strict=True)
        return [("box", {key: f"{value:.2f}" for key, value in named})]
    if label.points:
        return [("points", {"points": _pairs(np.array(label.points))})]
    part, left, top = bitmaps.cropped(label.mask)
    height, width = part.shape
    place = {"left": left, "top": top, "width": width, "height": height}
    runs = ", ".join(map(str, row_runs(part)))
    return [("mask", {"rle": runs, **{key: str(value) for key, value in place.items()}})]


def row_runs(mask: np.ndarray) -> list[int]:
    """Lengths of the runs of equal pixels, row after row, the first one outside the mask.

    Example:
        >>> row_runs(np.array([[0, 1, 1], [0, 0, 1]], dtype=bool))
        [1, 2, 2, 1]
        >>> row_runs(np.array([[1, 0]], dtype=bool))
        [0, 1, 1]
    """
    flat = mask.ravel()
    bounds = np.flatnonzero(np.diff(flat, prepend=False))
    return np.diff(np.concatenate([[0], bounds, [flat.size]])).tolist()


def _pairs(points: np.ndarray) -> str:
    return ";".join(f"{x:.2f},{y:.2f}" for x, y in points)


def _clean(text: str) -> str:
    """Text without the characters that XML cannot hold."""
    return _NOT_XML.sub("?", text)
