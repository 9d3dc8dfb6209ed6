"""Where a clip is cut: a frame that shares hardly any colour with the one before."""

from __future__ import annotations

import numpy as np

_BINS = 8  # of each channel
_STEP = 4  # of four pixels one says enough
_LITTLE = 0.5  # share of colours in common below which a frame may begin another shot
_JUMP = 0.6  # of what neighbouring frames have usually had in common; flashes and fast pans stay


class CutDetector:
    """Compares each frame's colours with those of the frame before."""

    def __init__(self) -> None:
        self._last: np.ndarray | None = None
        self._usual = 1.0

    def is_cut(self, image: np.ndarray) -> bool:
        """Whether a ``(height, width, 3)`` uint8 frame begins another shot; in clip order."""
        histogram, last = colours(image), self._last
        self._last = histogram
        if last is None:
            return False
        common = float(np.minimum(histogram, last).sum())
        cut = common < _LITTLE and common < _JUMP * self._usual
        self._usual = 1.0 if cut else 0.8 * self._usual + 0.2 * common
        return cut


def colours(image: np.ndarray) -> np.ndarray:
    """``(512,)`` share of each colour, eight steps a channel."""
    red, green, blue = np.moveaxis(image[::_STEP, ::_STEP] // (256 // _BINS), 2, 0).astype(np.int64)
    index = ((red * _BINS + green) * _BINS + blue).ravel()
    return np.bincount(index, minlength=_BINS**3) / len(index)
