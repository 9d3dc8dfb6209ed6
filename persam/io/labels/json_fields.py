"""Label sets as plain JSON fields, for files of our own that have to keep all of them."""

from __future__ import annotations

from dataclasses import asdict
from typing import TYPE_CHECKING, Any

import numpy as np

from persam.io.labels import rle
from persam.io.labels.fields import (
    as_list,
    as_mapping,
    as_points,
    as_size,
    as_text,
    as_whole,
    required,
)
from persam.io.labels.label_set import LabelledPicture, LabelSet
from persam.io.labels.notes import class_fields, class_from
from persam.io.labels.origins import origin_from
from persam.io.labels.structures import Label

if TYPE_CHECKING:
    from collections.abc import Mapping


def set_fields(labels: LabelSet) -> dict[str, Any]:
    """A label set as JSON can hold it; where the pictures are is left out."""
    return {
        "classes": [class_fields(one) for one in labels.classes],
        "pictures": [
            {
                "name": picture.name,
                "size": list(picture.size),
                "number": picture.number,
                "labels": [_label_fields(label) for label in picture.labels],
            }
            for picture in labels.pictures
        ],
    }


def set_from(value: object) -> LabelSet:
    """A label set from what :func:`set_fields` gave.

    Raises:
        InputError: it is something else.
    """
    fields = as_mapping(value, "a label set")
    classes = tuple(class_from(one) for one in as_list(fields.get("classes"), "its classes"))
    pictures = tuple(_picture(one) for one in as_list(fields.get("pictures"), "its pictures"))
    return LabelSet(classes, pictures)


def _label_fields(label: Label) -> dict[str, Any]:
    fields = {
        "name": label.name,
        "runs": None if label.runs is None else label.runs.decode("ascii"),
        "polygons": [ring.tolist() for ring in label.polygons],
        "box": label.box,
        "points": label.points,
        "group": label.group,
        "crowd": label.crowd,
        "attributes": dict(label.attributes),
        "origin": {key: one for key, one in asdict(label.origin).items() if one is not None},
    }
    return {key: one for key, one in fields.items() if one not in (None, [], (), {}, False)}


def _picture(value: object) -> LabelledPicture:
    fields = as_mapping(value, "a picture")
    sides = as_list(required(fields, "size", "a picture"), "its size")
    height, width = sides if len(sides) == 2 else (0, 0)
    size = as_size(height, width, "a picture")
    labels = tuple(_label(one, size) for one in as_list(fields.get("labels"), "its labels"))
    number = fields.get("number")
    known = None if number is None else as_whole(number, "its number")
    name = as_text(fields.get("name"), "the name of a picture")
    return LabelledPicture(name, size, labels, None, known)


def _label(value: object, size: tuple[int, int]) -> Label:
    fields = as_mapping(value, "a label")
    name = as_text(fields.get("name"), "the name of a label")
    facts: dict[str, Any] = {
        "group": fields.get("group"),
        "crowd": fields.get("crowd") is True,
        "attributes": _words(fields.get("attributes") or {}),
        "origin": origin_from(as_mapping(fields.get("origin") or {}, "its origin")),
    }
    if "box" in fields:
        corners = as_points(fields["box"], "its box", 2).ravel().tolist()
        return Label.of_box(name, corners, size, **facts)
    if "points" in fields:
        points = as_points(fields["points"], "its points")
        return Label(name, size, points=tuple(map(tuple, points.tolist())), **facts)
    counts = rle.check_compressed(as_text(fields.get("runs"), "its run lengths"), size)
    rings = as_list(fields.get("polygons") or [], "its polygons")
    polygons = tuple(np.array(as_points(ring, "a polygon", 3)) for ring in rings)
    return Label(name, size, counts, polygons, **facts)


def _words(attributes: Mapping[str, Any]) -> dict[str, str]:
    return {str(key): str(one) for key, one in as_mapping(attributes, "attributes").items()}
