"""Concept: what was learnt of one object, and finding it in another picture."""

from __future__ import annotations

from dataclasses import dataclass, field
from types import MappingProxyType
from typing import TYPE_CHECKING, Any

import numpy as np
import torch

from persam import refine, similarity
from persam.concept_file import read_concept, write_concept
from persam.errors import InputError
from persam.images import read_image
from persam.prompts import mask_box, point_prompts
from persam.structures import Guidance, Prediction, Prompts

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

    from persam.backbones import Backbone
    from persam.images import Source
    from persam.refine import Step, Weights
    from persam.structures import Embedding
    from persam.variants import Method, Variant


@dataclass(frozen=True, eq=False)
class Sighting:
    """Where an object seems to be in a picture, and what the decoder is asked because of it.

    Attributes:
        similarity: ``(h, w)`` on the matching grid.
        prior: ``(height, width)``, the same in original pixels.
        prompts: points, perhaps a mask.
        guidance: for the first decoder call; None where the variant has none.
        likeness: how well all of the object finds its like, -1..1; None without its cells.
    """

    similarity: torch.Tensor
    prior: torch.Tensor
    prompts: Prompts
    guidance: Guidance | None
    likeness: float | None


@dataclass(frozen=True, eq=False)
class Concept:
    """One object, learnt from one picture.

    Attributes:
        backbone: the model that it was learnt with, and that finds it.
        method: ``"persam"`` or ``"persam-f"``.
        variant: the recipe.
        target_feature: ``(d,)`` unit vector that pictures are searched for.
        target_embedding: ``(c,)`` mean of the object's decoder features, not normalised.
        foreground: ``(n, d)`` unit vectors of the object's cells; none unless the variant's
            contrast asks for them.
        background: ``(k, d)`` the same of the other cells of the reference.
        weights: PerSAM-F's weights of the three masks; None for PerSAM.
        reference: how the object was shown, in words and numbers that JSON can hold: ``prompt``
            (``"mask"``, ``"box"`` or ``"points"``), ``value``, ``size``, and the ``score`` of a
            mask that the model made.
        trace: the stages of the reference by name; not kept by :meth:`save`.
    """

    backbone: Backbone
    method: Method
    variant: Variant
    target_feature: torch.Tensor
    target_embedding: torch.Tensor
    foreground: torch.Tensor
    background: torch.Tensor
    weights: Weights | None = None
    reference: Mapping[str, Any] = field(default_factory=lambda: MappingProxyType({}))
    trace: Mapping[str, np.ndarray] = field(default_factory=lambda: MappingProxyType({}))

    def __post_init__(self) -> None:
        if (self.method == "persam-f") != (self.weights is not None):
            raise InputError(
                f"PerSAM-F has three weights and PerSAM none; got weights {self.weights} for "
                f"{self.method!r}."
            )
        if self.variant.contrast > 0 and len(self.foreground) == 0:
            raise InputError(
                f"A contrast of {self.variant.contrast:g} compares with the reference's cells, "
                f"but this concept was learnt without them. Learn it with that variant."
            )

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
        steps = self.ask(embedding, seen)
        final = refine.standing(steps, keep_best=self.variant.keep_best)
        if seen.likeness is not None and seen.likeness < self.variant.min_likeness:
            final = refine.nothing(final)
        return Prediction(
            mask=final.mask,
            score=final.score,
            box=mask_box(final.mask),
            points=seen.prompts.points,
            labels=seen.prompts.labels,
            likeness=seen.likeness,
            trace={**self._stages(embedding, seen), **refine.stages(steps, final)} if trace else {},
        )

    def locate(self, embedding: Embedding) -> Sighting:
        """Find where the object seems to be, without asking the decoder.

        Raises:
            InputError: the embedding is another model's.
        """
        if embedding.matching.shape[1] != len(self.target_feature):
            raise InputError(
                f"The embedding has {embedding.matching.shape[1]} matching channels, the concept "
                f"{len(self.target_feature)}: they come from different models. Encode the picture "
                f"with the concept's own backbone, {self.backbone.name}."
            )
        features = similarity.matching_features(embedding, centre=self.variant.centre)
        found = self._similarity(features)
        prior = similarity.location_prior(found, embedding.frame)
        points, labels = point_prompts(
            prior, positive=self.variant.positive_points, negative=self.variant.negative_point
        )
        prompts = Prompts(points, labels, mask=self._prior_mask(found, embedding))
        likeness = None
        if len(self.foreground) > 0:
            likeness = similarity.likeness(features, self.foreground, embedding.frame)
        return Sighting(found, prior, prompts, self._guidance(prior, embedding), likeness)

    def ask(self, embedding: Embedding, seen: Sighting) -> list[Step]:
        """Ask the decoder for what :meth:`locate` found, and refine its answer; all steps."""
        first = refine.first_step(
            self.backbone, embedding, seen.prompts, seen.guidance, self.weights
        )
        return refine.cascade(self.backbone, embedding, first, self.variant)

    def save(self, path: str | Path) -> None:
        """Write the concept to a safetensors file, whole or not at all.

        The model is named in it, not contained.

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

    def _similarity(self, features: torch.Tensor) -> torch.Tensor:
        found = similarity.cosine(features, self.target_feature)
        if self.variant.contrast > 0:
            contrast = similarity.contrast(features, self.foreground, self.background)
            found = found + self.variant.contrast * contrast
        return similarity.smooth(found, self.variant.smoothing) if self.variant.smoothing else found

    def _prior_mask(self, found: torch.Tensor, embedding: Embedding) -> torch.Tensor | None:
        if self.variant.prior_mask == 0:
            return None
        # SAM's mask input, and its masks, have four times the side of the image features.
        side = 4 * embedding.features.shape[-1]
        return similarity.prior_mask(found, embedding.frame, side, self.variant.prior_mask)

    def _guidance(self, prior: torch.Tensor, embedding: Embedding) -> Guidance | None:
        variant = self.variant
        if not (variant.guided_attention or variant.semantic_prompt):
            return None
        guide = None
        if variant.guided_attention:
            grid = embedding.features.shape[2:]
            guide = similarity.attention_guide(prior, embedding.frame, grid, variant.guide_frame)
        target = self.target_embedding[None, None] if variant.semantic_prompt else None
        return Guidance(guide, target, variant.alpha)

    def _stages(self, embedding: Embedding, seen: Sighting) -> dict[str, np.ndarray]:
        found = dict(self.trace)
        found["target_feature"] = self.target_feature.cpu().numpy()
        found["target_embedding"] = self.target_embedding.cpu().numpy()
        found["test_embedding"] = embedding.features[0].cpu().numpy()
        found["similarity"] = seen.similarity.cpu().numpy()
        found["points_xy"] = seen.prompts.points
        found["point_labels"] = seen.prompts.labels
        if seen.guidance is not None and seen.guidance.attention is not None:
            grid = embedding.features.shape[2:]
            found["attention_similarity"] = seen.guidance.attention.reshape(grid).cpu().numpy()
        if seen.prompts.mask is not None:
            found["prior_mask"] = seen.prompts.mask[0].cpu().numpy()
        if self.weights is not None:
            found["weights"] = np.array(self.weights)
            found["point_xy"] = seen.prompts.points[seen.prompts.labels == 1]
        return found
