"""Reads COCO: one JSON file of images, categories and annotations; also as CVAT writes it."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from persam.errors import InputError
from persam.io.labels import rle
from persam.io.labels.fields import (
    Problems,
    as_list,
    as_mapping,
    as_number,
    as_points,
    as_size,
    as_text,
    as_whole,
    read_json,
    required,
)
from persam.io.labels.label_set import LabelledPicture, LabelSet
from persam.io.labels.orientation import upright
from persam.io.labels.origins import with_origin
from persam.io.labels.structures import Label, LabelClass

if TYPE_CHECKING:
    from pathlib import Path

    from persam.io.labels.pictures import PictureFolder


def read_coco(path: Path, pictures: PictureFolder) -> LabelSet:
    """Read a COCO file: polygons, run lengths (compressed or not), crowds, boxes.

    Args:
        path: the JSON file.
        pictures: where the pictures are.

    Raises:
        InputError: it cannot be read at all; single bad entries are problems of the answer.
    """
    data = as_mapping(read_json(path), str(path))
    problems = Problems()
    classes: dict[int, LabelClass] = {}
    for number, one in enumerate(as_list(data.get("categories", []), f"{path}: categories")):
        with problems.noted(f"{path}: category {number}"):
            found = _class(as_mapping(one, "it"))
            _once(found.number in classes or found.name in {c.name for c in classes.values()})
            classes[found.number] = found
    images: dict[int, dict[str, Any]] = {}
    for number, one in enumerate(as_list(required(data, "images", str(path)), f"{path}: images")):
        with problems.noted(f"{path}: image {number}"):
            image = as_mapping(one, "it")
            images[as_whole(required(image, "id", "it"), "its id")] = image
    labels: dict[int, list[Label]] = {number: [] for number in images}
    for number, one in enumerate(as_list(data.get("annotations", []), f"{path}: annotations")):
        with problems.noted(f"{path}: annotation {number}"):
            annotation = as_mapping(one, "it")
            image = as_whole(required(annotation, "image_id", "it"), "its image_id")
            if image not in images:
                raise InputError(f"there is no image {image}")
            labels[image].append(_label(annotation, classes, _size(images[image])))
    found = []
    for number, image in images.items():
        with problems.noted(f"{path}: image {number}"):
            name = as_text(required(image, "file_name", "it"), "its file_name")
            picture = LabelledPicture(name, _size(image), tuple(labels[number]), None, number)
            found.append(upright(picture, pictures.find(name)))
    return LabelSet(tuple(classes.values()), tuple(found), tuple(problems.lines))


def _once(twice: bool) -> None:
    if twice:
        raise InputError("another category has its id or name")


def _class(category: dict[str, Any]) -> LabelClass:
    number = as_whole(required(category, "id", "it"), "its id")
    colour = category.get("color")
    return LabelClass(
        number,
        as_text(required(category, "name", "it"), "its name"),
        colour if isinstance(colour, str) else None,
    )


def _size(image: dict[str, Any]) -> tuple[int, int]:
    what = f"image {image.get('file_name', '')!r}"
    return as_size(required(image, "height", what), required(image, "width", what), what)


def _label(
    annotation: dict[str, Any], classes: dict[int, LabelClass], size: tuple[int, int]
) -> Label:
    number = as_whole(required(annotation, "category_id", "it"), "its category_id")
    if number not in classes:
        raise InputError(f"there is no category {number}")
    said = annotation.get("attributes")
    attributes = {str(k): str(v) for k, v in said.items()} if isinstance(said, dict) else {}
    facts = {"crowd": annotation.get("iscrowd") in (1, True), "attributes": attributes}
    return with_origin(_shape(annotation, classes[number].name, size, facts))


def _shape(
    annotation: dict[str, Any], name: str, size: tuple[int, int], facts: dict[str, Any]
) -> Label:
    shape = annotation.get("segmentation")
    if isinstance(shape, dict):
        return Label(name, size, runs=_runs(shape, size), **facts)
    if shape:
        rings = as_list(shape, "its segmentation")
        rings = [rings] if not isinstance(rings[0], list) else rings
        found = [as_points(ring, "a polygon of it", least=3) for ring in rings]
        return Label.of_polygons(name, found, size, **facts)
    box = as_list(required(annotation, "bbox", "it has no segmentation and"), "its bbox")
    if len(box) != 4:
        raise InputError(f"its bbox has {len(box)} numbers, but should be [x, y, width, height]")
    x, y, width, height = (as_number(value, "a number of its bbox") for value in box)
    return Label.of_box(name, (x, y, x + width, y + height), size, **facts)


def _runs(shape: dict[str, Any], size: tuple[int, int]) -> bytes:
    said = as_list(shape.get("size", list(size)), "the size of its run lengths")
    if said != list(size):
        raise InputError(f"its run lengths are of {said}, but the image is {list(size)}")
    counts = required(shape, "counts", "its segmentation")
    if isinstance(counts, str):
        return rle.check_compressed(counts, size)
    return rle.check_counts(as_list(counts, "its counts"), size)
