"""What an album is searched for: one object, all its instances, or several objects at once."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass, replace
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from PIL import Image

from persam.album.manifest import FoundObject, Record
from persam.concept import Concept
from persam.errors import InputError
from persam.io.masks import read_labels, read_mask
from persam.io.palette import number_masks
from persam.io.picture_bytes import place_of
from persam.io.writers import labels_png, mask_png
from persam.pipeline.comparison import ObjectSet, plausible_ones
from persam.pipeline.features import wants_pixels
from persam.pipeline.instances import MOST
from persam.pipeline.multi_object import absence, check_concepts, segment_set
from persam.pipeline.prompts import mask_box

if TYPE_CHECKING:
    from persam.io.metadata import PhotoMetadata
    from persam.io.picture_bytes import PictureSource
    from persam.models.base import Backbone
    from persam.prediction import Prediction
    from persam.structures import Embedding


@dataclass(frozen=True, eq=False)
class PhotoAnswer:
    """What was found in one photo.

    Attributes:
        labels: ``(height, width)`` uint8: 0 background, 1 and up what was found; of one object
            0 and 1.
        found: one a number, in that order; of one object alone None.
        first: facts of the first, or of nothing.
    """

    labels: np.ndarray
    found: tuple[FoundObject, ...] | None
    first: FoundObject

    def png(self, metadata: PhotoMetadata) -> bytes:
        """The mask's file: of one object in black and white, of several an indexed PNG.

        Args:
            metadata: of the photo.
        """
        if self.found is None:
            return mask_png(self.labels > 0, metadata)
        return labels_png(self.labels, metadata)

    def at(self, size: tuple[int, int]) -> PhotoAnswer:
        """The same for a picture that was looked at on a reduced scale.

        Args:
            size: ``(height, width)`` of the picture.
        """
        if size == self.labels.shape:
            return self
        labels = _enlarged(self.labels, size, smooth=self.found is None)
        scale = size[1] / self.labels.shape[1], size[0] / self.labels.shape[0]
        found = self.found and tuple(_moved(one, labels, scale) for one in self.found)
        return PhotoAnswer(labels, found, found[0] if found else _moved(self.first, labels, scale))

    def record(self, photo: PictureSource) -> Record:
        """The manifest's record of the photo, which does not know its mask's file yet."""
        return Record(
            input=place_of(photo),
            score=self.first.score,
            presence=self.first.presence,
            box=self.first.box,
            points=self.first.points,
            doubtful=self.first.doubtful,
            found=self.found,
        )


@dataclass(frozen=True, eq=False)
class AlbumTarget:
    """What is looked for in every photo.

    Attributes:
        concepts: by name; one, whose name does not count, or several of one model.
        instances: tell the instances of the one object apart.
        several: answer with a label map of objects, even of one.
    """

    concepts: Mapping[str, Concept]
    instances: bool = False
    several: bool = False

    def __post_init__(self) -> None:
        check_concepts(self.concepts)
        if self.instances and len(self.concepts) > 1:
            raise InputError(
                f"Instances are told apart of one object in a run; got {len(self.concepts)} named "
                f"objects. Look for them one after the other."
            )

    @classmethod
    def of(
        cls, concepts: Concept | Mapping[str, Concept], *, instances: bool = False
    ) -> AlbumTarget:
        """Take one concept, or several by name.

        Raises:
            InputError: no concept, concepts of different models, or instances of several.
        """
        if isinstance(concepts, Mapping):
            return cls(dict(concepts), instances, several=not instances)
        return cls({"": concepts}, instances)

    def settings(self, identity: str) -> str:
        """A short name for everything that decides what is found.

        Args:
            identity: names what the concepts were made from; empty to take their numbers.
        """
        words = identity or "+".join(fingerprint(concept) for concept in self.concepts.values())
        if self.instances:
            words += " instances"
        if self.several or self._one_name:
            words += repr(list(self.concepts))
        return hashlib.sha256(words.encode()).hexdigest()[:16]

    @property
    def backbone(self) -> Backbone:
        """The model of all concepts."""
        return next(iter(self.concepts.values())).backbone

    @cached_property
    def objects(self) -> ObjectSet:
        """The concepts, and what was learnt of them together."""
        return ObjectSet.of(self.concepts)

    @property
    def can_reject(self) -> bool:
        """Whether matching features alone may show that nothing is there."""
        every = self.concepts.values()
        return all(one.calibration is not None and one.variant.min_presence > 0 for one in every)

    @property
    def wants_pixels(self) -> bool:
        """Whether objects are told apart by their colours, or a recipe looks again."""
        return not self.instances and wants_pixels(self.concepts.values())

    def reject(self, embedding: Embedding) -> PhotoAnswer | None:
        """Answer where everything is absent, by the matching features alone; else None."""
        standings = self.objects.judge(embedding)
        if len(plausible_ones({name: one.evidence for name, one in standings.items()})) > 1:
            return None  # their colours may have a say
        found = {n: absence(c, embedding, standings[n]) for n, c in self.concepts.items()}
        absent = {name: prediction for name, prediction in found.items() if prediction is not None}
        if len(absent) < len(found):
            return None
        return self._no_instance(embedding) if self.instances else self._answer(embedding, absent)

    def predict(self, embedding: Embedding) -> PhotoAnswer:
        """Search an encoded picture."""
        if self.several:
            return self._answer(embedding, segment_set(self.objects, embedding))
        (concept,) = self.concepts.values()
        if self.instances:
            found = concept.segment_instances(embedding)
            if not found:
                return self._no_instance(embedding)
            return self._answer(embedding, dict(enumerate(found)))
        return self._answer(embedding, {"": concept.segment_embedding(embedding)})

    def _answer(self, embedding: Embedding, found: Mapping[Any, Prediction]) -> PhotoAnswer:
        """What was found, by the name of an object or the number of an instance."""
        if not (self.several or self.instances):
            (prediction,) = found.values()
            return PhotoAnswer(prediction.mask.astype(np.uint8), None, _facts(1, None, prediction))
        facts = tuple(
            _facts(number, name if self.several else self._one_name, prediction)
            for number, (name, prediction) in enumerate(found.items(), start=1)
        )
        masks = (prediction.mask for prediction in found.values())
        labels = number_masks(masks, (embedding.frame.height, embedding.frame.width))
        return PhotoAnswer(labels, facts, facts[0])

    def _no_instance(self, embedding: Embedding) -> PhotoAnswer:
        (concept,) = self.concepts.values()
        labels = np.zeros((embedding.frame.height, embedding.frame.width), dtype=np.uint8)
        presence = _rounded(concept.presence_in(embedding))
        return PhotoAnswer(labels, (), FoundObject(1, self._one_name, presence=presence))

    @property
    def _one_name(self) -> str | None:
        """Of the only object; None where it was given none."""
        return next(iter(self.concepts)) or None

    @property
    def piece_names(self) -> tuple[str, ...]:
        """What the files of single objects or instances may be called; none of one object alone."""
        if self.several:
            return tuple(self.concepts)
        return tuple(str(number + 1) for number in range(MOST)) if self.instances else ()

    def pieces(self, record: Record) -> dict[int, str]:
        """Which of :attr:`piece_names` a photo has, by their number in its mask."""
        names = {one.label: one.object for one in record.found or () if one.box is not None}
        return {n: str(n) if self.instances or not name else name for n, name in names.items()}

    def read(self, path: Path, size: tuple[int, int]) -> np.ndarray:
        """``(height, width)`` uint8 labels that an earlier run wrote.

        Raises:
            InputError: unreadable, or of another size.
        """
        if self.several or self.instances:
            return read_labels(path, size)
        return (read_mask(path, size, usable=False) > 0).astype(np.uint8)


def _enlarged(labels: np.ndarray, size: tuple[int, int], *, smooth: bool) -> np.ndarray:
    """``size`` uint8 labels; of 0 and 1, with edges that are no stairs."""
    height, width = size
    if not smooth:
        return np.asarray(Image.fromarray(labels).resize((width, height), Image.Resampling.NEAREST))
    shades = Image.fromarray(labels * np.uint8(255))
    shades = shades.resize((width, height), Image.Resampling.BILINEAR)
    return (np.asarray(shades) > 127).astype(np.uint8)


def _moved(one: FoundObject, labels: np.ndarray, scale: tuple[float, float]) -> FoundObject:
    points = tuple(
        (int((x + 0.5) * scale[0]), int((y + 0.5) * scale[1]), label) for x, y, label in one.points
    )
    return replace(one, box=mask_box(labels == one.label), points=points)


def fingerprint(concept: Concept) -> str:
    """A short name for everything that decides what a concept finds: model, recipe, numbers.

    Example:
        >>> import persam
        >>> from persam import samples
        >>> photo, mask = samples.files(samples.PICTURES, 0)
        >>> dog = persam.personalize(persam.load("pocket"), photo, mask=mask)
        >>> (len(fingerprint(dog)), fingerprint(dog) == fingerprint(dog.reject(photo, mask)))
        (16, False)
    """
    model = (concept.backbone.name, concept.backbone.precision)
    words = (*model, concept.method, concept.variant, concept.weights, concept.calibration)
    digest = hashlib.sha256(repr(words).encode())
    for numbers in concept.features.arrays():
        digest.update(numbers.tobytes())
    return digest.hexdigest()[:16]


def _facts(number: int, name: str | None, prediction: Prediction) -> FoundObject:
    marks = np.column_stack([prediction.points, prediction.labels]).astype(int).tolist()
    return FoundObject(
        label=number,
        object=name,
        score=round(prediction.score, 6),
        presence=_rounded(prediction.presence),
        box=prediction.box,
        points=tuple((x, y, label) for x, y, label in marks),
        doubtful=prediction.doubtful,
    )


def _rounded(presence: float | None) -> float | None:
    return None if presence is None else round(presence, 6)
