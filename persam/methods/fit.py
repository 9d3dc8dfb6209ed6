"""PerSAM-F's two numbers: weights of the decoder's three masks, fitted to the reference masks.

Only the fused mask ``(1 - w1 - w2) m1 + w1 m2 + w2 m3`` changes while fitting, never the three
masks themselves, so the decoder is asked once for each reference and everything here is arithmetic
on its answers. Several references count alike, whatever their size: their losses' mean is fitted.
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
from persam.methods.descent import OFFICIAL, Truth, descend, losses

if TYPE_CHECKING:
    from collections.abc import Sequence

    from persam.methods.descent import Schedule
    from persam.pipeline.cascade import Weights
    from persam.structures import Frame
    from persam.variants import Fit as FitName

# The official schedule's learning rates add up to 0.5, so from 1/3 it ends within -0.17..0.83; the
# fast search covers that and each mask on its own, and no wilder extrapolation.
_LOWEST, _HIGHEST, _SPACING = -0.25, 1.25, 0.125
# Longest sides of the samples on which the fast fit looks everywhere, looks nearer, and judges.
_COARSE, _FINE, _FULL = 64, 256, 1024


@dataclass(frozen=True, eq=False)
class Lesson:
    """What the weights are fitted to: the decoder's masks of a reference, and the right one.

    Attributes:
        logits: ``(3, m, m)`` of the model's square.
        frame: how the reference lies in that square.
        mask: ``(height, width)`` bool, the object.
    """

    logits: torch.Tensor
    frame: Frame
    mask: np.ndarray

    def __post_init__(self) -> None:
        if self.mask.shape != (self.frame.height, self.frame.width):
            raise ValueError(
                f"A lesson's mask has its frame's size, {self.frame.height}x{self.frame.width}; "
                f"got {self.mask.shape}."
            )


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


def fit(lessons: Sequence[Lesson], how: FitName, schedule: Schedule = OFFICIAL) -> Fitted:
    """Fit the weights.

    Args:
        lessons: the decoder's masks of the references and the right ones; at least one.
        how: ``"official"`` runs the official descent; ``"fast"`` searches the weights' plane.
        schedule: of the official descent; 1,000 steps unless said otherwise.

    Raises:
        PersamError: the logits are not finite numbers.
    """
    if not all(bool(lesson.logits.isfinite().all()) for lesson in lessons):
        raise PersamError(
            "The model's masks of the reference overflow at this precision: load it with "
            'precision="fp32".'
        )
    return _official(lessons, schedule) if how == "official" else _fast(lessons)


def _official(lessons: Sequence[Lesson], schedule: Schedule) -> Fitted:
    maps, truths = [], []
    for lesson in lessons:
        maps.append(geometry.to_original(lesson.logits, lesson.frame).flatten(1).clone())
        truths.append(torch.from_numpy(lesson.mask).to(maps[-1].device).flatten().float())
    free = torch.full((2,), 1 / 3, device=maps[0].device, requires_grad=True)

    def loss() -> tuple[torch.Tensor, torch.Tensor]:
        weights = _all_three(free)
        return _mean(
            [losses(weights @ three, truth) for three, truth in zip(maps, truths, strict=True)]
        )

    rows = descend([free], loss, schedule)
    return Fitted(_weights(free.detach()), rows)


def _fast(lessons: Sequence[Lesson]) -> Fitted:
    full = _Plane(tuple(_Layer.of(lesson) for lesson in lessons))
    fine, coarse = full.thinned(_FINE), full.thinned(_COARSE)
    places = [coarse.zoom(start, _SPACING, rounds=5) for start in coarse.basins()]
    lowest = min(places, key=lambda place: float(coarse.loss(place[None])))
    equal = torch.full_like(lowest, 1 / 3)
    found = fine.zoom(lowest, _SPACING / 4, rounds=6)
    rows = [full.row(0, equal), full.row(1, found)]
    if sum(rows[0][1:]) <= sum(rows[1][1:]):
        # Samples mislead where masks are noise: all pixels are asked, from the descent's start.
        found = full.zoom(equal, 2 * _SPACING, rounds=8)
        rows = [rows[0], full.row(1, found)]
    return Fitted(_weights(found), np.array(rows, dtype=np.float32))


@dataclass(frozen=True, eq=False)
class _Layer:
    """What one reference has to say.

    Attributes:
        maps: ``(3, h, w)`` logits.
        truth: ``(h, w)``, 0..1.
        pixels: how many pixels of the picture each of the h * w stands for.
    """

    maps: torch.Tensor
    truth: torch.Tensor
    pixels: float

    @classmethod
    def of(cls, lesson: Lesson) -> _Layer:
        """At the original resolution, or averaged to a long side of 1024.

        The decoder's masks are smooth at that scale, so averages say as much as the pixels.
        """
        truth = Truth.of(lesson.mask, lesson.frame, _FULL, lesson.logits.device)
        return cls(truth.lay(lesson.logits), truth.share, truth.pixels)

    def thinned(self, side: int) -> _Layer:
        """Every n-th row and column, for a long side of about ``side`` at most.

        Samples, not averages: where masks have hard edges an average of logits moves the optimum.
        The rows and columns go through a pixel of the object, so that none is too small for them.
        """
        step = math.ceil(max(self.truth.shape) / side)
        on = self.truth.nonzero()
        row, column = (on[len(on) // 2] % step).tolist()
        truth = self.truth[row::step, column::step]
        maps = self.maps[:, row::step, column::step]
        return _Layer(maps, truth, self.pixels * self.truth.numel() / truth.numel())

    def losses(self, places: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
        """``(..., 2)`` places to ``(...)`` dice and focal losses."""
        fused = _all_three(places) @ self.maps.flatten(1)
        return losses(fused, self.truth.flatten(), pixels=self.pixels)


@dataclass(frozen=True, eq=False)
class _Plane:
    """The loss over the plane of ``(w1, w2)``: the mean over the references."""

    layers: tuple[_Layer, ...]

    def thinned(self, side: int) -> _Plane:
        """Every layer with a long side of about ``side`` at most."""
        return _Plane(tuple(layer.thinned(side) for layer in self.layers))

    def losses(self, places: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
        """``(..., 2)`` places to ``(...)`` dice and focal losses."""
        return _mean([layer.losses(places) for layer in self.layers])

    def loss(self, places: torch.Tensor) -> torch.Tensor:
        """``(..., 2)`` places to ``(...)`` sums of both losses."""
        return torch.add(*self.losses(places))

    def row(self, step: int, place: torch.Tensor) -> tuple[int, float, float]:
        """Step, dice and focal loss at one place."""
        dice, focal = self.losses(place)
        return step, float(dice), float(focal)

    @property
    def device(self) -> torch.device:
        """Where the layers lie."""
        return self.layers[0].maps.device

    def basins(self) -> torch.Tensor:
        """The lowest places, at most three ``(w1, w2)``, of a wide grid: lower than around them."""
        ticks = torch.arange(_LOWEST, _HIGHEST + _SPACING / 2, _SPACING, device=self.device)
        grid = torch.cartesian_prod(ticks, ticks)
        height = -self.loss(grid)
        square = height.reshape(1, len(ticks), len(ticks))
        peaks = F.max_pool2d(square, 3, stride=1, padding=1).flatten() == height
        best = height.where(peaks, -torch.inf).topk(min(3, int(peaks.sum())))
        return grid[best.indices]

    def zoom(self, place: torch.Tensor, reach: float, *, rounds: int) -> torch.Tensor:
        """Look round a place, go to the best one there, and look nearer: ``(2,)`` to ``(2,)``."""
        ticks = torch.linspace(-1, 1, 3, device=self.device)
        around = torch.cartesian_prod(ticks, ticks)
        for _ in range(rounds):
            places = (place + reach * around).clamp(_LOWEST, _HIGHEST)
            place = places[self.loss(places).argmin()]
            reach /= 2
        return place


def _mean(pairs: Sequence[tuple[torch.Tensor, torch.Tensor]]) -> tuple[torch.Tensor, torch.Tensor]:
    """Dice and focal loss, each the mean over the references. A single pair comes back as it is."""
    if len(pairs) == 1:
        return pairs[0]
    dice, focal = zip(*pairs, strict=True)
    return torch.stack(dice).mean(dim=0), torch.stack(focal).mean(dim=0)


def _all_three(free: torch.Tensor) -> torch.Tensor:
    """``(..., 2)`` free weights of masks 2 and 3 to ``(..., 3)`` weights that add up to 1."""
    return torch.cat([1 - free.sum(-1, keepdim=True), free], dim=-1)


def _weights(free: torch.Tensor) -> Weights:
    first, second, third = _all_three(free.double()).tolist()
    return first, second, third
