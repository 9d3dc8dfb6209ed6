"""Several objects in one frame: what was found of each, and to whom a pixel belongs."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from persam import geometry
from persam.pipeline.prompts import mask_box
from persam.structures import Prompts
from persam.video.evidence import presence_by
from persam.video.structures import TrackedPrediction

if TYPE_CHECKING:
    from collections.abc import Mapping

    from persam.pipeline.decoder import Step
    from persam.structures import Box, Embedding
    from persam.video.evidence import MaskEvidence, Signs

CERTAIN = 10.0  # logit of a pixel of which there is no doubt


@dataclass(frozen=True, eq=False)
class ObjectLogits:
    """What was found of one object in one frame, before the objects are told apart.

    Attributes:
        logits: ``(height, width)``; above 0 is object.
        score: the model's estimate of the mask's IoU.
        prompts: what the decoder was asked for that mask.
        likeness: see :class:`~persam.prediction.Prediction`.
        evidence: what speaks for the mask; None where nothing was compared.
        signs: the same beside what is usual for the object.
        region: the part of the frame that it was found in; None for the whole.
        given: whether a person gave the mask.
    """

    logits: np.ndarray
    score: float
    prompts: Prompts
    likeness: float | None = None
    evidence: MaskEvidence | None = None
    signs: Signs | None = None
    region: Box | None = None
    given: bool = False

    @property
    def doubt(self) -> float:
        """0..1; 0 where nothing was compared, as a person's own mask."""
        return 0.0 if self.signs is None else self.signs.doubt

    @property
    def presence(self) -> float | None:
        """How probable it is that the object is there, 0..1; None where nothing was compared."""
        if self.given:
            return 1.0
        return None if self.signs is None else presence_by(self.signs)

    @classmethod
    def from_step(
        cls, step: Step, embedding: Embedding, likeness: float | None = None
    ) -> ObjectLogits:
        """What a step of the decoder cascade found."""
        logits = geometry.to_original(step.logits, embedding.frame)[0]
        # A mask in one piece has less than its logits say, and closed holes.
        least = np.finfo(np.float32).tiny
        logits = np.where(step.mask, np.maximum(logits, least), np.minimum(logits, 0))
        return cls(logits, step.score, step.prompts, likeness)

    @classmethod
    def from_mask(cls, mask: np.ndarray) -> ObjectLogits:
        """A ``(height, width)`` bool mask that somebody gave: it is beyond doubt."""
        logits = np.where(mask, np.inf, -CERTAIN).astype(np.float32)
        return cls(logits, 1.0, Prompts(), given=True)

    def emptied(self) -> ObjectLogits:
        """The same with nothing found; its signs say how sure that is."""
        nothing = np.full_like(self.logits, -CERTAIN)
        return ObjectLogits(nothing, 0.0, self.prompts, self.likeness, signs=self.signs)


def resolve_overlaps(found: Mapping[str, ObjectLogits]) -> dict[str, np.ndarray]:
    """Give every pixel to the object with the highest logit, or to none where all are below 0.

    Args:
        found: of all objects in one frame, at least one; of equals the first has the pixel.

    Returns:
        ``(height, width)`` bool by object name.
    """
    if len(found) == 1:
        return {name: one.logits > 0 for name, one in found.items()}
    logits = np.stack([one.logits for one in found.values()])
    owner, best = logits.argmax(axis=0), logits.max(axis=0)
    return {name: (owner == number) & (best > 0) for number, name in enumerate(found)}


def predictions(found: Mapping[str, ObjectLogits]) -> dict[str, TrackedPrediction]:
    """The answer of one frame: masks that do not overlap; empty ones have a score of 0.

    Args:
        found: of all objects in one frame; may be none.
    """
    masks = resolve_overlaps(found) if found else {}
    return {name: _prediction(one, masks[name]) for name, one in found.items()}


def empty_prediction(height: int, width: int) -> TrackedPrediction:
    """The answer for an object that was not looked for."""
    empty = Prompts()
    mask = np.zeros((height, width), dtype=bool)
    return TrackedPrediction(mask, 0.0, None, empty.points, empty.labels)


def _prediction(found: ObjectLogits, mask: np.ndarray) -> TrackedPrediction:
    return TrackedPrediction(
        mask=mask,
        score=found.score if mask.any() else 0.0,
        box=mask_box(mask),
        points=found.prompts.points,
        labels=found.prompts.labels,
        likeness=found.likeness,
        doubt=found.doubt if mask.any() else 0.0,
        reason=found.signs.reason if found.signs is not None and mask.any() else "",
        presence=found.presence,
        evidence=found.evidence,
        region=found.region,
    )
