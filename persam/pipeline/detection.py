"""Where an object seems to be in a picture: the values between similarity and decoder."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import numpy as np

    from persam.pipeline.presence import Evidence
    from persam.structures import Guidance, Prompts


@dataclass(frozen=True, eq=False)
class Detection:
    """Where an object seems to be in a picture, and what the decoder is asked because of it.

    Attributes:
        similarity: ``(h, w)`` on the matching grid.
        prior: ``(height, width)``, the same in original pixels.
        prompts: points, perhaps a mask.
        guidance: for the first decoder call; None where the variant has none.
        evidence: whether the object is there at all.
    """

    similarity: np.ndarray
    prior: np.ndarray
    prompts: Prompts
    guidance: Guidance | None
    evidence: Evidence

    @property
    def likeness(self) -> float | None:
        """How well all of the object finds its like, -1..1; None without its cells."""
        return self.evidence.likeness

    @property
    def presence(self) -> float | None:
        """Probability that the object is there, 0..1; None without a calibration."""
        return self.evidence.presence
