"""Our own way from one frame to the next, for models without a video memory.

An object is looked for in a region round its last place. The decoder is asked in several ways: by
the last box, by a wider one, and by what the memory says of every cell as mask prompt. Decoder and
memory have the same say in the mask: what the decoder runs over onto is not like anything that was
object, and what the decoder leaves out was object before. How far the mask is from what is usual
for the object is its doubt. Where the object is not found there, the concept searches the whole
frame, and what it finds has to stand the same test.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, cast

import numpy as np
from scipy.ndimage import label

from persam import geometry
from persam.pipeline import decoder
from persam.pipeline.decoder_batch import ask_decoder
from persam.pipeline.one_piece import final_object
from persam.pipeline.prompts import mask_box
from persam.pipeline.similarity import sigmoid
from persam.structures import Prompts
from persam.video.evidence import MaskEvidence, signs
from persam.video.feature_memory import MemoryEntry, agreement, cell_places
from persam.video.overlaps import CERTAIN, ObjectLogits
from persam.video.regions import paste, region_round, whole, within
from persam.video.target import likeness_within

if TYPE_CHECKING:
    from persam.structures import Box, Embedding, Frame
    from persam.video.choices import Tracking
    from persam.video.encoded_frame import EncodedFrame
    from persam.video.feature_memory import Recollection
    from persam.video.target import TrackedObject

_UNSURE_CELL = (
    0.02  # a cell's share of object is kept so far from 0 and 1 before its logit is taken
)
_WIDER = 0.12  # of the box's longer side: what a box is widened by on each side
_APART = 0.4  # the same of the box within which a piece of the object may lie
_OPEN = 0.05  # how near to 0 and 1 a cell's share comes, so that a sure decoder may overrule it
_ROWS = 32  # of masks at a time
_SMALLEST_REGION = 128.0  # side in pixels; less would be a guess about pixels that are not there


@dataclass(frozen=True, eq=False)
class _Found:
    """What decoder and memory say of a region.

    Attributes:
        logits: ``(h, w)`` in the region's pixels; above 0 is object.
        memory: what it says of the region's cells.
        score: mean of the decoder's estimates.
        prompts: the first that the decoder was asked by.
    """

    logits: np.ndarray
    memory: Recollection
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
        searched = _search(target, frame, choices)
        # Where the search has nothing to compare, what is at the last place says how sure that is.
        return found.emptied() if searched.signs is None else searched
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
    return _judged(target, frame, region, _asked(target, embedding, inside))


def region_of(box: Box, frame: EncodedFrame, choices: Tracking) -> Box:
    """The region in which an object at a box is looked for."""
    if choices.region == 0:
        return whole(frame.size)
    return region_round(box, frame.size, choices.region, _SMALLEST_REGION)


def _asked(target: TrackedObject, embedding: Embedding, box: Box) -> _Found:
    """Ask the memory, and the decoder by the box, a wider box, and the memory's answer."""
    frame, cells = embedding.frame, embedding.cells
    memory = target.recollect(cells, cell_places(frame, cells.shape[:2], box))
    readout = memory.readout
    side = 4 * embedding.features.shape[-1]
    share = np.clip(readout, _UNSURE_CELL, 1 - _UNSURE_CELL).astype(np.float32)
    as_mask = geometry.bilinear(np.log(share / (1 - share))[None], (side, side))
    wide = _widened(box, frame, _WIDER)
    asked = [_prompts(box, box), _prompts(box, wide), _prompts(box, box, as_mask)]
    # A box asks for the single mask, which no weights of three are needed for.
    answers = [
        ask_decoder(target.concept.backbone, embedding, prompts, multimask=False)
        for prompts in asked
    ]
    masks = geometry.to_original(np.concatenate([one.logits[:1] for one in answers]), frame)
    remembered = geometry.to_original(np.clip(readout, _OPEN, 1 - _OPEN)[None], frame)[0]
    # Above 0 where the mean of the two is above one half.
    logits = (CERTAIN * (_mean_share(masks) + remembered - 1)).astype(np.float32)
    score = float(np.mean([decoder.finite(float(one.iou[0])) for one in answers]))
    mask = logits > 0
    logits[mask & ~in_place(mask, _widened(box, frame, _APART))] = -CERTAIN
    return _Found(logits, memory, score, asked[0])


def _mean_share(masks: np.ndarray) -> np.ndarray:
    """``(h, w)`` mean of the shares that ``(k, h, w)`` logits stand for."""
    mean = np.empty(masks.shape[1:], dtype=masks.dtype)
    for start in range(0, len(mean), _ROWS):  # what a processor's cache holds
        rows = slice(start, start + _ROWS)
        mean[rows] = sigmoid(masks[:, rows]).mean(axis=0)
    return mean


def in_place(mask: np.ndarray, box: Box) -> np.ndarray:
    """``(h, w)`` bool: a mask without its pieces that lie mostly outside of a box.

    A look-alike that stands beside the object is a piece of its own. The piece with most pixels in
    the box always stays.

    Example:
        >>> row = np.array([[True, True, False, True]])
        >>> in_place(row, (0, 0, 2, 1)).tolist()
        [[True, True, False, False]]
    """
    pieces, count = cast("tuple[np.ndarray, int]", label(mask))
    if count < 2:
        return mask
    x0, y0, x1, y1 = box
    areas = np.bincount(pieces.ravel(), minlength=count + 1)[1:]
    inside = np.bincount(pieces[y0:y1, x0:x1].ravel(), minlength=count + 1)[1:]
    kept = 2 * inside >= areas
    kept[inside.argmax()] = True
    stays: np.ndarray = np.append(False, kept)
    return stays[pieces]


def _prompts(box: Box, around: Box, mask: np.ndarray | None = None) -> Prompts:
    x0, y0, x1, y1 = box
    centre = np.array([[(x0 + x1 - 1) // 2, (y0 + y1 - 1) // 2]])
    return Prompts(centre, np.ones(1, dtype=np.int64), around, mask)


def _judged(target: TrackedObject, frame: EncodedFrame, region: Box, found: _Found) -> ObjectLogits:
    """What was found in a region, in the frame, with its doubt."""
    logits = paste(found.logits, region, frame.size, outside=-CERTAIN)
    mask = found.logits > 0
    if not mask.any():
        return ObjectLogits(logits, 0.0, found.prompts, region=region)
    entry = MemoryEntry.of(frame.region(region), mask)
    evidence = MaskEvidence(
        likeness=round(target.likeness(entry), 6),
        agreement=agreement(entry.coverage, found.memory.readout),
        backward=found.memory.backward_agreement(entry),
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


def _widened(box: Box, frame: Frame, share: float) -> Box:
    x0, y0, x1, y1 = box
    margin = round(share * max(x1 - x0, y1 - y0))
    return (
        max(0, x0 - margin),
        max(0, y0 - margin),
        min(frame.width, x1 + margin),
        min(frame.height, y1 + margin),
    )


def _in_frame(prompts: Prompts, region: Box) -> Prompts:
    """The same prompts in pixels of the frame; a mask has no place there."""
    x, y = region[:2]
    box = prompts.box
    moved = None if box is None else (box[0] + x, box[1] + y, box[2] + x, box[3] + y)
    return Prompts(prompts.points + np.array((x, y)), prompts.labels, moved)
