"""All instances of an object in a picture that is encoded once, as masks that do not overlap.

The official ``persam_f_multi_obj.py`` has this job. It encodes the picture anew for every instance
with the instances before painted black, which the encoder then sees as an object of its own; it
learns from half of the pictures in turn but keeps the last alone; it stops only when it finds an
old mask again, so that a picture without the object has instances too; and it writes the last mask
of its loop, perhaps the rejected one, and the others nowhere but in a drawing. Here the cells of
what is found are taken out of the similarity map instead, every reference counts, what is too
unlike the object ends the search, and all masks come back.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, cast

import numpy as np
import torch
from scipy import ndimage

from persam import geometry, locating, presence, refine, similarity
from persam.prompts import mask_box
from persam.structures import Prediction

if TYPE_CHECKING:
    from persam.concept import Concept
    from persam.locating import Sighting
    from persam.structures import Embedding

MOST = 20  # instances in a picture; a crowd is better counted by other means
LEAST_LIKENESS = 0.6  # of the best instance's; below it is something else (benchmarks/instances.py)
LEAST_AREA = 0.15  # of the largest instance's; below it is a crumb


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
    seen: Sighting


def find_instances(
    concept: Concept, embedding: Embedding, seen: Sighting
) -> tuple[Prediction, ...]:
    """Find all instances, one decoder cascade after the other.

    Args:
        concept: of the object.
        embedding: the picture.
        seen: where the object was sighted first.

    Returns:
        Best first, by likeness to the object. No pixel is in two of them.
    """
    found: list[Candidate] = []
    free = torch.ones_like(seen.similarity, dtype=torch.bool)
    while len(found) < MOST and bool(free.any()):
        mask, pieces = _ask(concept, embedding, seen)
        found += pieces
        best = max((piece.likeness for piece in found), default=0.0)
        if not any(piece.likeness >= LEAST_LIKENESS * best for piece in pieces):
            break
        free &= ~_taken(mask, seen, embedding)
        seen = _look_elsewhere(concept, embedding, seen, free)
    best = max((piece.likeness for piece in found), default=0.0)
    alike = [piece for piece in found if piece.likeness >= LEAST_LIKENESS * best]
    alike.sort(key=lambda piece: -piece.likeness)
    return tuple(_predictions(_without_crumbs(alike[:MOST]), concept))


def _ask(
    concept: Concept, embedding: Embedding, seen: Sighting
) -> tuple[np.ndarray, list[Candidate]]:
    """The decoder's mask, and the instances that it shows: itself, or its separate pieces."""
    final = refine.standing(concept.ask(embedding, seen), keep_best=concept.variant.keep_best)
    if not final.mask.any():
        return final.mask, []
    logits = geometry.to_original(final.logits, embedding.frame)[0]
    whole = Candidate(
        final.mask, logits, _likeness(concept, embedding, final.mask), final.score, seen
    )
    pieces = [
        replace(whole, mask=piece, likeness=_likeness(concept, embedding, piece))
        for piece in _pieces(final.mask)
    ]
    complete = [piece for piece in pieces if piece.likeness >= LEAST_LIKENESS * whole.likeness]
    return final.mask, complete if len(complete) > 1 else [whole]


def _pieces(mask: np.ndarray) -> list[np.ndarray]:
    """Connected pieces of a mask, without its crumbs."""
    labels, count = cast("tuple[np.ndarray, int]", ndimage.label(mask))
    areas = np.bincount(labels.ravel(), minlength=count + 1)[1:]
    large = np.flatnonzero(areas >= LEAST_AREA * areas.max()) + 1
    return [labels == number for number in large.tolist()]


def _likeness(concept: Concept, embedding: Embedding, mask: np.ndarray) -> float:
    """Likeness of a mask's cells to the object: of all its cells, or without them of its mean."""
    features = similarity.matching_features(embedding, centre=concept.variant.centre)
    cells = similarity.covered_cells(mask, embedding.frame, features.shape[1:])
    vectors = similarity.unit_vectors(features, torch.from_numpy(cells).to(features.device))
    known = concept.known
    if all(len(foreground) for foreground in known.foregrounds):
        return presence.likeness(vectors, known.foregrounds)
    return float((vectors @ known.target_feature).mean())


def _taken(mask: np.ndarray, seen: Sighting, embedding: Embedding) -> torch.Tensor:
    """``(h, w)`` bool: cells that a mask touches, and the peak that led to it."""
    grid = seen.similarity.shape
    cells = torch.from_numpy(geometry.coverage(mask, embedding.frame, grid) > 0)
    cells = cells.to(seen.similarity.device)
    return cells | (seen.similarity == seen.similarity.max())


def _look_elsewhere(
    concept: Concept, embedding: Embedding, seen: Sighting, free: torch.Tensor
) -> Sighting:
    """The next sighting, where taken cells are as unlike the object as any in the picture."""
    rows, columns = geometry.picture_cells(embedding.frame, free.shape)
    least = seen.similarity[:rows, :columns].min()
    left = seen.similarity.where(free, least)
    aimed = locating.aim(embedding, left, concept.known, concept.variant)
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


def _predictions(found: list[Candidate], concept: Concept) -> list[Prediction]:
    calibration = concept.calibration
    return [
        Prediction(
            mask=candidate.mask,
            score=candidate.score,
            box=mask_box(candidate.mask),
            points=candidate.seen.prompts.points,
            labels=candidate.seen.prompts.labels,
            presence=None if calibration is None else calibration.presence(candidate.likeness),
        )
        for candidate in found
    ]
