"""Episodes -> batched decoder calls with every kind of prompt that the model will meet."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import torch
import torch.nn.functional as F

from persam.models.guided_attention import guided
from persam.pipeline.similarity import PRIOR_CUT
from persam.structures import Guidance

if TYPE_CHECKING:
    from persam.models.pocket.encoder import Features
    from persam.models.pocket.network import DecoderOutput, PocketModel
    from persam.training.episodes import Episodes

PRIOR_FACTOR = 3.0  # what a standard deviation of the location prior is worth in logits
# How often a concept's question has: negative point, guide, target, prior mask
_USED = torch.tensor([0.6, 0.6, 0.6, 0.8])


@dataclass(frozen=True, eq=False)
class Question:
    """One prompt for each of ``n`` episodes.

    Attributes:
        points: ``(n, k, 2)`` ``(x, y)`` in pixels of the model's square, or None.
        labels: ``(n, k)``, 1 on the object, 0 off it; or None.
        box: ``(n, 4)``, or None.
        mask: ``(n, 1, m, m)`` logits, or None.
        guidance: for all of them together, or None.
    """

    points: torch.Tensor | None = None
    labels: torch.Tensor | None = None
    box: torch.Tensor | None = None
    mask: torch.Tensor | None = None
    guidance: Guidance | None = None


def ask(
    model: PocketModel,
    features: Features,
    scene: torch.Tensor,
    question: Question,
    *,
    multimask: bool,
) -> DecoderOutput:
    """Answer one question for every episode, ``scene`` saying which features each is about."""
    given = {
        "input_points": question.points,
        "input_labels": question.labels,
        "input_boxes": question.box,
    }
    prompts = {name: value[:, None] for name, value in given.items() if value is not None}
    if question.mask is not None:
        prompts["input_masks"] = question.mask
    skips = tuple(skip[scene] for skip in features.high_resolution)
    with guided(model.mask_decoder, question.guidance):
        return model(features.mask[scene], skips, prompts, multimask=multimask)


def concept_question(episodes: Episodes, side: int, generator: torch.Generator) -> Question:
    """PerSAM's first step: points of the location prior, guide, target and prior mask.

    Each part but the positive point is left out now and then, so that none becomes a crutch.
    """
    use = torch.rand(4, generator=generator, device=generator.device).cpu() < _USED
    prior = episodes.prior
    fine = F.interpolate(prior[:, None], scale_factor=4, mode="bilinear", align_corners=False)[:, 0]
    points = [_peak(fine, side)] + ([_peak(-fine, side)] if use[0] else [])
    attention = prior.sigmoid().flatten(1)[:, None, None] if use[1] else None
    target = episodes.target[:, None, None] if use[2] else None
    return Question(
        points=torch.stack(points, dim=1),
        labels=torch.tensor([1, 0][: len(points)], device=prior.device).expand(len(prior), -1),
        mask=(fine[:, None] - PRIOR_CUT) * PRIOR_FACTOR if use[3] else None,
        guidance=Guidance(attention, target),
    )


def point_question(truth: torch.Tensor, side: int, generator: torch.Generator) -> Question:
    """One random point on the object, half of the time with one off it."""
    inside = _random_point(truth > 0.5, side, generator)
    labels = torch.tensor([1, 0], device=truth.device).expand(len(truth), -1)
    if float(torch.rand((), generator=generator, device=generator.device)) < 0.5:
        return Question(inside[:, None], labels[:, :1])
    outside = _random_point(truth < 0.5, side, generator)
    return Question(torch.stack([inside, outside], dim=1), labels)


def box_question(truth: torch.Tensor, side: int, generator: torch.Generator) -> Question:
    """The object's box, each corner off by up to a tenth of its side."""
    box = tight_boxes(truth > 0.5, side)
    size = (box[:, 2:] - box[:, :2]).repeat(1, 2)
    draws = torch.rand(box.shape, generator=generator, device=generator.device)
    noise = (draws * 2 - 1) * 0.1 * size
    return Question(box=(box + noise).clamp(0, side - 1))


def refining_question(first: Question, answer: DecoderOutput, side: int, *, box: bool) -> Question:
    """PerSAM's refinement: the same points, the last logits, and the box of the last mask."""
    index = answer.iou.argmax(1)
    rows = torch.arange(len(index), device=index.device)
    logits = answer.logits[rows, index][:, None].detach()
    boxes = tight_boxes(logits[:, 0] > 0, side) if box else None
    return Question(first.points, first.labels, boxes if box else first.box, logits)


def tight_boxes(masks: torch.Tensor, side: int) -> torch.Tensor:
    """``(n, 4)`` corner pixels of ``(n, m, m)`` bool masks, in a square of ``side`` pixels.

    An empty mask gets the whole square: a batch wants a box for every row.
    """
    scale = side / masks.shape[-1]

    def ends(line: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
        first = line.float().argmax(1)
        last = line.shape[1] - 1 - line.flip(1).float().argmax(1)
        empty = ~line.any(1)
        return first.masked_fill(empty, 0), last.masked_fill(empty, line.shape[1] - 1)

    x0, x1 = ends(masks.any(1))
    y0, y1 = ends(masks.any(2))
    return torch.stack([x0 * scale, y0 * scale, (x1 + 1) * scale - 1, (y1 + 1) * scale - 1], 1)


def _peak(maps: torch.Tensor, side: int) -> torch.Tensor:
    return _pixels(maps.flatten(1).argmax(1), maps.shape[-1], side)


def _random_point(masks: torch.Tensor, side: int, generator: torch.Generator) -> torch.Tensor:
    weights = masks.flatten(1).float()
    nothing = weights.sum(1, keepdim=True) == 0
    index = torch.multinomial(weights + nothing, 1, generator=generator)[:, 0]
    return _pixels(index, masks.shape[-1], side)


def _pixels(index: torch.Tensor, width: int, side: int) -> torch.Tensor:
    """``(n, 2)`` ``(x, y)`` of the middles of cells, in pixels of a square of ``side``."""
    xy = torch.stack([index % width, index // width], dim=1).float()
    return (xy + 0.5) * (side / width) - 0.5
