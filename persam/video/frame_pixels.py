"""From a decoded frame to upright RGB pixels."""

from __future__ import annotations

from typing import Any

import numpy as np

from persam.io.images import on_white
from persam.video.structures import UNSPECIFIED

# With several threads, FFmpeg 8's conversion from RGB to 10 bits now and then writes eight wrong
# pixels where the slices of two threads meet.
ONE_THREAD = 1
# Where a file does not say how its colours were coded, players go by the height of the picture.
_HIGH_DEFINITION = 720


def rgb(frame: Any, scaler: Any) -> np.ndarray:
    """``(H, W, 3)`` uint8, full range, transparent parts white."""
    kind = frame.format
    said = int(frame.colorspace) != UNSPECIFIED
    guess = "ITU709" if frame.height >= _HIGH_DEFINITION else "ITU601"
    space = None if kind.is_rgb or said else guess
    if kind.has_palette or any(part.is_alpha for part in kind.components):
        return on_white(_array(frame, scaler, "rgba", space))
    return _array(frame, scaler, "rgb24", space)


def _array(frame: Any, scaler: Any, kind: str, space: str | None) -> np.ndarray:
    converted = scaler.reformat(
        frame, format=kind, src_colorspace=space, dst_color_range="JPEG", threads=ONE_THREAD
    )
    return converted.to_ndarray()


def _matrix(frame: Any) -> tuple[int, int, int, int]:
    """Where x and y of a stored pixel go: ``x' = a x + c y``, ``y' = b x + d y``, as a, b, c, d."""
    data = frame.side_data.get("DISPLAYMATRIX")
    if data is None:
        return 1, 0, 0, 1
    a, b, _, c, d = np.frombuffer(data, dtype=np.int32)[:5].tolist()
    return a, b, c, d


def transposed(frame: Any) -> bool:
    """Whether a frame is to be turned by a quarter, so that its width becomes its height."""
    a, b, _, _ = _matrix(frame)
    return abs(b) > abs(a)


def upright(image: np.ndarray, frame: Any) -> np.ndarray:
    """Turn and mirror a picture by its frame's display matrix, to the nearest quarter turn."""
    a, b, c, d = _matrix(frame)
    if transposed(frame):
        image, (along_x, along_y) = image.transpose(1, 0, 2), (c, b)
    else:
        along_x, along_y = a, d
    image = image[:, ::-1] if along_x < 0 else image
    image = image[::-1] if along_y < 0 else image
    return np.ascontiguousarray(image)
