"""What the rows of bench.py share: models, photos, and how persam is set against the plain loop."""

from __future__ import annotations

import shutil
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import shapes
from plain import PlainModel

import persam
from persam.evaluation.datasets import Dataset, Subject
from persam.models.base import Backbone

PLAIN = {"engine": "torch", "precision": "fp32"}


@dataclass(frozen=True)
class Setting:
    """What is measured, and on what.

    Attributes:
        data: in PerSeg's layout; the first subject is the one that is looked for.
        folder: for models, masks and albums; emptied by whoever made it.
        rounds: of every comparison.
        photos: in a round; None for as many as suit the model.
        quick: tiny models and few steps: does everything run? Its numbers mean nothing.
    """

    data: Dataset
    folder: Path
    rounds: int = 3
    photos: int | None = None
    quick: bool = False

    @property
    def subject(self) -> Subject:
        """The object that is looked for."""
        return self.data.subjects[0]

    def named(self, model: str) -> str | Path:
        """What persam.load takes for ``"pocket"`` or a shape; a tiny one in quick runs."""
        if model == "pocket":
            return model
        return shapes.write("vit-tiny" if self.quick else model, self.folder / "models")

    def ours(self, model: str) -> Any:
        """The model as persam runs it where nobody says how."""
        return persam.load(self.named(model))

    def plain(self, model: str) -> PlainModel:
        """The model as the scripts run it."""
        return PlainModel(self.exact(model))

    def exact(self, model: str) -> Any:
        """The model in torch and float32: what persam's masks must agree with."""
        return persam.load(self.named(model), **PLAIN)

    def album(self, count: int, photos: Sequence[Path], name: str) -> list[Path]:
        """A folder of ``count`` photos, each a copy of one of ``photos``, in turn."""
        folder = self.folder / name
        folder.mkdir(parents=True, exist_ok=True)
        made = []
        for number in range(count):
            source = photos[number % len(photos)]
            made.append(folder / f"{number:04d}{source.suffix}")
            shutil.copyfile(source, made[-1])
        return made

    def own_photos(self, count: int, name: str) -> list[Path]:
        """A folder of photos that all show the object."""
        return self.album(count, [photo.image for photo in self.subject.targets], name)


def describe(backbone: Backbone) -> dict[str, str]:
    """Engine and precision that ran."""
    return {"engine": backbone.engine, "precision": backbone.precision}
