"""Concept: what was learnt of one object, and finding it in other pictures."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from functools import cached_property
from types import MappingProxyType
from typing import TYPE_CHECKING, Any, overload

import numpy as np

from persam.errors import InputError
from persam.io.concept_file import (
    ARRAYS,
    StoredConcept,
    StoredReference,
    read_concept,
    write_concept,
)
from persam.io.images import read_image
from persam.io.same_concept import says_the_same
from persam.pipeline import segment as stages
from persam.pipeline.features import (
    ObjectFeatures,
    ReferenceFeatures,
    check_embedding,
)
from persam.pipeline.instances import find_instances
from persam.pipeline.presence import calibrate, judge
from persam.pipeline.reference import Reference, encode_reference, reference_features
from persam.structures import Embedding

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from pathlib import Path

    from persam.io.images import Source
    from persam.models.base import Backbone
    from persam.pipeline.detection import Detection
    from persam.prediction import Prediction
    from persam.structures import Calibration, Weights
    from persam.variants import Method, Variant

NEGATIVE_CONTRAST = 1.0  # of 0.5, 1 and 2 the best with one negative reference: benchmarks/many.md
_TOGETHER = 8  # pictures of a list that are encoded at once


def with_negatives(variant: Variant) -> Variant:
    """The recipe where something is known that the object is not: contrast is at least 1."""
    return replace(variant, contrast=max(variant.contrast, NEGATIVE_CONTRAST))


@dataclass(frozen=True, eq=False)
class Concept:
    """One object, learnt from one picture or several; any number of threads may use it.

    Attributes:
        backbone: the model that it was learnt with, and that finds it.
        method: ``"persam"`` or ``"persam-f"``.
        variant: the recipe.
        references: what each reference taught, at least one.
        negatives: the same of what is not the object, however like it.
        weights: PerSAM-F's weights of the three masks; None for PerSAM.
        calibration: turns likeness into the probability that the object is there; None where
            nothing is known: a model without a calibration of its own, and a single reference.
        trace: the stages of the first reference by name; not kept by :meth:`save`.

    Example:
        >>> import persam
        >>> from persam import samples
        >>> photo, mask = samples.files(samples.PICTURES, 0)
        >>> other, _ = samples.files(samples.PICTURES, 2)
        >>> dog = persam.personalize(persam.load("pocket"), photo, mask=mask)
        >>> dog.segment(other).mask.shape
        (480, 640)
        >>> (dog.method, len(dog.references), dog.is_absent(0.01))
        ('persam', 1, True)
    """

    backbone: Backbone
    method: Method
    variant: Variant
    references: tuple[ReferenceFeatures, ...]
    negatives: tuple[ReferenceFeatures, ...] = ()
    weights: Weights | None = None
    calibration: Calibration | None = None
    trace: Mapping[str, np.ndarray] = field(default_factory=lambda: MappingProxyType({}))

    def __post_init__(self) -> None:
        if (self.method == "persam-f") != (self.weights is not None):
            raise InputError(
                f"PerSAM-F has three weights and PerSAM none; got weights {self.weights} for "
                f"{self.method!r}."
            )
        if not self.references:
            raise InputError("A concept is learnt from at least one reference; got none.")
        if self.variant.contrast > 0 and not all(len(one.foreground) for one in self.references):
            raise InputError(
                f"A contrast of {self.variant.contrast:g} compares with the reference's cells, "
                f"but this concept was learnt without them. Learn it with that variant."
            )

    def __repr__(self) -> str:
        counts = [(len(self.references), "reference"), (len(self.negatives), "negative")]
        shown = ", ".join(f"{n} {what}{'s' if n > 1 else ''}" for n, what in counts if n)
        return f"Concept({self.method}, {self.backbone.name}, {shown})"

    @property
    def features(self) -> ObjectFeatures:
        """What the references and the negatives taught together."""
        return self._features

    @cached_property
    def _features(self) -> ObjectFeatures:
        return ObjectFeatures.of(self.references, self.negatives, self.variant.parts)

    @overload
    def segment(self, image: Source, *, trace: bool = False) -> Prediction: ...
    @overload
    def segment(
        self, image: list[Source] | tuple[Source, ...], *, trace: bool = False
    ) -> list[Prediction]: ...
    def segment(
        self, image: Source | list[Source] | tuple[Source, ...], *, trace: bool = False
    ) -> Prediction | list[Prediction]:
        """Find the object in a picture, or in several.

        Args:
            image: a path, a PIL image, or an ``(H, W, 3)`` uint8 RGB array; or a list of these,
                which are encoded together.
            trace: keep every intermediate stage in the answer.

        Returns:
            The object in the picture; for a list a list, in its order.

        Raises:
            InputError: a picture cannot be read.
        """
        images = image if isinstance(image, list | tuple) else [image]
        found: list[Prediction] = []
        for start in range(0, len(images), _TOGETHER):
            pictures = [read_image(one) for one in images[start : start + _TOGETHER]]
            encoded = self.backbone.encode_batch(pictures)
            for embedding, picture in zip(encoded, pictures, strict=True):
                shown = replace(embedding, image=picture)
                found.append(self.segment_embedding(shown, trace=trace))
        return found if images is image else found[0]

    def segment_embedding(self, embedding: Embedding, *, trace: bool = False) -> Prediction:
        """Find the object in a picture that this concept's backbone has encoded already.

        A recipe with a second look takes it where the embedding has the picture's pixels.

        Raises:
            InputError: the embedding is another model's.
        """
        found = stages.segment(self, embedding, trace=trace)
        return replace(found, trace={**self.trace, **found.trace}) if trace else found

    def segment_instances(self, image: Source | Embedding) -> tuple[Prediction, ...]:
        """Find all instances of the object and of its look-alikes as masks that do not overlap.

        Args:
            image: a picture, as :meth:`segment` takes it, or encoded by this concept's backbone.

        Returns:
            Most like the object first; none where it is absent.

        Raises:
            InputError: the picture cannot be read, or the embedding is another model's.
        """
        if not isinstance(image, Embedding):
            image = self.backbone.encode(read_image(image))
        return find_instances(self, image)

    def locate(self, embedding: Embedding) -> Detection:
        """Find where the object seems to be and how surely, without asking the decoder.

        Raises:
            InputError: the embedding is another model's.
        """
        return stages.locate(self, embedding)

    def presence_in(self, embedding: Embedding) -> float | None:
        """The presence alone, at a tenth of the work of :meth:`locate`."""
        check_embedding(embedding, self)
        return judge(self, embedding).presence

    def with_choices(self, **choices: Any) -> Concept:
        """The same concept by a recipe that differs in some fields of its :class:`Variant`.

        Raises:
            InputError: a value that the variant refuses, or that wants what was not learnt.

        Example:
            >>> import persam
            >>> from persam import samples
            >>> photo, mask = samples.files(samples.PICTURES, 0)
            >>> dog = persam.personalize(persam.load("pocket"), photo, mask=mask)
            >>> dog.with_choices(min_presence=0.9).is_absent(0.8)
            True
        """
        return replace(self, variant=replace(self.variant, **choices))

    def is_absent(self, presence: float | None) -> bool:
        """Whether the variant calls the object absent at this presence."""
        return presence is not None and presence < self.variant.min_presence

    @property
    def min_likeness(self) -> float:
        """The likeness below which the object is called absent, 0 where it never is."""
        if self.calibration is None:
            return 0.0
        return max(0.0, self.calibration.likeness(self.variant.min_presence))

    def correct(
        self,
        image: Source,
        *,
        mask: Source | None = None,
        box: Sequence[float] | None = None,
        points: Sequence[Sequence[float]] | None = None,
        as_given: bool = False,
    ) -> Concept:
        """Learn from one more picture, usually one where the answer was wrong.

        Exactly one of ``mask``, ``box`` and ``points`` shows the object in it; a mask is best, as
        the model's own of a click may be as wrong as its answer was. PerSAM-F's weights stay:
        pictures that went wrong teach nothing about scale. This concept stays as it is.

        Args:
            image: a path, a PIL image, or an ``(H, W, 3)`` uint8 RGB array.
            mask: the object in it: a path, a PIL image or an array of the same size.
            box: ``(x0, y0, x1, y1)`` in pixel edges round the object; the model makes the mask.
            points: ``(x, y)`` pixels on the object; the model makes the mask.
            as_given: take a mask or a box that looks like a mistake.

        Raises:
            InputError: unreadable or unusable input; the message says which and what to do.
        """
        shown = Reference(image, mask, box, points, as_given=as_given)
        reference = encode_reference(self.backbone, shown, self.variant)
        more = reference_features(self.backbone, reference, self.variant)
        references = (*self.references, more)
        calibration = calibrate(references, self.backbone.calibration)
        return replace(self, references=references, calibration=calibration)

    def reject(self, image: Source, mask: Source) -> Concept:
        """Learn that something in a picture is not the object, however like it.

        It is told from the object by contrast, which is at least 1 from then on. This concept stays
        as it is.

        Args:
            image: a path, a PIL image, or an ``(H, W, 3)`` uint8 RGB array.
            mask: what is not the object: a path, a PIL image or an array of the same size.

        Raises:
            InputError: unreadable or unusable input, or a concept without the cells that contrast
                needs.
        """
        recipe = with_negatives(self.variant)
        shown = encode_reference(self.backbone, Reference(image, mask, as_given=True), recipe)
        more = reference_features(self.backbone, shown, recipe)
        return replace(self, variant=recipe, negatives=(*self.negatives, more))

    def save(self, path: str | Path) -> None:
        """Write the concept, but not its model, to a safetensors file, whole or not at all.

        A file that says the same but for rounding stays as it is: what was found with it is known
        by its very numbers.

        Raises:
            InputError: the file cannot be written.
        """
        stored = StoredConcept(
            model=self.backbone.spec,
            method=self.method,
            variant=self.variant,
            weights=self.weights,
            calibration=self.calibration,
            references=tuple(map(_to_store, self.references)),
            negatives=tuple(map(_to_store, self.negatives)),
        )
        if not says_the_same(path, stored):
            write_concept(stored, path)

    @classmethod
    def load(cls, path: str | Path, backbone: Backbone) -> Concept:
        """Read what :meth:`save` wrote.

        Args:
            path: the file.
            backbone: the model that the concept was learnt with, loaded under the same name.

        Raises:
            InputError: no such file, not a concept, damaged, or learnt with another model.
        """
        stored = read_concept(path)
        if stored.model != backbone.spec:
            raise InputError(
                f"{path} was learnt with the model {str(stored.model)!r}, but {backbone.name!r} "
                f"is loaded; their features do not compare. Load {str(stored.model)!r}, or learn "
                f"the object again with {backbone.name!r}."
            )
        return cls(
            backbone=backbone,
            method=stored.method,
            variant=stored.variant,
            references=tuple(map(_from_store, stored.references)),
            negatives=tuple(map(_from_store, stored.negatives)),
            weights=stored.weights,
            calibration=stored.calibration,
        )


def _to_store(reference: ReferenceFeatures) -> StoredReference:
    return StoredReference({name: getattr(reference, name) for name in ARRAYS}, reference.facts)


def _from_store(stored: StoredReference) -> ReferenceFeatures:
    return ReferenceFeatures(**stored.arrays, facts=stored.facts)
