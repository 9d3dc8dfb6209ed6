"""An encoder that was converted for a program other than torch."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from persam.models.runtime.programs import runner

if TYPE_CHECKING:
    from pathlib import Path


class ConvertedEncoder:
    """Runs a converted encoder on the CPU, one picture after the other.

    Together they would be no quicker, but take the memory of all at once.

    Attributes:
        name: the engine that runs it, one of ``PACKAGES``.
        precision: what it computes in.
    """

    def __init__(self, engine: str, file: Path, precision: str) -> None:
        self.name = engine
        self.precision = precision
        self._run = runner(engine, file, precision)

    def __call__(self, pixels: np.ndarray) -> tuple[np.ndarray, ...]:
        """``(n, 3, s, s)`` -> float32 maps; see :class:`persam.models.runtime.choice.Engine`."""
        rows = [self._run([pixels[n : n + 1]]) for n in range(len(pixels))]
        return tuple(np.concatenate(maps) for maps in zip(*rows, strict=True))
