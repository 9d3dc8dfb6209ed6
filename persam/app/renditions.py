"""Photos and masks at the size of the screen, encoded for the browser and kept for a while."""

from __future__ import annotations

from collections import OrderedDict
from io import BytesIO
from threading import Lock, Semaphore
from typing import TYPE_CHECKING

import numpy as np
from PIL import Image

from persam.io import drawing, writers
from persam.io.images import read_image

if TYPE_CHECKING:
    from collections.abc import Callable, Hashable
    from pathlib import Path

    from persam.app.photos import MediaFile

BUDGET = 48_000_000  # bytes of encoded pictures that are kept
SIDES = (320, 1024, 2048, 4096)  # longest sides that the page may ask for
MASK_SIDE = 1024  # longest side of masks that are drawn on
_AT_ONCE = 2  # photos that are decoded at once: a large one takes hundreds of megabytes


class Renditions:
    """Encoded pictures by file, size and time of change; what was used longest ago goes first."""

    def __init__(self, budget: int = BUDGET) -> None:
        self.budget = budget
        self._kept: OrderedDict[Hashable, bytes] = OrderedDict()
        self._bytes = 0
        self._lock = Lock()
        self._decoding = Semaphore(_AT_ONCE)

    def photo(self, photo: MediaFile, side: int) -> bytes:
        """The photo as JPEG, its longest side at most ``side`` pixels.

        Raises:
            InputError: it cannot be read.
        """
        key = ("photo", photo.path, photo.changed, side)
        return self._get(key, lambda: _photo(photo.path, side))

    def labels(self, path: Path, side: int) -> bytes:
        """A label map as grey PNG whose values are the numbers, shrunk without mixing them.

        Raises:
            OSError: it cannot be read.
        """
        key = ("labels", path, path.stat().st_mtime_ns, side)
        return self._get(key, lambda: label_png(_stored_labels(path), side))

    def _get(self, key: Hashable, make: Callable[[], bytes]) -> bytes:
        with self._lock:
            if key in self._kept:
                self._kept.move_to_end(key)
                return self._kept[key]
        with self._decoding:
            made = make()
        with self._lock:
            if key not in self._kept:
                self._kept[key] = made
                self._bytes += len(made)
            while self._bytes > self.budget and len(self._kept) > 1:
                self._bytes -= len(self._kept.popitem(last=False)[1])
        return made


def label_png(labels: np.ndarray, side: int) -> bytes:
    """``(height, width)`` uint8 label numbers as a grey PNG of at most ``side`` pixels a side."""
    height, width = fitted(labels.shape, side)
    rows = (np.arange(height) + 0.5) * labels.shape[0] / height
    columns = (np.arange(width) + 0.5) * labels.shape[1] / width
    return grey_png(labels[rows.astype(np.intp)][:, columns.astype(np.intp)])


def grey_png(grey: np.ndarray) -> bytes:
    """``(height, width)`` uint8 as PNG, quickly rather than small."""
    buffer = BytesIO()
    Image.fromarray(grey).save(buffer, "PNG", compress_level=1)
    return buffer.getvalue()


def fitted(size: tuple[int, ...], side: int) -> tuple[int, int]:
    """Height and width shrunk so that the longer is at most ``side``.

    Example:
        >>> fitted((3000, 4000), 1024), fitted((300, 400), 1024)
        ((768, 1024), (300, 400))
    """
    scale = min(1.0, side / max(size))
    return max(1, round(size[0] * scale)), max(1, round(size[1] * scale))


def _photo(path: Path, side: int) -> bytes:
    small = drawing.thumbnail(read_image(path), side)
    return writers.jpeg(small, quality=80 if side < MASK_SIDE else 88)


def _stored_labels(path: Path) -> np.ndarray:
    with Image.open(path, formats=["PNG"]) as image:
        return np.array(image)
