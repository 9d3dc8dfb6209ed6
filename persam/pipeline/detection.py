"""Where an object seems to be in a picture, and what the decoder is asked because of it."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

import numpy as np

from persam.errors import InputError
from persam.pipeline import presence, similarity
from persam.pipeline.parts import part_cells
from persam.pipeline.prompts import cell_points, point_prompts
from persam.structures import Guidance, Prompts

if TYPE_CHECKING:
    import torch

    from persam.pipeline.cascade import Weights
    from persam.pipeline.views import ConceptFeatures
    from persam.structures import Calibration, Embedding
    from persam.variants import Variant


@dataclass(frozen=True, eq=False)
class Detection:
    """Where an object seems to be in a picture, and what the decoder is asked because of it.

    Attributes:
        similarity: ``(h, w)`` on the matching grid.
        prior: ``(height, width)``, the same in original pixels.
        prompts: points, perhaps a mask.
        guidance: for the first decoder call; None where the variant has none.
        likeness: how well all of the object finds its like, -1..1; None without its cells.
        presence: probability that the object is there, 0..1; None without a calibration.
    """

    similarity: torch.Tensor
    prior: torch.Tensor
    prompts: Prompts
    guidance: Guidance | None
    likeness: float | None
    presence: float | None


def locate(
    embedding: Embedding,
    known: ConceptFeatures,
    variant: Variant,
    calibration: Calibration | None = None,
) -> Detection:
    """Find where the object seems to be, and whether it is there, without asking the decoder.

    Args:
        embedding: the picture, of the model that the object was learnt with.
        known: of the object.
        variant: the recipe.
        calibration: of presence, if there is one.
    """
    features = embedding.matching[0]
    like, chance = judge(embedding, known, variant, calibration)
    seen = aim(embedding, _similarity(features, known, variant), known, variant)
    return replace(seen, likeness=like, presence=chance)


def judge(
    embedding: Embedding, known: ConceptFeatures, variant: Variant, calibration: Calibration | None
) -> tuple[float | None, float | None]:
    """Likeness, and the probability that the object is there."""
    features = embedding.matching[0]
    like = presence.likeness_in(features, embedding.frame, known)
    chance = None if like is None or calibration is None else calibration.presence(like)
    return like, chance


def aim(
    embedding: Embedding,
    found: torch.Tensor,
    known: ConceptFeatures,
    variant: Variant,
) -> Detection:
    """Make of a similarity map what the decoder is asked; whether it is there, this cannot say.

    Args:
        embedding: the picture.
        found: ``(h, w)`` on the matching grid.
        known: of the object.
        variant: the recipe.
    """
    prior = similarity.location_prior(found, embedding.frame)
    points, labels = point_prompts(
        prior, positive=variant.positive_points, negative=variant.negative_point
    )
    if len(known.parts) > 0:
        features = embedding.matching[0]
        cells = part_cells(features, known.parts, similarity.likely(found, embedding.frame))
        more = cell_points(cells, embedding.frame, found.shape)
        on = labels == 1  # the peak of the prior stays first, the point off the object last
        points = np.concatenate([points[on], more, points[~on]])
        labels = np.concatenate([labels[on], np.ones(len(more), dtype=np.int64), labels[~on]])
    prompts = Prompts(points, labels, mask=_prior_mask(found, embedding, variant))
    guidance = _guidance(prior, embedding, known, variant)
    return Detection(found, prior, prompts, guidance, likeness=None, presence=None)


def check(embedding: Embedding, known: ConceptFeatures, model: str) -> None:
    """Refuse a picture that another model has encoded.

    Args:
        embedding: the picture.
        known: of the object.
        model: name of the one that the object was learnt with.

    Raises:
        InputError: it has other matching channels.
    """
    if embedding.matching.shape[1] != len(known.target_feature):
        raise InputError(
            f"The embedding has {embedding.matching.shape[1]} matching channels, the concept "
            f"{len(known.target_feature)}: they come from different models, or from two "
            f"generations of the built-in one. Encode the picture with the concept's own backbone, "
            f"{model}, or learn the object again."
        )


def stages(
    embedding: Embedding, seen: Detection, known: ConceptFeatures, weights: Weights | None = None
) -> dict[str, np.ndarray]:
    """A sighting, and what it was sighted by, as plain arrays by name, for traces."""
    found = {
        "test_embedding": embedding.features[0].cpu().numpy(),
        "similarity": seen.similarity.cpu().numpy(),
        "points_xy": seen.prompts.points,
        "point_labels": seen.prompts.labels,
        "target_feature": known.target_feature.cpu().numpy(),
        "target_embedding": known.target_embedding.cpu().numpy(),
    }
    if seen.guidance is not None and seen.guidance.attention is not None:
        grid = embedding.features.shape[2:]
        found["attention_similarity"] = seen.guidance.attention.reshape(grid).cpu().numpy()
    if seen.prompts.mask is not None:
        found["prior_mask"] = seen.prompts.mask[0].cpu().numpy()
    if weights is not None:
        found["weights"] = np.array(weights)
        found["point_xy"] = seen.prompts.points[seen.prompts.labels == 1]
    return found


def _similarity(features: torch.Tensor, known: ConceptFeatures, variant: Variant) -> torch.Tensor:
    found = similarity.cosine(features, known.target_feature)
    if variant.contrast > 0:
        contrast = similarity.contrast(features, known.foreground, known.against)
        found = found + variant.contrast * contrast
    return similarity.smooth(found, variant.smoothing) if variant.smoothing else found


def _prior_mask(found: torch.Tensor, embedding: Embedding, variant: Variant) -> torch.Tensor | None:
    if variant.prior_mask == 0:
        return None
    # SAM's mask input, and its masks, have four times the side of the image features.
    side = 4 * embedding.features.shape[-1]
    return similarity.prior_mask(found, embedding.frame, side, variant.prior_mask)


def _guidance(
    prior: torch.Tensor, embedding: Embedding, known: ConceptFeatures, variant: Variant
) -> Guidance | None:
    if not (variant.guided_attention or variant.semantic_prompt):
        return None
    guide = None
    if variant.guided_attention:
        grid = embedding.features.shape[2:]
        guide = similarity.attention_guide(prior, embedding.frame, grid, variant.guide_frame)
    target = known.target_embedding[None, None] if variant.semantic_prompt else None
    return Guidance(guide, target, variant.alpha)
