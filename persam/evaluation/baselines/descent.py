"""PerSAM-F's loss and schedule in torch, for whatever is to be fitted to one reference mask."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

import numpy as np
import torch
import torch.nn.functional as F

from persam import geometry
from persam.methods.fit import LOG_EVERY, OFFICIAL, dice_and_focal

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from persam.methods.fit import Schedule
    from persam.structures import Frame


@dataclass(frozen=True, eq=False)
class Truth:
    """The reference mask at the size where a loss is taken.

    Attributes:
        frame: how a picture of that size lies in the model's square.
        share: ``(h, w)``, 0..1: how much of each cell is object.
        pixels: how many pixels of the picture each cell stands for.
    """

    frame: Frame
    share: torch.Tensor
    pixels: float

    @classmethod
    def of(cls, mask: np.ndarray, frame: Frame, longest: int, device: torch.device | str) -> Truth:
        """At the original size, or averaged to a longest side of ``longest``.

        Args:
            mask: ``(height, width)`` bool.
            frame: how the picture lies in the model's square.
            longest: in pixels.
            device: where the loss is taken.
        """
        scale = min(1.0, longest / max(frame.height, frame.width))
        height, width = (max(1, round(scale * edge)) for edge in (frame.height, frame.width))
        share = torch.from_numpy(geometry.shrink(mask, (height, width))).to(device)
        return cls(replace(frame, height=height, width=width), share, mask.size / share.numel())

    def resized(self, logits: torch.Tensor) -> torch.Tensor:
        """Bring ``(k, m, m)`` logits of the model's square to this size, ``(k, h, w)``.

        As :func:`persam.geometry.to_original`, with gradients.
        """
        frame = self.frame
        square = _bilinear(logits, (frame.square, frame.square))
        height, width = frame.resized
        return _bilinear(square[:, :height, :width], (frame.height, frame.width))

    def losses(self, maps: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
        """Dice and focal loss of ``(..., h, w)`` logits of this size; two tensors ``(...)``."""
        return losses(maps.flatten(-2), self.share.flatten(), pixels=self.pixels)


def losses(
    logits: torch.Tensor, truth: torch.Tensor, *, pixels: float = 1.0
) -> tuple[torch.Tensor, torch.Tensor]:
    """Dice and focal loss as :func:`persam.methods.fit.losses`, of tensors and with gradients.

    Example:
        >>> dice, focal = losses(torch.tensor([9.0, -9.0]), torch.tensor([1.0, 0.0]))
        >>> bool(dice < 1e-3), bool(focal < 1e-6)
        (True, True)
    """
    return dice_and_focal(logits, truth, logits.sigmoid(), F.softplus(logits), pixels)


def descend(
    parameters: Sequence[torch.Tensor],
    loss: Callable[[], tuple[torch.Tensor, torch.Tensor]],
    schedule: Schedule = OFFICIAL,
) -> np.ndarray:
    """Fit parameters in place, by the sum of two losses.

    Args:
        parameters: leaves that take gradients; every one has a part in the loss.
        loss: gives dice and focal loss, each ``()``, of the parameters as they are.
        schedule: of the descent.

    Returns:
        ``(n, 3)`` float32 rows of step, dice and focal loss before that step's update: every
        100th step and the last.
    """
    optimiser = torch.optim.AdamW(parameters, lr=schedule.rate, eps=schedule.epsilon)
    cosine = torch.optim.lr_scheduler.CosineAnnealingLR(optimiser, schedule.steps)
    rows = []
    with torch.enable_grad():
        for step in range(schedule.steps):
            dice, focal = loss()
            optimiser.zero_grad()
            (dice + focal).backward()
            optimiser.step()
            cosine.step()
            if step % LOG_EVERY == 0 or step == schedule.steps - 1:
                rows.append((step, float(dice.detach()), float(focal.detach())))
    return np.array(rows, dtype=np.float32)


def _bilinear(maps: torch.Tensor, size: tuple[int, int]) -> torch.Tensor:
    return F.interpolate(maps[None], size, mode="bilinear", align_corners=False)[0]
