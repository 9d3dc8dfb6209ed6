"""What flows between the stages: small frozen values that check themselves once, at birth.

Conventions of the whole package: arrays are ``(height, width)``; points are ``(x, y)`` and boxes
``(x0, y0, x1, y1)`` in pixel edges of the upright original picture, so that ``mask[y0:y1, x0:x1]``
is what a box holds and a box of one pixel is legal; a *grid* is the lattice of feature cells that
an encoder gives for its square input.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from collections.abc import Mapping

    import torch

Box = tuple[int, int, int, int]


@dataclass(frozen=True)
class Frame:
    """How one picture lies in the square that a model sees.

    Attributes:
        height, width: size of the upright original, in pixels.
        resized: ``(height, width)`` of the picture inside the square, at its top left corner.
        square: side of the model's input. Families that stretch the picture over the whole
            square have ``resized == (square, square)``; the others leave padding below or right.
    """

    height: int
    width: int
    resized: tuple[int, int]
    square: int

    def __post_init__(self) -> None:
        sides = (self.height, self.width, *self.resized)
        if min(sides) < 1 or max(self.resized) > self.square:
            raise ValueError(
                f"A frame needs sides of at least 1 pixel and a resized picture within its square; "
                f"got {self.height}x{self.width} -> {self.resized} in {self.square}."
            )


@dataclass(frozen=True, eq=False)
class Preprocessed:
    """A picture as a backbone's encoder takes it: resized, normalised, padded; not yet encoded.

    Attributes:
        pixels: ``(1, 3, square, square)`` float32 on the CPU, one for each of the backbone's
            encoders. Only the backbone that laid it reads it.
        frame: how the picture lies in the model's square.
    """

    pixels: tuple[torch.Tensor, ...]
    frame: Frame


@dataclass(frozen=True, eq=False)
class Embedding:
    """One encoded picture: what the decoder draws from and what objects are compared by.

    Attributes:
        features: ``(1, c, h, w)`` float32, the decoder's image features.
        matching: ``(1, d, h', w')`` float32, the features that tell objects apart. The same
            tensor as ``features`` for the SAM families; the pocket model keeps its own.
        frame: how the picture lies in the model's square.
        extras: whatever else the family's decoder wants of the picture (SAM 2's features of
            higher resolution, SAM-HQ's early features). Only the family's own adapter reads it.
    """

    features: torch.Tensor
    matching: torch.Tensor
    frame: Frame
    extras: tuple[torch.Tensor, ...] = ()

    def __post_init__(self) -> None:
        for name, tensor in (("features", self.features), ("matching", self.matching)):
            if tensor.ndim != 4 or tensor.shape[0] != 1:
                raise ValueError(
                    f"An embedding's {name} are (1, channels, h, w); got {tuple(tensor.shape)}."
                )


@dataclass(frozen=True, eq=False)
class Prompts:
    """What the decoder is asked for one picture, in original pixels.

    Attributes:
        points: ``(n, 2)`` ``(x, y)``; n may be 0.
        labels: ``(n,)``, 1 for a point on the object, 0 for one off it.
        box: ``(x0, y0, x1, y1)`` in pixel edges, or None.
        mask: ``(1, m, m)`` low-resolution logits of an earlier step, or None.
    """

    points: np.ndarray = field(default_factory=lambda: np.zeros((0, 2), dtype=np.int64))
    labels: np.ndarray = field(default_factory=lambda: np.zeros((0,), dtype=np.int64))
    box: Box | None = None
    mask: torch.Tensor | None = None

    def __post_init__(self) -> None:
        if self.points.ndim != 2 or self.points.shape[1] != 2:
            raise ValueError(f"Points are (n, 2), each (x, y); got shape {self.points.shape}.")
        if self.labels.shape != self.points.shape[:1]:
            raise ValueError(
                f"One label per point: got {len(self.points)} points, {self.labels.shape} labels."
            )


@dataclass(frozen=True, eq=False)
class Guidance:
    """What PerSAM adds to the first decoder call; either part may be absent.

    Attributes:
        attention: ``(1, 1, 1, h * w)``, added after the softmax of the token-to-image attention.
        target: ``(1, 1, c)``, the target embedding that is added to every decoder token.
        alpha: factor of ``attention``; 1 is the official code's.
    """

    attention: torch.Tensor | None = None
    target: torch.Tensor | None = None
    alpha: float = 1.0


@dataclass(frozen=True, eq=False)
class MaskLogits:
    """What one decoder call answers.

    Attributes:
        logits: ``(k, m, m)`` float32; above 0 is object.
        iou: ``(k,)`` float32, the model's own estimate of each mask's IoU.
    """

    logits: torch.Tensor
    iou: torch.Tensor

    def __post_init__(self) -> None:
        if self.logits.ndim != 3 or self.iou.shape != self.logits.shape[:1]:
            raise ValueError(
                f"Mask logits are (k, m, m) with k scores; got {tuple(self.logits.shape)} "
                f"and {tuple(self.iou.shape)}."
            )

    def best(self) -> int:
        """Index of the mask that the model believes in most."""
        return int(self.iou.argmax())


@dataclass(frozen=True)
class Calibration:
    """Likeness -> the probability that the object is there, where both are as likely beforehand.

    Attributes:
        middle: the likeness at which the object is as likely there as not.
        slope: how fast the log-odds rise from there; above 0.

    Example:
        >>> calibration = Calibration(middle=0.3, slope=40.0)
        >>> calibration.presence(0.3), round(calibration.presence(0.4), 3)
        (0.5, 0.982)
    """

    middle: float
    slope: float

    def __post_init__(self) -> None:
        if not (math.isfinite(self.middle) and math.isfinite(self.slope) and self.slope > 0):
            raise ValueError(
                f"A calibration has a finite middle and a finite slope above 0; got {self}."
            )

    def likeness(self, presence: float) -> float:
        """The likeness at which presence is so much; -1 and 1 for 0 and 1, which it never is."""
        if not 0 < presence < 1:
            return 2.0 * presence - 1
        return self.middle + math.log(presence / (1 - presence)) / self.slope

    def presence(self, likeness: float) -> float:
        """The probability, 0..1."""
        odds = self.slope * (likeness - self.middle)
        # The two forms of one function, each where it cannot overflow.
        if odds >= 0:
            return 1 / (1 + math.exp(-odds))
        return math.exp(odds) / (1 + math.exp(odds))


@dataclass(frozen=True, eq=False)
class Prediction:
    """The object in one picture.

    Attributes:
        mask: ``(height, width)`` bool, at the size of the upright original.
        score: the model's estimate of the mask's IoU, about 0..1 for trained models.
        box: tight box of the mask, ``mask[y0:y1, x0:x1]``; None where the mask is empty. It goes
            back in as ``box=`` unchanged.
        points: ``(n, 2)`` the point prompts that were used, ``(x, y)``.
        labels: ``(n,)``, 1 on the object, 0 off it.
        likeness: how well all of the object finds its like in the picture, -1..1. None where the
            variant keeps no cells of the reference.
        presence: the probability that the object is in the picture, 0..1, where it was as likely
            as not beforehand. None where the concept has no calibration: other models than the
            pocket model with a single reference, or a variant that keeps no cells of it.
        trace: every intermediate stage by name, where it was asked for; else empty.
    """

    mask: np.ndarray
    score: float
    box: Box | None
    points: np.ndarray
    labels: np.ndarray
    likeness: float | None = None
    presence: float | None = None
    trace: Mapping[str, np.ndarray] = field(default_factory=dict)

    def __post_init__(self) -> None:
        if self.mask.ndim != 2 or self.mask.dtype != np.bool_:
            raise ValueError(
                f"A prediction's mask is (height, width) bool; got {self.mask.shape} "
                f"{self.mask.dtype}."
            )

    @property
    def present(self) -> bool:
        """Whether anything of the object was found."""
        return bool(self.mask.any())
