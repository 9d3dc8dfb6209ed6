"""PerSAM-F's two numbers: weights of the decoder's three masks, fitted to the reference masks.

Only the fused mask ``(1 - w1 - w2) m1 + w1 m2 + w2 m3`` changes while fitting, never the three
masks themselves, so the decoder is asked once for each reference and everything here is arithmetic
on its answers. Several references count alike, whatever their size: their losses' mean is fitted.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

import numpy as np

from persam import geometry
from persam.errors import InputError, PersamError
from persam.pipeline.similarity import sigmoid

if TYPE_CHECKING:
    from collections.abc import Sequence

    from persam.structures import Frame, Weights
    from persam.variants import Fit as FitName

ALPHA, GAMMA = 0.25, 2  # of the focal loss, as in persam_f.py
LOG_EVERY = 100  # steps of a descent
# The official schedule's learning rates add up to 0.5, so from 1/3 it ends within -0.17..0.83; the
# fast search covers that and each mask on its own, and no wilder extrapolation.
_LOWEST, _HIGHEST, _SPACING = -0.25, 1.25, 0.125
# Longest sides of the samples on which the fast fit looks everywhere, looks nearer, and judges.
_COARSE, _FINE, _FULL = 64, 256, 1024
_EQUAL = np.full(2, 1 / 3, dtype=np.float32)
# AdamW's own constants in PyTorch: decay of both means, and of the weights.
_MEAN_DECAY, _SQUARE_DECAY, _WEIGHT_DECAY = 0.9, 0.999, 0.01
_OVERFLOW = 'overflow at this precision: load it with precision="fp32".'


@dataclass(frozen=True)
class Schedule:
    """Gradient descent as in ``persam_f.py``: AdamW, whose rate falls to 0 along a cosine.

    Attributes:
        steps: how many.
        rate: learning rate of the first step.
        epsilon: AdamW's.
        longest: side in pixels, at most, of the picture at which the loss is taken. None takes the
            original size under a recipe whose fit is the official one, as the official code does,
            and else 512 pixels, than which a decoder's masks are far coarser. PerSAM-F itself
            does not read it.
    """

    steps: int = 1000
    rate: float = 1e-3
    epsilon: float = 1e-4
    longest: int | None = None

    def __post_init__(self) -> None:
        if self.steps < 1 or (self.longest is not None and self.longest < 1):
            raise InputError(
                f"A schedule has at least 1 step and 1 pixel; got {self.steps} steps and a "
                f"longest side of {self.longest}."
            )
        for name in ("rate", "epsilon"):
            value = getattr(self, name)
            if not math.isfinite(value) or value <= 0:
                raise InputError(f"A schedule's {name} is a number above 0; got {value!r}.")


OFFICIAL = Schedule()


@dataclass(frozen=True, eq=False)
class Lesson:
    """What the weights are fitted to: the decoder's masks of a reference, and the right one.

    Attributes:
        logits: ``(3, m, m)`` of the model's square.
        frame: how the reference lies in that square.
        mask: ``(height, width)`` bool, the object.
    """

    logits: np.ndarray
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


def fit(
    lessons: Sequence[Lesson],
    how: FitName,
    schedule: Schedule = OFFICIAL,
    *,
    shrinkage: float = 0.0,
) -> Fitted:
    """Fit the weights.

    Args:
        lessons: the decoder's masks of the references and the right ones; at least one.
        how: ``"official"`` runs the official descent; ``"fast"`` searches the weights' plane.
        schedule: of the official descent; 1,000 steps unless said otherwise.
        shrinkage: of the fast search; see :class:`~persam.variants.Variant`.

    Raises:
        PersamError: the logits are not finite numbers.
    """
    if not all(np.isfinite(lesson.logits).all() for lesson in lessons):
        raise PersamError(f"The model's masks of the reference {_OVERFLOW}")
    return _official(lessons, schedule) if how == "official" else _fast(lessons, shrinkage)


def losses(
    logits: np.ndarray, truth: np.ndarray, *, pixels: float = 1.0
) -> tuple[np.ndarray, np.ndarray]:
    """Dice and focal loss of masks against the truth, as in ``persam_f.py``.

    Args:
        logits: ``(..., n)``.
        truth: ``(n,)``, 0..1; between them where a cell stands for several pixels.
        pixels: how many pixels each of the n stands for.

    Returns:
        Two arrays ``(...)``.

    Example:
        >>> dice, focal = losses(np.array([9.0, -9.0]), np.array([1.0, 0.0]))
        >>> bool(dice < 1e-3), bool(focal < 1e-6)
        (True, True)
    """
    return dice_and_focal(logits, truth, sigmoid(logits), _softplus(logits), pixels)


def dice_and_focal(logits: Any, truth: Any, p: Any, log_off: Any, pixels: float) -> tuple[Any, Any]:
    """:func:`losses` of arrays or of tensors, by ``p``, their sigmoid, and ``-log(1 - p)``."""
    on = ALPHA * (1 - p) ** GAMMA * (log_off - logits)
    off = (1 - ALPHA) * p**GAMMA * log_off
    focal = (off + truth * (on - off)).mean(-1)
    overlap, total = (p @ truth) * pixels, (p.sum(-1) + truth.sum()) * pixels
    return 1 - (2 * overlap + 1) / (total + 1), focal


def _gradient(logits: np.ndarray, truth: np.ndarray) -> np.ndarray:
    """``(n,)`` how the sum of both losses changes with each of ``(n,)`` logits."""
    p, log_off = sigmoid(logits), _softplus(logits)
    total = p.sum() + truth.sum() + 1
    inner = 2 * truth / total - (2 * (p @ truth) + 1) / total**2
    on = -ALPHA * (1 - p) ** 2 * (2 * p * (log_off - logits) + 1 - p)
    off = (1 - ALPHA) * p**2 * (2 * (1 - p) * log_off + p)
    return (off + truth * (on - off)) / len(truth) - p * (1 - p) * inner


def _official(lessons: Sequence[Lesson], schedule: Schedule) -> Fitted:
    pairs = [
        (geometry.to_original(one.logits, one.frame).reshape(3, -1), one.mask.ravel())
        for one in lessons
    ]
    pairs = [(maps, mask.astype(np.float32)) for maps, mask in pairs]
    free, means, squares = np.full(2, 1 / 3), np.zeros(2), np.zeros(2)
    rows = []
    for step in range(schedule.steps):
        weights = _all_three(free).astype(np.float32)
        if step % LOG_EVERY == 0 or step == schedule.steps - 1:
            found = [losses(weights @ maps, truth) for maps, truth in pairs]
            rows.append((step, *np.mean(found, axis=0)))
        each = [maps @ _gradient(weights @ maps, truth) for maps, truth in pairs]
        whole = np.array(each, dtype=np.float64).mean(axis=0)
        slope = whole[1:] - whole[0]
        # AdamW, whose rate falls to 0 along a cosine.
        rate = schedule.rate * (1 + math.cos(math.pi * step / schedule.steps)) / 2
        free = free * (1 - rate * _WEIGHT_DECAY)
        means = _MEAN_DECAY * means + (1 - _MEAN_DECAY) * slope
        squares = _SQUARE_DECAY * squares + (1 - _SQUARE_DECAY) * slope**2
        mean = means / (1 - _MEAN_DECAY ** (step + 1))
        spread = np.sqrt(squares / (1 - _SQUARE_DECAY ** (step + 1)))
        free = free - rate * mean / (spread + schedule.epsilon)
    return Fitted(_weights(free), np.array(rows, dtype=np.float32))


def _fast(lessons: Sequence[Lesson], shrinkage: float) -> Fitted:
    full = _Plane(tuple(_Layer.of(lesson) for lesson in lessons), shrinkage)
    fine, coarse = full.thinned(_FINE), full.thinned(_COARSE)
    places = [coarse.zoom(start, _SPACING, rounds=5) for start in coarse.basins()]
    lowest = min(places, key=lambda place: float(coarse.loss(place[None])[0]))
    found = fine.zoom(lowest, _SPACING / 4, rounds=6)
    if full.loss(_EQUAL) <= full.loss(found):
        # Samples mislead where masks are noise: all pixels are asked, from the descent's start.
        found = full.zoom(_EQUAL, 2 * _SPACING, rounds=8)
    rows = [full.row(0, _EQUAL), full.row(1, found)]
    return Fitted(_weights(found), np.array(rows, dtype=np.float32))


@dataclass(frozen=True, eq=False)
class _Layer:
    """What one reference has to say.

    Attributes:
        maps: ``(3, h, w)`` logits.
        truth: ``(h, w)``, 0..1.
        pixels: how many pixels of the picture each of the h * w stands for.
    """

    maps: np.ndarray
    truth: np.ndarray
    pixels: float

    @classmethod
    def of(cls, lesson: Lesson) -> _Layer:
        """At the original resolution, or averaged to a long side of 1024.

        The decoder's masks are smooth at that scale, so averages say as much as the pixels.
        """
        frame = lesson.frame
        scale = min(1.0, _FULL / max(frame.height, frame.width))
        height, width = (max(1, round(scale * edge)) for edge in (frame.height, frame.width))
        truth = geometry.shrink(lesson.mask, (height, width))
        maps = geometry.to_original(lesson.logits, replace(frame, height=height, width=width))
        return cls(maps, truth, lesson.mask.size / truth.size)

    def thinned(self, side: int) -> _Layer:
        """Every n-th row and column, for a long side of about ``side`` at most.

        Samples, not averages: where masks have hard edges an average of logits moves the optimum.
        The rows and columns go through a pixel of the object, so that none is too small for them.
        """
        step = math.ceil(max(self.truth.shape) / side)
        on = np.argwhere(self.truth)
        row, column = (on[len(on) // 2] % step).tolist()
        truth = np.ascontiguousarray(self.truth[row::step, column::step])
        maps = np.ascontiguousarray(self.maps[:, row::step, column::step])
        return _Layer(maps, truth, self.pixels * self.truth.size / truth.size)

    def losses(self, places: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """``(..., 2)`` places to ``(...)`` dice and focal losses."""
        fused = _all_three(places).astype(np.float32) @ self.maps.reshape(3, -1)
        return losses(fused, self.truth.ravel(), pixels=self.pixels)


@dataclass(frozen=True, eq=False)
class _Plane:
    """The loss over the plane of ``(w1, w2)``: the mean over the references, and the shrinkage."""

    layers: tuple[_Layer, ...]
    shrinkage: float

    def thinned(self, side: int) -> _Plane:
        """Every layer with a long side of about ``side`` at most."""
        return replace(self, layers=tuple(layer.thinned(side) for layer in self.layers))

    def losses(self, places: np.ndarray) -> np.ndarray:
        """``(..., 2)`` places to ``(2, ...)`` dice and focal losses, each the references' mean."""
        return np.mean([layer.losses(places) for layer in self.layers], axis=0)

    def loss(self, places: np.ndarray) -> np.ndarray:
        """``(..., 2)`` places to ``(...)`` sums of both losses and of the shrinkage."""
        apart = ((_all_three(places) - 1 / 3) ** 2).sum(-1)
        return self.losses(places).sum(axis=0) + self.shrinkage * apart

    def row(self, step: int, place: np.ndarray) -> tuple[int, float, float]:
        """Step, dice and focal loss at one place."""
        dice, focal = self.losses(place)
        return step, float(dice), float(focal)

    def basins(self) -> np.ndarray:
        """The lowest places, at most three ``(w1, w2)``, of a wide grid: lower than around them."""
        ticks = np.arange(_LOWEST, _HIGHEST + _SPACING / 2, _SPACING, dtype=np.float32)
        grid = _pairs(ticks)
        height = self.loss(grid).reshape(len(ticks), len(ticks))
        walled = np.pad(height, 1, constant_values=np.inf)
        shifts = [(y, x) for y in range(3) for x in range(3)]
        around = [walled[y : y + len(ticks), x : x + len(ticks)] for y, x in shifts]
        low = np.flatnonzero(height == np.min(around, axis=0))
        return grid[low[np.argsort(height.ravel()[low], kind="stable")[:3]]]

    def zoom(self, place: np.ndarray, reach: float, *, rounds: int) -> np.ndarray:
        """Look round a place, go to the best one there, and look nearer: ``(2,)`` to ``(2,)``."""
        around = _pairs(np.linspace(-1, 1, 3, dtype=np.float32))
        for _ in range(rounds):
            places = (place + np.float32(reach) * around).clip(_LOWEST, _HIGHEST)
            place = places[self.loss(places).argmin()]
            reach /= 2
        return place


def _softplus(values: np.ndarray) -> np.ndarray:
    return np.maximum(values, 0) + np.log1p(np.exp(-np.abs(values)))


def _pairs(ticks: np.ndarray) -> np.ndarray:
    """``(n * n, 2)`` all pairs of n numbers, the first changing slowest."""
    return np.stack(np.meshgrid(ticks, ticks, indexing="ij"), axis=-1).reshape(-1, 2)


def _all_three(free: np.ndarray) -> np.ndarray:
    """``(..., 2)`` free weights of masks 2 and 3 to ``(..., 3)`` weights that add up to 1."""
    return np.concatenate([1 - free.sum(-1, keepdims=True), free], axis=-1)


def _weights(free: np.ndarray) -> Weights:
    first, second, third = _all_three(free.astype(np.float64)).tolist()
    return first, second, third
