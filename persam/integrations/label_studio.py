"""Label Studio's ML backend: what people labelled is learnt, all other tasks are predicted.

It speaks the tool's own HTTP protocol (``/setup``, ``/predict``, ``/webhook``, ``/train``,
``/health``), so nothing of Label Studio is needed on this side. Pictures are read from a folder
of this machine, never fetched from an address.
"""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from threading import Lock
from typing import TYPE_CHECKING, Any

import numpy as np

from persam.app.clicking import Drawing, outline
from persam.errors import InputError
from persam.integrations.label_studio_interface import LabelInterface
from persam.integrations.open_concepts import OpenConcepts, open_concepts
from persam.io.concept_set import write_concept_set
from persam.io.images import read_image
from persam.io.labels import Label, LabelSet, Origin, classes_of
from persam.io.labels.fields import Problems, as_list, as_mapping, as_number
from persam.io.labels.label_studio import (
    address_of,
    picture_from_task,
    picture_name,
    picture_of_task,
)
from persam.io.labels.pictures import PictureFolder
from persam.methods.from_labels import labelled_objects, learn_labels, merged
from persam.methods.persam import personalize
from persam.models.loading import load

if TYPE_CHECKING:
    from persam.models.base import Backbone
    from persam.structures import Embedding

_LEARNS = frozenset({"ANNOTATION_CREATED", "ANNOTATION_UPDATED"})
VERSION = "persam"


class LabelBackend:
    """What answers Label Studio. Its methods are safe in any thread.

    Attributes:
        file: the set of concepts, written anew whenever something was learnt.
        pictures: the folder of the project's pictures.
    """

    def __init__(self, file: Path, images: Path, *, model: str = "pocket", **place: str) -> None:
        """Open what was learnt before, or begin with nothing.

        Args:
            file: a set of concepts, or where to write one.
            images: the folder of the project's pictures.
            model: as :func:`persam.load` takes it, where nothing was learnt before.
            place: ``device``, ``precision`` and ``engine``, likewise.

        Raises:
            InputError: the file is something else, or there is no such folder.
        """
        self.file, self.pictures = file, PictureFolder([images])
        self._lock = Lock()
        self._objects: OpenConcepts | None = None
        if file.exists():
            self._objects = open_concepts(file, **place)
        self._backbone: Backbone = (
            load(model, **place) if self._objects is None else self._objects.backbone
        )
        self._seen: tuple[Path, Embedding] | None = None
        self._learnt = 0

    @property
    def version(self) -> str:
        """Changes whenever something was learnt, so that the tool asks for new predictions."""
        count = 0 if self._objects is None else len(self._objects.labels.pictures)
        return f"{VERSION} {count} labelled, {self._learnt}"

    def predict(
        self, tasks: list[Any], config: str, context: dict[str, Any] | None = None
    ) -> list[dict[str, Any]]:
        """Predictions of tasks, in their order.

        Args:
            tasks: as the protocol sends them.
            config: the project's labelling interface.
            context: what somebody just clicked, in interactive mode.

        Raises:
            InputError: a task names no picture of the folder.
        """
        interface = LabelInterface.of(config)
        with self._lock:
            return [self._predict(as_mapping(one, "a task"), interface, context) for one in tasks]

    def learn(self, event: dict[str, Any]) -> bool:
        """Take up what somebody has labelled, if the event is of that.

        Args:
            event: of the tool's webhook: ``action``, ``annotation`` and ``task``.

        Returns:
            Whether something was learnt.

        Raises:
            InputError: the annotation cannot be read, or its picture is not in the folder.
        """
        if event.get("action") not in _LEARNS:
            return False
        annotation = as_mapping(event.get("annotation"), "the annotation")
        task = as_mapping(event.get("task"), "the task") | {"annotations": [annotation]}
        problems = Problems()
        picture = picture_from_task(task, self.pictures, problems, "the annotation")
        if picture.path is None:
            raise InputError(f"{picture.name} is not in {self.pictures.folders[0]}.")
        if problems.lines:
            raise InputError(problems.lines[0])
        if not picture.labels:
            return False
        with self._lock:
            known = LabelSet((), ()) if self._objects is None else self._objects.labels
            names = [label.name for label in picture.labels]
            labels = merged(known, LabelSet(classes_of(names), (picture,)))
            self._learn(labels)
        return True

    def _learn(self, labels: LabelSet) -> None:
        at_hand = tuple(
            replace(one, path=one.path or self.pictures.find(one.name)) for one in labels.pictures
        )
        labels = replace(labels, pictures=tuple(one for one in at_hand if one.path is not None))
        objects = labelled_objects(labels)
        learnt = learn_labels(labels, objects, lambda shown: personalize(self._backbone, shown))
        write_concept_set(self.file, learnt)
        self._objects = open_concepts(self.file, self._backbone)
        self._learnt += 1

    def _predict(
        self, task: dict[str, Any], interface: LabelInterface, context: dict[str, Any] | None
    ) -> dict[str, Any]:
        name = picture_name(address_of(as_mapping(task.get("data"), "the task's data")))
        path = picture_of_task(name, self.pictures)
        if path is None:
            raise InputError(f"{name} is not in {self.pictures.folders[0]}.")
        embedding = self._encoded(path)
        if context and context.get("result"):
            labels = [self._clicked(as_list(context["result"], "the clicks"), embedding)]
        else:
            labels = self._found(embedding)
        known = [one for one in labels if one.name in interface.names]
        return interface.prediction(known) | {"model_version": self.version}

    def _encoded(self, path: Path) -> Embedding:
        """The embedding of a picture; of the last one for as long as somebody clicks in it."""
        if self._seen is None or self._seen[0] != path:
            image = read_image(path)
            self._seen = (path, replace(self._backbone.encode(image), image=image))
        return self._seen[1]

    def _found(self, embedding: Embedding) -> list[Label]:
        if self._objects is None:
            return []
        found = self._objects.find(embedding)
        return [
            Label.of_mask(
                name, one.mask, origin=Origin("model", name, None, one.score, one.presence)
            )
            for name, one in found.items()
            if one.present
        ]

    def _clicked(self, regions: list[Any], embedding: Embedding) -> Label:
        """The mask that key points and a rectangle mean."""
        frame = embedding.frame
        scale = np.array([frame.width, frame.height]) / 100
        points: list[tuple[float, float, int]] = []
        box, name = None, ""
        for region in (as_mapping(one, "a click") for one in regions):
            value = as_mapping(region.get("value"), "its value")
            x, y = (
                as_number(value.get(key), f"its {key}") * s
                for key, s in zip("xy", scale, strict=True)
            )
            words = (
                value.get("keypointlabels") or value.get("rectanglelabels") or value.get("labels")
            )
            name = str(words[0]) if isinstance(words, list) and words else name
            if str(region.get("type", "")).startswith("rectangle"):
                w, h = (
                    as_number(value.get("width"), "its width"),
                    as_number(value.get("height"), "its height"),
                )
                box = (x, y, x + w * scale[0], y + h * scale[1])
            else:
                points.append((x, y, 0 if region.get("is_positive") in (0, False) else 1))
        answer = outline(self._backbone, embedding, Drawing(points=tuple(points), box=box))
        if not answer.mask.any():
            raise InputError("The model sees no object there; click on another place of it.")
        return Label.of_mask(name, answer.mask, origin=Origin("model", score=answer.score))
