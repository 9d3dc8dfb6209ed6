"""Concept: what was learnt of one object, and finding it in another picture."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from functools import cached_property
from types import MappingProxyType
from typing import TYPE_CHECKING

import numpy as np

from persam.errors import InputError
from persam.io.concept_file import read_concept, write_concept
from persam.io.images import read_image
from persam.pipeline import cascade, detection
from persam.pipeline.instances import find_instances
from persam.pipeline.one_piece import one_piece
from persam.pipeline.presence import calibrate
from persam.pipeline.prompts import mask_box
from persam.pipeline.reference import Reference, observe, view
from persam.pipeline.views import ConceptFeatures
from persam.structures import Embedding, Prediction

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from pathlib import Path

    import torch

    from persam.io.images import Source
    from persam.models.base import Backbone
    from persam.pipeline.cascade import Step, Weights
    from persam.pipeline.detection import Detection
    from persam.pipeline.views import ReferenceView
    from persam.structures import Calibration
    from persam.variants import Method, Variant


@dataclass(frozen=True, eq=False)
class Concept:
    """One object, learnt from one picture or several.

    Attributes:
        backbone: the model that it was learnt with, and that finds it.
        method: ``"persam"`` or ``"persam-f"``.
        variant: the recipe.
        views: what each reference taught, at least one.
        negatives: the same of what is not the object, however like it.
        weights: PerSAM-F's weights of the three masks; None for PerSAM.
        calibration: turns evidence into the probability that the object is there; None where
            nothing is known: a model without a calibration of its own, and a single view.
        trace: the stages of the first reference by name; not kept by :meth:`save`.
    """

    backbone: Backbone
    method: Method
    variant: Variant
    views: tuple[ReferenceView, ...]
    negatives: tuple[ReferenceView, ...] = ()
    weights: Weights | None = None
    calibration: Calibration | None = None
    trace: Mapping[str, np.ndarray] = field(default_factory=lambda: MappingProxyType({}))

    def __post_init__(self) -> None:
        if (self.method == "persam-f") != (self.weights is not None):
            raise InputError(
                f"PerSAM-F has three weights and PerSAM none; got weights {self.weights} for "
                f"{self.method!r}."
            )
        if not self.views:
            raise InputError("A concept is learnt from at least one reference; got none.")
        if self.variant.contrast > 0 and not all(len(view.foreground) for view in self.views):
            raise InputError(
                f"A contrast of {self.variant.contrast:g} compares with the reference's cells, "
                f"but this concept was learnt without them. Learn it with that variant."
            )

    @cached_property
    def known(self) -> ConceptFeatures:
        """What the views and the negatives taught together."""
        return ConceptFeatures.of(self.views, self.negatives, self.variant.parts)

    @property
    def target_feature(self) -> torch.Tensor:
        """``(d,)`` unit vector that pictures are searched for."""
        return self.known.target_feature

    @property
    def target_embedding(self) -> torch.Tensor:
        """``(c,)`` mean of the object's decoder features, not normalised."""
        return self.known.target_embedding

    @property
    def foreground(self) -> torch.Tensor:
        """``(n, d)`` unit vectors of the object's cells in all views."""
        return self.known.foreground

    @property
    def background(self) -> torch.Tensor:
        """``(k, d)`` unit vectors of all else: the views' other cells, negative references'."""
        return self.known.against

    def segment(self, image: Source, *, trace: bool = False) -> Prediction:
        """Find the object in a picture.

        Args:
            image: a path, a PIL image, or an ``(H, W, 3)`` uint8 RGB array.
            trace: keep every intermediate stage in the answer.

        Raises:
            InputError: the picture cannot be read.
        """
        return self.segment_embedding(self.backbone.encode(read_image(image)), trace=trace)

    def segment_embedding(self, embedding: Embedding, *, trace: bool = False) -> Prediction:
        """Find the object in a picture that this concept's backbone has encoded already.

        Raises:
            InputError: the embedding is another model's.
        """
        seen = self.locate(embedding)
        stages = {**self.trace} if trace else {}
        if trace:
            stages |= detection.stages(embedding, seen, self.known, self.weights)
        mask, score = np.zeros((embedding.frame.height, embedding.frame.width), dtype=bool), 0.0
        if self.is_absent(seen.presence):  # then the decoder has nothing to say
            stages |= {"final_mask": mask.astype(np.uint8)} if trace else {}
        else:
            steps = self.ask(embedding, seen)
            final = self.final(steps, seen)
            mask, score = final.mask, final.score
            stages |= cascade.stages(steps, final) if trace else {}
        return Prediction(
            mask=mask,
            score=score,
            box=mask_box(mask),
            points=seen.prompts.points,
            labels=seen.prompts.labels,
            likeness=seen.likeness,
            presence=seen.presence,
            trace=stages,
        )

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
        seen = self.locate(image)
        return () if self.is_absent(seen.presence) else find_instances(self, image, seen)

    def ask(self, embedding: Embedding, seen: Detection) -> list[Step]:
        """Ask the decoder for the object where it was sighted; all steps of the recipe in order."""
        first = cascade.first_step(
            self.backbone, embedding, seen.prompts, seen.guidance, self.weights
        )
        return cascade.cascade(self.backbone, embedding, first, self.variant)

    def final(self, steps: Sequence[Step], seen: Detection) -> Step:
        """The step whose mask stands, as one piece where the recipe says so."""
        step = cascade.standing(steps, keep_best=self.variant.keep_best)
        if not self.variant.one_piece:
            return step
        return replace(step, mask=one_piece(step.mask, seen.prior))

    def locate(self, embedding: Embedding) -> Detection:
        """Find where the object seems to be and how surely, without asking the decoder.

        Raises:
            InputError: the embedding is another model's.
        """
        detection.check(embedding, self.known, self.backbone.name)
        return detection.locate(embedding, self.known, self.variant, self.calibration)

    def presence_in(self, embedding: Embedding) -> float | None:
        """The presence alone, at a tenth of the work of :meth:`locate`."""
        detection.check(embedding, self.known, self.backbone.name)
        if self.calibration is None:
            return None
        return detection.judge(embedding, self.known, self.variant, self.calibration)[1]

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
    ) -> Concept:
        """Learn from one more picture, usually one where the answer was wrong.

        Exactly one of ``mask``, ``box`` and ``points`` shows the object in it; a mask is best, as
        the model's own of a click may be as wrong as its answer was. PerSAM-F's weights stay:
        pictures that went wrong teach nothing about scale. This concept stays as it is.

        Args:
            image: a path, a PIL image, or an ``(H, W, 3)`` uint8 RGB array.
            mask: the object in it: a path, a PIL image or an array of the same size.
            box: ``(x0, y0, x1, y1)`` in pixels round the object; the model makes the mask.
            points: ``(x, y)`` pixels on the object; the model makes the mask.

        Raises:
            InputError: unreadable or unusable input; the message says which and what to do.
        """
        reference = observe(self.backbone, Reference(image, mask, box, points), self.variant)
        views = (*self.views, view(self.backbone, reference, self.variant))
        calibration = calibrate(views, self.backbone.calibration)
        return replace(self, views=views, calibration=calibration)

    def save(self, path: str | Path) -> None:
        """Write the concept, but not its model, to a safetensors file, whole or not at all.

        Raises:
            InputError: the file cannot be written.
        """
        write_concept(self, path)

    @classmethod
    def load(cls, path: str | Path, backbone: Backbone) -> Concept:
        """Read what :meth:`save` wrote.

        Args:
            path: the file.
            backbone: the model that the concept was learnt with, loaded under the same name.

        Raises:
            InputError: no such file, not a concept, damaged, or learnt with another model.
        """
        return cls(backbone=backbone, **read_concept(path, backbone))
