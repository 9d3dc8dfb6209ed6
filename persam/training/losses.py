"""What a decoder call is judged by."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, NamedTuple

import torch
import torch.nn.functional as F

if TYPE_CHECKING:
    from persam.models.pocket.network import DecoderOutput

IOU_WEIGHT = 4.0
PRESENCE_WEIGHT = 0.2
# The other masks follow a little, or those that are never the best would never learn; and more
# where only the whole object can be meant.
OTHERS_WEIGHT, WHOLE_OTHERS_WEIGHT = 0.1, 0.4
EDGE_WEIGHT = 4.0
EDGE_REACH = 7  # side of the neighbourhood in which a cell near an edge differs from its mean


class Losses(NamedTuple):
    """Means over a batch of answers.

    Attributes:
        total: what is minimised.
        single_iou: of the single mask.
        best_iou: of the best of the three.
        chosen_iou: of the one of the three that the IoU head chooses.
    """

    total: torch.Tensor
    single_iou: float
    best_iou: float
    chosen_iou: float


@dataclass(frozen=True, eq=False)
class Wanted:
    """What ``n`` answers are judged by.

    Attributes:
        truth: ``(n, m, m)`` share of every cell that is object; all 0 where it is absent.
        ignored: ``(n, m, m)`` bool, cells that are not judged.
    """

    truth: torch.Tensor
    ignored: torch.Tensor


def judge(
    answer: DecoderOutput, wanted: Wanted, single: float = 1.0, others: float = OTHERS_WEIGHT
) -> Losses:
    """Cross-entropy, weighed up near edges, and dice; errors of the heads for IoU and presence.

    Args:
        answer: ``(n, 4, m, m)`` logits with their scores: the single mask, then the three.
        wanted: the truth.
        single: weight of the single mask's loss beside that of the best of the three.
        others: weight of the mean of the three.
    """
    logits, truth = answer.logits, wanted.truth
    judged = (~wanted.ignored).float()
    loss = _mask_loss(logits, truth, judged)
    single_loss, three = loss[:, 0], loss[:, 1:]
    best = three.argmin(1, keepdim=True)
    with torch.no_grad():
        iou = masks_iou((logits > 0) & ~wanted.ignored[:, None], truth[:, None] > 0.5)
    there = (truth.flatten(1).amax(1) > 0.5).float()
    total = (
        (three.gather(1, best).mean() + single * single_loss.mean()) / (1 + single)
        + others * three.mean()
        + IOU_WEIGHT * F.mse_loss(answer.iou, iou)
        + PRESENCE_WEIGHT * F.binary_cross_entropy_with_logits(answer.presence, there)
    )
    seen = iou[there > 0]
    choice = answer.iou[there > 0][:, 1:].argmax(1, keepdim=True)
    return Losses(
        total,
        float(seen[:, 0].mean()),
        float(seen[:, 1:].amax(1).mean()),
        float(seen[:, 1:].gather(1, choice).mean()),
    )


def _mask_loss(logits: torch.Tensor, truth: torch.Tensor, judged: torch.Tensor) -> torch.Tensor:
    """``(n, k)`` losses of ``(n, k, m, m)`` logits."""
    wanted = truth[:, None].expand_as(logits)
    edges = (1 + EDGE_WEIGHT * (_blurred(truth) - truth).abs())[:, None] * judged[:, None]
    entropy = F.binary_cross_entropy_with_logits(logits, wanted, reduction="none") * edges
    entropy = entropy.sum((2, 3)) / edges.sum((2, 3)).clamp(min=1)
    share = logits.sigmoid() * judged[:, None]
    overlap, areas = (share * wanted).sum((2, 3)), (share + wanted).sum((2, 3))
    # Entropy is a mean over all cells: weighed up, or small objects would not count.
    return 4 * entropy + 1 - (2 * overlap + 1) / (areas + 1)


def _blurred(truth: torch.Tensor) -> torch.Tensor:
    reach = EDGE_REACH // 2
    return F.avg_pool2d(truth[:, None], EDGE_REACH, 1, reach, count_include_pad=False)[:, 0]


def masks_iou(predicted: torch.Tensor, truth: torch.Tensor) -> torch.Tensor:
    """IoU of bool masks over their last two dimensions; 0 where the truth is empty."""
    both = (predicted & truth).sum((-2, -1)).float()
    return both / (predicted | truth).sum((-2, -1)).clamp(min=1)
