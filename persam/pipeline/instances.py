"""All instances of an object in a picture that is encoded once, as masks that do not overlap.

The official ``persam_f_multi_obj.py`` has this job. It encodes the picture anew for every instance
with the instances before painted black, which the encoder then sees as an object of its own; it
learns from half of the pictures in turn but keeps the last alone; it stops only when it finds an
old mask again, so that a picture without the object has instances too; and it writes the last mask
of its loop, perhaps the rejected one, and the others nowhere but in a drawing. Here the decoder is
asked about one hill of the similarity map after the other, up to the valleys that part it from the
next; the cells of what is found are taken out of the map, every reference counts, what the model
trusts too little or is hardly like the first is no instance, and all masks come back.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from math import log
from typing import TYPE_CHECKING

import numpy as np

from persam import geometry
from persam.pipeline.basins import highest_hill
from persam.pipeline.decoder import decode, final_step
from persam.pipeline.one_piece import pieces_of
from persam.pipeline.presence import likeness_of
from persam.pipeline.prompts import mask_box
from persam.pipeline.segment import aim, locate
from persam.pipeline.similarity import covered_cells, standardise
from persam.prediction import Prediction

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from persam.pipeline.detection import Detection
    from persam.pipeline.features import SearchTarget
    from persam.structures import Embedding

MOST = 20  # instances in a picture; a crowd is better counted by other means
# Log-odds that the decoder shows one more instance: by its score, by how high its cells lie in the
# similarity map beside the first's, and by how many times larger or smaller than the first it is
# (benchmarks/many.md). After so many refusals in a row nothing more is expected.
ODDS, SCORE, HEIGHT, SIZE = -5.7, 6.0, 4.1, 0.8
PATIENCE = 2
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
        height: mean similarity of its cells, in standard deviations above the picture's mean.
        detection: where it seemed to be, and what the decoder was asked.
    """

    mask: np.ndarray
    logits: np.ndarray
    likeness: float
    score: float
    height: float
    detection: Detection


def find_instances(target: SearchTarget, embedding: Embedding) -> tuple[Prediction, ...]:
    """Find all instances, one decoder cascade after the other.

    Args:
        target: the object.
        embedding: the picture, by the target's own backbone.

    Returns:
        Most like the object first, by the likeness of its own cells. The presence of each is the
        picture's. No pixel is in two of them; none where the object is absent.

    Raises:
        InputError: the embedding is another model's.
    """
    detection = locate(target, embedding)
    if detection.evidence.absent(target.variant.min_presence):
        return ()
    found: list[Candidate] = []
    refused = 0
    for candidate in candidates(target, embedding, detection):
        if not found or is_further(candidate, found):
            found += _instances(target, embedding, candidate)
            refused = 0
        else:
            refused += 1
        if refused == PATIENCE or len(found) >= MOST:
            break
    found.sort(key=lambda candidate: -candidate.likeness)
    return tuple(_predictions(_without_crumbs(found[:MOST])))


def candidates(target: SearchTarget, embedding: Embedding, whole: Detection) -> Iterator[Candidate]:
    """What the decoder shows at one hill of the similarity map after the other.

    Args:
        target: the object.
        embedding: the picture.
        whole: where the object seems to be in it.

    Yields:
        Likeliest place first. Cells of a mask are as unlike the object as any for those after it.
    """
    rows, columns = embedding.picture_cells
    shown = whole.similarity[:rows, :columns]
    heights = np.zeros_like(whole.similarity)
    heights[:rows, :columns] = standardise(shown)
    free = np.zeros(whole.similarity.shape, dtype=bool)
    free[:rows, :columns] = True
    while free.any():
        left = np.where(free, whole.similarity, shown.min())
        hill = highest_hill(left, embedding.frame)
        place = np.where(hill, left, shown.min())
        detection = aim(target, embedding, place, whole.evidence)
        candidate = _candidate(target, embedding, detection, heights)
        if candidate is None:
            return
        yield candidate
        free &= ~_taken(candidate.mask, detection, embedding)


def _candidate(
    target: SearchTarget, embedding: Embedding, detection: Detection, heights: np.ndarray
) -> Candidate | None:
    """The decoder's mask; None where it shows nothing."""
    steps = decode(target, embedding, detection.prompts, detection.guidance)
    final = final_step(steps, keep_best=target.variant.keep_best)
    if not final.mask.any():
        return None
    logits = geometry.to_original(final.logits, embedding.frame)[0]
    height = float(heights[covered_cells(final.mask, embedding.frame, heights.shape)].mean())
    likeness = _likeness(target, embedding, final.mask)
    return Candidate(final.mask, logits, likeness, final.score, height, detection)


def is_further(candidate: Candidate, found: Sequence[Candidate]) -> bool:
    """Whether it is one more instance beside those found, of which there is one at least."""
    before = np.any([one.mask for one in found], axis=0)
    area = int(np.count_nonzero(candidate.mask))
    if np.count_nonzero(candidate.mask & before) > MOST_SEEN * area:
        return False
    signs = signs_of(candidate, found[0])
    return ODDS + SCORE * signs["score"] + HEIGHT * signs["height"] > SIZE * signs["size"]


def signs_of(candidate: Candidate, first: Candidate) -> dict[str, float]:
    """What speaks for one more instance, and against it, beside the first.

    Returns:
        ``score`` and ``height`` for it, the height as a share of the first's; ``size`` against it,
        the logarithm of how many times larger or smaller than the first it is.
    """
    areas = np.count_nonzero(candidate.mask), np.count_nonzero(first.mask)
    height = candidate.height / first.height if first.height > 0 else 1.0
    return {"score": candidate.score, "height": height, "size": abs(log(areas[0] / areas[1]))}


def _instances(target: SearchTarget, embedding: Embedding, whole: Candidate) -> list[Candidate]:
    """The instances that a mask shows: pieces that do not touch, or an object that is in pieces."""
    if target.features.pieces > 1:
        return [whole]
    pieces = [
        replace(whole, mask=piece, likeness=_likeness(target, embedding, piece))
        for piece in pieces_of(whole.mask, PIECE_AREA)
    ]
    complete = [piece for piece in pieces if piece.likeness >= PIECE_LIKENESS * whole.likeness]
    return complete if len(complete) > 1 else [whole]


def _likeness(target: SearchTarget, embedding: Embedding, mask: np.ndarray) -> float:
    """Likeness of a mask's cells to the object: of all its cells, or without them of its mean."""
    cells = covered_cells(mask, embedding.frame, embedding.cells.shape[:2])
    vectors, features = embedding.cells[cells], target.features
    if not features.has_cells:
        return float((vectors @ features.target_feature).mean())
    return likeness_of(vectors, features)


def _taken(mask: np.ndarray, detection: Detection, embedding: Embedding) -> np.ndarray:
    """``(h, w)`` bool: cells that a mask touches, and the peak that led to it."""
    similarity = detection.similarity
    touched = geometry.coverage(mask, embedding.frame, similarity.shape) > 0
    return touched | (similarity == similarity.max())


def _without_crumbs(found: list[Candidate]) -> list[Candidate]:
    """The candidates with every pixel given to the highest logit, small remains dropped."""
    if not found:
        return []
    best = np.full(found[0].logits.shape, -np.inf, dtype=np.float32)
    owners = np.zeros(best.shape, dtype=np.uint8)
    for number, candidate in enumerate(found, start=1):
        better = candidate.mask & (candidate.logits > best)
        best[better] = candidate.logits[better]
        owners[better] = number
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
            points=candidate.detection.prompts.points,
            labels=candidate.detection.prompts.labels,
            likeness=candidate.likeness,
            presence=candidate.detection.presence,
        )
        for candidate in found
    ]
