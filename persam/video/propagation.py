"""Our own way from one frame to the next, for models without a video memory.

An object is looked for in a region round its last place. The decoder is asked in several ways: by
the last box, by a wider one, and by both with what the memory says of every cell as mask prompt.
The answer that memory, last mask and decoder together believe in most is the mask; how far it is
from what is usual for the object is its doubt. Where the object is not found there, the concept
searches the whole frame, and what it finds has to stand the same test.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from persam import geometry
from persam.pipeline import decoder
from persam.pipeline.one_piece import final_object
from persam.pipeline.prompts import cell_points, mask_box
from persam.structures import Prompts
from persam.video.evidence import MaskEvidence, signs
from persam.video.feature_memory import MemoryEntry, agreement, backward_agreement
from persam.video.overlaps import CERTAIN, ObjectLogits
from persam.video.regions import paste, region_round, whole, within
from persam.video.target import likeness_within

if TYPE_CHECKING:
    from collections.abc import Iterator

    from persam.models.base import Backbone
    from persam.structures import Box, Embedding
    from persam.video.choices import Tracking
    from persam.video.encoded_frame import EncodedFrame
    from persam.video.target import TrackedObject

_UNSURE_CELL = (
    0.02  # a cell's share of object is kept so far from 0 and 1 before its logit is taken
)
_WIDER = 0.12  # of the box's longer side: what a box is widened by on each side
_SMALLEST_REGION = 128.0  # side in pixels; less would be a guess about pixels that are not there


@dataclass(frozen=True, eq=False)
class _Candidate:
    """One answer of the decoder in a region: ``(h, w)`` logits in the region's pixels."""

    logits: np.ndarray
    score: float
    prompts: Prompts


def find(target: TrackedObject, frame: EncodedFrame, choices: Tracking) -> ObjectLogits:
    """Find one object in one frame.

    Args:
        target: the object, and what the frames before say of it.
        frame: the frame.
        choices: the way of tracking.

    Returns:
        What was found; nothing where it is not like the object.
    """
    box = target.state.box
    if box is not None and target.marked is not None and choices.last_box:
        found = find_near(target, frame, box, choices)
        if _believed(found, target, choices):
            return found
    return _search(target, frame, choices)


def find_near(
    target: TrackedObject, frame: EncodedFrame, box: Box, choices: Tracking
) -> ObjectLogits:
    """Find an object that has been seen before, near a box.

    Args:
        target: the object; its memory holds a frame at least.
        frame: the frame.
        box: about where it is, in pixels of the frame.
        choices: the way of tracking.
    """
    region = region_of(box, frame, choices)
    inside = within(box, region)
    if inside is None:
        raise ValueError(f"The box {box} lies outside of its region {region}.")
    embedding = frame.region(region)
    readout = target.read(embedding.cells)
    believed = geometry.to_original(readout[None], embedding.frame)[0]
    last = target.last_mask(region, frame.size)
    candidates = _candidates(target.concept.backbone, embedding, inside, readout)
    area = target.state.usual.area or float(last.sum())
    best = max(candidates, key=lambda one: _belief(one, believed, last, area))
    return _judged(target, frame, region, best)


def region_of(box: Box, frame: EncodedFrame, choices: Tracking) -> Box:
    """The region in which an object at a box is looked for."""
    if choices.region == 0:
        return whole(frame.size)
    return region_round(box, frame.size, choices.region, _SMALLEST_REGION)


def _candidates(
    backbone: Backbone, embedding: Embedding, box: Box, readout: np.ndarray
) -> Iterator[_Candidate]:
    """What the decoder answers when it is asked by the box, a wider box, and the memory."""
    frame = embedding.frame
    wide = _widened(box, frame.height, frame.width)
    side = 4 * embedding.features.shape[-1]
    share = np.clip(readout, _UNSURE_CELL, 1 - _UNSURE_CELL).astype(np.float32)
    memory = geometry.bilinear(np.log(share / (1 - share))[None], (side, side))
    centre = _centre(box)
    peak = cell_points([divmod(int(readout.argmax()), readout.shape[1])], frame, readout.shape)
    for points, around, mask in (
        (centre, box, None),
        (centre, wide, None),
        (peak, box, memory),
        (peak, wide, memory),
    ):
        yield _ask(backbone, embedding, points, around, mask)


def _ask(
    backbone: Backbone,
    embedding: Embedding,
    points: np.ndarray,
    box: Box,
    mask: np.ndarray | None,
) -> _Candidate:
    prompts = Prompts(points, np.ones(len(points), dtype=np.int64), box, mask)
    # A box asks for the single mask, which no weights of three are needed for.
    step = decoder.first_step(backbone, embedding, prompts)
    return _Candidate(geometry.to_original(step.logits, embedding.frame)[0], step.score, prompts)


def _centre(box: Box) -> np.ndarray:
    x0, y0, x1, y1 = box
    return np.array([[(x0 + x1 - 1) // 2, (y0 + y1 - 1) // 2]])


def _belief(
    candidate: _Candidate, readout: np.ndarray, last: np.ndarray, usual_area: float
) -> float:
    """How much decoder, memory, the mask before and the usual size speak for a mask; 0..4."""
    mask = candidate.logits > 0
    area = float(mask.sum())
    if area == 0:
        return 0.0
    size = min(area, usual_area) / max(area, usual_area)
    return candidate.score + agreement(mask, readout) + agreement(mask, last) + size


def _judged(
    target: TrackedObject, frame: EncodedFrame, region: Box, found: _Candidate
) -> ObjectLogits:
    """What was found in a region, in the frame, with its doubt."""
    logits = paste(found.logits, region, frame.size, outside=-CERTAIN)
    mask = found.logits > 0
    if not mask.any():
        return ObjectLogits(logits, 0.0, found.prompts, region=region)
    entry = MemoryEntry.of(frame.region(region), mask)
    readout = target.read(entry.cells)
    evidence = MaskEvidence(
        likeness=round(target.likeness(entry), 6),
        agreement=agreement(entry.coverage, readout),
        backward=backward_agreement(entry, target.latest),
        area=float(mask.sum()),
    )
    return ObjectLogits(
        logits=logits,
        score=found.score,
        prompts=_in_frame(found.prompts, region),
        likeness=evidence.likeness,
        evidence=evidence,
        signs=signs(evidence, target.state.usual),
        region=region,
    )


def _search(target: TrackedObject, frame: EncodedFrame, choices: Tracking) -> ObjectLogits:
    """Search the whole frame by the concept."""
    concept = target.concept
    detection = concept.locate(frame.embedding)
    steps = decoder.decode(concept, frame.embedding, detection.prompts, detection.guidance)
    step = final_object(steps, detection.prior, concept.variant)
    found = ObjectLogits.from_step(step, frame.embedding, detection.likeness)
    box = mask_box(step.mask)
    if box is None or concept.is_absent(detection.presence):
        return found.emptied()
    if target.marked is None:
        alike = likeness_within(concept, frame.embedding, step.mask)
        least = concept.min_likeness if choices.min_likeness is None else choices.min_likeness
        return found if alike is None or alike >= least else found.emptied()
    near = find_near(target, frame, box, choices)
    return near if _believed(near, target, choices) else near.emptied()


def _believed(found: ObjectLogits, target: TrackedObject, choices: Tracking) -> bool:
    """Whether what was found is about as like the object as it usually is."""
    if found.evidence is None:
        return False
    usual = target.state.usual.likeness
    # What was marked is all like itself; nothing else is known before the second frame.
    return found.evidence.likeness >= choices.kept * (1.0 if usual is None else usual)


def _widened(box: Box, height: int, width: int) -> Box:
    x0, y0, x1, y1 = box
    margin = round(_WIDER * max(x1 - x0, y1 - y0))
    return (
        max(0, x0 - margin),
        max(0, y0 - margin),
        min(width, x1 + margin),
        min(height, y1 + margin),
    )


def _in_frame(prompts: Prompts, region: Box) -> Prompts:
    """The same prompts in pixels of the frame; a mask has no place there."""
    x, y = region[:2]
    box = prompts.box
    moved = None if box is None else (box[0] + x, box[1] + y, box[2] + x, box[3] + y)
    return Prompts(prompts.points + np.array((x, y)), prompts.labels, moved)
