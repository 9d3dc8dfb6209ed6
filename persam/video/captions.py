"""What an overlay says of its objects in words: lost, found again, doubtful."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
from PIL import Image, ImageDraw, ImageFont

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from persam.video.record import FrameObject

_HELD = 12  # frames that "found again" stays, as one frame cannot be read
_LINES = 24  # of text that a frame's height has room for
_SMALLEST = 10  # pixels


class Captions:
    """Follows a clip's record, frame by frame, and says what a viewer is to know."""

    def __init__(self) -> None:
        self._seen: set[str] = set()
        self._held: dict[str, int] = {}

    def lines(self, objects: Mapping[str, FrameObject]) -> list[str]:
        """What is to be said of the next frame; a line an object, none for those that are as usual.

        Args:
            objects: by name, as the run's record has them.
        """
        said = {name: self._of(name, entry) for name, entry in objects.items()}
        return [f"{name}: {words}" for name, words in said.items() if words]

    def _of(self, name: str, entry: FrameObject) -> str:
        if not entry.present:
            return "lost" if name in self._seen else ""
        self._seen.add(name)
        left = _HELD if entry.event == "found again" else self._held.get(name, 0)
        self._held[name] = left - 1
        doubt = f"doubtful, {entry.reason}" if entry.reason else ""
        return "; ".join(filter(None, ("found again" if left > 0 else "", doubt)))


def captioned(image: np.ndarray, lines: Sequence[str]) -> np.ndarray:
    """Write lines at the top left of a ``(height, width, 3)`` uint8 picture, white on black."""
    if not lines:
        return image
    canvas = Image.fromarray(image)
    pen = ImageDraw.Draw(canvas)
    size = max(_SMALLEST, image.shape[0] // _LINES)
    font, text = ImageFont.load_default(size), "\n".join(lines)
    corner = (size // 2, size // 2)
    pen.rectangle(pen.multiline_textbbox(corner, text, font=font), fill=(0, 0, 0))
    pen.multiline_text(corner, text, font=font, fill=(255, 255, 255))
    return np.array(canvas)
