"""An encoder that was converted for a program other than torch."""

from __future__ import annotations

from typing import TYPE_CHECKING

import torch

from persam.models.runtime import runner

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

    def __call__(self, pixels: torch.Tensor) -> tuple[torch.Tensor, ...]:
        """``(n, 3, s, s)`` -> float32 maps; see :class:`persam.models.runtime.Engine`."""
        rows = [self._run([one]) for one in pixels.split(1)]
        return tuple(torch.cat(maps) for maps in zip(*rows, strict=True))
