"""PerSAM-F's two numbers: weights of the decoder's three masks, fitted to the reference mask.

Only the fused mask ``(1 - w1 - w2) m1 + w1 m2 + w2 m3`` changes while fitting, never the three
masks themselves, so the decoder is asked once and everything here is arithmetic on its answer.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
import torch
import torch.nn.functional as F

from persam import geometry
from persam.errors import PersamError
from persam.methods.descent import OFFICIAL, Schedule, Truth, descend, losses

if TYPE_CHECKING:
    from persam.refine import Weights
    from persam.structures import Frame
    from persam.variants import Fit as FitName

# The official schedule's learning rates add up to 0.5, so from 1/3 it ends within -0.17..0.83; the
# fast search covers that and each mask on its own, and no wilder extrapolation.
_LOWEST, _HIGHEST, _SPACING = -0.25, 1.25, 0.125
# Longest sides of the samples on which the fast fit looks everywhere, looks nearer, and judges.
_COARSE, _FINE, _FULL = 64, 256, 1024


@dataclass(frozen=True, eq=False)
class Fitted:
    """The answer of a fit.

    Attributes:
        weights: of the three masks; they add up to 1.
        losses: ``(n, 3)`` float32 rows of step, dice and focal loss at the original resolution
            (the fast fit: with a long side of at most 1024). The first row is for equal weights;
            then the official schedule has every 100th step and its last one, before their updates,
            and the fast fit its answer.
    """

    weights: Weights
    losses: np.ndarray


def fit(
    logits: torch.Tensor,
    frame: Frame,
    mask: np.ndarray,
    how: FitName,
    schedule: Schedule = OFFICIAL,
) -> Fitted:
    """Fit the weights.

    Args:
        logits: ``(3, m, m)`` the decoder's masks of the reference.
        frame: how the reference lies in the model's square.
        mask: ``(height, width)`` bool, the object.
        how: ``"official"`` runs the official descent; ``"fast"`` searches the weights' plane.
        schedule: of the official descent; 1,000 steps unless said otherwise.

    Raises:
        PersamError: the logits are not finite numbers.
    """
    if not bool(logits.isfinite().all()):
        raise PersamError(
            "The model's masks of the reference overflow at this precision: load it with "
            'precision="fp32".'
        )
    if how == "fast":
        return _fast(logits, frame, mask)
    return _official(logits, frame, mask, schedule)


def _official(logits: torch.Tensor, frame: Frame, mask: np.ndarray, schedule: Schedule) -> Fitted:
    maps = geometry.to_original(logits, frame).flatten(1).clone()
    truth = torch.from_numpy(mask).to(maps.device).flatten().float()
    free = torch.full((2,), 1 / 3, device=maps.device, requires_grad=True)
    rows = descend([free], lambda: losses(_all_three(free) @ maps, truth), schedule)
    return Fitted(_weights(free.detach()), rows)


def _fast(logits: torch.Tensor, frame: Frame, mask: np.ndarray) -> Fitted:
    full = _Plane.of(logits, frame, mask)
    fine, coarse = full.thinned(_FINE), full.thinned(_COARSE)
    places = [coarse.zoom(start, _SPACING, rounds=5) for start in coarse.basins()]
    lowest = min(places, key=lambda place: float(coarse.loss(place[None])))
    equal = torch.full_like(lowest, 1 / 3)
    found = fine.zoom(lowest, _SPACING / 4, rounds=6)
    rows = [full.row(0, equal), full.row(1, found)]
    if sum(rows[0][1:]) <= sum(rows[1][1:]):  # a sample may mislead by a trifle
        found, rows = equal, [rows[0], (1, *rows[0][1:])]
    return Fitted(_weights(found), np.array(rows, dtype=np.float32))


@dataclass(frozen=True, eq=False)
class _Plane:
    """The loss over the plane of ``(w1, w2)``.

    Attributes:
        maps: ``(3, h, w)`` logits.
        truth: ``(h, w)``, 0..1.
        pixels: how many pixels of the picture each of the h * w stands for.
    """

    maps: torch.Tensor
    truth: torch.Tensor
    pixels: float

    @classmethod
    def of(cls, logits: torch.Tensor, frame: Frame, mask: np.ndarray) -> _Plane:
        """At the original resolution, or averaged to a long side of 1024.

        The decoder's masks are smooth at that scale, so averages say as much as the pixels.
        """
        truth = Truth.of(mask, frame, _FULL, logits.device)
        return cls(truth.lay(logits), truth.share, truth.pixels)

    def thinned(self, side: int) -> _Plane:
        """Every n-th row and column, for a long side of about ``side`` at most.

        Samples, not averages: where masks have hard edges an average of logits moves the optimum.
        The rows and columns go through a pixel of the object, so that none is too small for them.
        """
        step = math.ceil(max(self.truth.shape) / side)
        on = self.truth.nonzero()
        row, column = (on[len(on) // 2] % step).tolist()
        truth = self.truth[row::step, column::step]
        maps = self.maps[:, row::step, column::step]
        return _Plane(maps, truth, self.pixels * self.truth.numel() / truth.numel())

    def losses(self, places: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
        """``(..., 2)`` places to ``(...)`` dice and focal losses."""
        fused = _all_three(places) @ self.maps.flatten(1)
        return losses(fused, self.truth.flatten(), pixels=self.pixels)

    def loss(self, places: torch.Tensor) -> torch.Tensor:
        """``(..., 2)`` places to ``(...)`` sums of both losses."""
        return torch.add(*self.losses(places))

    def row(self, step: int, place: torch.Tensor) -> tuple[int, float, float]:
        """Step, dice and focal loss at one place."""
        dice, focal = self.losses(place)
        return step, float(dice), float(focal)

    def basins(self) -> torch.Tensor:
        """The lowest places, at most three ``(w1, w2)``, of a wide grid: lower than around them."""
        ticks = torch.arange(_LOWEST, _HIGHEST + _SPACING / 2, _SPACING, device=self.maps.device)
        grid = torch.cartesian_prod(ticks, ticks)
        height = -self.loss(grid)
        square = height.reshape(1, len(ticks), len(ticks))
        peaks = F.max_pool2d(square, 3, stride=1, padding=1).flatten() == height
        best = height.where(peaks, -torch.inf).topk(min(3, int(peaks.sum())))
        return grid[best.indices]

    def zoom(self, place: torch.Tensor, reach: float, *, rounds: int) -> torch.Tensor:
        """Look round a place, go to the best one there, and look nearer: ``(2,)`` to ``(2,)``."""
        ticks = torch.linspace(-1, 1, 3, device=self.maps.device)
        around = torch.cartesian_prod(ticks, ticks)
        for _ in range(rounds):
            places = (place + reach * around).clamp(_LOWEST, _HIGHEST)
            place = places[self.loss(places).argmin()]
            reach /= 2
        return place


def _all_three(free: torch.Tensor) -> torch.Tensor:
    """``(..., 2)`` free weights of masks 2 and 3 to ``(..., 3)`` weights that add up to 1."""
    return torch.cat([1 - free.sum(-1, keepdim=True), free], dim=-1)


def _weights(free: torch.Tensor) -> Weights:
    first, second, third = _all_three(free.double()).tolist()
    return first, second, third
