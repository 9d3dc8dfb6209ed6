"""Is the object in the picture at all? Likeness, and what likeness says about it.

A location prior says where an object would be, not whether it is there: its largest value may be
one lucky cell. Likeness asks every cell of the object for its nearest cell in the picture, and a
calibration turns it into a probability. A dozen other signs (the decoder's own score, the prior's
peak, the found mask's cells back to the object, ...) were measured beside it and added nothing:
``benchmarks/many.md``.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from statistics import fmean
from typing import TYPE_CHECKING

import torch
import torch.nn.functional as F

from persam import geometry

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from persam.structures import Frame
    from persam.views import Known, View

_SURE = math.log(0.95 / 0.05)  # log-odds of the probability 0.95


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

    def presence(self, likeness: float) -> float:
        """The probability, 0..1."""
        odds = self.slope * (likeness - self.middle)
        # The two forms of one function, each where it cannot overflow.
        if odds >= 0:
            return 1 / (1 + math.exp(-odds))
        return math.exp(odds) / (1 + math.exp(odds))


def picture_vectors(features: torch.Tensor, frame: Frame) -> torch.Tensor:
    """``(m, d)`` unit vectors of a picture's cells; padding has none.

    Args:
        features: ``(d, h, w)``.
        frame: where the picture lies in the model's square.
    """
    rows, columns = geometry.picture_cells(frame, features.shape[1:])
    return F.normalize(features[:, :rows, :columns], dim=0).flatten(1).T


def likeness(vectors: torch.Tensor, foregrounds: Sequence[torch.Tensor]) -> float:
    """How well the whole object finds its like in a picture.

    Args:
        vectors: ``(m, d)`` unit vectors of the picture's cells, at least one.
        foregrounds: ``(n, d)`` unit vectors of the object's cells in each view, at least one view.

    Returns:
        Mean over a view's cells of the cosine to the nearest cell, of the view that is most like
        the picture; -1..1.
    """
    return max(float((cells @ vectors.T).amax(dim=1).mean()) for cells in foregrounds)


def calibrate(views: Sequence[View], own: Calibration | None) -> Calibration | None:
    """What likeness means for an object, as far as its references and the model tell.

    Args:
        views: of the object.
        own: the model's calibration, measured on many objects; it stands where there is one.

    Returns:
        None where a view keeps no cells. The model's own; else one from the references themselves,
        where there are at least two: every reference is looked for by the others, once in its whole
        picture (it is there) and once in its background alone (it is not). The middle lies halfway
        between; the two means get the probabilities 0.95 and 0.05. None where the references find
        each other's background no worse than the object.
    """
    if not all(len(view.foreground) > 0 for view in views):
        return None
    if own is not None:
        return own
    pairs = list(_found_by_the_others(views))
    if not pairs:
        return None
    there, away = (fmean(side) for side in zip(*pairs, strict=True))
    if there <= away:
        return None
    return Calibration(middle=(there + away) / 2, slope=2 * _SURE / (there - away))


def _found_by_the_others(views: Sequence[View]) -> Iterator[tuple[float, float]]:
    """For each view its likeness to the others, with the object and without it."""
    for number, view in enumerate(views):
        others = [other.foreground for other in (*views[:number], *views[number + 1 :])]
        if others and len(view.background) > 0:
            picture = torch.cat([view.foreground, view.background])
            yield likeness(picture, others), likeness(view.background, others)


def judge(features: torch.Tensor, frame: Frame, known: Known, calibration: Calibration) -> float:
    """The probability that an object is in a picture, 0..1.

    A picture that is more like a rival counts as less like the object by as much.

    Args:
        features: ``(d, h, w)`` matching features of the picture.
        frame: where the picture lies in the model's square; padding is like nothing.
        known: of the object, with its cells.
        calibration: of likeness.
    """
    vectors = picture_vectors(features, frame)
    found = likeness(vectors, known.foregrounds)
    if known.rivals:
        found -= max(0.0, likeness(vectors, known.rivals) - found)
    return calibration.presence(found)
