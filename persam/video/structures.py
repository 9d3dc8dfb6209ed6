"""What flows through the video stages: one frame of a clip, and what was found in it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from fractions import Fraction

import numpy as np

from persam.structures import Prediction

Answer = Mapping[str, Prediction]


@dataclass(frozen=True, eq=False)
class VideoFrame:
    """One picture of a clip.

    Attributes:
        image: ``(height, width, 3)`` uint8 RGB, upright: the clip's rotation is applied.
        index: 0, 1, 2, ... in the order in which frames are shown.
        pts: when it is shown, in units of ``time_base``; the index for a folder of frames.
        time_base: seconds per unit.
        name: stem for files of this frame: ``"00000"``, or its own file's stem.
    """

    image: np.ndarray
    index: int
    pts: int
    time_base: Fraction
    name: str

    def __post_init__(self) -> None:
        if self.image.ndim != 3 or self.image.shape[2] != 3 or self.image.dtype != np.uint8:
            raise ValueError(
                f"A frame is (height, width, 3) uint8; got {self.image.shape} {self.image.dtype}."
            )
