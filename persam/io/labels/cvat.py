"""CVAT for images 1.1: one XML file of images and shapes."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any
from xml.etree import ElementTree as ET

import numpy as np

from persam.errors import InputError
from persam.io.labels import bitmaps
from persam.io.labels.fields import (
    Problems,
    as_number,
    as_points,
    as_size,
    as_text,
    as_whole,
    read_text,
)
from persam.io.labels.grouping import grouped
from persam.io.labels.label_set import LabelledPicture, LabelSet, classes_of
from persam.io.labels.orientation import upright
from persam.io.labels.origins import with_origin
from persam.io.labels.structures import Label, LabelClass

if TYPE_CHECKING:
    from persam.io.labels.pictures import PictureFolder

FILE = "annotations.xml"
SHAPES = frozenset({"polygon", "box", "mask", "points", "ellipse"})
CLASS_ID = (
    "persam_id"  # of a class: CVAT has none in its files, and passes over what it does not know
)


def read_cvat(path: Path, pictures: PictureFolder) -> LabelSet:
    """Read polygons, boxes, masks, ellipses and points.

    Args:
        path: ``annotations.xml``.
        pictures: where the pictures are.

    Raises:
        InputError: it is not such a file; single bad images and shapes are problems of the answer.
    """
    root = _root(path)
    classes = _classes(root, path)
    problems = Problems()
    found: list[LabelledPicture] = []
    for number, image in enumerate(root.iter("image")):
        with problems.noted(f"{path}: image {number} ({image.get('name', 'without a name')})"):
            name = as_text(image.get("name"), "its name")
            size = as_size(image.get("height"), image.get("width"), "it")
            labels = []
            for place, shape in enumerate(image):
                with problems.noted(f"{path}: {name}, shape {place}"):
                    labels.append(_label(shape, size))
            united = tuple(with_origin(label) for label in grouped(labels))
            own = image.get("id")
            known = as_whole(own, "its id") if own is not None else None
            found.append(
                upright(LabelledPicture(name, size, united, None, known), pictures.find(name))
            )
    if root.find("track") is not None:
        problems.lines.append(f"{path}: its tracks are left out; export as 'CVAT for images'")
    names = [label.name for picture in found for label in picture.labels]
    return LabelSet(classes_of(names, classes), tuple(found), tuple(problems.lines))


def _root(path: Path) -> ET.Element:
    text = read_text(path)
    # Entities are how XML attacks memory and reads foreign files; no label tool declares any.
    if "<!DOCTYPE" in text or "<!ENTITY" in text:
        raise InputError(f"{path} declares entities, which label files do not; it is not read.")
    try:
        root = ET.fromstring(text)  # noqa: S314
    except (ET.ParseError, ValueError) as error:
        raise InputError(f"{path} is not XML: {error}.") from error
    if root.tag != "annotations":
        raise InputError(f"{path} is XML of <{root.tag}>; CVAT writes <annotations>.")
    return root


def _classes(root: ET.Element, path: Path) -> list[LabelClass]:
    """The labels that the file declares; numbered in their order, unless it says numbers."""
    found: dict[str, LabelClass] = {}
    for one in root.iter("label"):
        name = one.findtext("name")
        if name and name not in found:
            said = one.findtext(CLASS_ID)
            number = len(found) + 1 if said is None else as_whole(said, f"{path}: {CLASS_ID}")
            found[name] = LabelClass(number, name, one.findtext("color") or None)
    if len({one.number for one in found.values()}) < len(found):
        raise InputError(f"{path}: two labels have one {CLASS_ID}.")
    return list(found.values())


def _label(shape: ET.Element, size: tuple[int, int]) -> Label:
    if shape.tag not in SHAPES:
        raise InputError(f"a {shape.tag} marks no object")
    name = as_text(shape.get("label"), "its label")
    group = shape.get("group_id")
    facts: dict[str, Any] = {"group": int(group) if group and group.isdecimal() else None}
    facts["group"] = facts["group"] or None  # CVAT writes 0 for none
    facts["attributes"] = {
        str(one.get("name")): one.text or "" for one in shape.findall("attribute")
    }
    if shape.tag == "polygon":
        return Label.of_polygons(name, [_points(shape, 3)], size, **facts)
    if shape.tag == "points":
        return Label(name, size, points=tuple(map(tuple, _points(shape, 1).tolist())), **facts)
    if shape.tag == "box":
        box = [as_number(shape.get(key), f"its {key}") for key in ("xtl", "ytl", "xbr", "ybr")]
        return Label.of_box(name, box, size, **facts)
    if shape.tag == "ellipse":
        return Label.of_polygons(name, [_ellipse(shape)], size, **facts)
    return Label.of_mask(name, _mask(shape, size), **facts)


def _points(shape: ET.Element, least: int) -> np.ndarray:
    said = as_text(shape.get("points"), "its points")
    pairs = [pair.split(",") for pair in said.split(";")]
    return as_points(list(pairs), "its points", least)


def _ellipse(shape: ET.Element) -> np.ndarray:
    x, y, rx, ry = (as_number(shape.get(key), f"its {key}") for key in ("cx", "cy", "rx", "ry"))
    turns = np.linspace(0, 2 * np.pi, 64, endpoint=False)
    return np.stack([x + rx * np.cos(turns), y + ry * np.sin(turns)], axis=1)


def _mask(shape: ET.Element, size: tuple[int, int]) -> np.ndarray:
    """A mask from run lengths row by row in its box, the first of them outside."""
    left, top = (as_whole(shape.get(key), f"its {key}") for key in ("left", "top"))
    height, width = as_size(shape.get("height"), shape.get("width"), "its mask")
    words = as_text(shape.get("rle"), "its rle").split(",")
    counts = [as_whole(word, "a run length") for word in words]
    if min(counts) < 0 or sum(counts) != height * width:
        raise InputError(f"its run lengths add up to {sum(counts)}, not to {width}x{height}")
    inside = np.arange(len(counts)) % 2 == 1
    return bitmaps.placed(np.repeat(inside, counts).reshape(height, width), left, top, size)
