"""An encoder in three networks, of which the later two are asked when their maps are read."""

from __future__ import annotations

from typing import TYPE_CHECKING

from persam.models.runtime.programs import runner
from persam.structures import LaterMaps

if TYPE_CHECKING:
    from pathlib import Path

    import numpy as np


class StagedEncoder:
    """Runs a converted encoder's parts on the CPU, one picture after the other.

    What objects are compared by and what the decoder draws from are worked out of the same maps: a
    photo without the object needs the former alone, a second look the latter.

    Attributes:
        name: the engine that runs it, one of ``PACKAGES``.
        precision: what it computes in.
    """

    def __init__(
        self, engine: str, shared: Path, matching: Path, masks: Path, precision: str
    ) -> None:
        self.name = engine
        self.precision = precision
        self._shared, self._matching, self._masks = (
            runner(engine, file, precision) for file in (shared, matching, masks)
        )

    def __call__(self, pixels: np.ndarray) -> LaterMaps:
        """``(1, 3, s, s)`` float32 -> a picture's maps."""
        shared = self._shared([pixels])
        return LaterMaps(
            matching=lambda: self._matching(shared)[0],
            decoder=lambda: tuple(self._masks(shared)),
        )
