"""Which followed frames a video memory of SAM 2's kind is to keep, where look-alikes are about.

The families keep the latest frames, whatever they show. After the idea of a distractor-aware
memory (DAM4SAM), a frame that is not sure is left out, and a sure one in which the decoder's other
masks point to something else is kept as an anchor beside those that were shown: it says what the
object is not.
"""

from __future__ import annotations

from collections import deque
from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal, cast

import numpy as np
from scipy.ndimage import find_objects, label

if TYPE_CHECKING:
    from collections.abc import Sequence

Place = Literal["left out", "window", "anchor"]


@dataclass(frozen=True)
class MemoryChoice:
    """When a followed frame may be remembered. The numbers were not measured on clips.

    Attributes:
        min_score: the decoder's own estimate of the mask's IoU, 0..1, from which a frame is sure.
        max_change: by which share the area may differ from the usual one in a sure frame.
        max_shared: share of the box round the mask and another one that the mask's own box fills;
            below, the other mask is something else: a look-alike.
        gap: frames from one anchor to the next.
        anchors: how many are kept, the latest.
    """

    min_score: float = 0.8
    max_change: float = 0.5
    max_shared: float = 0.7
    gap: int = 5
    anchors: int = 2


class FrameChooser:
    """Says of one followed frame after the other where it goes; remembers a few areas."""

    def __init__(self, choice: MemoryChoice) -> None:
        self._choice = choice
        self._areas: deque[float] = deque(maxlen=10)
        self._anchor = -choice.gap

    def place(
        self, frame: int, masks: Sequence[np.ndarray], scores: np.ndarray, *, present: bool
    ) -> Place:
        """Where a frame goes.

        Args:
            frame: its number.
            masks: ``(m, m)`` bool, the decoder's answers to one question.
            scores: ``(k,)`` their estimated IoU.
            present: whether the model sees the object.
        """
        best = int(scores.argmax())
        area = float(masks[best].sum())
        usual = float(np.median(self._areas)) if self._areas else area
        steady = abs(area - usual) <= self._choice.max_change * usual
        if area:
            self._areas.append(area)
        if not present or area == 0 or not steady or scores[best] < self._choice.min_score:
            return "left out"
        others = [mask for number, mask in enumerate(masks) if number != best]
        rival = any(shared_box(masks[best], one) < self._choice.max_shared for one in others)
        if not rival or frame - self._anchor < self._choice.gap:
            return "window"
        self._anchor = frame
        return "anchor"


def shared_box(mask: np.ndarray, other: np.ndarray) -> float:
    """Share of the box round both that the mask's own box fills; 1 where the other adds nothing.

    Of the other mask its largest piece outside of the mask counts.

    Example:
        >>> row = np.array([[1, 1, 0, 0]], dtype=bool)
        >>> shared_box(row, row), shared_box(row, row[:, ::-1])
        (1.0, 0.5)
    """
    pieces, count = cast("tuple[np.ndarray, int]", label(other & ~mask))
    if not count or not mask.any():
        return 1.0
    largest = 1 + int(np.bincount(pieces.ravel())[1:].argmax())
    own = _pixels(find_objects(mask.astype(np.uint8))[0])
    both = _pixels(find_objects(((pieces == largest) | mask).astype(np.uint8))[0])
    return own / both


def _pixels(slices: tuple[slice, slice]) -> float:
    down, across = slices
    return float((down.stop - down.start) * (across.stop - across.start))
