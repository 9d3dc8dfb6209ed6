"""Label folders opened by the tools' own libraries, which have to be installed."""

from __future__ import annotations

import json
from collections import defaultdict
from collections.abc import Callable
from dataclasses import dataclass
from importlib import import_module
from pathlib import Path
from typing import Any


@dataclass(frozen=True)
class Opened:
    """What a tool sees.

    Attributes:
        classes: names by the tool's own ids; by their place where it has none.
        pictures: names of the classes that are marked in each picture, by the picture's stem.
    """

    classes: dict[int, str]
    pictures: dict[str, list[str]]


@dataclass(frozen=True)
class Tool:
    """How a tool opens a folder.

    Attributes:
        package: that has to be installed.
        module: of it, that is imported.
        open: the folder; raises what the tool raises.
    """

    package: str
    module: str
    open: Callable[[Path], Opened]


def _of(classes: dict[int, str], found: dict[str, set[str]]) -> Opened:
    return Opened(classes, {Path(name).stem: sorted(kinds) for name, kinds in found.items()})


def _require(holds: object, what: str) -> None:
    if not holds:
        raise ValueError(what)


def _coco(folder: Path) -> Opened:
    data = import_module("pycocotools.coco").COCO(folder / "annotations/instances_default.json")
    names = {one["id"]: one["name"] for one in data.loadCats(data.getCatIds())}
    found: dict[str, set[str]] = {}
    for image in data.loadImgs(data.getImgIds()):
        _require((folder / "images" / image["file_name"]).is_file(), image["file_name"])
        marks = data.loadAnns(data.getAnnIds(imgIds=[image["id"]]))
        _require(all(data.annToMask(one).any() for one in marks), "an empty mask")
        found[image["file_name"]] = {names[one["category_id"]] for one in marks}
    return _of(names, found)


def _yolo(folder: Path) -> Opened:
    check = import_module("ultralytics.data.utils").check_det_dataset
    dataset = import_module("ultralytics.data.dataset").YOLODataset
    data = check(str(folder / "data.yaml"))
    loaded = dataset(img_path=data["train"], data=data, task="segment", augment=False)
    named = {
        one["im_file"]: {data["names"][int(number)] for number in one["cls"].ravel()}
        for one in loaded.labels
    }
    return _of(data["names"], named)


def _labelme(folder: Path) -> Opened:
    read = import_module("labelme._label_file").read_label_file
    found = {}
    for path in sorted(folder.glob("*.json")):
        one = read(str(path))
        _require(one.image_data, f"{path.name} without its picture")
        found[path.name] = {shape["label"] for shape in one.shapes}
    names = (folder / "labels.txt").read_text().splitlines()
    return _of(dict(enumerate(name for name in names if not name.startswith("_"))), found)


def _cvat(folder: Path) -> Opened:
    datumaro = import_module("datumaro")  # with which CVAT imports
    data = datumaro.Dataset.import_from(str(folder), "cvat")
    named = [one.name for one in data.categories()[datumaro.AnnotationType.label]]
    found = {one.id: {named[mark.label] for mark in one.annotations} for one in data}
    return _of(dict(enumerate(named)), found)


def _label_studio(folder: Path) -> Opened:
    text = (folder / "label_config.xml").read_text()
    config = import_module("label_studio_sdk.label_interface").LabelInterface(text)
    config.validate()
    found: defaultdict[str, set[str]] = defaultdict(set)
    for task in json.loads((folder / "tasks.json").read_text()):
        drawn, guessed = task.get("annotations", []), task.get("predictions", [])
        wrong = [config.validate_prediction(one, return_errors=True) for one in guessed]
        _require(not any(wrong), f"predictions: {wrong}")
        _require(all(map(config.validate_annotation, drawn)), "annotations")
        names = {_name(region) for one in (*drawn, *guessed) for region in one["result"]}
        found[task["data"]["image"]] |= names
    control = next(iter(config.controls))
    return _of(dict(enumerate(control.labels)), found)


def _name(region: dict[str, Any]) -> str:
    return region["value"][region["type"]][0]


TOOLS = {
    "coco": Tool("pycocotools", "pycocotools.coco", _coco),
    "yolo": Tool("ultralytics", "ultralytics", _yolo),
    "labelme": Tool("labelme", "labelme._label_file", _labelme),
    "cvat": Tool("datumaro", "datumaro", _cvat),
    "label-studio": Tool("label-studio-sdk", "label_studio_sdk.label_interface", _label_studio),
}
