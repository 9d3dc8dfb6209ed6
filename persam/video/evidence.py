"""What speaks for and against a mask that was found in a frame, and how much it is doubted.

Each sign is a share of what is usual for the object, 1 being as always. The weakest one decides: a
mask that has run over onto a wall may be as like the object as ever, and is still wrong.
"""

from __future__ import annotations

from dataclasses import dataclass, fields, replace
from typing import Literal

import numpy as np

Reason = Literal["", "unlike", "disagrees", "drifted", "grown", "shrunk", "cut"]
_SLOWLY = 0.1  # share of the newest sure frame in what is usual
_AREAS = 3  # frames whose median area is the usual one
SURE = 0.35  # doubt below which a frame may be remembered
# Of a constant, unlike, disagrees and drifted; fitted by benchmarks/video_presence.py to frames
# with the object and frames of which it was taken away.
PRESENCE_WEIGHTS = (-2.13, 2.22, 1.65, 1.52)
SPILL = 0.5  # doubt from which a mask is not followed into the next frame


@dataclass(frozen=True)
class MaskEvidence:
    """Signs of one mask.

    Attributes:
        likeness: of the object as it was marked to the mask's own cells, -1..1.
        agreement: of the mask with what the memory says of every cell, 0..1.
        backward: of the mask before with what this mask says of it, 0..1.
        area: pixels.
    """

    likeness: float
    agreement: float
    backward: float
    area: float


@dataclass(frozen=True)
class Usual:
    """What is usual for an object: running values over its sure frames.

    Attributes:
        likeness, agreement, backward: see :class:`MaskEvidence`; None before the first frame.
        areas: of the latest sure frames.
    """

    likeness: float | None = None
    agreement: float | None = None
    backward: float | None = None
    areas: tuple[float, ...] = ()

    @property
    def area(self) -> float | None:
        """Median area of the latest sure frames, in pixels."""
        return float(np.median(self.areas)) if self.areas else None

    def drifting(self, evidence: MaskEvidence) -> Usual:
        """The same with one more frame that is not sure: looks and size may really change."""
        areas = (*self.areas, evidence.area)[-_AREAS:]
        return replace(self, likeness=_mixed(self.likeness, evidence.likeness), areas=areas)

    def after(self, evidence: MaskEvidence) -> Usual:
        """The same with one more sure frame."""
        return Usual(
            _mixed(self.likeness, evidence.likeness),
            _mixed(self.agreement, evidence.agreement),
            _mixed(self.backward, evidence.backward),
            (*self.areas, evidence.area)[-_AREAS:],
        )


@dataclass(frozen=True)
class Signs:
    """Shares of what is usual, 0..1 each; see :func:`signs`."""

    unlike: float
    disagrees: float
    drifted: float
    grown: float
    shrunk: float

    @property
    def doubt(self) -> float:
        """0 where all is as usual, 1 where one sign says that this cannot be the object."""
        return round(1 - min(getattr(self, field.name) for field in fields(self)), 6)

    @property
    def reason(self) -> Reason:
        """The weakest sign; none where the mask is not doubted."""
        if self.doubt < SURE:
            return ""
        found: Reason = min(
            ("unlike", "disagrees", "drifted", "grown", "shrunk"),
            key=lambda name: getattr(self, name),
        )
        return found


def presence_by(found: Signs) -> float:
    """How probable it is that the object is in a frame, 0..1, by the signs of what was found there.

    Example:
        >>> presence_by(Signs(1, 1, 1, 1, 1)) > 0.9 > 0.5 > presence_by(Signs(0, 0, 0, 1, 1))
        True
    """
    values = (1.0, found.unlike, found.disagrees, found.drifted)
    logit = sum(weight * value for weight, value in zip(PRESENCE_WEIGHTS, values, strict=True))
    return round(float(1 / (1 + np.exp(-logit))), 6)


def signs(evidence: MaskEvidence, usual: Usual) -> Signs:
    """Compare a mask's evidence with what is usual for its object.

    Example:
        >>> usual = Usual(0.8, 0.6, 0.6, (1000.0,))
        >>> signs(MaskEvidence(0.8, 0.6, 0.6, 3000.0), usual).reason
        'grown'
    """
    growth = 1.0 if usual.area is None else max(evidence.area, 1.0) / max(usual.area, 1.0)
    return Signs(
        unlike=_share(evidence.likeness, usual.likeness, zero=0.0),
        disagrees=_share(evidence.agreement, usual.agreement, zero=0.25),
        drifted=_share(evidence.backward, usual.backward, zero=0.0),
        grown=min(1.0, 1 / growth),
        shrunk=min(1.0, growth),
    )


def _share(value: float, usual: float | None, zero: float) -> float:
    """1 at the usual value and above, 0 at so small a share of it as ``zero``."""
    if usual is None or usual <= 0:
        return 1.0
    return float(np.clip((value / usual - zero) / (1 - zero), 0.0, 1.0))


def _mixed(usual: float | None, value: float) -> float:
    return value if usual is None else usual + _SLOWLY * (value - usual)
