"""Weights on their way -> how well they do on real photos, for the log."""

from __future__ import annotations

from typing import TYPE_CHECKING

import torch

from persam.evaluation import datasets
from persam.evaluation.benchmark import evaluate_perseg
from persam.methods.persam import personalize
from persam.models.pocket.backbone import load_pocket

if TYPE_CHECKING:
    from pathlib import Path

LOOK_EVERY = 400


class Watch:
    """A folder in PerSeg's layout that the weights are tried on, with PerSAM."""

    def __init__(self, folder: Path) -> None:
        self._data = datasets.perseg(folder)

    def due(self, step: int, *, last: bool) -> bool:
        """Whether to look after this step."""
        return last or step % LOOK_EVERY == 0

    def look(self, weights: Path, device: torch.device) -> dict[str, float]:
        """Evaluate a weights file.

        Returns:
            ``real_miou`` and ``real_point_hit``, each 0..1.
        """
        backbone = load_pocket(weights, device=device)
        report = evaluate_perseg(personalize, backbone, self._data)
        figures = {"real_miou": report.miou, "real_point_hit": report.point_hit}
        return {name: round(value, 4) for name, value in figures.items() if value is not None}
