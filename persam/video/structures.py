"""What flows through the video stages: a clip's format, its frames, and what was found in them."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from fractions import Fraction
from typing import Literal, Protocol

import numpy as np

from persam.prediction import Prediction
from persam.structures import Box
from persam.video.evidence import MaskEvidence, Reason

Event = Literal["", "marked", "lost", "found again"]
_REASONS = 20
UNSPECIFIED = 2  # of ITU-T H.273, for every property of colour


@dataclass(frozen=True, eq=False)
class TrackedPrediction(Prediction):
    """The object in one frame of a clip.

    Attributes:
        doubt: 0..1, how far the mask is from what is usual for the object.
        reason: the weakest sign of a doubtful mask: ``"unlike"`` the object, ``"disagrees"`` with
            the memory of object and background, ``"drifted"`` from the mask before, ``"grown"`` or
            ``"shrunk"``.
        event: ``"marked"`` by a person, ``"lost"`` in this frame, or ``"found again"``.
        evidence: what the doubt comes from; None where nothing was compared.
        region: the part of the frame that it was found in; None for the whole.
        new_shot: whether the clip is cut before this frame.
        presence: how probable it is that the object is in the frame, 0..1; None where there was
            nothing to compare it by.
    """

    doubt: float = 0.0
    reason: Reason = ""
    event: Event = ""
    evidence: MaskEvidence | None = None
    region: Box | None = None
    new_shot: bool = False
    presence: float | None = None


FrameResult = Mapping[str, TrackedPrediction]


def event_of(*, seen: bool, before: bool, now: bool) -> Event:
    """What happens to an object in a frame that nobody has marked.

    Args:
        seen: whether it was there in any earlier frame.
        before: whether it was there in the last one.
        now: whether it is there.

    Example:
        >>> event_of(seen=True, before=False, now=True)
        'found again'
    """
    if before and not now:
        return "lost"
    return "found again" if seen and now and not before else ""


class FrameTracker(Protocol):
    """Finds objects in one frame after the other."""

    def step(self, image: np.ndarray, number: int, marked: Mapping[str, np.ndarray]) -> FrameResult:
        """Find them in the next frame.

        Args:
            image: ``(height, width, 3)`` uint8 RGB, of one size for the whole clip.
            number: of the frame; a later one than the last.
            marked: masks that a person gave for this frame, by object name: they are its answer.
        """
        ...


@dataclass(frozen=True, eq=False)
class VideoFrame:
    """One picture of a clip.

    Attributes:
        image: ``(height, width, 3)`` uint8 RGB, upright: the clip's rotation is applied.
        index: 0, 1, 2, ... in the order in which frames are shown.
        pts: when it is shown, in units of ``time_base``; the index for a folder of frames.
        time_base: seconds per unit.
        name: stem for files of this frame: ``"00000"``, or its own file's stem.

    Example:
        >>> frame = VideoFrame(np.zeros((4, 6, 3), np.uint8), 3, 3, Fraction(1, 25), "00003")
        >>> float(frame.pts * frame.time_base)
        0.12
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


@dataclass(frozen=True)
class ClipFormat:
    """What a file made from a clip must repeat to be shown like it.

    Attributes:
        width, height: of the upright pictures, in pixels.
        time_base: seconds per unit of the frames' times.
        rate: frames per second on average; a guess where the file does not say.
        pixel_aspect: width of a pixel divided by its height, upright.
        primaries, transfer: colour, by the numbers of ITU-T H.273; 2 is unspecified.
        wide: its colours were coded by the matrix of BT.2020.
    """

    width: int
    height: int
    time_base: Fraction
    rate: Fraction
    pixel_aspect: Fraction = Fraction(1)
    primaries: int = UNSPECIFIED
    transfer: int = UNSPECIFIED
    wide: bool = False


@dataclass
class Damage:
    """What went wrong while a clip was read; counted as it happens.

    Attributes:
        lost: frames that could not be decoded and are missing from what was read.
        concealed: frames that were read, but of which FFmpeg had to make up a part.
        retimed: frames without a usable time, which were placed behind the frame before.
        reasons: why frames of a folder are missing, in words; of the first few.
    """

    lost: int = 0
    concealed: int = 0
    retimed: int = 0
    reasons: list[str] = field(default_factory=list)

    def lose(self, reason: str) -> None:
        """Count a missing frame."""
        self.lost += 1
        if len(self.reasons) < _REASONS:
            self.reasons.append(reason)

    def reset(self) -> None:
        """Begin to count anew."""
        self.lost = self.concealed = self.retimed = 0
        self.reasons.clear()


@dataclass(frozen=True)
class Start:
    """Where a reading begins.

    Attributes:
        index: number of the frame.
        pts: its time in the clip's units, by which it is found.
    """

    index: int
    pts: int
