"""The decoder cascade: a first mask, then the two refinements of PerSAM's section 3.2.

Each step is one decoder call and gives a :class:`Step`; a step that finds nothing is set aside, so
that the mask before it stands (the official scripts stop with an exception there).
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
import torch

from persam import geometry
from persam.errors import PersamError
from persam.pipeline.prompts import mask_box
from persam.structures import MaskLogits, Prompts

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from persam.models.base import Backbone
    from persam.structures import Embedding, Guidance
    from persam.variants import Variant

Weights = tuple[float, float, float]


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
    logits: torch.Tensor
    mask: np.ndarray
    score: float


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
    answer = backbone.decode(embedding, prompts, guidance=guidance, multimask=weights is not None)
    if weights is None:
        return chosen(1, embedding, prompts, answer, 0)
    factors = answer.logits.new_tensor(weights)
    fused = torch.einsum("k,kij->ij", factors, answer.logits)[None]
    score = float((factors * answer.iou).sum())
    return Step(1, prompts, answer, None, fused, _mask(fused, embedding), _finite(score))


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
    answer = backbone.decode(embedding, prompts, multimask=True)
    return chosen(number, embedding, prompts, answer, answer.best())


def cascade(backbone: Backbone, embedding: Embedding, first: Step, variant: Variant) -> list[Step]:
    """Run the refinements that the variant asks for after the first step; all steps in order."""
    steps = [first]
    if variant.refine_mask:
        box = variant.box_in_step_2
        steps.append(refine_step(backbone, embedding, standing(steps), number=2, box=box))
    if variant.refine_box:
        steps.append(refine_step(backbone, embedding, standing(steps), number=3, box=True))
    return steps


def standing(steps: Sequence[Step], *, keep_best: bool = False) -> Step:
    """The step whose mask stands: the last that found anything, else the first.

    Args:
        steps: in order, at least one.
        keep_best: take the highest score among those that found anything instead of the last.
    """
    found = [step for step in steps if step.mask.any()] or list(steps[:1])
    return max(found, key=lambda step: step.score) if keep_best else found[-1]


def stages(steps: Sequence[Step], final: Step) -> Mapping[str, np.ndarray]:
    """The steps as plain arrays by name, for traces.

    ``stepN_logits`` ``(k, m, m)``, ``stepN_iou`` ``(k,)``; ``stepN_box_xyxy``, the pixels in
    two corners, where a box was asked with; ``step1_weighted_logits`` ``(m, m)`` where masks were
    fused; ``final_index`` of the mask within its step (-1 for a fused one), ``final_step`` and
    ``final_mask`` (uint8, 0 or 1).
    """
    found: dict[str, np.ndarray] = {}
    for step in steps:
        name = f"step{step.number}"
        found[f"{name}_logits"] = step.answer.logits.cpu().numpy()
        found[f"{name}_iou"] = step.answer.iou.cpu().numpy()
        if step.index is None:
            found[f"{name}_weighted_logits"] = step.logits[0].cpu().numpy()
        if step.prompts.box is not None:
            found[f"{name}_box_xyxy"] = np.array(step.prompts.box, dtype=np.int64) - (0, 0, 1, 1)
    found["final_step"] = np.array(final.number)
    found["final_index"] = np.array(-1 if final.index is None else final.index)
    found["final_mask"] = final.mask.astype(np.uint8)
    return found


def chosen(
    number: int, embedding: Embedding, prompts: Prompts, answer: MaskLogits, index: int
) -> Step:
    """The step that takes one mask of the decoder's answer."""
    logits = answer.logits[index : index + 1]
    score = _finite(float(answer.iou[index]))
    return Step(number, prompts, answer, index, logits, _mask(logits, embedding), score)


def _mask(logits: torch.Tensor, embedding: Embedding) -> np.ndarray:
    return (geometry.to_original(logits, embedding.frame)[0] > 0).cpu().numpy()


def _finite(score: float) -> float:
    if not np.isfinite(score):
        raise PersamError(
            f"The model answered with a score of {score}. Its numbers overflow at this precision: "
            f'load it with precision="fp32".'
        )
    return score
