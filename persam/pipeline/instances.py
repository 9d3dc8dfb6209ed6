"""All instances of an object in a picture that is encoded once, as masks that do not overlap.

The official ``persam_f_multi_obj.py`` has this job. It encodes the picture anew for every instance
with the instances before painted black, which the encoder then sees as an object of its own; it
learns from half of the pictures in turn but keeps the last alone; it stops only when it finds an
old mask again, so that a picture without the object has instances too; and it writes the last mask
of its loop, perhaps the rejected one, and the others nowhere but in a drawing. Here the cells of
what is found are taken out of the similarity map instead, every reference counts, a mask that the
model itself trusts too little ends the search, and all masks come back.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, cast

import numpy as np
import torch
from scipy import ndimage

from persam import geometry
from persam.pipeline import cascade, detection, presence, similarity
from persam.pipeline.prompts import mask_box
from persam.structures import Prediction

if TYPE_CHECKING:
    from collections.abc import Sequence

    from persam.concept import Concept
    from persam.pipeline.detection import Detection
    from persam.structures import Embedding

MOST = 20  # instances in a picture; a crowd is better counted by other means
# Shares of the best so far, below which the decoder shows no further instance. Its score tells that
# far better than likeness does: the area under the ROC is 0.96 against 0.50 (benchmarks/many.md).
LEAST_SCORE = 0.6
LEAST_LIKENESS = 0.4
MOST_SEEN = 0.5  # share of a mask that was found before; above it nothing new is shown
LEAST_AREA = 0.15  # of the largest instance's; below it is a crumb
# Shares of the whole's likeness and of the largest piece's area, from which pieces of one mask are
# instances each; below them they are one instance that something hides a part of.
PIECE_LIKENESS = 0.8
PIECE_AREA = 0.5


@dataclass(frozen=True, eq=False)
class Candidate:
    """What may be an instance.

    Attributes:
        mask: ``(height, width)`` bool.
        logits: ``(height, width)`` of the decoder's mask that it is a piece of.
        likeness: of its own cells to the object, -1..1.
        score: the model's estimate of the IoU of that mask.
        seen: what the decoder was asked.
    """

    mask: np.ndarray
    logits: torch.Tensor
    likeness: float
    score: float
    seen: Detection


def find_instances(
    concept: Concept, embedding: Embedding, seen: Detection
) -> tuple[Prediction, ...]:
    """Find all instances, one decoder cascade after the other.

    Args:
        concept: of the object.
        embedding: the picture.
        seen: where the object was sighted first.

    Returns:
        Most like the object first, by the likeness of its own cells. The presence of each is the
        picture's. No pixel is in two of them.
    """
    found: list[Candidate] = []
    free = torch.ones_like(seen.similarity, dtype=torch.bool)
    while len(found) < MOST and bool(free.any()):
        whole = _ask(concept, embedding, seen)
        if whole is None or not _is_further(whole, found):
            break
        found += _instances(concept, embedding, whole)
        free &= ~_taken(whole.mask, seen, embedding)
        seen = _look_elsewhere(concept, embedding, seen, free)
    found.sort(key=lambda candidate: -candidate.likeness)
    return tuple(_predictions(_without_crumbs(found[:MOST])))


def _ask(concept: Concept, embedding: Embedding, seen: Detection) -> Candidate | None:
    """The decoder's mask; None where it shows nothing."""
    final = cascade.standing(concept.ask(embedding, seen), keep_best=concept.variant.keep_best)
    if not final.mask.any():
        return None
    logits = geometry.to_original(final.logits, embedding.frame)[0]
    likeness = _likeness(concept, embedding, final.mask)
    return Candidate(final.mask, logits, likeness, final.score, seen)


def _is_further(candidate: Candidate, found: Sequence[Candidate]) -> bool:
    """Whether it is one more instance beside those found; the first always is."""
    if not found:
        return True
    before = np.any([one.mask for one in found], axis=0)
    seen = int(np.count_nonzero(candidate.mask & before))
    return (
        seen <= MOST_SEEN * int(np.count_nonzero(candidate.mask))
        and candidate.score >= LEAST_SCORE * max(one.score for one in found)
        and candidate.likeness >= LEAST_LIKENESS * max(one.likeness for one in found)
    )


def _instances(concept: Concept, embedding: Embedding, whole: Candidate) -> list[Candidate]:
    """The instances that a mask shows: itself, or its separate pieces."""
    pieces = [
        replace(whole, mask=piece, likeness=_likeness(concept, embedding, piece))
        for piece in _pieces(whole.mask)
    ]
    complete = [piece for piece in pieces if piece.likeness >= PIECE_LIKENESS * whole.likeness]
    return complete if len(complete) > 1 else [whole]


def _pieces(mask: np.ndarray) -> list[np.ndarray]:
    """Connected pieces of a mask that are large enough to be instances each."""
    labels, count = cast("tuple[np.ndarray, int]", ndimage.label(mask))
    areas = np.bincount(labels.ravel(), minlength=count + 1)[1:]
    large = np.flatnonzero(areas >= PIECE_AREA * areas.max()) + 1
    return [labels == number for number in large.tolist()]


def _likeness(concept: Concept, embedding: Embedding, mask: np.ndarray) -> float:
    """Likeness of a mask's cells to the object: of all its cells, or without them of its mean."""
    features = embedding.matching[0]
    cells = similarity.covered_cells(mask, embedding.frame, features.shape[1:])
    vectors = similarity.unit_vectors(features, torch.from_numpy(cells).to(features.device))
    known = concept.known
    if not all(len(foreground) for foreground in known.foregrounds):
        return float((vectors @ known.target_feature).mean())
    vectors = vectors[presence.nearer_to_object(vectors, known)]
    return presence.likeness(vectors, known.foregrounds) if len(vectors) > 0 else -1.0


def _taken(mask: np.ndarray, seen: Detection, embedding: Embedding) -> torch.Tensor:
    """``(h, w)`` bool: cells that a mask touches, and the peak that led to it."""
    grid = seen.similarity.shape
    cells = torch.from_numpy(geometry.coverage(mask, embedding.frame, grid) > 0)
    cells = cells.to(seen.similarity.device)
    return cells | (seen.similarity == seen.similarity.max())


def _look_elsewhere(
    concept: Concept, embedding: Embedding, seen: Detection, free: torch.Tensor
) -> Detection:
    """The next sighting, where taken cells are as unlike the object as any in the picture."""
    rows, columns = geometry.picture_cells(embedding.frame, free.shape)
    least = seen.similarity[:rows, :columns].min()
    left = seen.similarity.where(free, least)
    aimed = detection.aim(embedding, left, concept.known, concept.variant)
    return replace(aimed, likeness=seen.likeness, presence=seen.presence)


def _without_crumbs(found: list[Candidate]) -> list[Candidate]:
    """The candidates with every pixel given to the highest logit, small remains dropped."""
    if not found:
        return []
    best = torch.full_like(found[0].logits, -torch.inf)
    owner = torch.zeros(best.shape, dtype=torch.uint8, device=best.device)
    for number, candidate in enumerate(found, start=1):
        mask = torch.from_numpy(candidate.mask).to(best.device)
        better = mask & (candidate.logits > best)
        best = best.where(~better, candidate.logits)
        owner[better] = number
    owners = owner.cpu().numpy()
    shared = [
        replace(candidate, mask=owners == number) for number, candidate in enumerate(found, start=1)
    ]
    areas = [np.count_nonzero(candidate.mask) for candidate in shared]
    least = max(1, LEAST_AREA * max(areas))
    return [candidate for candidate, area in zip(shared, areas, strict=True) if area >= least]


def _predictions(found: list[Candidate]) -> list[Prediction]:
    return [
        Prediction(
            mask=candidate.mask,
            score=candidate.score,
            box=mask_box(candidate.mask),
            points=candidate.seen.prompts.points,
            labels=candidate.seen.prompts.labels,
            likeness=candidate.likeness,
            presence=candidate.seen.presence,
        )
        for candidate in found
    ]
