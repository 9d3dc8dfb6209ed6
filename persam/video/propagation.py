"""Our own way through a clip: the last mask says where to look, the features whether it is there.

An object is asked for by the box of its last mask, the box's centre and the concept's own points.
What comes back is believed where it is about as like the object as what was found before; otherwise
the concept searches the whole frame by itself. The last box is kept while the object is away: many
an object is only doubted for a frame or two.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

import numpy as np

from persam.pipeline import decoder, presence, similarity
from persam.pipeline.one_piece import final_object
from persam.structures import Prompts
from persam.video.overlaps import ObjectLogits

if TYPE_CHECKING:
    from persam.concept import Concept
    from persam.pipeline.decoder import Step
    from persam.pipeline.detection import Detection
    from persam.structures import Box, Embedding
    from persam.video.choices import Tracking


SLOWLY = 0.1  # share of the newest frame in an object's level: one blurred frame says little


@dataclass(frozen=True)
class TrackState:
    """What the frames so far say of one object.

    Attributes:
        box: tight box of its last mask; None before it was ever found.
        level: how like the object its masks were, a running mean; None without cells to compare.
    """

    box: Box | None = None
    level: float | None = None

    def after(self, found: ObjectLogits, box: Box | None) -> TrackState:
        """The state with one more frame.

        Args:
            found: what was found of the object in it.
            box: tight box of what is left of that; None where it was not there.
        """
        if box is None or found.within is None:
            return replace(self, box=box or self.box)
        level = found.within if self.level is None else self.level
        return TrackState(box, level + SLOWLY * (found.within - level))


def adapted(concept: Concept, embedding: Embedding, mask: np.ndarray) -> Concept:
    """The same object, compared by the cells that one frame of the clip shows.

    They take the place of the reference's: a clip is more like itself than like another photo,
    and the mean over both would be like neither. The target feature stays.

    Args:
        concept: the object.
        embedding: of the frame.
        mask: ``(height, width)`` bool, the object in it, not empty.
    """
    cells = embedding.cells
    inside = similarity.covered_cells(mask, embedding.frame, cells.shape[:2])
    outside = similarity.background_cells(inside, embedding.frame)
    shown = replace(
        concept.references[0],
        target_feature=concept.features.target_feature,
        target_embedding=concept.features.target_embedding,
        foreground=cells[inside],
        background=cells[outside],
    )
    return replace(concept, references=(shown,))


def find(
    concept: Concept, embedding: Embedding, state: TrackState, choices: Tracking
) -> ObjectLogits:
    """Find one object in one frame.

    Args:
        concept: the object.
        embedding: the frame.
        state: what the frames before say of it.
        choices: the way of tracking.

    Returns:
        What was found; nothing where it is not like the object.
    """
    detection = concept.locate(embedding)
    least = choices.min_likeness
    least = concept.min_likeness if least is None else least
    kept = least if state.level is None else choices.kept * state.level
    if state.box is not None and choices.last_box:
        step = _decode_at(concept, embedding, detection, state.box, centre=choices.centre_point)
        found = _measured(concept, embedding, detection, step)
        if step.mask.any() and _alike(found, kept):
            return found
    steps = decoder.decode(concept, embedding, detection.prompts, detection.guidance)
    step = final_object(steps, detection.prior, concept.variant)
    found = _measured(concept, embedding, detection, step)
    return found if _alike(found, max(least, kept)) else found.emptied()


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
    if len(concept.features.foreground) == 0:
        return None
    inside = similarity.covered_cells(mask, embedding.frame, embedding.cells.shape[:2])
    return presence.likeness(embedding.cells[inside], concept.features.foregrounds)


def _decode_at(
    concept: Concept, embedding: Embedding, detection: Detection, last: Box, *, centre: bool
) -> Step:
    points, labels = detection.prompts.points, detection.prompts.labels
    if centre:
        x0, y0, x1, y1 = last
        points = np.concatenate([points, [[(x0 + x1 - 1) // 2, (y0 + y1 - 1) // 2]]])
        labels = np.append(labels, 1)
    # A box asks for the single mask, which no weights of three are needed for.
    # The location prior as a mask says where the box's object is not; None where recipes have none.
    prompts = Prompts(points, labels, last, detection.prompts.mask)
    return decoder.first_step(concept.backbone, embedding, prompts)


def _measured(
    concept: Concept, embedding: Embedding, detection: Detection, step: Step
) -> ObjectLogits:
    found = ObjectLogits.from_step(step, embedding, detection.likeness)
    if not step.mask.any():
        return found
    return replace(found, within=likeness_within(concept, embedding, step.mask))


def _alike(found: ObjectLogits, least: float) -> bool:
    return found.within is None or found.within >= least
