"""Location prior and target embedding -> what guides the first decoder call (section 3.2)."""

from __future__ import annotations

from typing import TYPE_CHECKING

from persam import geometry
from persam.pipeline.similarity import padded, sigmoid, standardise
from persam.structures import Guidance

if TYPE_CHECKING:
    from collections.abc import Sequence

    import numpy as np

    from persam.pipeline.features import ObjectFeatures
    from persam.structures import Embedding, Frame
    from persam.variants import GuideFrame, Variant


def make_guidance(
    prior: np.ndarray, embedding: Embedding, features: ObjectFeatures, variant: Variant
) -> Guidance | None:
    """What the variant adds to the first decoder call; None where it adds nothing.

    Args:
        prior: ``(height, width)`` in original pixels.
        embedding: the picture.
        features: of the object.
        variant: the recipe.
    """
    if not (variant.guided_attention or variant.semantic_prompt):
        return None
    guide = None
    if variant.guided_attention:
        grid = embedding.features.shape[2:]
        guide = attention_guide(prior, embedding.frame, grid, variant.guide_frame)
    target = features.target_embedding[None, None] if variant.semantic_prompt else None
    return Guidance(guide, target, variant.alpha)


def attention_guide(
    prior: np.ndarray, frame: Frame, grid: Sequence[int], how: GuideFrame
) -> np.ndarray:
    """Location prior -> what is added to the token-to-image attention, 0..1.

    Args:
        prior: ``(height, width)`` in original pixels.
        frame: where the picture lies in the model's square.
        grid: ``(h, w)`` of the decoder's image features.
        how: ``"official"`` stretches the map over the whole grid, which displaces it where the
            picture is padded; ``"padded"`` puts it where the picture lies and fills the rest with
            its minimum.

    Returns:
        ``(1, 1, 1, h * w)``.
    """
    standard = standardise(prior)[None]
    if how == "official":
        placed = geometry.bilinear(standard, grid)[0]
    else:
        small = geometry.bilinear(standard, frame.picture_cells(grid))[0]
        placed = padded(small, grid)
    return sigmoid(placed).reshape(1, 1, 1, -1)
