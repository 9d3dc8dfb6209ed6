"""Label Studio: one JSON file of tasks, each with what people drew and what models predicted."""

from __future__ import annotations

import re
from dataclasses import replace
from pathlib import PurePosixPath
from typing import TYPE_CHECKING, Any
from urllib.parse import parse_qs, unquote, urlsplit

import numpy as np

from persam.errors import InputError
from persam.io.folders import SUFFIXES
from persam.io.labels.brush import decode_brush
from persam.io.labels.fields import (
    Problems,
    as_list,
    as_mapping,
    as_number,
    as_points,
    as_size,
    as_text,
    read_json,
    required,
)
from persam.io.labels.grouping import grouped
from persam.io.labels.label_set import LabelledPicture, LabelSet, classes_of
from persam.io.labels.label_studio_config import read_config
from persam.io.labels.orientation import upright
from persam.io.labels.pictures import upright_size
from persam.io.labels.structures import Label, Origin

if TYPE_CHECKING:
    from pathlib import Path

    from persam.io.labels.pictures import PictureFolder

FILE = "tasks.json"
_UPLOADED = re.compile(r"^[0-9a-f]{8}-")  # what Label Studio puts before an uploaded file's name
_NAMED = ("labels", "brushlabels", "polygonlabels", "rectanglelabels", "ellipselabels")
_NAMES = (*_NAMED, "keypointlabels")


def read_label_studio(path: Path, pictures: PictureFolder) -> LabelSet:
    """Read brushes, polygons, rectangles, ellipses and key points.

    What people drew counts; predictions where nobody drew anything.

    Args:
        path: the JSON export; ``label_config.xml`` beside it gives classes and colours.
        pictures: where the pictures are.

    Raises:
        InputError: it is not such a file; single bad tasks and regions are problems of the answer.
    """
    problems = Problems()
    found: list[LabelledPicture] = []
    for number, one in enumerate(as_list(read_json(path), str(path))):
        where = f"{path}: task {number}"
        with problems.noted(where):
            task = as_mapping(one, "it")
            found.append(picture_from_task(task, pictures, problems, where))
    names = [label.name for picture in found for label in picture.labels]
    classes = classes_of(names, read_config(path.parent))
    return LabelSet(classes, tuple(found), tuple(problems.lines))


def picture_from_task(
    task: dict[str, Any], pictures: PictureFolder, problems: Problems, where: str
) -> LabelledPicture:
    """The picture of one task.

    Args:
        task: as the export has it.
        pictures: where the pictures are.
        problems: takes regions that cannot be read.
        where: what to call the task there.

    Raises:
        InputError: the task names no picture, or is damaged.
    """
    data = as_mapping(required(task, "data", "it"), "its data")
    name = picture_name(address_of(data))
    path = picture_of_task(name, pictures)
    name = name if path is None else pictures.name_of(path)
    results, origin = _results(task)
    size = _size(results, path, name)
    named = _names_by_id(results)
    labels = []
    for number, one in enumerate(results):
        if one.get("type") in (*_NAMES, "brush", "polygon", "rectangle", "ellipse", "keypoint"):
            with problems.noted(f"{where}, region {number}"):
                label = label_from(one, size, named.get(str(one.get("id"))))
                if label is not None:
                    labels.append(_with_score(label, one, origin))
    number = task.get("id")
    known = number if type(number) is int else None
    return upright(LabelledPicture(name, size, grouped(labels), None, known), path)


def picture_of_task(name: str, pictures: PictureFolder) -> Path | None:
    """The picture of a name from a task, with or without what Label Studio puts before it."""
    plain = PurePosixPath(name).name
    path = pictures.find(name)
    return pictures.find(plain[9:]) if path is None and _UPLOADED.match(plain) else path


def address_of(data: dict[str, Any]) -> str:
    """The first field of a task's data that names a picture.

    Raises:
        InputError: none does.
    """
    named = [value for value in data.values() if isinstance(value, str) and value]
    for value in named:
        if PurePosixPath(picture_name(value)).suffix.lower() in SUFFIXES:
            return value
    if not named:
        raise InputError("its data names no picture")
    return named[0]


def picture_name(address: str) -> str:
    """Name of a picture from its address in a task.

    Example:
        >>> picture_name("/data/local-files/?d=photos/my%20dog.jpg")
        'photos/my dog.jpg'
        >>> picture_name("/data/upload/3/5f1e2d3c-dog.jpg"), picture_name("s3://pets/a/dog.jpg")
        ('5f1e2d3c-dog.jpg', 'a/dog.jpg')
    """
    try:
        parts = urlsplit(address)
    except ValueError:
        return address
    local = parse_qs(parts.query).get("d")
    if local:
        return local[0].lstrip("/")
    name = unquote(parts.path)
    if "/upload/" in name:
        return PurePosixPath(name).name
    return name.lstrip("/") if parts.scheme else name


def _results(task: dict[str, Any]) -> tuple[list[dict[str, Any]], Origin]:
    """Regions that count, and who made them: the latest annotation, else the latest prediction."""
    drawn = task.get("annotations") or task.get("completions") or []
    drawn = [as_mapping(one, "an annotation") for one in as_list(drawn, "its annotations")]
    drawn = [one for one in drawn if not one.get("was_cancelled")]
    said = task.get("predictions") or []
    guessed = [as_mapping(one, "a prediction") for one in as_list(said, "its predictions")]
    latest = max(drawn, key=lambda one: str(one.get("updated_at") or ""), default=None)
    origin = Origin()
    if latest is None:
        latest = guessed[-1] if guessed else {}
        version = latest.get("model_version")
        origin = Origin("model", version=version if isinstance(version, str) else None)
    regions = as_list(latest.get("result") or [], "its result")
    return [as_mapping(one, "a region") for one in regions], origin


def _size(results: list[dict[str, Any]], path: Path | None, name: str) -> tuple[int, int]:
    for one in results:
        if one.get("original_height") is not None:
            return as_size(one["original_height"], one.get("original_width"), name)
    if path is None:
        raise InputError(f"no picture {name} is at hand, and no region says how large it is")
    return upright_size(path)


def _names_by_id(results: list[dict[str, Any]]) -> dict[str, str]:
    """Class names that are regions of their own, by the id that they share with the shape."""
    named = {}
    for one in results:
        value = one.get("value")
        for key in _NAMES:
            words = value.get(key) if isinstance(value, dict) else None
            if isinstance(words, list) and words and isinstance(words[0], str):
                named.setdefault(str(one.get("id")), words[0])
    return named


def _with_score(label: Label, region: dict[str, Any], origin: Origin) -> Label:
    score = region.get("score")
    if isinstance(score, bool) or not isinstance(score, int | float) or origin.by != "model":
        score = None
    return replace(label, origin=replace(origin, score=None if score is None else float(score)))


def label_from(region: dict[str, Any], size: tuple[int, int], name: str | None) -> Label | None:
    """The label of one region; None where it has no shape.

    Raises:
        InputError: the region is damaged, turned, or has no class.
    """
    value = as_mapping(required(region, "value", "it"), "its value")
    shaped = {"rle", "points", "width", "radiusX"} & set(value)
    if not shaped:
        return None
    if region.get("image_rotation") not in (0, None):
        raise InputError(
            f"the picture was turned by {region['image_rotation']} degrees in the tool"
        )
    name = as_text(name, "its label")
    height, width = size
    scale = np.array([width, height]) / 100
    if "rle" in value:
        mask = decode_brush(as_list(value["rle"], "its rle"), size)
        if not mask.any():
            raise InputError("its brush has painted nothing")
        return Label.of_mask(name, mask)
    if "points" in value:
        return Label.of_polygons(name, [as_points(value["points"], "it", 3) * scale], size)
    x, y = as_number(value.get("x"), "its x"), as_number(value.get("y"), "its y")
    if str(region.get("type", "")).startswith("keypoint"):
        point = np.array([x, y]) * scale
        return Label(name, size, points=((float(point[0]), float(point[1])),), group=0)
    if "radiusX" in value:
        radii = [as_number(value.get(key), f"its {key}") for key in ("radiusX", "radiusY")]
        turns = np.linspace(0, 2 * np.pi, 64, endpoint=False)
        ring = np.stack([x + radii[0] * np.cos(turns), y + radii[1] * np.sin(turns)], axis=1)
        return Label.of_polygons(name, [ring * scale], size)
    return _rectangle(name, value, (x, y), size)


def _rectangle(
    name: str, value: dict[str, Any], corner: tuple[float, float], size: tuple[int, int]
) -> Label:
    """A rectangle; one that is turned counts by the upright box round it."""
    w, h = (as_number(value.get(key), f"its {key}") for key in ("width", "height"))
    turn = np.deg2rad(as_number(value.get("rotation") or 0, "its rotation"))
    scale = np.array([size[1], size[0]]) / 100
    across, down = np.array([w, h]) * scale
    corners = np.array([[0, 0], [across, 0], [across, down], [0, down]])
    turned = corners @ np.array([[np.cos(turn), np.sin(turn)], [-np.sin(turn), np.cos(turn)]])
    placed = turned + np.array(corner) * scale
    return Label.of_box(name, (*placed.min(axis=0), *placed.max(axis=0)), size)
