"""The decoder cascade: a first mask, then the two refinements of PerSAM's section 3.2.

Each step is one decoder call and gives a :class:`Step`; a step that finds nothing is set aside, so
that the mask before it counts (the official scripts stop with an exception there).
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from persam import geometry
from persam.errors import PersamError
from persam.pipeline.decoder_batch import ask_decoder
from persam.pipeline.prompts import mask_box
from persam.structures import MaskLogits, Prompts

if TYPE_CHECKING:
    from collections.abc import Sequence

    from persam.models.base import Backbone
    from persam.pipeline.features import SearchTarget
    from persam.structures import Embedding, Guidance, Weights
    from persam.variants import Variant


@dataclass(frozen=True, eq=False)
class Step:
    """One decoder call and what became of its answer.

    Attributes:
        number: 1 for the first mask, 2 and 3 for the refinements.
        prompts: what the decoder was asked.
        answer: everything that it answered.
        index: which of the masks was chosen; None where they were fused.
        logits: ``(1, m, m)`` of the chosen or fused mask.
        mask: ``(height, width)`` bool, in original pixels.
        score: the model's IoU estimate of the chosen mask; of a fused one, the estimates summed
            with the same weights.
    """

    number: int
    prompts: Prompts
    answer: MaskLogits
    index: int | None
    logits: np.ndarray
    mask: np.ndarray
    score: float


def decode(
    target: SearchTarget, embedding: Embedding, prompts: Prompts, guidance: Guidance | None
) -> list[Step]:
    """Ask for the object; all steps of the recipe in order.

    Args:
        target: the object.
        embedding: the picture.
        prompts: of the first step.
        guidance: of the first step.
    """
    first = first_step(target.backbone, embedding, prompts, guidance, target.weights)
    return refine(target.backbone, embedding, first, target.variant)


def first_step(
    backbone: Backbone,
    embedding: Embedding,
    prompts: Prompts,
    guidance: Guidance | None = None,
    weights: Weights | None = None,
) -> Step:
    """Ask for the object.

    Args:
        backbone: whose decoder is asked.
        embedding: the picture.
        prompts: points, perhaps a mask.
        guidance: PerSAM's attention guide and target embedding, for this call alone.
        weights: PerSAM-F's weights of the three masks. None takes the single-mask output.
    """
    answer = ask_decoder(
        backbone, embedding, prompts, guidance=guidance, multimask=weights is not None
    )
    if weights is None:
        return chosen_step(1, embedding, prompts, answer, 0)
    factors = np.array(weights, dtype=np.float32)
    fused = np.einsum("k,kij->ij", factors, answer.logits)[None]  # (1, m, m)
    score = float((factors * answer.iou).sum())
    return Step(1, prompts, answer, None, fused, _mask(fused, embedding), finite(score))


def refine_step(
    backbone: Backbone, embedding: Embedding, previous: Step, *, number: int, box: bool
) -> Step:
    """Ask again with the previous logits, and keep the mask that the model believes in most.

    Args:
        backbone: whose decoder is asked.
        embedding: the picture.
        previous: the step to refine; its points are asked again.
        number: which step this is.
        box: also prompt with the box of the previous mask; an empty mask has none to give.
    """
    prompts = Prompts(
        points=previous.prompts.points,
        labels=previous.prompts.labels,
        box=mask_box(previous.mask) if box else None,
        mask=previous.logits,
    )
    answer = ask_decoder(backbone, embedding, prompts)
    return chosen_step(number, embedding, prompts, answer, answer.best())


def refine(backbone: Backbone, embedding: Embedding, first: Step, variant: Variant) -> list[Step]:
    """Run the refinements that the variant asks for after the first step; all steps in order."""
    steps = [first]
    if variant.refine_mask:
        box = variant.box_in_step_2
        steps.append(refine_step(backbone, embedding, final_step(steps), number=2, box=box))
    if variant.refine_box:
        steps.append(refine_step(backbone, embedding, final_step(steps), number=3, box=True))
    return steps


def final_step(steps: Sequence[Step], *, keep_best: bool = False) -> Step:
    """The step whose mask counts: the last that found anything, else the first.

    Args:
        steps: in order, at least one.
        keep_best: take the highest score among those that found anything instead of the last.
    """
    found = [step for step in steps if step.mask.any()] or list(steps[:1])
    return max(found, key=lambda step: step.score) if keep_best else found[-1]


def chosen_step(
    number: int, embedding: Embedding, prompts: Prompts, answer: MaskLogits, index: int
) -> Step:
    """The step that takes one mask of the decoder's answer."""
    logits = answer.logits[index : index + 1]
    score = finite(float(answer.iou[index]))
    return Step(number, prompts, answer, index, logits, _mask(logits, embedding), score)


def _mask(logits: np.ndarray, embedding: Embedding) -> np.ndarray:
    return geometry.mask_of(logits, embedding.frame)


def finite(score: float) -> float:
    """A model's score as it is; raises PersamError where its numbers have overflown."""
    if not np.isfinite(score):
        raise PersamError(
            f"The model answered with a score of {score}. Its numbers overflow at this precision: "
            f'load it with precision="fp32".'
        )
    return score
