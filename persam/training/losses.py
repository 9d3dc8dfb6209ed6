"""What a decoder call is judged by."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

import torch
import torch.nn.functional as F

if TYPE_CHECKING:
    from persam.models.pocket.network import DecoderOutput

IOU_WEIGHT = 4.0
PRESENCE_WEIGHT = 0.2
# The other masks follow a little, or those that are never the best would never learn.
OTHERS_WEIGHT = 0.1
EDGE_WEIGHT = 4.0
EDGE_REACH = 7  # side of the neighbourhood in which a cell near an edge differs from its mean


class Losses(NamedTuple):
    """Means over a batch of answers.

    Attributes:
        total: what is minimised.
        mask: of the best mask of each answer.
        best_iou: of the best mask.
        chosen_iou: of the mask that the IoU head chooses.
    """

    total: torch.Tensor
    mask: float
    best_iou: float
    chosen_iou: float


def judge(answer: DecoderOutput, truth: torch.Tensor) -> Losses:
    """Cross-entropy, weighed up near edges, and dice on the best mask; errors of the two heads.

    Args:
        answer: ``(n, k, m, m)`` logits with their scores.
        truth: ``(n, m, m)`` share of every cell that is object; all 0 where it is absent.
    """
    logits = answer.logits
    wanted = truth[:, None].expand_as(logits)
    edges = 1 + EDGE_WEIGHT * (_blurred(truth) - truth).abs()[:, None]
    entropy = F.binary_cross_entropy_with_logits(logits, wanted, reduction="none") * edges
    entropy = entropy.sum((2, 3)) / edges.sum((2, 3))
    share = logits.sigmoid()
    overlap, areas = (share * wanted).sum((2, 3)), (share + wanted).sum((2, 3))
    # Entropy is a mean over all cells: weighed up, or small objects would not count.
    loss = 4 * entropy + 1 - (2 * overlap + 1) / (areas + 1)
    iou = masks_iou(logits > 0, wanted > 0.5)
    best = loss.argmin(1, keepdim=True)
    there = (truth.flatten(1).amax(1) > 0.5).float()
    mask = loss.gather(1, best).mean()
    total = (
        mask
        + OTHERS_WEIGHT * loss.mean()
        + IOU_WEIGHT * F.mse_loss(answer.iou, iou)
        + PRESENCE_WEIGHT * F.binary_cross_entropy_with_logits(answer.presence, there)
    )
    chosen = iou.gather(1, answer.iou.argmax(1, keepdim=True))[there > 0]
    return Losses(
        total,
        float(mask.detach()),
        float(iou.gather(1, best)[there > 0].mean()),
        float(chosen.mean()),
    )


def _blurred(truth: torch.Tensor) -> torch.Tensor:
    reach = EDGE_REACH // 2
    return F.avg_pool2d(truth[:, None], EDGE_REACH, 1, reach, count_include_pad=False)[:, 0]


def masks_iou(predicted: torch.Tensor, truth: torch.Tensor) -> torch.Tensor:
    """IoU of bool masks over their last two dimensions; 0 where the truth is empty."""
    both = (predicted & truth).sum((-2, -1)).float()
    return both / (predicted | truth).sum((-2, -1)).clamp(min=1)
