"""Episodes -> batched decoder calls with every kind of prompt that the model will meet."""

from __future__ import annotations

from contextlib import contextmanager
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

import torch
import torch.nn.functional as F

from persam.models.guided_attention import TensorGuidance, guided
from persam.pipeline.similarity import PRIOR_CUT

if TYPE_CHECKING:
    from collections.abc import Iterator

    from persam.models.pocket.encoder import Features
    from persam.models.pocket.network import DecoderOutput, PocketModel
    from persam.training.episodes import Episodes

PRIOR_FACTOR = 3.0  # what a standard deviation of the location prior is worth in logits
# How often a concept's question has: negative point, guide, another choice for the target than for
# the guide, prior mask. PerSAM has guide and target both, PerSAM-F and the pocket recipe neither.
_USED = torch.tensor([0.6, 0.5, 0.15, 0.7])
BOX_AND_POINTS_SHARE = 0.3  # of the questions of several points that have the box, too
MORE_POINTS = (0, 0, 2, 5)  # how many the parts of an object add to the first
MOST_POINTS = 10
NEGATIVE_SHARE = 0.3
NOISE = 0.4  # scale of the worst boxes' errors, as in Stable-SAM's protocol
FUSED_SHARE = 0.4  # of the first steps that go on with all three masks, weighted as by PerSAM-F


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
    guidance: TensorGuidance | None = None


@contextmanager
def every_mask(decoder: Any) -> Iterator[None]:
    """Let a decoder give its single mask and the other three, of one call."""
    # Transformers' decoder slices them, except where it goes by stability.
    decoder.dynamic_multimask_via_stability = True
    decoder._dynamic_multimask_via_stability = lambda masks, iou: (masks, iou)
    try:
        yield
    finally:
        decoder.dynamic_multimask_via_stability = False
        del decoder._dynamic_multimask_via_stability


def ask(
    model: PocketModel, features: Features, scene: torch.Tensor, question: Question
) -> DecoderOutput:
    """Answer one question for every episode, ``scene`` saying which features each is about.

    Returns:
        All four masks, the single one first.
    """
    given = {
        "input_points": question.points,
        "input_labels": question.labels,
        "input_boxes": question.box,
    }
    prompts = {name: value[:, None] for name, value in given.items() if value is not None}
    if question.mask is not None:
        prompts["input_masks"] = question.mask
    skips = tuple(skip[scene] for skip in features.high_resolution)
    decoder = model.mask_decoder
    with guided(decoder, question.guidance), every_mask(decoder):
        return model(features.mask[scene], skips, prompts, multimask=False)


def concept_question(episodes: Episodes, side: int, generator: torch.Generator) -> Question:
    """PerSAM's first step: points of the location prior, guide, target and prior mask.

    Each part but the positive point is left out now and then, so that none becomes a crutch.
    """
    use = torch.rand(4, generator=generator, device=generator.device).cpu() < _USED
    prior = episodes.prior
    fine = F.interpolate(prior[:, None], scale_factor=4, mode="bilinear", align_corners=False)[:, 0]
    more = MORE_POINTS[_integer(len(MORE_POINTS), generator)]
    points = [_peak(fine, side)[:, None]]
    if more:
        points.append(_random_points(prior > PRIOR_CUT, more, side, generator))
    if use[0]:
        points.append(_peak(-fine, side)[:, None])
    labels = [1] * (1 + more) + [0] * int(use[0])
    attention = prior.sigmoid().flatten(1)[:, None, None] if use[1] else None
    target = episodes.target[:, None, None] if use[1] != use[2] else None
    return Question(
        points=torch.cat(points, dim=1),
        labels=torch.tensor(labels, device=prior.device).expand(len(prior), -1),
        mask=(fine[:, None] - PRIOR_CUT) * PRIOR_FACTOR if use[3] else None,
        guidance=TensorGuidance(attention, target),
    )


def point_question(truth: torch.Tensor, side: int, generator: torch.Generator) -> Question:
    """One random point on the object, now and then with one off it."""
    return _points_question(truth, 1, side, generator)


def points_question(truth: torch.Tensor, side: int, generator: torch.Generator) -> Question:
    """Several random points on the object, now and then with one off it or with its box."""
    asked = _points_question(truth, 2 + _integer(MOST_POINTS - 1, generator), side, generator)
    if float(torch.rand((), generator=generator, device=generator.device)) < BOX_AND_POINTS_SHARE:
        return replace(asked, box=box_question(truth, side, generator).box)
    return asked


def _points_question(
    truth: torch.Tensor, count: int, side: int, generator: torch.Generator
) -> Question:
    points = _random_points(truth > 0.5, count, side, generator)
    labels = [1] * count
    if float(torch.rand((), generator=generator, device=generator.device)) < NEGATIVE_SHARE:
        near = F.max_pool2d(truth[:, None], 25, 1, 12)[:, 0] > 0.5
        off = _random_points(near & (truth < 0.5), 1, side, generator)
        points, labels = torch.cat([points, off], dim=1), [*labels, 0]
    return Question(points, torch.tensor(labels, device=truth.device).expand(len(truth), -1))


def box_question(truth: torch.Tensor, side: int, generator: torch.Generator) -> Question:
    """The object's box, for half of the objects moved and resized by up to :data:`NOISE`."""
    box = tight_boxes(truth > 0.5, side)
    count = len(box)
    draws = torch.rand((count, 5), generator=generator, device=generator.device)
    scale = (NOISE * (draws[:, 4:] * 2 - 1)).clamp(min=0)
    errors = (draws[:, :4] * 2 - 1) * scale
    sides = box[:, 2:] - box[:, :2]
    centre = (box[:, :2] + box[:, 2:]) / 2 + errors[:, :2] * sides / 2
    half = sides * (1 + errors[:, 2:]) / 2
    return Question(box=torch.cat([centre - half, centre + half], dim=1).clamp(0, side - 1))


def first_logits(answer: DecoderOutput, generator: torch.Generator) -> torch.Tensor:
    """``(n, 1, m, m)``: PerSAM's single mask, or the three weighted at random as by PerSAM-F."""
    if float(torch.rand((), generator=generator, device=generator.device)) >= FUSED_SHARE:
        return answer.logits[:, :1].detach()
    draws = torch.rand((len(answer.logits), 3), generator=generator, device=generator.device)
    weights = draws / draws.sum(1, keepdim=True)
    return torch.einsum("nk,nkij->nij", weights, answer.logits[:, 1:].detach())[:, None]


def best_logits(answer: DecoderOutput) -> torch.Tensor:
    """``(n, 1, m, m)``: the one of the three that the IoU head chooses."""
    rows = torch.arange(len(answer.iou), device=answer.iou.device)
    return answer.logits[rows, 1 + answer.iou[:, 1:].argmax(1)][:, None].detach()


def refining_question(first: Question, logits: torch.Tensor, side: int, *, box: bool) -> Question:
    """PerSAM's refinement: the same points, the last logits, and the box of the last mask."""
    boxes = tight_boxes(logits[:, 0] > 0, side) if box else first.box
    return Question(first.points, first.labels, boxes, logits)


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


def _random_points(
    masks: torch.Tensor, count: int, side: int, generator: torch.Generator
) -> torch.Tensor:
    """``(n, count, 2)`` pixels within ``(n, m, m)`` masks; anywhere in an empty one."""
    weights = masks.flatten(1).float()
    nothing = weights.sum(1, keepdim=True) == 0
    index = torch.multinomial(weights + nothing, count, True, generator=generator)
    width = masks.shape[-1]
    draws = torch.rand((*index.shape, 2), generator=generator, device=generator.device)
    return _pixels(index, width, side) + (draws - 0.5) * (side / width - 1)


def _pixels(index: torch.Tensor, width: int, side: int) -> torch.Tensor:
    """``(..., 2)`` ``(x, y)`` of the middles of cells, in pixels of a square of ``side``."""
    xy = torch.stack([index % width, index // width], dim=-1).float()
    return (xy + 0.5) * (side / width) - 0.5


def _integer(below: int, generator: torch.Generator) -> int:
    return int(torch.randint(below, (), generator=generator, device=generator.device))
