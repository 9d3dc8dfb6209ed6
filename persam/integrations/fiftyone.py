"""Labels as FiftyOne samples, and back."""

from __future__ import annotations

from dataclasses import replace
from importlib import import_module
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from persam.errors import MissingExtra
from persam.io.labels import (
    Label,
    LabelledPicture,
    LabelSet,
    Origin,
    classes_of,
)
from persam.io.labels.bitmaps import cropped, placed
from persam.io.labels.pictures import upright_size

if TYPE_CHECKING:
    from collections.abc import Iterable

FIELD = "persam"


def to_fiftyone(labels: LabelSet, dataset: Any, field: str = FIELD) -> Any:
    """Add labelled pictures to a FiftyOne data set.

    Args:
        labels: those whose pictures are at hand.
        dataset: of FiftyOne.
        field: of the samples in which the detections go.

    Returns:
        The data set, whose ``default_classes`` are the labels'.

    Raises:
        MissingExtra: FiftyOne is not installed.
    """
    dataset.add_samples(to_samples(labels, field))
    dataset.default_classes = [one.name for one in labels.classes]
    return dataset


def to_samples(labels: LabelSet, field: str = FIELD) -> list[Any]:
    """Labelled pictures as FiftyOne samples, for a data set or without one.

    Raises:
        MissingExtra: FiftyOne is not installed.
    """
    fiftyone = _fiftyone()
    samples = []
    for picture in labels.pictures:
        if picture.path is None:
            continue
        sample = fiftyone.Sample(filepath=str(picture.path))
        every = [_detection(fiftyone, one) for one in picture.labels if one.kind != "points"]
        sample[field] = fiftyone.Detections(detections=every)
        samples.append(sample)
    return samples


def from_fiftyone(samples: Iterable[Any], field: str = FIELD) -> LabelSet:
    """Labels from FiftyOne samples: masks, or boxes where a detection has no mask.

    Args:
        samples: a data set, a view, or any samples; those without the field are left out.
        field: of the samples that holds detections.

    Raises:
        InputError: a picture cannot be read.
    """
    pictures = []
    for sample in samples:
        found = sample[field] if sample.has_field(field) else None
        if found is None:
            continue
        path = Path(sample.filepath)
        size = upright_size(path)
        labels = tuple(_label(one, size) for one in found.detections)
        pictures.append(LabelledPicture(path.name, size, labels, path))
    names = [label.name for picture in pictures for label in picture.labels]
    return LabelSet(classes_of(names), tuple(pictures))


def _detection(fiftyone: Any, label: Label) -> Any:
    height, width = label.size
    x0, y0, x1, y1 = label.bounds
    facts: dict[str, Any] = {"label": label.name, "confidence": label.origin.score}
    if label.kind == "mask":
        facts["mask"] = cropped(label.mask)[0]
    box = [x0 / width, y0 / height, (x1 - x0) / width, (y1 - y0) / height]
    attributes = {"made_by": label.origin.by, "presence": label.origin.presence}
    attributes["shape"] = _plain(label).digest
    return fiftyone.Detection(bounding_box=box, **facts, **attributes)


def _label(detection: Any, size: tuple[int, int]) -> Label:
    height, width = size
    x, y, w, h = np.array(detection.bounding_box) * (width, height, width, height)
    if detection.mask is None:
        label = Label.of_box(detection.label, (x, y, x + w, y + h), size)
    else:
        part = np.asarray(detection.mask) > 0
        label = Label.of_mask(detection.label, placed(part, round(x), round(y), size))
    facts = ("made_by", "shape", "presence")
    said = {name: detection[name] for name in facts if detection.has_field(name)}
    if said.get("made_by") != "model" or said.get("shape") != label.digest:
        return label  # a person's, who has drawn or changed it
    origin = Origin("model", score=detection.confidence, presence=said.get("presence"))
    return replace(label, origin=origin)


def _plain(label: Label) -> Label:
    """A label as a detection has it, without vertices."""
    return Label.of_mask(label.name, label.mask) if label.kind == "mask" else label


def _fiftyone() -> Any:
    try:
        return import_module("fiftyone")
    except ImportError as error:
        raise MissingExtra("FiftyOne samples need it: pip install fiftyone") from error
