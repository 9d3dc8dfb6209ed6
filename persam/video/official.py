"""The official video scripts' way: ``persam_video.py`` and ``persam_video_f.py``, frame by frame.

An object's feature comes from the first frame and stays. In every other frame the decoder is asked
by the most similar pixels, the grown box of the last mask and its centre; two refinements follow.
"""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

import numpy as np

from persam import geometry
from persam.io.images import read_image
from persam.io.masks import read_mask
from persam.methods.fit import Lesson, Schedule
from persam.methods.fit import fit as fit_weights
from persam.methods.persam import learn
from persam.pipeline import decoder
from persam.pipeline.prompts import mask_box, point_prompts
from persam.pipeline.reference import Reference, encode_reference
from persam.structures import Prompts
from persam.variants import Variant

if TYPE_CHECKING:
    from collections.abc import Mapping

    from persam.concept import Concept
    from persam.io.images import Source
    from persam.models.base import Backbone
    from persam.pipeline.decoder import Step
    from persam.structures import Box, Embedding
    from persam.variants import Fit, Method

GREY = 215  # what the scripts multiply a mask of ones by before it is normalised like a picture
SCHEDULE = Schedule(steps=800, rate=4e-4)
_BOTH = replace(
    Variant.named("official", "persam"),
    pooling="mean+max",
    negative_point=False,
    guided_attention=False,
    semantic_prompt=False,
)
VARIANTS: dict[Method, Variant] = {
    "persam": replace(_BOTH, positive_points=2),
    "persam-f": replace(_BOTH, box_in_step_2=True),
}


def learn_object(
    backbone: Backbone,
    image: Source,
    mask: Source,
    *,
    method: Method = "persam",
    fit: Fit = "official",
) -> Concept:
    """Learn an object from the first frame as the video scripts do.

    Args:
        backbone: what :func:`persam.load` gave.
        image: the first frame.
        mask: the object in it; above half of its largest grey value is object.
        method: ``"persam"`` (``persam_video.py``) or ``"persam-f"`` (``persam_video_f.py``).
        fit: ``"official"`` runs the scripts' 800 steps of AdamW, ``"fast"`` searches the weights.

    Raises:
        InputError: unreadable input, or an object so small that no cell is its own; the scripts go
            on with NaN there.
    """
    picture = read_image(image)
    grey = read_mask(mask, picture.shape[:2])
    painted = (grey > grey.max() / 2).astype(np.uint8) * np.uint8(GREY)
    variant = replace(VARIANTS[method], fit=fit)
    reference = encode_reference(backbone, Reference(picture, mask=painted, as_given=True), variant)
    concept = learn(backbone, [reference], variant)
    if method == "persam":
        return concept
    prompts = ask(concept, reference.embedding, mask_box(reference.mask))
    answer = backbone.decode(reference.embedding, prompts)
    frame = reference.embedding.frame
    lesson = Lesson(answer.logits, frame, reference.mask)
    fitted = fit_weights([lesson], fit, SCHEDULE)
    return replace(concept, method=method, weights=fitted.weights)


def as_scripts(concept: Concept) -> Concept:
    """The same object with the video scripts' recipe for everything after its feature."""
    return replace(concept, variant=VARIANTS[concept.method])


def ask(concept: Concept, embedding: Embedding, last: Box | None, margin: int = 10) -> Prompts:
    """What the first call of a frame is asked: similar pixels, the grown last box, its centre.

    Args:
        concept: the object, its variant one of :data:`VARIANTS`.
        embedding: the frame.
        last: tight box of the object's last mask; None asks by the similar pixels alone.
        margin: pixels by which each side of the box is moved outwards, within the frame.
    """
    prior = concept.locate(embedding).prior
    points, labels = point_prompts(prior, positive=concept.variant.positive_points, negative=False)
    if last is None:
        return Prompts(points, labels)
    height, width = prior.shape
    x0, y0, x1, y1 = last
    # The scripts' box has corner pixels, of which the second may lie one beyond the frame.
    box = (max(0, x0 - margin), max(0, y0 - margin))
    box += (min(width + 1, x1 + margin), min(height + 1, y1 + margin))
    centre = [[(box[0] + box[2] - 1) // 2, (box[1] + box[3] - 1) // 2]]
    return Prompts(np.concatenate([points, centre]), np.append(labels, 1), box)


def step(
    concept: Concept, embedding: Embedding, last: Box | None, *, areas_as_uint8: bool = False
) -> Step:
    """Find one object in one frame.

    Args:
        concept: from :func:`as_scripts`.
        embedding: the frame.
        last: tight box of the object's last mask.
        areas_as_uint8: the scripts' fault, see :func:`largest`; PerSAM alone has it.

    Returns:
        The last step of the cascade that found anything.
    """
    backbone, prompts = concept.backbone, ask(concept, embedding, last)
    if concept.weights is None:
        answer = backbone.decode(embedding, prompts)
        whole = geometry.to_original(answer.logits, embedding.frame) > 0
        index = largest(whole, as_uint8=areas_as_uint8)
        first = decoder.chosen_step(1, embedding, prompts, answer, index)
    else:
        first = decoder.first_step(backbone, embedding, prompts, weights=concept.weights)
        first = _boxed(first, embedding)
    return decoder.final_step(decoder.refine(backbone, embedding, first, concept.variant))


def largest(masks: np.ndarray, *, as_uint8: bool = False) -> int:
    """Index of the mask with the most pixels; the first of equals.

    Args:
        masks: ``(k, height, width)`` bool.
        as_uint8: count as ``persam_video.py`` does, in a type that starts again at 256, which
            makes the choice arbitrary.

    Example:
        >>> masks = np.zeros((2, 20, 20), dtype=bool)
        >>> masks[0, :16, :16] = masks[1, :10, :10] = True  # 256 and 100 pixels
        >>> largest(masks), largest(masks, as_uint8=True)
        (0, 1)
    """
    areas = masks.sum(axis=(1, 2))
    return int((areas.astype(np.uint8) if as_uint8 else areas).argmax())


def boxes_by_position(found: Mapping[str, Box | None]) -> dict[str, Box]:
    """The scripts' fault in what the next frame is asked with.

    The boxes of the objects that are there, in order, go to the first objects; the objects that are
    left over are given up for the rest of the clip.

    Args:
        found: tight boxes of this frame's masks by object; None for an empty one.

    Example:
        >>> boxes_by_position({"a": None, "b": (6, 6, 9, 9)})
        {'a': (6, 6, 9, 9)}
    """
    present = [box for box in found.values() if box is not None]
    return dict(zip(found, present, strict=False))


def _boxed(first: Step, embedding: Embedding) -> Step:
    """A fused mask that is empty borrows the best-scoring mask, for its box."""
    if first.mask.any():
        return first
    best = decoder.chosen_step(1, embedding, first.prompts, first.answer, first.answer.best())
    return replace(first, mask=best.mask)
