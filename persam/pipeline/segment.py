"""One picture's way from its embedding to the object's mask; every stage is one call."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

import numpy as np

from persam.pipeline.decoder import decode
from persam.pipeline.detection import Detection
from persam.pipeline.features import check_embedding
from persam.pipeline.guidance import make_guidance
from persam.pipeline.one_piece import final_object
from persam.pipeline.presence import judge
from persam.pipeline.prompts import make_prompts, mask_box
from persam.pipeline.second_look import crop_corners, look_again
from persam.pipeline.similarity import location_prior, similarity_map
from persam.pipeline.trace import trace_of
from persam.prediction import Prediction
from persam.structures import Prompts

if TYPE_CHECKING:
    from persam.pipeline.features import SearchTarget
    from persam.pipeline.presence import Evidence
    from persam.structures import Embedding, Frame


def segment(target: SearchTarget, embedding: Embedding, *, trace: bool = False) -> Prediction:
    """Find the object in an encoded picture.

    Args:
        target: the object.
        embedding: of the picture, by the target's own backbone.
        trace: keep every stage, also of an absent object.

    Returns:
        Where the object is absent, an empty mask with a score of 0 and no points.

    Raises:
        InputError: the embedding is another model's.
    """
    check_embedding(embedding, target)
    evidence = judge(target, embedding)  # likeness -1..1, presence 0..1
    absent = evidence.absent(target.variant.min_presence)
    doubtful = evidence.doubtful(target.variant.min_presence)
    if absent and not trace:
        return replace(nothing(embedding.frame, evidence), doubtful=doubtful)
    if absent:
        detection = detect(target, embedding, evidence)
        stages = trace_of(target, embedding, detection, [], None)
        return replace(nothing(embedding.frame, evidence, stages), doubtful=doubtful)
    return find(target, embedding, evidence, trace=trace)


def find(
    target: SearchTarget, embedding: Embedding, evidence: Evidence, *, trace: bool = False
) -> Prediction:
    """The mask of an object that is taken to be in the picture; see :func:`segment`."""
    detection = detect(target, embedding, evidence)
    prompts, guidance = detection.prompts, detection.guidance
    steps = decode(target, embedding, prompts, guidance)  # (k, m, m) logits and (k,) scores each
    first = final_object(steps, detection.prior, target.variant)
    if not trace:
        steps.clear()  # a mask each, of all the photo's pixels
    final = look_again(target, embedding, first, detection.prior)
    stages = trace_of(target, embedding, detection, steps, final) if trace else {}
    if trace and final is not first:
        stages["second_look_box_xyxy"] = crop_corners(first.mask)
    return Prediction(
        mask=final.mask,  # (height, width) bool
        score=final.score,
        box=mask_box(final.mask),
        points=prompts.points,
        labels=prompts.labels,
        likeness=evidence.likeness,
        presence=evidence.presence,
        doubtful=evidence.doubtful(target.variant.min_presence),
        trace=stages,
    )


def locate(target: SearchTarget, embedding: Embedding) -> Detection:
    """Find where the object seems to be and how surely, without asking the decoder.

    Raises:
        InputError: the embedding is another model's.
    """
    check_embedding(embedding, target)
    return detect(target, embedding, judge(target, embedding))


def detect(target: SearchTarget, embedding: Embedding, evidence: Evidence) -> Detection:
    """Where the object would be, whether or not it is there."""
    # (h, w, d) unit vectors -> (h, w) on the matching grid
    similarity = similarity_map(embedding.cells, target.features, target.variant)
    return aim(target, embedding, similarity, evidence)


def aim(
    target: SearchTarget, embedding: Embedding, similarity: np.ndarray, evidence: Evidence
) -> Detection:
    """Make of an ``(h, w)`` similarity map what the decoder is asked."""
    features, variant = target.features, target.variant
    prior = location_prior(similarity, embedding.frame)  # (height, width)
    # points (n, 2) in original pixels; a mask (1, 4h, 4w) where the recipe gives the prior itself
    prompts = make_prompts(similarity, prior, embedding, features, variant)
    guidance = make_guidance(prior, embedding, features, variant)  # (1, 1, 1, h * w), (1, 1, c)
    return Detection(similarity, prior, prompts, guidance, evidence)


def nothing(
    frame: Frame, evidence: Evidence, trace: dict[str, np.ndarray] | None = None
) -> Prediction:
    """The answer for an object that is not in a picture: an empty mask, and no points."""
    mask, asked = np.zeros((frame.height, frame.width), dtype=bool), Prompts()
    return Prediction(
        mask=mask,
        score=0.0,
        box=None,
        points=asked.points,
        labels=asked.labels,
        likeness=evidence.likeness,
        presence=evidence.presence,
        trace=trace or {},
    )
