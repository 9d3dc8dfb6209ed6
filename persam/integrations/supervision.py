"""Answers and labels as ``supervision.Detections``, and back."""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

import numpy as np

from persam.errors import InputError, MissingExtra
from persam.io.labels import Label, LabelledPicture, LabelSet, classes_of

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

    from persam.prediction import Prediction


def to_detections(found: Mapping[str, Prediction], labels: LabelSet | None = None) -> Any:
    """What was found in one picture, as supervision has it.

    Args:
        found: by name, as :func:`persam.segment_objects` gives it; what is absent is left out.
        labels: gives classes their ids; None numbers the names from 0.

    Returns:
        ``supervision.Detections`` with masks, scores, ids, ``class_name`` and ``presence``.

    Raises:
        MissingExtra: supervision is not installed.
    """
    names = list(found)
    ids = (
        {name: number for number, name in enumerate(names)}
        if labels is None
        else {one.name: one.number for one in classes_of(names, labels.classes)}
    )
    present = {name: one for name, one in found.items() if one.present}
    presence = [np.nan if one.presence is None else one.presence for one in present.values()]
    masks = [(name, one.mask, one.score) for name, one in present.items()]
    return _detections(masks, ids, {"presence": np.array(presence, dtype=np.float64)})


def labels_to_detections(picture: LabelledPicture, labels: LabelSet) -> Any:
    """The masks of a labelled picture as ``supervision.Detections``; ids are the classes'.

    Raises:
        MissingExtra: supervision is not installed.
    """
    masks = [
        (one.name, one.mask, 1.0 if one.origin.score is None else one.origin.score)
        for one in picture.labels
        if one.kind == "mask"
    ]
    return _detections(masks, {one.name: one.number for one in labels.classes}, {})


def from_detections(detections: Any, path: Path, size: tuple[int, int]) -> LabelledPicture:
    """A labelled picture from ``supervision.Detections``: masks, or boxes where it has none.

    Args:
        detections: with ``class_name`` among its data.
        path: the picture.
        size: ``(height, width)`` of the picture.

    Raises:
        InputError: the detections have no names.
    """
    names = detections.data.get("class_name")
    if len(detections) and names is None:
        raise InputError("The detections have no data['class_name']; names are what labels go by.")
    labels = []
    for number in range(len(detections)):
        name = str(names[number])
        if detections.mask is None:
            labels.append(Label.of_box(name, detections.xyxy[number].tolist(), size))
        else:
            labels.append(Label.of_mask(name, np.asarray(detections.mask[number], dtype=bool)))
    return LabelledPicture(path.name, size, tuple(labels), path)


def _detections(
    masks: list[tuple[str, np.ndarray, float]], ids: Mapping[str, int], data: dict[str, Any]
) -> Any:
    supervision = _supervision()
    if not masks:
        return supervision.Detections.empty()
    names = np.array([name for name, _, _ in masks])
    marked = np.stack([mask for _, mask, _ in masks])
    return supervision.Detections(
        xyxy=np.stack([Label.of_mask(name, mask).bounds for name, mask, _ in masks]),
        mask=marked,
        confidence=np.array([score for _, _, score in masks], dtype=np.float64),
        class_id=np.array([ids[name] for name in names]),
        data={"class_name": names} | data,
    )


def _supervision() -> Any:
    try:
        return import_module("supervision")
    except ImportError as error:
        raise MissingExtra("Detections need an extra: pip install supervision") from error
