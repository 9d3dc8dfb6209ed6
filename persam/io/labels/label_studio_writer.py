"""Writes Label Studio's tasks: people's labels as annotations, models' as predictions."""

from __future__ import annotations

import json
from statistics import fmean
from typing import TYPE_CHECKING, Any
from urllib.parse import quote

import numpy as np

from persam.io.labels.brush import encode_brush
from persam.io.labels.label_studio import FILE
from persam.io.labels.label_studio_config import FILE as CONFIG
from persam.io.labels.label_studio_config import TAGS, config_text
from persam.io.labels.writing import Target, Written
from persam.io.writers import write_text

if TYPE_CHECKING:
    from persam.io.labels.label_set import LabelledPicture, LabelSet
    from persam.io.labels.structures import Label


def write_label_studio(labels: LabelSet, target: Target) -> Written:
    """Write ``tasks.json``, ``label_config.xml``, and the pictures to ``images/``.

    The tasks name the pictures as local files below the folder's own parent. A prediction's score
    is how sure its least sure label is, so that the tool's own order by score is one of doubt.

    Raises:
        InputError: a file cannot be written.
    """
    tasks = []
    for number, picture in enumerate(labels.pictures, start=1):
        image = f"images/{target.picture_of(picture)}"
        address = "/data/local-files/?d=" + quote(f"{target.folder.name}/{image}")
        target.place(picture, image)
        task = {"id": number, "data": {"image": address}}
        tasks.append(task | _made(picture))
    path, config = target.folder / FILE, target.folder / CONFIG
    write_text(path, json.dumps(tasks, allow_nan=False))
    write_text(config, config_text(labels.classes))
    return Written((path, config))


def _made(picture: LabelledPicture) -> dict[str, Any]:
    """Annotations of people, or else predictions."""
    people = [label for label in picture.labels if label.origin.by == "person"]
    models = [label for label in picture.labels if label.origin.by == "model"]
    made: dict[str, Any] = {}
    if people or not models:
        made["annotations"] = [{"result": _regions(people)}]
    if models:
        made["predictions"] = [prediction(models)]
    return made


def prediction(labels: list[Label]) -> dict[str, Any]:
    """A prediction of one picture: its regions, by which model, and how sure it is."""
    versions = sorted({one.origin.version or "" for one in labels} - {""})
    return {
        "model_version": " ".join(["persam", *versions]),
        "score": min(map(_certainty, labels), default=0.0),
        "result": _regions(labels),
    }


def _certainty(label: Label) -> float:
    origin = label.origin
    if origin.doubt is not None:
        return 1 - origin.doubt
    known = [value for value in (origin.score, origin.presence) if value is not None]
    return fmean(known) if known else 0.0


def _regions(labels: list[Label]) -> list[dict[str, Any]]:
    return [
        region
        for number, label in enumerate(labels, start=1)
        for region in regions_of(label, f"persam{number}")
    ]


def regions_of(label: Label, name: str) -> list[dict[str, Any]]:
    """The regions of one label, whose ids begin with a name."""
    scale = np.array([label.size[1], label.size[0]]) / 100
    values: list[tuple[str, dict[str, Any]]]
    if len(label.polygons) == 1:
        ring = (label.polygons[0] / scale).tolist()
        values = [("polygon", {"points": ring, "closed": True})]
    elif label.kind == "mask":
        values = [("brush", {"format": "rle", "rle": encode_brush(label.mask)})]
    elif label.box is not None:
        corners = np.array(label.box).reshape(2, 2) / scale
        (x, y), (w, h) = corners[0].tolist(), (corners[1] - corners[0]).tolist()
        values = [("rectangle", {"x": x, "y": y, "width": w, "height": h, "rotation": 0})]
    else:
        every = (np.array(label.points) / scale).tolist()
        values = [("keypoint", {"x": x, "y": y, "width": 0.5}) for x, y in every]
    regions = []
    for number, (kind, value) in enumerate(values):
        tag = TAGS[kind].lower()
        region = {
            "id": name if number == 0 else f"{name}-{number}",
            "type": tag,
            "from_name": kind,
            "to_name": "image",
            "original_width": label.size[1],
            "original_height": label.size[0],
            "image_rotation": 0,
            "value": value | {tag: [label.name]},
        }
        if label.origin.score is not None and label.origin.by == "model":
            region["score"] = label.origin.score
        regions.append(region)
    return regions
