"""HQ-SAM's loss: cross-entropy and dice at points, most of them where the mask is in doubt.

Points are chosen as PointRend does (Kirillov 2020): three times as many as are wanted are drawn,
the most uncertain fill three quarters, and the rest is random.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import torch
import torch.nn.functional as F

if TYPE_CHECKING:
    import numpy as np

POINTS = 112 * 112
OVERSAMPLING, DOUBTFUL = 3, 0.75


def draws(chance: np.random.Generator, points: int = POINTS) -> torch.Tensor:
    """Random places for one mask: ``(3 * points + points / 4, 2)`` ``(x, y)`` in -1..1."""
    count = OVERSAMPLING * points + points - int(DOUBTFUL * points)
    return torch.from_numpy(chance.uniform(-1, 1, (count, 2)).astype("float32"))


def point_losses(
    logits: torch.Tensor, truth: torch.Tensor, places: torch.Tensor, points: int = POINTS
) -> tuple[torch.Tensor, torch.Tensor]:
    """Cross-entropy and dice of every mask.

    Args:
        logits: ``(n, m, m)``.
        truth: ``(n, s, s)`` in 0..1, of the same extent; s may differ from m.
        places: ``(n, p, 2)``, what :func:`draws` gave for each.
        points: how many are judged.

    Returns:
        Two tensors ``(n,)``.
    """
    doubtful = int(DOUBTFUL * points)
    some = places[:, : OVERSAMPLING * points]
    doubt = -_at(logits.detach(), some).abs()
    chosen = doubt.topk(doubtful, dim=1).indices[..., None].expand(-1, -1, 2)
    where = torch.cat([some.gather(1, chosen), places[:, OVERSAMPLING * points :]], dim=1)
    found, wanted = _at(logits, where), _at(truth, where)
    entropy = F.binary_cross_entropy_with_logits(found, wanted, reduction="none").mean(1)
    share = found.sigmoid()
    overlap, areas = (share * wanted).sum(1), (share + wanted).sum(1)
    return entropy, 1 - (2 * overlap + 1) / (areas + 1)


def _at(maps: torch.Tensor, places: torch.Tensor) -> torch.Tensor:
    """``(n, h, w)`` maps at ``(n, p, 2)`` places, bilinearly: ``(n, p)``.

    Beyond the border lies the border; zeros there would be doubt that no mask has.
    """
    where = places[:, None]
    return F.grid_sample(maps[:, None], where, padding_mode="border", align_corners=False)[:, 0, 0]
