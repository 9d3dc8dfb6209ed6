"""Our own way through a clip: the last mask says where to look, the cells say whether it is there.

An object is asked for by the box of its last mask, the box's centre and the concept's own points.
What comes back is believed where it is like the object; otherwise the concept searches the whole
frame by itself. The last box is kept while the object is away: many an object is only doubted for
a frame or two, and where it has really gone the likeness says so.
"""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

import numpy as np
import torch

from persam import refine, similarity
from persam.structures import Prompts
from persam.video.merging import Look

if TYPE_CHECKING:
    from persam.concept import Concept, Sighting
    from persam.refine import Step
    from persam.structures import Box, Embedding
    from persam.video.choices import Tracking


def acquainted(concept: Concept, embedding: Embedding, mask: np.ndarray) -> Concept:
    """The same object, compared by the cells that one frame of the clip shows.

    They take the place of the reference's: a clip is more like itself than like another photo,
    and the mean over both would be like neither. The target feature stays.

    Args:
        concept: the object.
        embedding: of the frame.
        mask: ``(height, width)`` bool, the object in it, not empty.
    """
    features = similarity.matching_features(embedding, centre=concept.variant.centre)
    inside = _cells(mask, embedding)
    outside = similarity.background_cells(inside, embedding.frame)
    return replace(
        concept,
        foreground=similarity.unit_vectors(features, inside),
        background=similarity.unit_vectors(features, outside),
    )


def look(concept: Concept, embedding: Embedding, last: Box | None, choices: Tracking) -> Look:
    """Find one object in one frame.

    Args:
        concept: the object.
        embedding: the frame.
        last: tight box of its last mask; None before it was ever found.
        choices: the way of tracking.

    Returns:
        What was found; nothing where it is not like the object.
    """
    seen = concept.locate(embedding)
    least = choices.min_likeness
    least = concept.variant.min_likeness if least is None else least
    if last is not None and choices.last_box:
        found = _ask_there(concept, embedding, seen, last, centre=choices.centre_point)
        if _believed(concept, embedding, found, choices.kept * least):
            return Look.of(found, embedding, seen.likeness)
    steps = concept.ask(embedding, seen)
    found = refine.standing(steps, keep_best=concept.variant.keep_best)
    answer = Look.of(found, embedding, seen.likeness)
    return answer if _believed(concept, embedding, found, least) else answer.denied()


def likeness_within(concept: Concept, embedding: Embedding, mask: np.ndarray) -> float | None:
    """How well all of the object finds its like within a mask.

    Args:
        concept: the object.
        embedding: the frame.
        mask: ``(height, width)`` bool, not empty.

    Returns:
        Mean over the object's cells of the cosine to the nearest cell of the mask, -1..1; None for
        a concept without cells to compare with.
    """
    if len(concept.foreground) == 0:
        return None
    features = similarity.matching_features(embedding, centre=concept.variant.centre)
    within = similarity.unit_vectors(features, _cells(mask, embedding))
    return float((concept.foreground @ within.T).amax(dim=1).mean())


def _ask_there(
    concept: Concept, embedding: Embedding, seen: Sighting, last: Box, *, centre: bool
) -> Step:
    points, labels = seen.prompts.points, seen.prompts.labels
    if centre:
        x0, y0, x1, y1 = last
        points = np.concatenate([points, [[(x0 + x1) // 2, (y0 + y1) // 2]]])
        labels = np.append(labels, 1)
    # A box asks for the single mask, which no weights of three are needed for.
    return refine.first_step(concept.backbone, embedding, Prompts(points, labels, last))


def _believed(concept: Concept, embedding: Embedding, found: Step, least: float) -> bool:
    if not found.mask.any():
        return False
    like = likeness_within(concept, embedding, found.mask) if least > 0 else None
    return like is None or like >= least


def _cells(mask: np.ndarray, embedding: Embedding) -> torch.Tensor:
    grid = embedding.matching.shape[2:]
    cells = similarity.covered_cells(mask, embedding.frame, grid)
    return torch.from_numpy(cells).to(embedding.matching.device)
